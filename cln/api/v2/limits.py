"""How often programs may call: per account, and per address of those who have proven nothing."""

from __future__ import annotations

from typing import ClassVar, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from cln import rates
from cln.domain.errors import Refusal
from cln.rates import Allowance, Rate
from cln.web import client_address

SECONDS: Final = 60


class TooManyRequests(Refusal):
    """More calls in a minute than are allowed."""

    code: ClassVar[str] = "too_many_requests"


def count_account(account_id: int) -> Rate:
    """Count a call of an account, whatever token it came with."""
    return rates.count(f"account:{account_id}", Allowance(settings.CLN_API_RATE, SECONDS))


def count_stranger(request: HttpRequest) -> Rate:
    """Count a call that proved nothing: a budget per IPv4 address or IPv6 /64 (security §5)."""
    network = rates.network_of(client_address(request))
    return rates.count(f"address:{network}", Allowance(settings.CLN_API_STRANGERS_RATE, SECONDS))


def check(rate: Rate) -> None:
    """Refuse `too_many_requests` where nothing is left."""
    if rate.wait_seconds:
        raise TooManyRequests(
            f"More than {rate.most} calls in a minute.",
            f"Wait {rate.wait_seconds} seconds, and spread the calls.",
        )


def show(response: HttpResponse, rate: Rate) -> None:
    """Tell the caller where it stands."""
    response["RateLimit-Limit"] = str(rate.most)
    response["RateLimit-Remaining"] = str(rate.left)
    response["RateLimit-Reset"] = str(rate.reset_seconds)
    if rate.wait_seconds and response.status_code == 429:
        response["Retry-After"] = str(rate.wait_seconds)
