"""Periods and boundaries (M1, M2, E5, E11)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.calendar import BillingCycle, Interval, Period, add_months
from tests.domain.make import day

DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))
CYCLES = st.builds(BillingCycle, DAYS, st.sampled_from(Interval))


def test_a_monthly_anchor_on_the_31st_keeps_to_the_ends_of_months_e5() -> None:
    """M2, E5."""
    cycle = BillingCycle(day("2024-01-31"), Interval.MONTH)

    boundaries = [cycle.boundary(k).isoformat() for k in range(5)]

    assert boundaries == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]


def test_a_yearly_leap_day_anchor_returns_to_the_leap_day_e11() -> None:
    """M2, E11."""
    cycle = BillingCycle(day("2028-02-29"), Interval.YEAR)

    assert cycle.boundary(1) == day("2029-02-28")
    assert cycle.boundary(4) == day("2032-02-29")


@given(cycle=CYCLES, k=st.integers(-5, 60))
def test_periods_tile_the_calendar(cycle: BillingCycle, k: int) -> None:
    """M1, M2."""
    assert cycle.period(k).end == cycle.period(k + 1).start
    assert cycle.period(k).days >= 28


@given(cycle=CYCLES, k=st.integers(0, 100))
def test_an_anchor_never_drifts(cycle: BillingCycle, k: int) -> None:
    """M2: a boundary has the anchor's day, or is the last day of a shorter month."""
    boundary = cycle.boundary(k)

    is_last_day = (boundary + timedelta(days=1)).day == 1
    assert boundary.day == cycle.anchor.day or (is_last_day and boundary.day < cycle.anchor.day)


@given(cycle=CYCLES, on=DAYS)
def test_every_day_lies_in_exactly_the_period_of_its_index(cycle: BillingCycle, on: date) -> None:
    """M2."""
    k = cycle.index_on(on)

    assert cycle.period(k).contains(on)
    assert not cycle.period(k - 1).contains(on)


@given(cycle=CYCLES, k=st.integers(0, 100))
def test_a_boundary_starts_its_own_period(cycle: BillingCycle, k: int) -> None:
    """M1."""
    assert cycle.index_on(cycle.boundary(k)) == k
    assert cycle.index_on(cycle.boundary(k) - timedelta(days=1)) == k - 1


@given(start=DAYS, months=st.integers(0, 120))
def test_adding_months_in_two_steps_never_lands_later_than_in_one(start: date, months: int) -> None:
    assert add_months(add_months(start, months), 1) <= add_months(start, months + 1)


def test_a_period_is_half_open() -> None:
    """M1."""
    period = Period(day("2026-02-10"), day("2026-02-28"))

    assert period.days == 18
    assert period.contains(day("2026-02-10"))
    assert period.contains(day("2026-02-27"))
    assert not period.contains(day("2026-02-28"))


def test_a_period_is_cut_at_a_day_within_it() -> None:
    period = Period(day("2026-02-10"), day("2026-02-28"))

    assert period.from_(day("2026-02-20")) == Period(day("2026-02-20"), day("2026-02-28"))
    assert period.until(day("2026-02-20")) == Period(day("2026-02-10"), day("2026-02-20"))
    assert period.from_(day("2026-02-28")).days == 0
    assert period.until(day("2026-02-10")).days == 0


def test_a_period_that_ends_before_it_starts_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="before it starts"):
        Period(day("2026-02-02"), day("2026-02-01"))


@pytest.mark.parametrize("on", ["2026-02-09", "2026-03-01"])
def test_cutting_a_period_outside_of_it_is_a_bug(on: str) -> None:
    period = Period(day("2026-02-10"), day("2026-02-28"))

    with pytest.raises(AssertionError, match="within"):
        period.from_(day(on))
    with pytest.raises(AssertionError, match="within"):
        period.until(day(on))


@pytest.mark.parametrize("spring", ["2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01"])
def test_days_on_which_clocks_change_are_days_like_others(spring: str) -> None:
    """M1: nothing passes through a time zone."""
    on = day(spring)

    assert Period(on, on + timedelta(days=1)).days == 1
