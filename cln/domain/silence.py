"""When does a server count as silent? Pure decisions; the scanner and the pages ask them.

A server that was heard at 12:00 is expected within its period (24 h) and excused for a grace (1 h)
more: it is *up* until 12:00 the next day, then *late*, and *silent* from 13:00 on. Time in which
nobody could expect it, a maintenance window of its group or an outage of our own, does not count;
and after such a pause there is always the whole grace to come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

PERIOD: Final = timedelta(hours=24)
GRACE: Final = timedelta(hours=1)
REMINDERS: Final = (timedelta(days=7), timedelta(days=30))
"""After an alert the owner is reminded so much later each time, then never again."""


class Standing(StrEnum):
    """What lists show of a server that is registered."""

    UP = "up"
    LATE = "late"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a server is expected, and for how long it is excused after that."""

    period: timedelta = PERIOD
    grace: timedelta = GRACE


@dataclass(frozen=True, slots=True, order=True)
class Pause:
    """A time in which silence means nothing; half-open."""

    starts_at: datetime
    ends_at: datetime


def silent_from(
    heard_at: datetime, patience: Patience = Patience(), pauses: Iterable[Pause] = ()
) -> datetime:
    """The instant at which a server that was heard last at `heard_at` begins to count as silent."""
    due = heard_at + patience.period + patience.grace
    counted_to = heard_at
    for pause in sorted(pauses):
        begins = max(pause.starts_at, counted_to)
        if begins >= pause.ends_at or begins > due:
            continue
        due = max(due + (pause.ends_at - begins), pause.ends_at + patience.grace)
        counted_to = pause.ends_at
    return due


def standing(heard_at: datetime, patience: Patience, *, now: datetime) -> Standing:
    """Up, late or silent, by the clock alone: pauses only delay alerts."""
    overdue = now - heard_at - patience.period
    if overdue < timedelta():
        return Standing.UP
    return Standing.LATE if overdue < patience.grace else Standing.SILENT
