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


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is known of a server whose due column has come. `told` counts alerts of this silence."""

    heard_at: datetime
    patience: Patience = Patience()
    pauses: tuple[Pause, ...] = ()
    told: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What the scanner does: tell the owner or not, and when it looks again (None = no more)."""

    tell: bool
    again_at: datetime | None


def look(watched: Watched, *, now: datetime) -> Look:
    """Decide on one server: not yet silent, newly silent, or silent for so long as to remind."""
    due = silent_from(watched.heard_at, watched.patience, watched.pauses)
    if now < due:
        return Look(tell=False, again_at=due)
    if watched.told > len(REMINDERS):
        return Look(tell=False, again_at=None)
    left = REMINDERS[watched.told :]
    return Look(tell=True, again_at=now + left[0] if left else None)


FLEET_THAT_COUNTS: Final = 50
"""Below so many check-ins before, a drop is chance: ten servers of one rack are the owner's."""


def suspects_ourselves(*, recent: int, before: int) -> bool:
    """Whether check-ins fell by 30 % against the same time before: then it is us, not them."""
    return before >= FLEET_THAT_COUNTS and recent * 10 <= before * 7


class Cause(StrEnum):
    """What is most likely behind a silence, the most certain first."""

    NEVER_HEARD = "never_heard"
    REPLACED = "replaced"
    TOGETHER = "together"
    ALONE = "alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """`neighbours`: other servers of the owner that fell silent with it, `of` all he runs."""

    was_heard: bool
    has_newer_twin: bool
    neighbours: int
    of: int


def likely_cause(silence: Silence) -> Cause:
    """Guess why a server is silent; the mail says it as a guess."""
    if not silence.was_heard:
        return Cause.NEVER_HEARD
    if silence.has_newer_twin:
        return Cause.REPLACED
    if silence.neighbours >= 2 and silence.neighbours * 2 >= silence.of:
        return Cause.TOGETHER
    return Cause.ALONE
