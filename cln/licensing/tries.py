"""Failed tries at the doors of agents, counted per address: guessing must not be cheap.

An address is a /32, or a /64 of IPv6. Only failures cost a write; a door that is not in trouble
costs one read.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network

from django.db import connection

from cln.domain.addresses import BadAddress, canonical_address
from cln.licensing.models import FailedTries

TRIES = 30
WINDOW = timedelta(minutes=10)


def wait_seconds(address: str, *, now: datetime) -> int:
    """For how many seconds an address must wait before its next try; 0: not at all."""
    row = FailedTries.objects.filter(
        network=_network(address), since__gt=now - WINDOW, since__lte=now, count__gte=TRIES
    ).first()
    return 0 if row is None else max(1, int((row.since + WINDOW - now).total_seconds()) + 1)


def count_failure(address: str, *, now: datetime) -> None:
    """Count one failure, in one statement; a window that has ended begins anew."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO licensing_failedtries AS known (network, since, count)
            VALUES (%(network)s, %(now)s, 1)
            ON CONFLICT (network) DO UPDATE SET
                since = CASE WHEN known.since > %(open)s AND known.since <= %(now)s
                        THEN known.since ELSE %(now)s END,
                count = CASE WHEN known.since > %(open)s AND known.since <= %(now)s
                        THEN known.count + 1 ELSE 1 END
            """,
            {"network": _network(address), "now": now, "open": now - WINDOW},
        )


def forget_old(*, now: datetime) -> int:
    """Drop windows that have ended; how many."""
    return FailedTries.objects.exclude(since__gt=now - WINDOW, since__lte=now).delete()[0]


def _network(address: str) -> str:
    try:
        at = ip_address(canonical_address(address))
    except BadAddress:
        return "unknown"
    if isinstance(at, IPv4Address):
        return str(at)
    return str(ip_network((at, 64), strict=False))
