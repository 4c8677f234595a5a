"""Refunds by the operator (P10, E16)."""

from dataclasses import replace
from typing import Any

import pytest

from cln.domain.errors import Refusal
from cln.domain.money import BadAmount
from cln.domain.refunds import (
    RefundFacts,
    RefundNeedsReason,
    RefundNotCertified,
    RefundTooLarge,
    RefundTooLate,
    check_refund,
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
