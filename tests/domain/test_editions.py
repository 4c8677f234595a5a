"""Changing the edition: the difference is charged once, the way back gives nothing (Q13)."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cln.domain.invoicing import ChangeKind, SubscriptionFacts, accrued, fold
from tests.domain.make import after, bought, day, prices, renewal, rows

LEGACY, PRO = prices((1, 300), id=1), prices((1, 900), id=2)


def upgraded(facts: SubscriptionFacts, on: str) -> SubscriptionFacts:
    """Sold from the dearer edition's list from this day on."""
    return after(replace(facts, price_lists=(PRO,)), (on, ChangeKind.UPGRADE))


def downgraded(facts: SubscriptionFacts, on: str) -> SubscriptionFacts:
    """The way back."""
    return after(replace(facts, price_lists=(LEGACY,)), (on, ChangeKind.DOWNGRADE))


def legacy(quantity: int) -> SubscriptionFacts:
    """A subscription to the cheaper edition from 1 April 2026."""
    return bought(quantity, on="2026-04-01", price_lists=(LEGACY,))


def test_an_upgrade_charges_the_difference_of_the_rest_once_q13() -> None:
    """Q13."""
    acme = upgraded(legacy(5), "2026-04-11")

    assert rows(renewal(acme)) == [
        ("proration:1", "2026-04-11..2026-05-01", 20_00),
        ("recurring", "2026-05-01..2026-06-01", 45_00),
    ]
    assert renewal(acme).lines[0].why == (
        "Price difference for the new edition of 5 from 11 Apr 2026: "
        "5 × 6.00 × 20/30 days (11 Apr – 1 May)"
    )


def test_an_upgrade_counts_each_unit_from_the_price_it_was_bought_at_q13() -> None:
    """Q13: 2 paid at 3.00 and 1 added at 2.00 make one line of 2 x 6.00 + 7.00, rounded once."""
    acme = legacy(2)
    cheaper = prices((1, 200), id=3)
    acme = upgraded(after(replace(acme, price_lists=(cheaper,)), ("2026-04-06", 1)), "2026-04-11")

    assert rows(renewal(acme)) == [
        ("proration:1", "2026-04-06..2026-05-01", 1_67),
        ("proration:2", "2026-04-11..2026-05-01", 12_67),
        ("recurring", "2026-05-01..2026-06-01", 27_00),
    ]
    assert renewal(acme).lines[1].quantity == 1
    assert renewal(acme).lines[1].unit_cents == 19_00


def test_removing_after_an_upgrade_does_not_change_the_difference_q13() -> None:
    """Q13."""
    acme = after(upgraded(legacy(5), "2026-04-11"), ("2026-04-12", -4))

    assert rows(renewal(acme)) == [
        ("proration:1", "2026-04-11..2026-05-01", 20_00),
        ("recurring", "2026-05-01..2026-06-01", 9_00),
    ]


def test_an_upgrade_to_a_cheaper_price_is_never_negative_q13() -> None:
    """Q13: floor 0."""
    acme = bought(5, on="2026-04-01", price_lists=(prices((1, 1000)),))

    assert rows(renewal(upgraded(acme, "2026-04-11"))) == [
        ("recurring", "2026-05-01..2026-06-01", 45_00)
    ]


def test_the_way_back_gives_no_credit_q13() -> None:
    """Q13: the difference stays, the renewal is at the old edition's price."""
    acme = downgraded(upgraded(legacy(5), "2026-04-11"), "2026-04-21")

    assert rows(renewal(acme)) == [
        ("proration:1", "2026-04-11..2026-05-01", 20_00),
        ("recurring", "2026-05-01..2026-06-01", 15_00),
    ]


def test_going_back_and_up_again_does_not_charge_the_difference_twice_q13() -> None:
    """Q13: only the unit added in between pays one."""
    acme = downgraded(upgraded(legacy(5), "2026-04-11"), "2026-04-16")
    acme = upgraded(after(acme, ("2026-04-16", 1)), "2026-04-21")

    assert rows(renewal(acme)) == [
        ("proration:1", "2026-04-11..2026-05-01", 20_00),
        ("proration:3", "2026-04-16..2026-05-01", 1_50),
        ("proration:4", "2026-04-21..2026-05-01", 2_00),
        ("recurring", "2026-05-01..2026-06-01", 54_00),
    ]


def test_units_away_during_the_upgrade_pay_the_difference_when_they_come_back_q13() -> None:
    """Q8, Q13: otherwise shrinking to one unit would make an upgrade of ten nearly free."""
    acme = after(legacy(10), ("2026-04-10", -9))
    acme = after(upgraded(acme, "2026-04-11"), ("2026-04-21", 11))

    assert rows(renewal(acme)) == [
        ("proration:2", "2026-04-11..2026-05-01", 4_00),
        ("proration:3", "2026-04-21..2026-05-01", 6_00),
        ("proration:3:edition", "2026-04-21..2026-05-01", 18_00),
        ("recurring", "2026-05-01..2026-06-01", 108_00),
    ]
    assert "taken back on 21 Apr 2026: 9 × 6.00" in renewal(acme).lines[2].why


def test_units_that_paid_the_difference_on_their_return_pay_it_once_q13() -> None:
    """Q8, Q13: away during the upgrade, back, away and back again."""
    acme = after(legacy(2), ("2026-04-10", -1))
    acme = after(upgraded(acme, "2026-04-11"), ("2026-04-21", 1), ("2026-04-22", -1))

    assert rows(renewal(after(acme, ("2026-04-26", 1))))[:-1] == [
        ("proration:2", "2026-04-11..2026-05-01", 4_00),
        ("proration:3:edition", "2026-04-21..2026-05-01", 2_00),
    ]


def test_units_covered_by_the_upgrade_come_back_before_those_that_are_not_q13() -> None:
    """Q8, Q13: of 10, five were away during the upgrade; two of the others go and return."""
    acme = after(legacy(10), ("2026-04-10", -5))
    acme = after(upgraded(acme, "2026-04-11"), ("2026-04-12", -2), ("2026-04-21", 2))

    assert rows(renewal(acme))[:-1] == [("proration:2", "2026-04-11..2026-05-01", 20_00)]


def test_units_that_come_back_after_the_way_back_are_free_q13() -> None:
    """Q8, Q13."""
    acme = after(legacy(10), ("2026-04-10", -9))
    acme = after(downgraded(upgraded(acme, "2026-04-11"), "2026-04-12"), ("2026-04-21", 9))

    assert rows(renewal(acme))[:-1] == [("proration:2", "2026-04-11..2026-05-01", 4_00)]


@given(
    units=st.integers(1, 9),
    steps=st.lists(
        st.sampled_from([ChangeKind.UPGRADE, ChangeKind.DOWNGRADE, 3, 1, -1, -2]), max_size=8
    ),
)
def test_edition_changes_never_charge_more_than_the_dearer_edition_all_along_q13(
    units: int, steps: list[ChangeKind | int]
) -> None:
    """Q13: whatever the order, differences plus prices stay within full price of every unit."""
    acme, most = legacy(units), units
    for offset, step in enumerate(steps, start=2):
        on = f"2026-04-{offset:02d}"
        if step is ChangeKind.UPGRADE:
            acme = upgraded(acme, on)
        elif step is ChangeKind.DOWNGRADE:
            acme = downgraded(acme, on)
        elif isinstance(step, int) and fold(acme).held + step >= 0:
            acme = after(acme, (on, step))
            most += max(0, step)

    lines = accrued(acme, day("2026-04-30"))

    assert all(line.amount_cents > 0 for line in lines)
    assert sum(line.amount_cents for line in lines) <= most * 900 - units * 300
