"""The table of overdue states (P6, P7, P8, R7)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.dunning import DunningAction, DunningFacts, DunningState, Step, next_step
from cln.domain.rules import Rules
from tests.domain.make import day

RULES = Rules()
DUE = day("2026-01-31")
CURRENT, PAST_DUE = DunningState.CURRENT, DunningState.PAST_DUE
BLOCKED, SUSPENDED, ENDED = DunningState.BLOCKED, DunningState.SUSPENDED, DunningState.ENDED


def on_day(number: int) -> date:
    """A day counted from the due date."""
    return DUE + timedelta(days=number)


def run(state: DunningState, until: date, *, worker_up_from: date = DUE) -> list[tuple[int, str]]:
    """What a worker does that runs every day from some day on: (day, state or action)."""
    log: list[tuple[int, str]] = []
    blocked_on: date | None = None
    today = worker_up_from
    next_on: date | None = today
    while today <= until:
        while next_on is not None and next_on <= today:
            step = next_step(state, DunningFacts(DUE, blocked_on), today, RULES)
            if DunningAction.BLOCK in step.actions:
                blocked_on = today
            if step.state is not state:
                log.append(((today - DUE).days, str(step.state)))
            state, next_on = step.state, step.next_on
        today += timedelta(days=1)
    return log


def test_an_unpaid_invoice_goes_through_every_state_on_its_day_p7() -> None:
    """P6, P7."""
    assert run(CURRENT, on_day(200)) == [
        (1, "past_due"),
        (30, "blocked"),
        (37, "suspended"),
        (90, "ended"),
    ]


def test_a_worker_that_was_down_still_gives_seven_days_of_warning_p7() -> None:
    """P7: down until day 100, the servers lose their license on day 107, not at once."""
    assert run(CURRENT, on_day(200), worker_up_from=on_day(100)) == [
        (100, "past_due"),
        (100, "blocked"),
        (107, "suspended"),
        (107, "ended"),
    ]


@pytest.mark.parametrize(
    ("state", "number", "step"),
    [
        (CURRENT, 0, Step(CURRENT, (), on_day(1))),
        (CURRENT, 1, Step(PAST_DUE, (), on_day(30))),
        (PAST_DUE, 29, Step(PAST_DUE, (), on_day(30))),
        (PAST_DUE, 30, Step(BLOCKED, (DunningAction.BLOCK,), on_day(37))),
        (BLOCKED, 36, Step(BLOCKED, (), on_day(37))),
        (BLOCKED, 37, Step(SUSPENDED, (DunningAction.SUSPEND,), on_day(90))),
        (SUSPENDED, 89, Step(SUSPENDED, (), on_day(90))),
        (SUSPENDED, 90, Step(ENDED, (DunningAction.END,))),
        (ENDED, 91, Step(ENDED)),
    ],
)
def test_each_step_is_taken_on_its_day_and_not_before_p7(
    state: DunningState, number: int, step: Step
) -> None:
    """P6, P7."""
    facts = DunningFacts(DUE, blocked_on=on_day(30))

    assert next_step(state, facts, on_day(number), RULES) == step


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        (CURRENT, ()),
        (PAST_DUE, ()),
        (BLOCKED, (DunningAction.UNBLOCK,)),
        (SUSPENDED, (DunningAction.UNBLOCK, DunningAction.RESTORE)),
        (ENDED, (DunningAction.UNBLOCK, DunningAction.RESTORE)),
    ],
)
def test_paying_the_last_overdue_invoice_leads_back_to_current_p8(
    state: DunningState, actions: tuple[DunningAction, ...]
) -> None:
    """P8: at once, and from every state; what has ended does not come back."""
    step = next_step(state, DunningFacts(None, on_day(30)), on_day(95), RULES)

    assert step == Step(CURRENT, actions, None)


def test_an_invoice_that_is_due_but_not_overdue_does_not_keep_an_account_blocked_p8() -> None:
    """P8, P6: the overdue one is paid, today's is due today."""
    step = next_step(BLOCKED, DunningFacts(on_day(40), on_day(30)), on_day(40), RULES)

    assert step == Step(CURRENT, (DunningAction.UNBLOCK,), on_day(41))


def test_a_younger_overdue_invoice_keeps_the_account_blocked_p8() -> None:
    """P8: only the last one unblocks."""
    step = next_step(BLOCKED, DunningFacts(on_day(20), on_day(30)), on_day(31), RULES)

    assert step == Step(BLOCKED, (), on_day(37))


def test_block_and_pay_on_the_same_day_leaves_no_block_p8() -> None:
    """P7, P8."""
    block = next_step(PAST_DUE, DunningFacts(DUE), on_day(30), RULES)

    paid = next_step(block.state, DunningFacts(None, on_day(30)), on_day(30), RULES)

    assert paid == Step(CURRENT, (DunningAction.UNBLOCK,))


def test_day_counts_are_settings_p7() -> None:
    """P7, P2."""
    rules = Rules(block_after_days=3, suspend_after_block_days=1, end_after_days=5)

    assert next_step(PAST_DUE, DunningFacts(DUE), on_day(3), rules).next_on == on_day(4)
    assert next_step(BLOCKED, DunningFacts(DUE, on_day(3)), on_day(4), rules).next_on == on_day(5)


def test_a_blocked_account_without_its_day_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="since when"):
        next_step(BLOCKED, DunningFacts(DUE), on_day(31), RULES)


@given(state=st.sampled_from(DunningState), number=st.integers(1, 400), blocked=st.integers(0, 400))
def test_a_step_never_goes_back_while_money_is_overdue_and_never_skips_a_state_p7(
    state: DunningState, number: int, blocked: int
) -> None:
    """P7."""
    order = list(DunningState)
    facts = DunningFacts(DUE, on_day(blocked))

    step = next_step(state, facts, on_day(number), RULES)

    assert order.index(step.state) - order.index(state) in (0, 1)
    assert (step.state is state) == (step.actions == () and step.state is not PAST_DUE) or (
        step.state is PAST_DUE and step.actions == ()
    )
    if step.state is state and step.next_on is not None:
        assert step.next_on > on_day(number)
