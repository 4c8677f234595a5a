"""Retries, reminders and declines in plain words (P2, P6)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.dunning import (
    DeclineCode,
    explain_decline,
    next_attempt_on,
    next_reminder_on,
    reminder_due,
)
from cln.domain.rules import Rules
from tests.domain.make import day

RULES = Rules()
ISSUED = day("2026-01-31")


def on_day(number: int | None) -> date | None:
    """A day counted from the issue."""
    return None if number is None else ISSUED + timedelta(days=number)


@pytest.mark.parametrize(
    ("tried", "next_try"), [(None, 0), (0, 3), (3, 7), (5, 7), (7, 14), (14, None), (20, None)]
)
def test_attempts_are_made_on_days_0_3_7_and_14_p2(tried: int | None, next_try: int | None) -> None:
    """P2: a late one is not made up for."""
    assert next_attempt_on(ISSUED, on_day(tried), False, RULES) == on_day(next_try)


@pytest.mark.parametrize("tried", [None, 0, 3])
def test_a_hard_decline_stops_the_attempts_p2(tried: int | None) -> None:
    """P2."""
    assert next_attempt_on(ISSUED, on_day(tried), True, RULES) is None


@pytest.mark.parametrize(
    ("reminded", "today", "reminder"),
    [
        (None, 6, None),
        (None, 7, 7),
        (7, 13, None),
        (7, 14, 14),
        (None, 25, 21),
        (25, 27, None),
        (25, 28, 28),
        (28, 100, None),
    ],
)
def test_the_newest_due_reminder_is_sent_once_p6(
    reminded: int | None, today: int, reminder: int | None
) -> None:
    """P6: no burst after an outage."""
    on = ISSUED + timedelta(days=today)

    assert reminder_due(ISSUED, on_day(reminded), on, RULES) == reminder


@pytest.mark.parametrize(("reminded", "following"), [(None, 7), (7, 14), (25, 28), (28, None)])
def test_the_next_reminder_is_the_first_planned_after_the_latest_p6(
    reminded: int | None, following: int | None
) -> None:
    """P6."""
    assert next_reminder_on(ISSUED, on_day(reminded), RULES) == on_day(following)


@given(st.lists(st.integers(1, 10), max_size=60))
def test_a_worker_of_any_rhythm_sends_at_most_four_reminders_and_tries_four_times_p2_p6(
    gaps: list[int],
) -> None:
    """P2, P6."""
    today, reminded, tried = ISSUED, None, None
    reminders, attempts = [], 0
    for gap in gaps:
        due = reminder_due(ISSUED, reminded, today, RULES)
        if due is not None:
            reminders.append(due)
            reminded = today
        attempt_on = next_attempt_on(ISSUED, tried, False, RULES)
        if attempt_on is not None and attempt_on <= today:
            attempts += 1
            tried = today
        today += timedelta(days=gap)

    assert reminders == sorted(set(reminders))
    assert set(reminders) <= set(RULES.reminder_days)
    assert attempts <= 4


@pytest.mark.parametrize("code", DeclineCode)
def test_every_decline_is_explained_with_a_way_out_p2(code: DeclineCode) -> None:
    """P2."""
    decline = explain_decline(code)

    assert decline.code is code
    assert decline.sentence.endswith(".")
    assert decline.fix.endswith(".")


def test_hard_declines_are_those_that_trying_again_cannot_cure_p2() -> None:
    """P2."""
    assert {code for code in DeclineCode if explain_decline(code).hard} == {
        DeclineCode.EXPIRED_CARD,
        DeclineCode.LOST_OR_STOLEN,
        DeclineCode.AGREEMENT_CANCELLED,
        DeclineCode.INACTIVE_CARD,
    }
