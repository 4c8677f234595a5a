"""Adding and removing inside a period: layers, gaps and what they cost (Q4-Q8)."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.calendar import Interval
from cln.domain.invoicing import (
    Change,
    ChangeKind,
    SubscriptionFacts,
    accrued,
    compose,
    fold,
    freed_unit_credit,
    priced_change,
    with_change,
)
from cln.domain.lines import LineKind
from cln.domain.pricing import ScopeHolding
from cln.domain.rules import Rules
from tests.domain.make import after, bought, day, order, prices, renewal, rows

SURVIVES = Rules(proration_survives_removal=True)


def test_added_units_are_charged_beside_the_renewal_of_the_total_e6() -> None:
    """Q4, Q9, E6."""
    acme = after(bought(5, (1, 1400), on="2026-01-31"), ("2026-02-10", 3))

    assert rows(renewal(acme)) == [
        ("proration:1", "2026-02-10..2026-02-28", 27_00),
        ("recurring", "2026-02-28..2026-03-31", 112_00),
    ]


def test_adding_charges_nothing_before_the_next_invoice_q4() -> None:
    """Q4: the units are held at once."""
    acme = after(bought(5, (1, 1400), on="2026-01-31"), ("2026-02-10", 3))

    assert fold(acme).held == 8
    assert compose(acme, day("2026-02-27")) == ()


def test_a_removed_unit_is_charged_up_to_its_removal_e7() -> None:
    """Q7, E7."""
    acme = after(bought(4, (1, 1400), on="2026-11-01"), ("2026-11-11", 2), ("2026-11-21", -2))

    assert rows(renewal(acme)) == [
        ("proration:1:2", "2026-11-11..2026-11-21", 9_33),
        ("recurring", "2026-12-01..2027-01-01", 56_00),
    ]


def test_a_removed_unit_is_charged_to_the_end_when_prorations_survive_e7() -> None:
    """Q7 switch, E7."""
    acme = after(
        bought(4, (1, 1400), on="2026-11-01", rules=SURVIVES),
        ("2026-11-11", 2),
        ("2026-11-21", -2),
    )

    assert rows(renewal(acme)) == [
        ("proration:1", "2026-11-11..2026-12-01", 18_67),
        ("recurring", "2026-12-01..2027-01-01", 56_00),
    ]


def test_units_that_come_back_under_surviving_prorations_are_not_charged_twice() -> None:
    """Q7 switch, Q8: a surviving layer counts as capacity."""
    acme = after(
        bought(4, (1, 1400), on="2026-11-01", rules=SURVIVES),
        ("2026-11-11", 2),
        ("2026-11-15", -3),
        ("2026-11-21", 4),
    )

    assert rows(renewal(acme)) == [
        ("proration:1", "2026-11-11..2026-12-01", 18_67),
        ("proration:3", "2026-11-21..2026-12-01", 4_67),
        ("recurring", "2026-12-01..2027-01-01", 98_00),
    ]


@pytest.mark.parametrize("rules", [Rules(), SURVIVES])
def test_added_and_removed_on_one_day_costs_nothing_unless_it_survives_q7(rules: Rules) -> None:
    """Q7: same day = nothing."""
    acme = after(
        bought(4, (1, 1400), on="2026-11-01", rules=rules), ("2026-11-11", 2), ("2026-11-11", -2)
    )

    assert [line.amount_cents for line in accrued(acme, day("2026-11-30"))] == (
        [18_67] if rules is SURVIVES else []
    )


def test_only_what_exceeds_the_paid_units_is_charged_e8() -> None:
    """Q8, E8: 10 -> 5 -> 15 charges 5."""
    acme = after(bought(10, (1, 300), on="2026-04-01"), ("2026-04-05", -5), ("2026-04-11", 10))

    assert rows(renewal(acme)) == [
        ("proration:2", "2026-04-11..2026-05-01", 10_00),
        ("recurring", "2026-05-01..2026-06-01", 45_00),
    ]


def test_two_additions_make_two_layers_e9() -> None:
    """Q8, E9."""
    acme = after(bought(10, (1, 300), on="2026-04-01"), ("2026-04-05", 5), ("2026-04-11", 5))

    assert [(layer.units, layer.added_on) for layer in fold(acme).layers] == [
        (5, day("2026-04-05")),
        (5, day("2026-04-11")),
    ]
    assert rows(renewal(acme))[:2] == [
        ("proration:1", "2026-04-05..2026-05-01", 13_00),
        ("proration:2", "2026-04-11..2026-05-01", 10_00),
    ]


def test_a_removal_takes_the_newest_layers_first_and_leaves_their_rest_q8() -> None:
    """Q8: 7 of 5 + 5 + 10 paid: the newer layer goes whole, the older one loses two."""
    acme = after(
        bought(10, (1, 300), on="2026-04-01"),
        ("2026-04-05", 5),
        ("2026-04-11", 5),
        ("2026-04-21", -7),
    )

    assert fold(acme).held == 13
    assert rows(renewal(acme)) == [
        ("proration:1", "2026-04-05..2026-05-01", 7_80),
        ("proration:1:3", "2026-04-05..2026-04-21", 3_20),
        ("proration:2:3", "2026-04-11..2026-04-21", 5_00),
        ("recurring", "2026-05-01..2026-06-01", 39_00),
    ]


def test_free_units_come_and_go_for_nothing_q8() -> None:
    """Q8: a price of 0.00 is a price."""
    acme = after(bought(3, (1, 0), on="2026-04-01"), ("2026-04-02", -2), ("2026-04-03", 3))

    assert rows(renewal(acme)) == [
        ("proration:2", "2026-04-03..2026-05-01", 0),
        ("recurring", "2026-05-01..2026-06-01", 0),
    ]


def test_removed_paid_units_give_no_credit_q6() -> None:
    """Q6."""
    acme = after(bought(10, (1, 300), on="2026-04-01"), ("2026-04-02", -4))

    assert rows(renewal(acme)) == [("recurring", "2026-05-01..2026-06-01", 18_00)]


def test_a_yearly_addition_is_prorated_over_the_year_e10() -> None:
    """Q11, E10."""
    acme = after(bought(1, (1, 140_00), on="2026-11-22", interval=Interval.YEAR), ("2027-03-01", 5))

    assert rows(renewal(acme))[0] == ("proration:1", "2027-03-01..2027-11-22", 510_14)


def test_a_yearly_addition_from_a_leap_day_anchor_is_prorated_e11() -> None:
    """M2, Q11, E11."""
    acme = after(bought(1, (1, 120_00), on="2028-02-29", interval=Interval.YEAR), ("2028-08-29", 1))

    assert rows(renewal(acme))[0] == ("proration:1", "2028-08-29..2029-02-28", 60_16)


def test_the_addition_that_reaches_a_tier_gets_its_price_e12() -> None:
    """Q5, E12."""
    acme = after(bought(9, (1, 1000), (10, 800), on="2026-04-01"), ("2026-04-16", 1))

    assert rows(renewal(acme)) == [
        ("proration:1", "2026-04-16..2026-05-01", 4_00),
        ("recurring", "2026-05-01..2026-06-01", 80_00),
    ]


def test_a_tier_crossed_up_and_down_re_rates_nothing_before_renewal_q5() -> None:
    """Q5: the unit that reached the tier keeps its price; the renewal takes the tier held."""
    acme = after(
        bought(9, (1, 1000), (10, 800), on="2026-04-01"), ("2026-04-11", 1), ("2026-04-21", -1)
    )

    assert rows(renewal(acme)) == [
        ("proration:1:2", "2026-04-11..2026-04-21", 2_67),
        ("recurring", "2026-05-01..2026-06-01", 90_00),
    ]


def test_an_addition_is_priced_from_the_list_of_its_day_q5() -> None:
    """Q5, Q1: the renewal takes the new list only on a boundary after it."""
    lists = (prices((1, 300), id=1), prices((1, 600), id=2, effective="2026-04-16"))
    acme = after(
        bought(2, on="2026-04-01", price_lists=lists), ("2026-04-15", 1), ("2026-04-16", 1)
    )

    lines = renewal(acme).lines

    assert [(line.price_list_id, line.unit_cents, line.amount_cents) for line in lines] == [
        (1, 300, 1_60),
        (2, 600, 3_00),
        (2, 600, 24_00),
    ]


def test_the_tier_of_an_addition_counts_the_other_bands_of_its_day_q1() -> None:
    """Q1, Q5: a band that ends on the day no longer helps."""
    acme = bought(
        1,
        (1, 1200),
        (5, 500),
        on="2026-04-01",
        others=(ScopeHolding(3, ends_on=day("2026-04-16")),),
    )

    before = priced_change(acme, id=1, on=day("2026-04-15"), kind=ChangeKind.ADD, delta=1)
    on_its_end = priced_change(acme, id=1, on=day("2026-04-16"), kind=ChangeKind.ADD, delta=1)

    assert (before.unit_cents, on_its_end.unit_cents) == (500, 1200)


def test_removing_the_last_unit_needs_no_price() -> None:
    acme = bought(2, (1, 300), on="2026-04-01")

    change = priced_change(acme, id=1, on=day("2026-04-02"), kind=ChangeKind.REMOVE, delta=-2)

    assert (change.unit_cents, change.price_list_id) == (0, None)


def test_quantity_to_zero_and_back_costs_nothing_within_the_period_q8() -> None:
    """Q8."""
    acme = after(bought(3, (1, 300), on="2026-04-01"), ("2026-04-05", -3), ("2026-04-20", 3))

    assert rows(renewal(acme)) == [("recurring", "2026-05-01..2026-06-01", 9_00)]


@pytest.mark.parametrize("delta", [-6, 0])
def test_removing_more_than_is_held_or_nothing_is_a_bug(delta: int) -> None:
    acme = bought(5, (1, 300), on="2026-04-01")
    change = priced_change(acme, id=1, on=day("2026-04-02"), kind=ChangeKind.ADD, delta=1)

    with pytest.raises(AssertionError):
        fold(_with(acme, change, ChangeKind.REMOVE, delta))
    with pytest.raises(AssertionError):
        fold(_with(acme, change, ChangeKind.ADD, delta))


def test_the_purchase_itself_is_recorded_but_adds_nothing_to_what_is_paid() -> None:
    """Q3: its quantity is `paid` of the first period."""
    acme = bought(5, (1, 300), on="2026-04-01")
    change = priced_change(acme, id=1, on=day("2026-04-01"), kind=ChangeKind.ADD, delta=5)

    state = fold(_with(acme, change, ChangeKind.PURCHASE, 5))

    assert (state.held, state.paid, state.paid_unit_cents) == (5, 5, 300)


def test_the_unit_of_a_freed_layer_is_closed_without_credit_q14() -> None:
    """Q14: what was not paid yet is not credited, it stops."""
    acme = after(bought(2, (1, 300), on="2026-04-01"), ("2026-04-11", 1))

    assert freed_unit_credit(acme, day("2026-04-21")) == 0
    assert rows(renewal(after(acme, ("2026-04-21", ChangeKind.FREED)))) == [
        ("proration:1:2", "2026-04-11..2026-04-21", 1_00),
        ("recurring", "2026-05-01..2026-06-01", 6_00),
    ]


def test_a_freed_paid_unit_is_credited_for_the_remaining_days_q14() -> None:
    """Q14: and it is no longer there to be refilled for nothing."""
    acme = bought(2, (1, 300), on="2026-04-01")

    assert freed_unit_credit(acme, day("2026-04-11")) == 2_00

    acme = after(acme, ("2026-04-11", ChangeKind.FREED), ("2026-04-21", 1))
    assert rows(renewal(acme)) == [
        ("proration:2", "2026-04-21..2026-05-01", 1_00),
        ("recurring", "2026-05-01..2026-06-01", 6_00),
    ]


def test_a_freed_unit_leaves_the_gap_below_it_alone_q14() -> None:
    """Q14, Q8: paid 5, one given up, one freed: one is still there to come back for nothing."""
    acme = after(
        bought(5, (1, 300), on="2026-04-01"),
        ("2026-04-05", -1),
        ("2026-04-11", ChangeKind.FREED),
    )

    assert (fold(acme).held, fold(acme).paid) == (3, 4)


@given(on=st.dates(day("2026-04-01"), day("2026-04-30")), units=st.integers(1, 8))
def test_freeing_every_unit_never_credits_more_than_was_paid_q14(on: date, units: int) -> None:
    """Q14."""
    acme = bought(units, (1, 333), on="2026-04-01")
    credit = 0
    for _ in range(units):
        credit += freed_unit_credit(acme, day(str(on)))
        acme = after(acme, (str(on), ChangeKind.FREED))

    assert credit <= units * 333
    assert freed_unit_credit(acme, day(str(on))) == 0


def test_nothing_is_credited_before_the_first_invoice_q14() -> None:
    """Q14: never more than was paid."""
    ordered = order(2, (1, 300), on="2026-04-01", paid_unit_cents=300)

    assert freed_unit_credit(ordered, day("2026-04-01")) == 0


def test_a_freed_unit_stays_charged_when_prorations_survive_q14() -> None:
    """Q7 switch, Q14."""
    acme = after(
        bought(2, (1, 300), on="2026-04-01", rules=SURVIVES),
        ("2026-04-11", 1),
        ("2026-04-21", ChangeKind.FREED),
    )

    assert rows(renewal(acme))[0] == ("proration:1", "2026-04-11..2026-05-01", 2_00)


STEPS = st.lists(st.tuples(st.integers(0, 29), st.integers(-12, 12)), max_size=8)


@given(paid=st.integers(1, 8), steps=STEPS)
def test_prorations_equal_a_count_of_every_single_unit_q7_q8(
    paid: int, steps: list[tuple[int, int]]
) -> None:
    """Q7, Q8: against a model that knows no layers, only single units on a pile."""
    acme = bought(paid, (1, 700), (5, 500), on="2026-04-01")
    paid_for = (0, 0)  # cents per day and day added of a unit that costs nothing
    pile, gap, cent_days = [paid_for] * paid, 0, 0
    for offset, wish in sorted(steps, key=lambda step: step[0]):
        delta = max(wish, -len(pile))
        if delta == 0:
            continue
        acme = after(acme, (f"2026-04-{offset + 1:02d}", delta))
        for _ in range(delta):
            pile.append(paid_for if gap else (acme.changes[-1].unit_cents, offset))
            gap = max(0, gap - 1)
        for _ in range(-delta):
            unit_cents, added = pile.pop()
            cent_days += unit_cents * (offset - added)
            gap += unit_cents == 0
    cent_days += sum(unit_cents * (30 - added) for unit_cents, added in pile)

    lines = accrued(acme, day("2026-04-30"))

    assert sum(line.quantity * line.unit_cents * line.period.days for line in lines) == cent_days
    assert all(line.kind is LineKind.PRORATION for line in lines)
    assert fold(acme).held == len(pile)


def _with(
    facts: SubscriptionFacts, change: Change, kind: ChangeKind, delta: int
) -> SubscriptionFacts:
    return with_change(facts, replace(change, kind=kind, delta=delta))
