"""Rate limits that all processes count together, in one statement on an unlogged table.

The algorithm is GCRA: a row holds the instant at which the subject's calls so far would have been
spread out evenly. It forms no windows at whose edge twice as much goes through, and the clock is
the database's, so hosts with wrong clocks agree too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import ClassVar, Final

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse

from cln.domain.errors import Refusal
from cln.web import client_address

SECONDS: Final = 60
_COUNT = """
INSERT INTO api_rate AS r (subject, spread_until)
VALUES (%(subject)s, extract(epoch FROM clock_timestamp()) + %(each)s)
ON CONFLICT (subject) DO UPDATE
SET spread_until = greatest(r.spread_until, extract(epoch FROM clock_timestamp())) + %(each)s
WHERE greatest(r.spread_until - extract(epoch FROM clock_timestamp()), 0) + %(each)s
      <= %(seconds)s + 0.000001
RETURNING spread_until - extract(epoch FROM clock_timestamp())
"""
_WAIT = """
SELECT spread_until - extract(epoch FROM clock_timestamp()) FROM api_rate WHERE subject = %s
"""


class TooManyRequests(Refusal):
    """More calls in a minute than are allowed."""

    code: ClassVar[str] = "too_many_requests"


@dataclass(frozen=True, slots=True)
class Rate:
    """Where a subject stands: calls a minute, calls left now, seconds until all are back."""

    most: int
    left: int
    reset_seconds: int
    wait_seconds: int = 0


def count_account(account_id: int) -> Rate:
    """Count a call of an account, whatever token it came with."""
    return _count(f"account:{account_id}", settings.CLN_API_RATE)


def count_stranger(request: HttpRequest) -> Rate:
    """Count a call that proved nothing: a budget per IPv4 address or IPv6 /64 (security §5)."""
    return _count(f"address:{_network(client_address(request))}", settings.CLN_API_STRANGERS_RATE)


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


def _count(subject: str, most: int) -> Rate:
    each = SECONDS / most
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"subject": subject, "each": each, "seconds": SECONDS})
        row = cursor.fetchone()
        if row is None:
            cursor.execute(_WAIT, [subject])
            row = cursor.fetchone()
            ahead = float(row[0]) if row else 0.0
            wait = max(1, math.ceil(ahead + each - SECONDS))
            return Rate(most, 0, math.ceil(max(ahead, 0)), wait)
    ahead = float(row[0])
    return Rate(most, max(0, math.floor((SECONDS - ahead) / each + 1e-6)), math.ceil(ahead))


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
