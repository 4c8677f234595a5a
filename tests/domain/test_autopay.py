"""Automatic top-ups of a deposit (R4, E13, E14)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.autopay import (
    AutopayMode,
    AutopayRule,
    BadAutopayTarget,
    Replay,
    check_autopay_rule,
    decide,
    next_try,
    replay,
)
from cln.domain.rules import Rules

RULES = Rules()
ADD_FUNDS = AutopayRule(AutopayMode.ADD_FUNDS, target_cents=500_00)
REPAY = AutopayRule()


@pytest.mark.parametrize(("balance", "charge"), [(100_00, None), (99_99, 400_01), (-30_00, 530_00)])
def test_funds_are_added_up_to_the_target_below_a_hundred_e13(
    balance: int, charge: int | None
) -> None:
    """R4, E13."""
    assert decide(balance, ADD_FUNDS, RULES) == charge


@pytest.mark.parametrize(
    ("balance", "charge"),
    [(0, None), (-1, 20_00), (-19_99, 20_00), (-20_01, 20_01), (-35_50, 35_50)],
)
def test_a_negative_balance_is_repaid_with_twenty_at_least_e14(
    balance: int, charge: int | None
) -> None:
    """R4, E14: repay is the default."""
    assert decide(balance, REPAY, RULES) == charge


def test_autopay_that_is_off_charges_nothing_r4() -> None:
    """R4."""
    assert decide(-1000_00, AutopayRule(AutopayMode.OFF), RULES) is None


def test_a_target_that_is_reached_already_charges_nothing_r4() -> None:
    """R4: a rule stored before the floor was raised."""
    assert decide(70_00, AutopayRule(AutopayMode.ADD_FUNDS, 50_00), RULES) is None
    assert decide(50_00, AutopayRule(AutopayMode.ADD_FUNDS, 50_00), RULES) is None
    assert decide(49_99, AutopayRule(AutopayMode.ADD_FUNDS, 50_00), RULES) == 1


@given(balance=st.integers(-(10**9), 10**9), rule=st.sampled_from([ADD_FUNDS, REPAY]))
def test_one_charge_is_enough_r4(balance: int, rule: AutopayRule) -> None:
    """R4: after it there is nothing more to charge."""
    charge = decide(balance, rule, RULES)

    if charge is not None:
        assert charge > 0
        assert decide(balance + charge, rule, RULES) is None


def test_a_target_below_the_floor_is_refused_r4() -> None:
    """R4."""
    with pytest.raises(BadAutopayTarget, match=r"100\.00") as refused:
        check_autopay_rule(AutopayRule(AutopayMode.ADD_FUNDS, 99_99), RULES)

    assert refused.value.code == "bad_autopay_target"


@pytest.mark.parametrize("rule", [REPAY, AutopayRule(AutopayMode.ADD_FUNDS, 100_00)])
def test_a_rule_that_can_be_followed_is_accepted_r4(rule: AutopayRule) -> None:
    """R4."""
    assert check_autopay_rule(rule, RULES) == rule


def test_declines_wait_an_hour_six_and_a_day_and_then_stop_r4() -> None:
    """R4: ten declines make four charges, not ten."""
    waits = [next_try(declines) for declines in range(1, 11)]

    assert waits == [timedelta(hours=1), timedelta(hours=6), timedelta(hours=24)] + [None] * 7


def test_the_waits_are_a_setting_r4() -> None:
    """R4."""
    assert next_try(1, Rules(autopay_retry_hours=(2,))) == timedelta(hours=2)
    assert next_try(2, Rules(autopay_retry_hours=(2,))) is None


def test_waiting_without_a_decline_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="wait for"):
        next_try(0)


# -- replay ----------------------------------------------------------------------------------------

DAY = date(2026, 1, 1)
BILLS = [(date(2026, 2, 1), -6_200), (date(2026, 3, 1), -6_200)]


@pytest.mark.parametrize(
    ("rule", "charges", "lowest", "balance"),
    [
        (AutopayRule(AutopayMode.OFF), (), -2_400, -2_400),
        (AutopayRule(AutopayMode.REPAY), ((date(2026, 3, 1), 2_400),), -2_400, 0),
        (
            AutopayRule(AutopayMode.ADD_FUNDS, 20_000),
            ((date(2026, 2, 1), 16_200),),
            3_800,
            13_800,
        ),
    ],
)
def test_a_rule_is_followed_through_the_months_behind(
    rule: AutopayRule, charges: tuple[tuple[date, int], ...], lowest: int, balance: int
) -> None:
    """R4: 100.00, and two bills of 62.00."""
    found = replay(10_000, BILLS, rule, Rules(), on=DAY)

    assert found == Replay(charges, lowest, balance)
    assert found.total_cents == sum(cents for _, cents in charges)


def test_a_rule_charges_on_the_day_it_begins_if_the_balance_is_low() -> None:
    """R4."""
    found = replay(-100, [], AutopayRule(AutopayMode.REPAY), Rules(), on=DAY)

    assert found == Replay(((DAY, 2_000),), -100, 1_900)
