"""Rate limits that all processes count together, in one statement on an unlogged table.

The algorithm is GCRA: a row holds the instant at which the subject's calls so far would have been
spread out evenly. It forms no windows at whose edge twice as much goes through, and the clock is
the database's, so hosts with wrong clocks agree, and a sandbox that travels in time lets nobody
go faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from django.db import connection

_AHEAD = "spread_until - extract(epoch FROM clock_timestamp())"
_COUNT: Final = f"""
INSERT INTO api_rate AS r (subject, spread_until)
VALUES (%(subject)s, extract(epoch FROM clock_timestamp()) + %(each)s)
ON CONFLICT (subject) DO UPDATE
SET spread_until = greatest(r.spread_until, extract(epoch FROM clock_timestamp())) + %(each)s
WHERE greatest(r.{_AHEAD}, 0) + %(each)s <= %(seconds)s + 0.000001
RETURNING {_AHEAD}
"""
_STANDING: Final = f"SELECT {_AHEAD} FROM api_rate WHERE subject = %s"


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many calls in so many seconds: all at once, or evenly spread."""

    most: int
    seconds: int

    @property
    def each(self) -> float:
        """How many seconds bring one call back."""
        return self.seconds / self.most


@dataclass(frozen=True, slots=True)
class Rate:
    """Where a subject stands: calls allowed, calls left now, seconds until all are back.

    `wait_seconds`: until the next call is allowed; 0 where this one was.
    """

    most: int
    left: int
    reset_seconds: int
    wait_seconds: int = 0


def count(subject: str, allowance: Allowance) -> Rate:
    """Count a call, if it is allowed."""
    each, seconds = allowance.each, allowance.seconds
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"subject": subject, "each": each, "seconds": seconds})
        row = cursor.fetchone()
    if row is None:
        return standing(subject, allowance)
    ahead = float(row[0])
    left = max(0, math.floor((seconds - ahead) / each + 1e-6))
    return Rate(allowance.most, left, math.ceil(ahead))


def standing(subject: str, allowance: Allowance) -> Rate:
    """Where a subject stands before its next call, which is not counted."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, [subject])
        row = cursor.fetchone()
    ahead = max(0.0, float(row[0])) if row else 0.0
    left = max(0, math.floor((allowance.seconds - ahead) / allowance.each + 1e-6))
    wait = 0 if left else max(1, math.ceil(ahead + allowance.each - allowance.seconds))
    return Rate(allowance.most, left, math.ceil(ahead), wait)


def forget_idle(*, seconds: float) -> int:
    """Drop the rows of subjects that have been quiet for so long; how many."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM api_rate WHERE {_AHEAD} < %s", [-seconds])
        dropped: int = cursor.rowcount
    return dropped


def network_of(address: str) -> str:
    """What of an address is counted together: one IPv4 address, or a /64 of IPv6."""
    try:
        parsed = ip_address(address.strip())
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
