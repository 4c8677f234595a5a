"""Refunds by the operator (P10, E16)."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.errors import Refusal
from cln.domain.money import BadAmount
from cln.domain.refunds import (
    Creditable,
    RefundFacts,
    RefundNeedsReason,
    RefundNotCertified,
    RefundTooLarge,
    RefundTooLate,
    check_refund,
    refunded_units,
    spread_credit,
    with_tax,
)
from cln.domain.rules import Rules
from tests.domain.make import day

RULES = Rules()
ASKED = RefundFacts(
    cents=10_00,
    on=day("2026-03-02"),
    paid_on=day("2026-01-31"),
    payment_cents=249_95,
    refunded_cents=0,
    is_removal_certified=True,
)


def test_refunds_add_up_to_the_payment_and_no_further_e16() -> None:
    """P10, E16."""
    refunded = 0
    for cents in (10_00, 1_00, 10_00):
        check_refund(replace(ASKED, cents=cents, refunded_cents=refunded), RULES)
        refunded += cents

    assert refunded == 21_00
    with pytest.raises(RefundTooLarge, match=r"228\.95") as refused:
        check_refund(replace(ASKED, cents=230_00, refunded_cents=refunded), RULES)
    assert refused.value.code == "refund_too_large"
    assert refused.value.facts == {"left_cents": 228_95}
    check_refund(replace(ASKED, cents=228_95, refunded_cents=refunded), RULES)


def test_a_payment_refunded_in_full_says_so_p10() -> None:
    """P10."""
    with pytest.raises(RefundTooLarge) as refused:
        check_refund(replace(ASKED, cents=1, refunded_cents=249_95), RULES)

    assert refused.value.fix == "It is refunded in full."


@pytest.mark.parametrize(("cents", "allowed"), [(5_00, True), (5_01, False)])
def test_credits_never_exceed_what_is_left_of_the_lines_p10(cents: int, allowed: bool) -> None:
    """P10."""
    facts = replace(ASKED, cents=cents, creditable_cents=5_00)

    assert _is_allowed(facts) is allowed


@pytest.mark.parametrize("cents", [0, -1])
def test_a_refund_of_nothing_is_refused(cents: int) -> None:
    with pytest.raises(BadAmount):
        check_refund(replace(ASKED, cents=cents), RULES)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"on": day("2026-03-03")}, RefundTooLate),
        ({"is_removal_certified": False}, RefundNotCertified),
        ({"is_postpaid": True}, RefundNeedsReason),
    ],
)
def test_a_reason_opens_what_time_certificate_and_postpaid_close_p10(
    change: dict[str, Any], refusal: type[Refusal]
) -> None:
    """P10: day 30 is the last without a reason; blanks are no reason."""
    facts = replace(ASKED, **change)

    with pytest.raises(refusal) as refused:
        check_refund(replace(facts, reason="  "), RULES)
    assert refused.value.fix
    assert _is_allowed(replace(facts, reason="bought by mistake"))


def test_a_removal_counts_as_certified_only_where_somebody_says_so_p10() -> None:
    """P10."""
    plain = RefundFacts(
        cents=1, on=ASKED.on, paid_on=ASKED.paid_on, payment_cents=100, refunded_cents=0
    )

    with pytest.raises(RefundNotCertified):
        check_refund(plain, RULES)


def _is_allowed(facts: RefundFacts) -> bool:
    try:
        check_refund(facts, RULES)
    except Refusal:
        return False
    return True


# -- lines -----------------------------------------------------------------------------------------


def lines(*cents: int) -> tuple[Creditable, ...]:
    """Lines numbered from 1 with what is left of them."""
    return tuple(Creditable(number, left) for number, left in enumerate(cents, start=1))


TAX = (Creditable(9, 190),)


@pytest.mark.parametrize(
    ("cents", "parts"),
    [
        (100, {1: 67, 2: 17, 9: 16}),
        (1_190, {1: 800, 2: 200, 9: 190}),
        (1, {1: 1}),
    ],
)
def test_a_refund_is_cut_by_what_is_left_of_the_lines_and_their_tax(
    cents: int, parts: dict[int, int]
) -> None:
    """P10, M4: net 8.00 and 2.00 at 19 %."""
    found = spread_credit(cents, lines=lines(800, 200), taxes=TAX)

    assert {part.line: part.cents for part in found} == parts


def test_a_line_without_anything_left_gets_no_part() -> None:
    """P10."""
    assert spread_credit(5, lines=lines(0, 5), taxes=()) == (Creditable(2, 5),)


@given(
    left=st.lists(st.integers(0, 10**6), min_size=1, max_size=8).filter(any),
    tax=st.integers(0, 10**5),
    share=st.fractions(0, 1),
)
def test_the_parts_of_a_refund_add_up_and_never_exceed_a_line(
    left: list[int], tax: int, share: Fraction
) -> None:
    """P10."""
    whole = sum(left) + tax
    cents = max(1, int(whole * share))
    taxes = (Creditable(99, tax),) if tax else ()

    found = spread_credit(cents, lines=lines(*left), taxes=taxes)

    most = {**dict(enumerate(left, start=1)), 99: tax}
    assert sum(part.cents for part in found) == cents
    assert all(0 < part.cents <= most[part.line] for part in found)


def test_chosen_lines_take_their_tax_with_them() -> None:
    """P10, M4: half of the net takes half of the tax, all of it all."""
    half = with_tax([Creditable(1, 500)], lines=lines(800, 200), taxes=TAX)
    whole = with_tax(lines(800, 200), lines=lines(800, 200), taxes=TAX)

    assert half == (Creditable(1, 500), Creditable(9, 95))
    assert whole == (*lines(800, 200), *TAX)


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        ([Creditable(1, 801)], RefundTooLarge),
        ([Creditable(3, 1)], RefundTooLarge),
        ([Creditable(1, 0)], BadAmount),
    ],
)
def test_more_than_is_left_of_a_line_is_refused(
    wanted: list[Creditable], refusal: type[Refusal]
) -> None:
    """P10."""
    with pytest.raises(refusal):
        with_tax(wanted, lines=lines(800, 200), taxes=TAX)


def test_no_lines_left_have_no_tax_left() -> None:
    """P10."""
    assert with_tax([], lines=(), taxes=()) == ()


@pytest.mark.parametrize(
    ("credited", "units"), [(0, 0), (999, 0), (1_000, 1), (1_999, 1), (3_000, 3)]
)
def test_a_license_is_refunded_when_all_of_it_is(credited: int, units: int) -> None:
    """P10: three licenses of 10.00."""
    assert refunded_units(Fraction(3), line_cents=3_000, credited_cents=credited) == units


def test_a_line_that_cost_nothing_refunds_no_license() -> None:
    """P10."""
    assert refunded_units(Fraction(3), line_cents=0, credited_cents=0) == 0
