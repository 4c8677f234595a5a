"""Composition: what should be billed minus what was (Q3, Q9, Q10, Q12, M5)."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.calendar import Interval
from cln.domain.invoicing import (
    ChangeKind,
    InvoiceDraft,
    SubscriptionFacts,
    accrued,
    advance,
    compose,
    compose_final,
    fold,
    next_invoice_on,
    priced_change,
    upcoming,
    with_change,
)
from cln.domain.lines import LineKind
from cln.domain.pricing import (
    PriceUnknown,
    ScopeHolding,
    SurchargeRate,
    els6_surcharge,
    imunify_email_surcharge,
)
from cln.domain.rules import Rules
from tests.domain.make import after, bought, day, order, prices, renewal, rows

SURVIVES = Rules(proration_survives_removal=True)


def test_a_first_purchase_is_one_invoice_for_the_full_first_period_q3() -> None:
    """Q3."""
    (draft,) = compose(order(5, (1, 395), on="2026-01-31"), day("2026-01-31"))

    assert rows(draft) == [("recurring", "2026-01-31..2026-02-28", 19_75)]
    assert (draft.on, draft.period, draft.ends) == (
        day("2026-01-31"),
        order(5, on="2026-01-31").period,
        False,
    )
    assert (draft.quantity, draft.unit_cents, draft.net_cents) == (5, 395, 19_75)


def test_a_purchase_is_not_billed_before_its_day_nor_twice_q3() -> None:
    """Q3, M5."""
    ordered = order(5, (1, 395), on="2026-01-31")

    assert compose(ordered, day("2026-01-30")) == ()
    assert compose(bought(5, (1, 395), on="2026-01-31"), day("2026-02-27")) == ()


def test_lines_explain_themselves() -> None:
    """Q4: the texts of the scenario format's example."""
    acme = bought(5, (1, 395), on="2026-01-31")
    addition = priced_change(
        acme, id=1, on=day("2026-02-10"), kind=ChangeKind.ADD, delta=3, note="by acme"
    )

    proration, recurring = renewal(with_change(acme, addition)).lines

    assert proration.title == "KernelCare, 10 Feb – 28 Feb 2026"
    assert proration.why == (
        "Added 3 on 10 Feb 2026: 3 × 3.95 × 18/28 days (10 Feb – 28 Feb) [by acme]"
    )
    assert recurring.title == "KernelCare, 28 Feb – 31 Mar 2026"
    assert recurring.why == "8 × 3.95 for the month 28 Feb – 31 Mar 2026"
    assert (proration.amount_cents, recurring.amount_cents) == (7_62, 31_60)


def test_a_removed_unit_explains_both_its_days() -> None:
    """Q7."""
    acme = after(bought(4, (1, 1400), on="2026-11-01"), ("2026-11-11", 2), ("2026-11-21", -2))

    assert renewal(acme).lines[0].why == (
        "Added 2 on 11 Nov 2026, removed on 21 Nov 2026: 2 × 14.00 × 10/30 days (11 Nov – 21 Nov)"
    )


def test_a_span_over_new_year_names_both_years() -> None:
    (draft,) = compose(order(1, (1, 395), on="2026-12-15"), day("2026-12-15"))

    assert draft.lines[0].title == "KernelCare, 15 Dec 2026 – 15 Jan 2027"


def test_a_recurring_line_tells_which_tier_gave_its_price_q1() -> None:
    """Q1."""
    tiers = (1, 1200), (5, 500)
    alone = order(5, *tiers, on="2026-01-01")
    two = order(2, (1, 1400), (2, 1200), on="2026-01-01")
    together = order(2, *tiers, on="2026-01-01", others=(ScopeHolding(3),))

    assert compose(two, day("2026-01-01"))[0].lines[0].why == (
        "2 × 12.00 for the month 1 Jan – 1 Feb 2026 (price from 2 up)"
    )
    assert compose(alone, day("2026-01-01"))[0].lines[0].why == (
        "5 × 5.00 for the month 1 Jan – 1 Feb 2026 (price from 5 up)"
    )
    assert compose(together, day("2026-01-01"))[0].lines[0].why == (
        "2 × 5.00 for the month 1 Jan – 1 Feb 2026 (price from 5 up, 5 counted together)"
    )


def test_a_cheaper_tier_of_the_scope_shows_at_the_next_renewal_q1() -> None:
    """Q1: another band grows in the period; what is paid stays, the renewal gets cheaper."""
    acme = bought(2, (1, 1200), (5, 500), on="2026-01-01")
    acme = replace(acme, others=(ScopeHolding(3),))

    assert rows(renewal(acme)) == [("recurring", "2026-02-01..2026-03-01", 10_00)]


def test_a_new_price_list_starts_at_the_first_renewal_on_or_after_its_date_q1() -> None:
    """Q1."""
    lists = (prices((1, 300), id=1), prices((1, 400), id=2, effective="2026-05-01"))
    acme = bought(1, on="2026-03-15", price_lists=lists)

    lines = [draft.lines[0] for draft in compose(acme, day("2026-05-15"))]

    assert [(line.price_list_id, line.amount_cents) for line in lines] == [(1, 300), (2, 400)]


def test_a_renewal_without_a_price_is_refused_and_bills_nothing() -> None:
    acme = bought(1, (1, 300), on="2026-03-15")

    with pytest.raises(PriceUnknown):
        compose(replace(acme, price_lists=()), day("2026-04-15"))


def test_quantity_zero_bills_only_what_is_pending_and_is_over_q9() -> None:
    """Q9, Q6."""
    acme = after(bought(1, (1, 300), on="2026-04-01"), ("2026-04-11", 1), ("2026-04-21", -2))

    draft = renewal(acme)

    assert rows(draft) == [("proration:1:2", "2026-04-11..2026-04-21", 1_00)]
    assert (draft.ends, draft.period, draft.on) == (True, None, day("2026-05-01"))
    assert next_invoice_on(advance(acme, draft)) is None


def test_an_order_of_nothing_ends_without_an_invoice() -> None:
    (draft,) = compose(order(0, (1, 300), on="2026-04-01"), day("2027-04-01"))

    assert (draft.lines, draft.ends) == ((), True)


def test_an_unsubscribed_product_ends_at_the_end_of_the_paid_period_q10() -> None:
    """Q10: with the pending layer to the period's end, and no renewal."""
    acme = after(bought(2, (1, 300), on="2026-04-01"), ("2026-04-11", 1))
    acme = replace(acme, ends_on=day("2026-05-01"))

    draft = renewal(acme)

    assert rows(draft) == [("proration:1", "2026-04-11..2026-05-01", 2_00)]
    assert draft.ends
    assert compose(acme, day("2030-01-01")) == (draft,)


def test_an_unsubscription_taken_back_renews_as_if_nothing_had_been_q10() -> None:
    """Q10."""
    acme = bought(2, (1, 300), on="2026-04-01")
    leaving = replace(acme, ends_on=day("2026-05-01"))

    assert renewal(replace(leaving, ends_on=None)) == renewal(acme)


def test_ending_now_invoices_the_layers_up_to_today_without_credit_q10() -> None:
    """Q10, Q7."""
    acme = after(bought(2, (1, 300), on="2026-04-01"), ("2026-04-11", 1))

    draft = compose_final(acme, day("2026-04-21"))

    assert rows(draft) == [("proration:1", "2026-04-11..2026-04-21", 1_00)]
    assert (draft.ends, draft.quantity, draft.unit_cents) == (True, 0, 0)
    assert compose(advance(acme, draft), day("2030-01-01")) == ()


def test_ending_now_charges_layers_to_the_end_when_prorations_survive_q10() -> None:
    """Q7 switch, Q10."""
    acme = after(bought(2, (1, 300), on="2026-04-01", rules=SURVIVES), ("2026-04-11", 1))

    assert rows(compose_final(acme, day("2026-04-21"))) == [
        ("proration:1", "2026-04-11..2026-05-01", 2_00)
    ]


def test_ending_on_the_day_of_an_addition_costs_nothing_q7() -> None:
    """Q7, Q10."""
    acme = after(bought(2, (1, 300), on="2026-04-01"), ("2026-04-11", 1))

    assert compose_final(acme, day("2026-04-11")).lines == ()


def test_an_unbilled_order_ends_without_an_invoice_q3() -> None:
    """Q3: a void first order, however late it is voided."""
    draft = compose_final(order(2, (1, 300), on="2026-04-01"), day("2026-06-08"))

    assert (draft.lines, draft.ends) == ((), True)


def test_ending_after_a_renewal_that_was_not_billed_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="due renewals"):
        compose_final(bought(2, (1, 300), on="2026-04-01"), day("2026-05-02"))


def test_an_end_inside_the_period_is_billed_and_shown_on_its_day() -> None:
    """Q10, Q12: accrued and final agree."""
    acme = after(bought(2, (1, 300), on="2026-04-01"), ("2026-04-11", 1))
    acme = replace(acme, ends_on=day("2026-04-21"))

    (draft,) = compose(acme, day("2026-04-21"))

    assert (draft.on, draft.net_cents, draft.ends) == (day("2026-04-21"), 1_00, True)
    assert accrued(acme, day("2026-04-12")) == draft.lines


def test_a_worker_down_for_forty_days_catches_up_period_by_period_m5() -> None:
    """M5."""
    acme = bought(5, (1, 300), on="2026-01-31")

    drafts = compose(acme, day("2026-04-09"))

    assert [(draft.on, draft.net_cents) for draft in drafts] == [
        (day("2026-02-28"), 15_00),
        (day("2026-03-31"), 15_00),
    ]


def test_a_change_after_an_unbilled_boundary_belongs_to_its_own_period_m5() -> None:
    """M5, M1: on the boundary the renewal comes first, so the addition is prorated in full."""
    acme = bought(5, (1, 300), on="2026-04-01")
    late = priced_change(acme, id=1, on=day("2026-05-01"), kind=ChangeKind.ADD, delta=2)

    first, second = compose(with_change(acme, late), day("2026-06-01"))

    assert rows(first) == [("recurring", "2026-05-01..2026-06-01", 15_00)]
    assert rows(second) == [
        ("proration:1", "2026-05-01..2026-06-01", 6_00),
        ("recurring", "2026-06-01..2026-07-01", 21_00),
    ]


def test_accrued_is_what_the_next_invoice_will_carry_q12() -> None:
    """Q12."""
    acme = after(bought(5, (1, 300), on="2026-04-01"), ("2026-04-11", 1), ("2026-04-21", 1))

    assert sum(line.amount_cents for line in accrued(acme, day("2026-04-20"))) == 2_00
    assert accrued(acme, day("2026-04-30")) == renewal(acme).lines[:2]


def test_nothing_is_accrued_before_the_first_invoice_or_after_the_end() -> None:
    ordered = after(order(5, (1, 300), on="2026-04-01"), ("2026-04-01", 1))
    over = advance(bought(5, (1, 300), on="2026-04-01"), compose_final(ordered, day("2026-04-01")))

    assert accrued(ordered, day("2026-04-01")) == ()
    assert accrued(over, day("2026-04-02")) == ()
    assert upcoming(over) == ()


def test_the_els_surcharge_is_added_to_renewals_by_invoice_date_s1() -> None:
    """S1: 2 servers x 14.00 at 10 %, then 20 %; none on the first purchase."""
    rates = (SurchargeRate(day("2020-12-01"), 10), SurchargeRate(day("2021-12-01"), 20))
    surcharge = els6_surcharge(license_type="cloudlinux", servers=2, rates=rates)
    ordered = order(3, (1, 1400), on="2021-10-15", surcharges=(surcharge,))

    lines = [
        (draft.on, line.source, line.kind, line.amount_cents, line.why)
        for draft in compose(ordered, day("2021-12-15"))
        for line in draft.lines[1:]
    ]

    assert lines == [
        (day("2021-11-15"), "surcharge:els6", LineKind.SURCHARGE, 2_80, "10 % of 2 × 14.00"),
        (day("2021-12-15"), "surcharge:els6", LineKind.SURCHARGE, 5_60, "20 % of 2 × 14.00"),
    ]


def test_a_surcharge_before_its_schedule_or_without_servers_makes_no_line_s1() -> None:
    """S1."""
    rates = (SurchargeRate(day("2020-12-01"), 10),)
    surcharge = els6_surcharge(license_type="cloudlinux", servers=2, rates=rates)
    assert surcharge is not None
    early = bought(3, (1, 1400), on="2020-10-01", surcharges=(surcharge,))
    idle = bought(3, (1, 1400), on="2021-10-01", surcharges=(replace(surcharge, servers=0),))

    assert [line.source for line in renewal(early).lines] == ["recurring"]
    assert [line.source for line in renewal(idle).lines] == ["recurring"]


def test_imunify_email_is_billed_with_every_recurring_line_s2() -> None:
    """S2: 10 % of 25.00 for one enabled server, rounded once."""
    addon = imunify_email_surcharge(servers=1)
    ordered = order(2, (1, 2525), on="2026-04-01", surcharges=(addon,))

    assert [rows(draft)[1] for draft in compose(ordered, day("2026-05-01"))] == [
        ("addon:imunify_email", "2026-04-01..2026-05-01", 2_53),
        ("addon:imunify_email", "2026-05-01..2026-06-01", 2_53),
    ]


def living(
    anchor: date,
    interval: Interval,
    survives: bool,
    paid: int,
    steps: list[tuple[int, int]],
    renewals: int | None,
) -> SubscriptionFacts:
    """A subscription in its first period with (part of the period in %, units) changes."""
    rules = Rules(proration_survives_removal=survives)
    tiers = (1, 1400), (5, 999), (10, 333)
    facts = bought(paid, *tiers, on=anchor.isoformat(), interval=interval, rules=rules)
    for part, wish in sorted(steps):
        on = anchor + timedelta(days=facts.period.days * part // 100)
        delta = max(wish, -fold(facts).held)
        facts = after(facts, (on.isoformat(), delta)) if delta else facts
    return replace(facts, ends_on=facts.cycle.boundary(renewals) if renewals else None)


# Drawn in one go: most of a law's time would be spent on drawing step by step.
SUBSCRIPTIONS = st.builds(
    living,
    st.dates(date(2023, 12, 1), date(2028, 3, 1)),
    st.sampled_from(Interval),
    st.booleans(),
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(0, 99), st.integers(-6, 6)), max_size=5),
    st.none() | st.integers(1, 4),
)


def issued(facts: SubscriptionFacts, drafts: tuple[InvoiceDraft, ...]) -> SubscriptionFacts:
    """The facts after all drafts were issued."""
    for draft in drafts:
        facts = advance(facts, draft)
    return facts


@given(facts=SUBSCRIPTIONS, days=st.integers(0, 900))
def test_composing_again_after_issuing_gives_nothing_m5(
    facts: SubscriptionFacts, days: int
) -> None:
    """M5."""
    through = facts.anchor + timedelta(days=days)

    assert compose(issued(facts, compose(facts, through)), through) == ()


@given(facts=SUBSCRIPTIONS, first=st.integers(0, 500), more=st.integers(0, 500))
def test_advancing_time_in_two_steps_equals_one_m5(
    facts: SubscriptionFacts, first: int, more: int
) -> None:
    """M5."""
    midway = facts.anchor + timedelta(days=first)
    through = midway + timedelta(days=more)

    early = compose(facts, midway)
    late = compose(issued(facts, early), through)

    assert early + late == compose(facts, through)


@given(facts=SUBSCRIPTIONS)
def test_a_source_is_billed_once_per_period(facts: SubscriptionFacts) -> None:
    drafts = compose(facts, facts.cycle.boundary(3))

    billed = [(line.source, line.period) for draft in drafts for line in draft.lines]
    assert len(billed) == len(set(billed))


@given(facts=SUBSCRIPTIONS)
def test_a_preview_equals_the_invoice_to_the_cent_q12(facts: SubscriptionFacts) -> None:
    """Q12."""
    (preview,) = upcoming(facts)

    assert (preview,) == compose(facts, preview.on)
    pending = tuple(line for line in preview.lines if line.kind is LineKind.PRORATION)
    assert accrued(facts, preview.on) == pending


@given(facts=SUBSCRIPTIONS)
def test_no_line_is_negative_and_every_line_adds_up_q5(facts: SubscriptionFacts) -> None:
    """Q5, M3."""
    for draft in compose(facts, facts.cycle.boundary(2)):
        assert all(line.amount_cents >= 0 for line in draft.lines)
        assert draft.net_cents == sum(line.amount_cents for line in draft.lines)


@given(facts=SUBSCRIPTIONS, k=st.integers(1, 12))
def test_recurring_lines_tile_the_time_until_the_end(facts: SubscriptionFacts, k: int) -> None:
    """M2, Q9."""
    drafts = compose(facts, facts.cycle.boundary(k))

    periods = [draft.period for draft in drafts if draft.period]
    assert periods == [facts.cycle.period(index) for index in range(1, len(periods) + 1)]
    assert all(not draft.ends for draft in drafts[:-1])
