"""Overdue accounts: a table of states, one step at a time (P6-P8, R7).

The caller loops while a step's `next_on` is due. Suspension counts from the day the account was
really blocked: a worker that was down for a month still gives the seven days' warning.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from cln.domain.collection import (
    Decline,
    DeclineCode,
    explain_decline,
    next_attempt_on,
    next_reminder_on,
    reminder_due,
)
from cln.domain.rules import Rules

__all__ = [
    "Decline",
    "DeclineCode",
    "DunningAction",
    "DunningFacts",
    "DunningState",
    "Step",
    "explain_decline",
    "next_attempt_on",
    "next_reminder_on",
    "next_step",
    "reminder_due",
]


class DunningState(StrEnum):
    """How far asking for overdue money has come."""

    CURRENT = "current"
    PAST_DUE = "past_due"
    BLOCKED = "blocked"
    SUSPENDED = "suspended"
    ENDED = "ended"


class DunningAction(StrEnum):
    """What a step does to the account."""

    BLOCK = "block"
    SUSPEND = "suspend"
    END = "end"
    UNBLOCK = "unblock"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class DunningFacts:
    """`oldest_due_on`: due date of the oldest unpaid invoice, or the day a reseller's balance
    went below zero (R7); None when nothing is owed. `blocked_on`: the day of the real block.
    """

    oldest_due_on: date | None
    blocked_on: date | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The state to be in now, what to do on entering it, and when to look again (None: never)."""

    state: DunningState
    actions: tuple[DunningAction, ...] = ()
    next_on: date | None = None


def next_step(state: DunningState, facts: DunningFacts, on: date, rules: Rules) -> Step:
    """One transition, or none; `on` is today. A block is dated `on`: later `blocked_on` is that."""
    due_on = facts.oldest_due_on
    if due_on is None or on <= due_on:
        next_on = None if due_on is None else _after(due_on, 1)
        return Step(DunningState.CURRENT, _LEAVING[state], next_on)
    match state:
        case DunningState.CURRENT:
            return Step(DunningState.PAST_DUE, (), _after(due_on, rules.block_after_days))
        case DunningState.PAST_DUE:
            return _past_due(due_on, on, rules)
        case DunningState.BLOCKED:
            assert facts.blocked_on is not None, "a blocked account knows since when"
            return _blocked(due_on, facts.blocked_on, on, rules)
        case DunningState.SUSPENDED:
            return _suspended(due_on, on, rules)
        case _:
            return Step(DunningState.ENDED)


# What paying the last overdue invoice gives back (P8). Ended subscriptions do not come back, but
# the account may buy again, and what it buys must not be suspended.
_LEAVING: dict[DunningState, tuple[DunningAction, ...]] = {
    DunningState.CURRENT: (),
    DunningState.PAST_DUE: (),
    DunningState.BLOCKED: (DunningAction.UNBLOCK,),
    DunningState.SUSPENDED: (DunningAction.UNBLOCK, DunningAction.RESTORE),
    DunningState.ENDED: (DunningAction.UNBLOCK, DunningAction.RESTORE),
}


def _past_due(due_on: date, on: date, rules: Rules) -> Step:
    block_on = _after(due_on, rules.block_after_days)
    if on < block_on:
        return Step(DunningState.PAST_DUE, (), block_on)
    suspend_on = _after(on, rules.suspend_after_block_days)
    return Step(DunningState.BLOCKED, (DunningAction.BLOCK,), suspend_on)


def _blocked(due_on: date, blocked_on: date, on: date, rules: Rules) -> Step:
    suspend_on = _after(blocked_on, rules.suspend_after_block_days)
    if on < suspend_on:
        return Step(DunningState.BLOCKED, (), suspend_on)
    end_on = _after(due_on, rules.end_after_days)
    return Step(DunningState.SUSPENDED, (DunningAction.SUSPEND,), end_on)


def _suspended(due_on: date, on: date, rules: Rules) -> Step:
    end_on = _after(due_on, rules.end_after_days)
    if on < end_on:
        return Step(DunningState.SUSPENDED, (), end_on)
    return Step(DunningState.ENDED, (DunningAction.END,))


def _after(day: date, days: int) -> date:
    return day + timedelta(days=days)
