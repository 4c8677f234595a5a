"""Move the sandbox clock and live through what falls due in between."""

from __future__ import annotations

from datetime import datetime

from cln import clock
from cln.flows import timeline


def travel_to(instant: datetime) -> int:
    """Move the clock forward to `instant`, doing all due work on the way; returns the stops made.

    Each piece of work is done at the instant at which it falls due. Refuses with ClockError in
    production and for an instant that is past; nothing is done then.
    """
    present = clock.now()
    if instant < present:
        clock.move_to(instant)  # the refusal; a clock that was never moved may begin in the past
        return 0
    return timeline.run_until(instant, since=present, move_clock=_reach)


def _reach(instant: datetime) -> None:
    """Move the clock unless it has run past `instant` by itself while the work was done."""
    if instant > clock.now():
        clock.move_to(instant)
