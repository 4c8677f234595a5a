"""Servers that fall silent: who is due, what is decided of each, and what its owner is told.

`alert_after` is never later than the instant at which its server counts as silent, so nothing is
missed; and mostly earlier, because check-ins leave it behind. `move_on` catches up in one statement
for all that were heard meanwhile; what remains is looked at one by one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet

from cln.domain.silence import (
    GRACE,
    PERIOD,
    Cause,
    Pause,
    Silence,
    Watched,
    likely_cause,
    look,
)
from cln.enums import ServerStatus
from cln.licensing import systems
from cln.licensing.models import MaintenanceWindow, Outage, Server, System, Watch
from cln.licensing.standing import heard_at, patience_with

CHUNK: Final = 5_000
LOOK_AGAIN: Final = timedelta(minutes=10)
DIGEST_EVERY: Final = timedelta(hours=1)
TOGETHER: Final = timedelta(hours=4)
"""Agents check in about so often: what falls together goes silent within one round of them."""

_MOVE_ON: Final = """
UPDATE licensing_server SET alert_after = heard.silent_from, alert_waits = FALSE FROM (
    SELECT s.id, COALESCE(s.last_check_in_at, s.registered_at)
        + COALESCE(s.period, %(period)s) + COALESCE(g.grace, %(grace)s) AS silent_from
    FROM licensing_server s LEFT JOIN licensing_servergroup g ON g.id = s.group_id
    WHERE s.alert_after <= %(now)s AND s.alerted_at IS NULL AND s.status = 'active'
        AND COALESCE(s.last_check_in_at, s.registered_at)
            + COALESCE(s.period, %(period)s) + COALESCE(g.grace, %(grace)s) > %(now)s
    ORDER BY s.alert_after LIMIT %(chunk)s
    FOR NO KEY UPDATE OF s SKIP LOCKED
) AS heard WHERE licensing_server.id = heard.id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentServer:
    """A server as its alert names it. `last_check_in_at` None = never since its registration."""

    system_id: str
    name: str
    address: str
    product: str
    speaks_rhn: bool
    last_check_in_at: datetime | None
    cause: Cause


@dataclass(frozen=True, slots=True)
class Digest:
    """What an account is to be told: servers that fell silent, and servers that are back."""

    silent: tuple[SilentServer, ...] = ()
    back: tuple[SilentServer, ...] = ()


def move_on(*, now: datetime) -> int:
    """Catch up with the check-ins: the due columns of all servers that were heard; how many."""
    values: dict[str, Any] = {"period": PERIOD, "grace": GRACE, "now": now, "chunk": CHUNK}
    moved, last = 0, CHUNK
    with connection.cursor() as cursor:
        while last == CHUNK:
            cursor.execute(_MOVE_ON, values)
            last = int(cursor.rowcount)
            moved += last
    return moved


def due_accounts(*, now: datetime) -> list[int]:
    """Accounts with servers to be looked at, or told to be back, in order."""
    due = _running().filter(Q(alert_after__lte=now) | Q(recovery_after__lte=now))
    return sorted(set(due.values_list("account_id", flat=True)))


def hold_alerts(*, now: datetime) -> int:
    """Look again in ten minutes at all that would be told now; how many."""
    later, due = now + LOOK_AGAIN, _running()
    due.filter(recovery_after__lte=now).update(recovery_after=later)
    return due.filter(alert_after__lte=now).update(alert_after=later, alert_waits=True)


def take_due(*, account_id: int, told_products: Collection[str], now: datetime) -> Digest:
    """Flip what is due in an account, each server exactly once, and say what to tell its owner.

    Joins. Servers of other products are flipped, too, but not told. Where the owner was written to
    within the hour, everything waits for the end of that hour: one digest, not a mail per server.
    """
    Watch.objects.bulk_create([Watch(account_id=account_id)], ignore_conflicts=True)
    watch = Watch.objects.select_for_update().get(account=account_id)
    mine = _running().filter(account=account_id)
    if watch.mailed_at is not None and now < (free_at := watch.mailed_at + DIGEST_EVERY):
        mine.filter(alert_after__lte=now).update(alert_after=free_at, alert_waits=True)
        mine.filter(recovery_after__lte=now).update(recovery_after=free_at)
        return Digest()
    silent = _flip(_locked(mine.filter(alert_after__lte=now)), told_products, now=now)
    back = _locked(mine.filter(recovery_after__lte=now))
    Server.objects.filter(pk__in=[server.pk for server in back]).update(recovery_after=None)
    heard = [server for server in back if server.license_type.product.code in told_products]
    digest = Digest(_named(silent, mine), _named(heard, mine))
    if digest.silent or digest.back:
        Watch.objects.filter(pk=watch.pk).update(mailed_at=now)
    return digest


def _flip(rows: Sequence[Server], told_products: Collection[str], *, now: datetime) -> list[Server]:
    """Move on or flip each of these locked servers; those whose owner is to be told."""
    pauses = _pauses(rows)
    tell = []
    for row in rows:
        seen = look(
            Watched(
                heard_at=heard_at(row),
                patience=patience_with(row),
                pauses=(*pauses[None], *pauses[row.group_id]) if row.group_id else pauses[None],
                told=row.alerts_sent,
            ),
            now=now,
        )
        row.alert_after, row.alert_waits = seen.again_at, not seen.tell
        if not seen.tell:
            continue
        row.alerted_at = row.alerted_at or now
        if row.license_type.product.code in told_products:
            row.alerts_sent += 1
            tell.append(row)
        else:
            row.alert_after = None
    changed = ["alert_after", "alert_waits", "alerted_at", "alerts_sent"]
    Server.objects.bulk_update(rows, changed, batch_size=1000)
    return tell


def _pauses(rows: Sequence[Server]) -> Mapping[int | None, tuple[Pause, ...]]:
    """Our own outages (None) and the windows of the servers' groups, as far as they matter."""
    found: dict[int | None, tuple[Pause, ...]] = defaultdict(tuple)
    if not rows:
        return found
    first = min(map(heard_at, rows))
    outages = Outage.objects.filter(ended_at__gt=first).values_list("began_at", "ended_at")
    found[None] = tuple(Pause(*times) for times in outages)
    windows = MaintenanceWindow.objects.filter(
        group__in={row.group_id for row in rows if row.group_id}, ends_at__gt=first
    )
    for group, *times in windows.values_list("group_id", "starts_at", "ends_at"):
        found[group] += (Pause(*times),)
    return found


def _named(rows: Sequence[Server], mine: QuerySet[Server]) -> tuple[SilentServer, ...]:
    """The servers with what the mail says of them, by name."""
    if not rows:
        return ()
    rhn = set(System.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
    newest = dict(mine.order_by("registered_at").values_list("hostname", "registered_at"))
    running = mine.count()
    together = sorted(map(heard_at, rows))
    return tuple(
        SilentServer(
            system_id=str(systems.FIRST_NUMBER + row.pk) if row.pk in rhn else row.public_id,
            name=row.hostname or row.address,
            address=row.address,
            product=row.license_type.product.code,
            speaks_rhn=row.pk in rhn,
            last_check_in_at=row.last_check_in_at,
            cause=likely_cause(
                Silence(
                    was_heard=row.last_check_in_at is not None,
                    has_newer_twin=newest.get(row.hostname, heard_at(row)) > heard_at(row),
                    neighbours=_near(heard_at(row), together),
                    of=running,
                )
            ),
        )
        for row in sorted(rows, key=lambda row: (row.hostname, row.address))
    )


def _near(at: datetime, others: Sequence[datetime]) -> int:
    """How many others were heard last at about the same time, one round of check-ins apart."""
    return bisect_right(others, at + TOGETHER) - bisect_left(others, at - TOGETHER) - 1


def _locked(rows: QuerySet[Server]) -> list[Server]:
    """What another scanner holds is his; no two ever tell the same."""
    locked = rows.select_for_update(of=("self",), no_key=True, skip_locked=True)
    return list(locked.select_related("license_type__product", "group").order_by("pk"))


def _running() -> QuerySet[Server]:
    return Server.objects.filter(status=ServerStatus.ACTIVE)
