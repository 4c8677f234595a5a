"""Yearly plans with monthly invoicing of prorations, a switch (Q11)."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cln.domain.calendar import Interval
from cln.domain.invoicing import (
    ChangeKind,
    SubscriptionFacts,
    advance,
    compose_final,
    compose_sweep,
    fold,
    next_sweep_on,
    upcoming,
)
from cln.domain.rules import Rules
from tests.domain.make import after, bought, day, renewal, rows

SWEEPS = Rules(yearly_proration_sweep=True)


def yearly(rules: Rules = SWEEPS) -> SubscriptionFacts:
    """Two units at 365.00 a year from 31 January 2026."""
    return bought(2, (1, 365_00), on="2026-01-31", interval=Interval.YEAR, rules=rules)


def test_pending_layers_are_invoiced_monthly_and_paid_from_then_on_q11() -> None:
    """Q11: the layer is charged to the year's end once, and not again at the renewal."""
    acme = after(yearly(), ("2026-02-10", 1))

    draft = compose_sweep(acme, day("2026-02-28"))

    assert draft is not None
    assert rows(draft) == [("proration:1", "2026-02-10..2027-01-31", 355_00)]
    assert (draft.on, draft.period, draft.ends) == (day("2026-02-28"), None, False)
    assert (draft.quantity, draft.unit_cents) == (0, 0)
    swept = advance(acme, draft)
    assert (fold(swept).held, fold(swept).paid, fold(swept).layers) == (3, 3, ())
    assert rows(renewal(swept)) == [("recurring", "2027-01-31..2028-01-31", 1095_00)]


def test_a_sweep_is_recorded_as_the_newest_change_q11() -> None:
    """Q11."""
    acme = after(yearly(), ("2026-02-10", 1), ("2026-02-11", 1), ("2026-02-12", -1))
    draft = compose_sweep(acme, day("2026-02-28"))
    assert draft is not None

    swept = advance(acme, draft)

    assert [change.id for change in swept.changes] == [1, 2, 3, 4]
    assert (swept.changes[-1].kind, swept.changes[-1].on) == (ChangeKind.SWEEP, day("2026-02-28"))


def test_a_swept_unit_is_paid_so_its_removal_gives_no_credit_and_its_return_is_free_q11() -> None:
    """Q11, Q6, Q8."""
    acme = after(yearly(), ("2026-02-10", 1))
    draft = compose_sweep(acme, day("2026-02-28"))
    assert draft is not None

    acme = after(advance(acme, draft), ("2026-03-05", -1), ("2026-04-05", 1))

    assert compose_sweep(acme, day("2026-04-30")) is None


def test_pieces_closed_before_the_sweep_are_invoiced_with_it_and_forgotten_q11() -> None:
    """Q11, Q7."""
    acme = after(yearly(), ("2026-02-10", 2), ("2026-02-20", -1))
    draft = compose_sweep(acme, day("2026-02-28"))

    assert draft is not None
    assert rows(draft) == [
        ("proration:1", "2026-02-10..2027-01-31", 355_00),
        ("proration:1:2", "2026-02-10..2026-02-20", 10_00),
    ]
    assert compose_final(advance(acme, draft), day("2026-03-01")).lines == ()


def test_changes_on_or_after_a_late_sweep_wait_for_the_next_one_q11_m5() -> None:
    """Q11, M5: a sweep composed late bills what it would have billed on its day."""
    acme = after(yearly(), ("2026-02-10", 1), ("2026-02-28", 1), ("2026-03-10", -1))

    late = compose_sweep(acme, day("2026-02-28"))

    assert late is not None
    assert rows(late) == [("proration:1", "2026-02-10..2027-01-31", 355_00)]
    following = compose_sweep(advance(acme, late), day("2026-03-31"))
    assert following is not None
    assert rows(following) == [("proration:2:3", "2026-02-28..2026-03-10", 10_00)]


def test_without_the_switch_or_for_monthly_plans_nothing_is_swept_q11() -> None:
    """Q11."""
    off = after(yearly(Rules()), ("2026-02-10", 1))
    monthly = after(bought(2, (1, 300), on="2026-01-31", rules=SWEEPS), ("2026-02-10", 1))

    assert compose_sweep(off, day("2026-02-28")) is None
    assert compose_sweep(monthly, day("2026-02-27")) is None


def test_a_subscription_that_is_over_is_not_swept_q11() -> None:
    """Q11."""
    acme = yearly()

    assert next_sweep_on(advance(acme, compose_final(acme, day("2026-02-01"))), acme.anchor) is None


def test_sweep_days_are_the_monthly_boundaries_inside_the_year_q11() -> None:
    """Q11, M2."""
    days, last = [], yearly().period.start
    while (last_or_none := next_sweep_on(yearly(), after=last)) is not None:
        last = last_or_none
        days.append(last.isoformat())

    assert days[:3] == ["2026-02-28", "2026-03-31", "2026-04-30"]
    assert (len(days), days[-1]) == (11, "2026-12-31")


def test_what_is_pending_is_foreseen_for_the_day_of_its_sweep_q11_q12() -> None:
    """Q11, Q12: the next invoice is the sweep, unless the subscription ends before."""
    acme = after(yearly(), ("2026-02-10", 1))
    ending = replace(acme, ends_on=day("2026-02-20"))

    assert upcoming(acme) == (compose_sweep(acme, day("2026-02-28")),)
    assert [draft.on for draft in upcoming(yearly())] == [day("2027-01-31")]
    assert [(draft.on, draft.ends) for draft in upcoming(ending)] == [(day("2026-02-20"), True)]


def test_what_is_added_after_the_last_sweep_day_waits_for_the_renewal_q11_q12() -> None:
    """Q11, Q12."""
    acme = after(yearly(), ("2027-01-05", 1))

    [next_one] = upcoming(acme)

    assert (next_one.on, len(next_one.lines)) == (day("2027-01-31"), 2)


@given(
    offsets=st.lists(st.integers(0, 100), max_size=6),
    deltas=st.lists(st.integers(-2, 4), min_size=6, max_size=6),
)
def test_sweeping_twice_bills_nothing_more_and_never_changes_what_is_held_q11(
    offsets: list[int], deltas: list[int]
) -> None:
    """Q11, M5."""
    acme = yearly()
    for offset, delta in zip(sorted(offsets), deltas, strict=False):
        if delta and fold(acme).held + delta >= 0:
            on = date(2026, 1, 31) + timedelta(days=offset)
            acme = after(acme, (on.isoformat(), delta))
    for on in (day("2026-02-28"), day("2026-03-31"), day("2026-04-30"), day("2026-05-31")):
        draft = compose_sweep(acme, on)
        if draft is not None:
            held = fold(acme).held
            acme = advance(acme, draft)
            assert compose_sweep(acme, on) is None
            assert fold(acme).held == held

    assert [line.source for line in renewal(acme).lines] in (["recurring"], [])
