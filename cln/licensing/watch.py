"""The scanner's own memory: was it there, were we there, and does it trust what it sees?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Sum

from cln.licensing.check_ins import tally_bucket
from cln.licensing.models import CheckInTally, MaintenanceWindow, Outage, Watch

COMPARED: Final = timedelta(minutes=30)
"""How much of the present is compared with the same time a day before."""
HISTORY_KEPT: Final = timedelta(days=90)
TALLIES_KEPT: Final = timedelta(days=8)
ABSENCE: Final = timedelta(seconds=90)
"""The scanner runs every minute; when it did not for so long, we were down."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A time in which we ourselves could not take check-ins."""

    began_at: datetime
    ended_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class WatchRow:
    """What the scanner remembers; `scanned_at` is of the system's clock."""

    scanned_at: datetime | None
    held_since: datetime | None
    incidents: tuple[Incident, ...]


def watch_row(*, most: int) -> WatchRow:
    """How the scanner stands, and our latest outages, the newest first."""
    scanner = Watch.objects.filter(account=None).first() or Watch()
    outages = Outage.objects.order_by("-ended_at")[:most]
    return WatchRow(
        scanner.scanned_at,
        scanner.held_since,
        tuple(Incident(one.began_at, one.ended_at, one.why) for one in outages),
    )


def note_presence(*, now: datetime, system_now: datetime, database_up_since: datetime) -> None:
    """Write down that the scanner runs, and as an outage the time in which it did not.

    Also where the database was started since: it may have been away between two scans. `now` is of
    the clock that people see; the other two are the system's, so a travel in time is no absence.
    """
    scanner = _scanner()
    last = scanner.scanned_at
    Watch.objects.filter(pk=scanner.pk).update(scanned_at=system_now)
    if last is None or last >= system_now:
        return
    if system_now - last > ABSENCE or database_up_since > last:
        note_outage(began_at=now - (system_now - last), ended_at=now, why="CLN was down")
    if last.date() != system_now.date():
        CheckInTally.objects.filter(at__lt=now - TALLIES_KEPT).delete()
        Outage.objects.filter(ended_at__lt=now - HISTORY_KEPT).delete()
        MaintenanceWindow.objects.filter(ends_at__lt=now - HISTORY_KEPT).delete()


def note_outage(*, began_at: datetime, ended_at: datetime, why: str) -> None:
    """Write down a time in which we could not take check-ins: no silence counts for it."""
    if began_at < ended_at:
        Outage.objects.create(began_at=began_at, ended_at=ended_at, why=why)


def database_up_since() -> datetime:
    """Since when the database server runs, by its own clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_postmaster_start_time()")
        started: datetime = cursor.fetchone()[0]
    return started


def check_ins_compared(*, now: datetime) -> tuple[int, int]:
    """How many check-ins the last half hour had, and the same half hour a day before."""
    return _tallied(now), _tallied(now - timedelta(days=1))


def hold(*, now: datetime) -> datetime | None:
    """Hold alerts from now on; None where they were held before."""
    begun = Watch.objects.filter(pk=_scanner().pk, held_since=None).update(held_since=now)
    return now if begun else None


def release() -> datetime | None:
    """Let alerts go again; since when they were held, None where they were not."""
    scanner = _scanner()
    held = Watch.objects.filter(pk=scanner.pk, held_since__isnull=False).update(held_since=None)
    return scanner.held_since if held else None


def _scanner() -> Watch:
    scanner, _ = Watch.objects.get_or_create(account=None)
    return scanner


def _tallied(until: datetime) -> int:
    end = tally_bucket(until)
    tallies = CheckInTally.objects.filter(at__gte=end - COMPARED, at__lt=end)
    return tallies.aggregate(sum=Sum("count"))["sum"] or 0
