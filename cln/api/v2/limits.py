"""How often programs may call, per account, and where they stand."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.http import HttpResponse

from cln import rates
from cln.rates import Allowance, Rate

SECONDS: Final = 60


def count_account(account_id: int) -> Rate:
    """Count a call of an account, whatever token it came with."""
    return rates.count(f"account:{account_id}", Allowance(settings.CLN_API_RATE, SECONDS))


def show(response: HttpResponse, rate: Rate) -> None:
    """Tell the caller where it stands."""
    response["RateLimit-Limit"] = str(rate.most)
    response["RateLimit-Remaining"] = str(rate.left)
    response["RateLimit-Reset"] = str(rate.reset_seconds)
    if rate.wait_seconds and response.status_code == 429:
        response["Retry-After"] = str(rate.wait_seconds)
