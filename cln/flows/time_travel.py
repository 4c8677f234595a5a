"""Move the sandbox clock and live through what falls due in between."""

from __future__ import annotations

from datetime import datetime

from cln import clock
from cln.accounts.models import Account
from cln.flows import timeline


def travel_to(instant: datetime) -> int:
    """Move the clock forward to `instant`, doing all due work on the way; returns the stops made.

    Each piece of work is done at the instant at which it falls due. Refuses with ClockError in
    production and for an instant that is past; nothing is done then. Only a sandbox that nobody
    lives in yet may begin in the past.
    """
    present = clock.now()
    if instant < present:
        if Account.objects.exists():
            raise clock.ClockError(
                f"The clock stands at {present:%Y-%m-%d %H:%M:%S} UTC and does not go back to "
                f"{instant:%Y-%m-%d %H:%M:%S}: people live here. "
                "Begin a new sandbox with another CLN_DATA_DIR."
            )
        clock.move_to(instant)
        return 0
    return timeline.run_until(instant, since=present, move_clock=_reach)


def _reach(instant: datetime) -> None:
    """Move the clock unless it runs past `instant` by itself, while work is done or just now."""
    if clock.now() >= instant:
        return
    try:
        clock.move_to(instant)
    except clock.ClockError:
        if clock.now() < instant:
            raise
