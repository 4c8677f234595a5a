"""When a server counts as silent, whose fault it looks like, and what the laws of it are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.silence import (
    GRACE,
    PERIOD,
    Cause,
    Look,
    Patience,
    Pause,
    Silence,
    Watched,
    likely_cause,
    look,
    silent_from,
    suspects_ourselves,
)

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

minutes = st.integers(0, 5 * 24 * 60).map(lambda n: n * MINUTE)
spans = st.integers(1, 24 * 60).map(lambda n: n * MINUTE)
patiences = st.builds(Patience, period=spans, grace=spans)
pauses = st.builds(
    lambda begin, length: Pause(NOON - HOUR + begin, NOON - HOUR + begin + length), minutes, spans
)


def test_a_server_is_silent_a_period_and_a_grace_after_it_was_heard() -> None:
    assert silent_from(NOON) == datetime(2026, 3, 11, 13, tzinfo=UTC)
    assert silent_from(NOON, Patience(4 * HOUR, 30 * MINUTE)) == NOON + timedelta(hours=4.5)


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        (-3, -1, 25.0),  # over before it was heard
        (-3, 1, 26.0),  # an hour of it counts
        (2, 5, 28.0),
        (24.5, 26, 27.0),  # the whole grace is left when it ends
        (24.0, 24.1, 25.1),
        (25, 27, 28.0),  # begins as it falls silent
        (25.5, 30, 25.0),  # too late
    ],
)
def test_a_pause_does_not_count_and_leaves_time_to_come_back(
    begins: float, ends: float, expected: float
) -> None:
    pause = Pause(NOON + begins * HOUR, NOON + ends * HOUR)

    assert silent_from(NOON, pauses=[pause]) == NOON + expected * HOUR


@given(patiences, st.lists(pauses, max_size=5))
def test_no_instant_of_falling_silent_lies_in_a_pause_or_just_after_it(
    patience: Patience, several: list[Pause]
) -> None:
    due = silent_from(NOON, patience, several)

    for pause in several:
        if pause.ends_at > NOON and pause.starts_at < due:
            assert due >= pause.ends_at + patience.grace


@given(patiences, st.lists(pauses, max_size=5), pauses)
def test_one_more_pause_never_makes_an_alert_earlier(
    patience: Patience, several: list[Pause], more: Pause
) -> None:
    """So the due column may be moved on without looking at pauses: it is never too late."""
    usual = silent_from(NOON, patience)

    assert usual <= silent_from(NOON, patience, several)
    assert silent_from(NOON, patience, several) <= silent_from(NOON, patience, [*several, more])


@given(patiences, st.lists(pauses, max_size=5), minutes)
def test_who_was_heard_later_falls_silent_no_earlier(
    patience: Patience, several: list[Pause], later: timedelta
) -> None:
    earlier = silent_from(NOON, patience, several)

    assert earlier <= silent_from(NOON + later, patience, several)


@given(patiences, st.lists(pauses, max_size=5), st.permutations(range(5)))
def test_the_order_of_pauses_is_nothing(
    patience: Patience, several: list[Pause], order: list[int]
) -> None:
    shuffled = [several[n] for n in order if n < len(several)]

    assert silent_from(NOON, patience, shuffled) == silent_from(NOON, patience, several)


def test_a_server_is_told_at_once_then_after_a_week_and_a_month_and_then_never_again() -> None:
    now, told = NOON + PERIOD + GRACE, 0
    story = []
    while (seen := look(Watched(heard_at=NOON, told=told), now=now)).again_at is not None:
        story.append((now - NOON).days)
        now, told = seen.again_at, told + 1
    story.append((now - NOON).days)

    assert story == [1, 8, 38]
    assert seen == Look(tell=True, again_at=None)
    assert look(Watched(heard_at=NOON, told=3), now=now) == Look(tell=False, again_at=None)


def test_a_server_that_was_heard_is_looked_at_again_when_it_would_be_silent() -> None:
    seen = look(Watched(heard_at=NOON), now=NOON + PERIOD)

    assert seen == Look(tell=False, again_at=NOON + PERIOD + GRACE)


@pytest.mark.parametrize(
    ("recent", "before", "ours"),
    [
        (70, 100, True),
        (71, 100, False),
        (0, 50, True),
        (0, 49, False),  # a rack of one owner, not us
        (0, 0, False),
        (100, 50, False),
    ],
)
def test_a_drop_by_thirty_percent_of_a_fleet_is_ours(recent: int, before: int, ours: bool) -> None:
    assert suspects_ourselves(recent=recent, before=before) is ours


@pytest.mark.parametrize(
    ("was_heard", "twin", "neighbours", "cause"),
    [
        (False, True, 9, Cause.NEVER_HEARD),
        (True, True, 9, Cause.REPLACED),
        (True, False, 9, Cause.TOGETHER),
        (True, False, 4, Cause.ALONE),  # of ten
        (True, False, 0, Cause.ALONE),
    ],
)
def test_the_most_certain_cause_is_guessed(
    was_heard: bool, twin: bool, neighbours: int, cause: Cause
) -> None:
    silence = Silence(was_heard=was_heard, has_newer_twin=twin, neighbours=neighbours, of=10)

    assert likely_cause(silence) is cause


def test_one_other_server_is_no_network() -> None:
    silence = Silence(was_heard=True, has_newer_twin=False, neighbours=1, of=2)

    assert likely_cause(silence) is Cause.ALONE
