"""How an owner wants his servers watched: how often each is expected, and when silence is excused.

A change of the rules has its servers looked at anew by the next scan: what they were due by before
may be too late now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.db import transaction
from django.db.models import QuerySet

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.licensing.access import get_server
from cln.licensing.groups import get_group
from cln.licensing.models import MaintenanceWindow, Server
from cln.licensing.registration import plain_text

PERIOD_LEAST: Final = timedelta(minutes=15)
PERIOD_MOST: Final = timedelta(days=31)
GRACE_MOST: Final = timedelta(days=31)
WINDOW_MOST: Final = timedelta(days=31)
WINDOWS_MOST: Final = 50


class BadPeriod(Refusal):
    """A server is expected every 15 minutes to 31 days, and excused for 31 days at most."""

    code: ClassVar[str] = "bad_period"


class BadWindow(Refusal):
    """A maintenance window ends after it begins, in the future, within 31 days; a group has 50."""

    code: ClassVar[str] = "bad_window"


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A maintenance window of a group; half-open."""

    id: int
    starts_at: datetime
    ends_at: datetime
    note: str


def set_period(
    *, account_id: int, server: str, period: timedelta | None, actor: str, now: datetime
) -> None:
    """Say how often a server (by public id) is expected; None = every 24 hours.

    Refuses `unknown_server`, `bad_period`.
    """
    if period is not None and not PERIOD_LEAST <= period <= PERIOD_MOST:
        raise BadPeriod(
            "A server can be expected every 15 minutes at most, every 31 days at least."
        )
    with transaction.atomic():
        row = get_server(account_id=account_id, public_id=server)
        _look_anew(Server.objects.filter(pk=row.pk), now=now, period=period)
        record(
            account_id=account_id,
            actor=actor,
            verb="server_period_set",
            subject=row.public_id,
            details={"minutes": [_minutes(row.period), _minutes(period)]},
            now=now,
        )


def set_grace(
    *, account_id: int, group: str, grace: timedelta | None, actor: str, now: datetime
) -> None:
    """Say how long the servers of a group are excused when overdue; None = one hour.

    Refuses `unknown_group`, `bad_period`.
    """
    if grace is not None and not timedelta() <= grace <= GRACE_MOST:
        raise BadPeriod("Servers can be excused for 31 days at most.")
    with transaction.atomic():
        row = get_group(account_id=account_id, name=group)
        was, row.grace = row.grace, grace
        row.save(update_fields=["grace"])
        _look_anew(Server.objects.filter(group=row), now=now)
        record(
            account_id=account_id,
            actor=actor,
            verb="group_grace_set",
            subject=row.name,
            details={"minutes": [_minutes(was), _minutes(grace)]},
            now=now,
        )


def add_window(
    *,
    account_id: int,
    group: str,
    starts_at: datetime,
    ends_at: datetime,
    note: str = "",
    actor: str,
    now: datetime,
) -> WindowRow:
    """Plan a maintenance of a group: silence in it is not told, and after it there is the grace.

    Refuses `unknown_group`, `bad_window`.
    """
    if not (starts_at < ends_at and now < ends_at and ends_at - starts_at <= WINDOW_MOST):
        raise BadWindow(
            "A maintenance window ends after it begins, in the future, and lasts 31 days at most."
        )
    with transaction.atomic():
        row = get_group(account_id=account_id, name=group)
        if row.windows.filter(ends_at__gt=now).count() >= WINDOWS_MOST:
            raise BadWindow(
                f"A group has {WINDOWS_MOST} maintenance windows at most.", "Remove one first."
            )
        window = MaintenanceWindow.objects.create(
            group=row, starts_at=starts_at, ends_at=ends_at, note=plain_text(note, 100)
        )
        _record_window(account_id, row.name, "maintenance_planned", window, actor=actor, now=now)
    return _row(window)


def remove_window(*, account_id: int, group: str, window: int, actor: str, now: datetime) -> None:
    """Cancel a maintenance of a group. Refuses `unknown_group`, `bad_window` (none such)."""
    with transaction.atomic():
        row = get_group(account_id=account_id, name=group)
        found = row.windows.filter(pk=window).first()
        if found is None:
            raise BadWindow("There is no such maintenance window.", "Look at the list again.")
        _record_window(account_id, row.name, "maintenance_cancelled", found, actor=actor, now=now)
        found.delete()
        _look_anew(Server.objects.filter(group=row), now=now)


def windows_of(*, account_id: int, group: str, now: datetime) -> Sequence[WindowRow]:
    """The windows of a group that are not over. Refuses `unknown_group`."""
    row = get_group(account_id=account_id, name=group)
    rows = row.windows.filter(ends_at__gt=now).order_by("starts_at", "pk")
    return tuple(map(_row, rows))


def _look_anew(servers: QuerySet[Server], *, now: datetime, **changes: object) -> None:
    """Servers that are watched and not told yet; the next scan knows when they are due."""
    if changes:
        servers.update(**changes)
    servers.filter(alert_after__gt=now, alerted_at=None).update(alert_after=now)


def _row(window: MaintenanceWindow) -> WindowRow:
    return WindowRow(window.pk, window.starts_at, window.ends_at, window.note)


def _minutes(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(minutes=1)


def _record_window(
    account_id: int,
    group: str,
    verb: str,
    window: MaintenanceWindow,
    *,
    actor: str,
    now: datetime,
) -> None:
    record(
        account_id=account_id,
        actor=actor,
        verb=verb,
        subject=group,
        details={"from": window.starts_at.isoformat(), "until": window.ends_at.isoformat()},
        now=now,
    )
