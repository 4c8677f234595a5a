"""Taking servers off: the seat and the key's count are freed in the same transaction.

The verbs join the caller's transaction; whoever holds a `Pool` has locked its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import ClassVar

from django.db.models import F

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.domain.words import counted
from cln.enums import ServerStatus
from cln.licensing import included
from cln.licensing.access import LICENSING, Pool, get_server, lock_pool
from cln.licensing.events import servers_removed
from cln.licensing.models import ActivationKey, Entitlement, Server

BY_A_PERSON = "removed by "
"""How the reason of a removal begins that somebody asked for; it can be undone."""


class ServerGone(Refusal):
    """The server was removed or replaced before."""

    code: ClassVar[str] = "server_removed"


def remove_server(
    *, account_id: int, server: str, why: str, now: datetime, actor: str = LICENSING
) -> Server:
    """Remove one server of the account by its public id; its seat is free at once.

    Joins. Refuses `unknown_server` (absent or foreign) and `server_removed` (not running).
    """
    row, pool = _locked(account_id=account_id, server=server)
    if row.status != ServerStatus.ACTIVE:
        raise ServerGone("This server has been removed before.", "Register it again to use it.")
    remove([row], pool=pool, why=why, now=now)
    record(
        account_id=account_id,
        actor=actor,
        verb="server_removed",
        subject=row.public_id,
        details={"why": why, "hostname": row.hostname},
        now=now,
    )
    row.refresh_from_db(fields=["status", "removed_at", "removed_why", "alert_after"])
    return row


def remove_servers(
    *, account_id: int, servers: Collection[str], why: str, now: datetime, actor: str
) -> tuple[Server, ...]:
    """Remove many servers of the account by public id; which of them were running, and went.

    Joins. Foreign and absent ids are left out, so are servers that went before: the answer says it.
    """
    types = (
        Server.objects.filter(account=account_id, public_id__in=servers)
        .values_list("license_type_id", flat=True)
        .distinct()
    )
    gone: list[Server] = []
    for license_type_id in sorted(types):
        pool = lock_pool(account_id=account_id, license_type_id=license_type_id)
        rows = list(
            Server.objects.filter(
                account=account_id,
                public_id__in=servers,
                license_type=license_type_id,
                status=ServerStatus.ACTIVE,
            ).select_related("license_type__product")
        )
        remove(rows, pool=pool, why=why, now=now)
        gone += rows
    for row in gone:
        record(
            account_id=account_id,
            actor=actor,
            verb="server_removed",
            subject=row.public_id,
            details={"why": why, "hostname": row.hostname},
            now=now,
        )
    return tuple(gone)


def remove_all(pool: Pool, *, why: str, now: datetime) -> int:
    """Remove every server of the pool; how many."""
    return remove(_running(pool), pool=pool, why=why, now=now)


def remove_beyond(pool: Pool, *, quantity: int, now: datetime) -> int:
    """Remove the newest registrations above `quantity` seats; how many."""
    seated = sorted(
        (server for server in _running(pool) if server.takes_seat),
        key=lambda server: (server.registered_at, server.pk),
    )
    left = counted(quantity, "license is", "licenses are")
    why = f"Only {left} left; the newest registrations gave way"
    return remove(seated[quantity:], pool=pool, why=why, now=now)


def remove(servers: Iterable[Server], *, pool: Pool, why: str, now: datetime) -> int:
    """Remove running servers of a locked pool and free what they used; how many.

    Where one of them carried an included license, that license is settled anew (S3).
    """
    gone = list(servers)
    if not gone:
        return 0
    Server.objects.filter(pk__in=[server.pk for server in gone]).update(
        status=ServerStatus.REMOVED, removed_at=now, removed_why=why[:120], alert_after=None
    )
    free_seats(gone, pool=pool)
    servers_removed(gone, why=why, now=now)
    if gone[0].license_type.product.code == included.INCLUDED_WITH:
        included.settle(account_id=gone[0].account_id, machines=gone, now=now)
    return len(gone)


def free_seats(servers: Iterable[Server], *, pool: Pool) -> None:
    """Count the seats of these servers back, on their keys and on the entitlement."""
    seated = [server for server in servers if server.takes_seat]
    per_key = Counter(server.key_id for server in seated if server.key_id is not None)
    for key_id, count in per_key.items():
        ActivationKey.objects.filter(pk=key_id).update(used=F("used") - count)
    if pool.entitlement is not None and seated:
        Entitlement.objects.filter(pk=pool.entitlement.pk).update(used=F("used") - len(seated))


def _locked(*, account_id: int, server: str) -> tuple[Server, Pool]:
    """The server as it is under the lock of its pool, whatever moved it just before."""
    seen = get_server(account_id=account_id, public_id=server)
    pool = lock_pool(account_id=account_id, license_type_id=seen.license_type_id)
    row = get_server(account_id=account_id, public_id=server)
    if row.license_type_id != seen.license_type_id:
        pool = lock_pool(account_id=account_id, license_type_id=row.license_type_id)
    return row, pool


def _running(pool: Pool) -> list[Server]:
    if pool.entitlement is None:
        return []
    return list(
        Server.objects.filter(
            account=pool.entitlement.account_id,
            license_type=pool.entitlement.license_type_id,
            status=ServerStatus.ACTIVE,
            by_address=False,  # those do not live by the entitlement
        ).select_related("license_type__product")
    )
