"""Money: one rounding, exact parts, and text in and out (M3, M4)."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.money import (
    BadAmount,
    Money,
    format_cents,
    half_up,
    half_up_ratio,
    money_text,
    parse_amount,
    prorate,
    split_cents,
)

CENTS = st.integers(-(10**12), 10**12)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("1/2", 1), ("-1/2", -1), ("3/2", 2), ("5/2", 3), ("-5/2", -3), ("49/100", 0), ("7", 7)],
)
def test_half_up_rounds_halves_away_from_zero(value: str, rounded: int) -> None:
    """M3."""
    assert half_up(Fraction(value)) == rounded


@given(st.fractions())
def test_half_up_is_never_more_than_half_a_cent_away_and_mirrors(value: Fraction) -> None:
    """M3."""
    assert abs(half_up(value) - value) <= Fraction(1, 2)
    assert half_up(-value) == -half_up(value)


@given(CENTS, st.integers(1, 10**6))
def test_a_ratio_of_integers_rounds_as_the_exact_fraction_does(top: int, bottom: int) -> None:
    """M3: written down again from the words of the rule, with the fraction reduced."""
    exact = Fraction(top, bottom)
    nearest = math.floor(abs(exact) + Fraction(1, 2))

    assert half_up_ratio(top, bottom) == (nearest if exact >= 0 else -nearest)
    assert half_up_ratio(top, bottom) == half_up(exact)


@pytest.mark.parametrize(
    ("unit_cents", "days", "of_days", "cents"),
    [
        pytest.param(249_95, 9, 30, 74_99, id="E1"),
        pytest.param(249_95, 29, 31, 233_82, id="E2"),
        pytest.param(2399_95, 354, 365, 2327_62, id="E3"),
        pytest.param(2399_95, 9, 365, 59_18, id="E4"),
    ],
)
def test_a_prorated_price_is_rounded_once_e1_to_e4(
    unit_cents: int, days: int, of_days: int, cents: int
) -> None:
    """M3, E1, E2, E3, E4."""
    assert prorate(unit_cents=unit_cents, quantity=1, days=days, of_days=of_days) == cents


@given(unit=st.integers(0, 10**7), quantity=st.integers(1, 10**5), days=st.integers(1, 366))
def test_a_full_period_costs_the_full_price(unit: int, quantity: int, days: int) -> None:
    """M3."""
    price = prorate(unit_cents=unit, quantity=quantity, days=days, of_days=days)
    assert price == unit * quantity


@given(unit=st.integers(0, 10**6), first=st.integers(0, 31), rest=st.integers(0, 31))
def test_two_parts_of_a_period_differ_from_the_whole_by_a_cent_at_most(
    unit: int, first: int, rest: int
) -> None:
    """M3, Q8: a layer cut in time is rounded twice, never more wrongly than that."""
    days = first + rest or 1
    parts = (
        prorate(unit_cents=unit, quantity=1, days=part, of_days=days) for part in (first, rest)
    )

    assert (
        abs(sum(parts) - prorate(unit_cents=unit, quantity=1, days=first + rest, of_days=days)) <= 1
    )


def test_a_part_longer_than_its_period_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="within"):
        prorate(unit_cents=1, quantity=1, days=32, of_days=31)


def test_ten_in_three_is_333_and_334_and_333() -> None:
    """M3."""
    parts = Money(1000, "USD").split([1, 1, 1])

    assert [part.text for part in parts] == ["3.33", "3.34", "3.33"]


@given(cents=CENTS, weights=st.lists(st.integers(0, 1000), min_size=1).filter(any))
def test_split_loses_no_cent_and_stays_within_one_of_the_exact_share(
    cents: int, weights: list[int]
) -> None:
    """M3."""
    parts = split_cents(cents, weights)

    assert sum(parts) == cents
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(cents * weight, sum(weights))) <= 1


@pytest.mark.parametrize("weights", [[], [0, 0], [2, -1]])
def test_split_by_weights_that_cannot_carry_is_a_bug(weights: list[int]) -> None:
    with pytest.raises(AssertionError):
        split_cents(100, weights)


def test_money_adds_subtracts_negates_and_multiplies_in_its_currency() -> None:
    three, five = Money(300, "USD"), Money(500, "USD")

    assert three + five == Money(800, "USD")
    assert three - five == Money(-200, "USD")
    assert -three == Money(-300, "USD")
    assert five.times(Fraction(1, 3)) == Money(167, "USD")


def test_money_compares_by_cents() -> None:
    three, five = Money(300, "USD"), Money(500, "USD")

    assert three < five
    assert five >= three
    assert max(three, five) == five


def test_money_of_two_currencies_never_meets() -> None:
    """M4."""
    with pytest.raises(AssertionError, match="currencies"):
        Money(1, "USD") + Money(1, "EUR")
    with pytest.raises(AssertionError, match="currencies"):
        Money(1, "USD") < Money(1, "EUR")  # noqa: B015
    assert Money(1, "USD") != Money(1, "EUR")


@pytest.mark.parametrize(("cents", "currency"), [(1.0, "USD"), (True, "USD"), (1, "usd"), (1, "")])
def test_money_is_whole_cents_of_a_currency_code(cents: int, currency: str) -> None:
    """M4."""
    with pytest.raises(AssertionError):
        Money(cents, currency)


@pytest.mark.parametrize(
    ("cents", "text"), [(1234, "12.34"), (0, "0.00"), (5, "0.05"), (-5, "-0.05"), (-120, "-1.20")]
)
def test_cents_are_written_with_two_decimals(cents: int, text: str) -> None:
    assert format_cents(cents) == text


@pytest.mark.parametrize(
    ("cents", "currency", "text"),
    [
        (27_00, "USD", "$27.00"),
        (-1_827_00, "USD", "-$1,827.00"),
        (1_234_567_89, "EUR", "1,234,567.89 EUR"),
        (-3_95, "USD", "-$3.95"),
        (27_00, "EUR", "27.00 EUR"),
        (-5, "EUR", "-0.05 EUR"),
    ],
)
def test_an_amount_is_written_with_its_currency(cents: int, currency: str, text: str) -> None:
    assert money_text(cents, currency) == text


@given(st.integers(0, 99_999_999_999))
def test_an_amount_is_read_as_it_is_written(cents: int) -> None:
    assert parse_amount(format_cents(cents)) == cents
    assert parse_amount(format_cents(-cents), signed=True) == -cents


@pytest.mark.parametrize(("text", "cents"), [("12", 1200), ("12.3", 1230), ("007.05", 705)])
def test_an_amount_may_leave_decimals_out(text: str, cents: int) -> None:
    assert parse_amount(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1.234", "1,50", "1e3", "-1", "+1", ".5", "5.", "1_000", "NaN", "$5", "12.34\n",
        "1234567890", "\u0661", 3.95, 500, True, None,
    ],
)  # fmt: skip
def test_what_is_not_an_amount_is_refused(text: object) -> None:
    with pytest.raises(BadAmount) as refused:
        parse_amount(text)

    assert refused.value.code == "bad_amount"
    assert refused.value.fix


def test_a_sign_other_than_minus_is_refused_where_signs_are_read() -> None:
    with pytest.raises(BadAmount):
        parse_amount("+1", signed=True)
