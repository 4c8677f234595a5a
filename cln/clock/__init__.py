"""The only clock: no other module asks what time it is.

In production `now()` is the system's time. In sandbox mode it is the system's time plus an offset
that people move forward (`cln clock advance 31d`); the offset is a row in the database, so that
every web process and worker of the sandbox agrees.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from django.conf import settings
from django.db import connection, transaction


class ClockError(Exception):
    """The sandbox clock was asked for what it does not do; the message is a sentence."""


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    if settings.CLN_MODE != "sandbox":
        return system_now()
    with connection.cursor() as cursor:
        # Asked by every page and verb: a query set would take longer than the answer.
        cursor.execute('SELECT "offset" FROM sandbox_clock WHERE id = 1')
        moved = cursor.fetchone()
    return system_now() + moved[0] if moved is not None else system_now()


def system_now() -> datetime:
    """Return the system's own time, aware, in UTC: for measuring, not for business."""
    return datetime.now(UTC)


def start_of_day(day: date) -> datetime:
    """Return 00:00 UTC of a billing date: the instant at which what is due that day is done."""
    return datetime.combine(day, time.min, UTC)


@transaction.atomic
def move_to(instant: datetime) -> datetime:
    """Set the sandbox clock to `instant` (aware) and return the new present.

    A clock that was never moved may be set to any instant, so that a fresh sandbox or a test can
    begin in the past; afterwards it only goes forward. Refuses with ClockError outside sandbox
    mode and for an instant before the present one. Moving the clock does no work that falls due
    in between: `cln.flows.time_travel` does that.
    """
    if settings.CLN_MODE != "sandbox":
        raise ClockError("The clock can be moved in sandbox mode only.")
    from cln.clock.models import SandboxClock

    offset = instant - system_now()
    clock, is_new = SandboxClock.objects.select_for_update().get_or_create(
        pk=1, defaults={"offset": offset}
    )
    if not is_new:
        present = system_now() + clock.offset
        if instant < present:
            raise ClockError(
                f"The clock stands at {present:%Y-%m-%d %H:%M:%S} UTC and does not go back to "
                f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC."
            )
        clock.offset = offset
        clock.save(update_fields=["offset"])
    return instant.astimezone(UTC)
