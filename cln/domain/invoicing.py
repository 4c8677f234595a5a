"""Facts in, invoices out: what should be billed, minus what was (Q9-Q12, M5).

`compose` is the only composer. Issuing, previews, "accrued so far" and simulations all call it,
so a preview equals the invoice to the cent, and composing again after issuing gives nothing.
"""

from dataclasses import replace
from datetime import date
from fractions import Fraction

from cln.domain.calendar import BillingCycle, Interval, Period
from cln.domain.layers import PeriodState, fold
from cln.domain.lines import (
    InvoiceDraft,
    LineDraft,
    LineKind,
    product_text,
    span_text,
)
from cln.domain.money import half_up_ratio, prorate
from cln.domain.pricing import PriceList, Surcharge, list_in_force, scope_quantity
from cln.domain.prorations import proration_lines
from cln.domain.subscriptions import Change, ChangeKind, SubscriptionFacts, with_change

__all__ = [
    "Change",
    "ChangeKind",
    "InvoiceDraft",
    "LineDraft",
    "LineKind",
    "SubscriptionFacts",
    "accrued",
    "advance",
    "compose",
    "compose_final",
    "compose_sweep",
    "fold",
    "freed_unit_credit",
    "next_invoice_on",
    "next_sweep_on",
    "priced_change",
    "upcoming",
    "with_change",
]


def compose(facts: SubscriptionFacts, through: date) -> tuple[InvoiceDraft, ...]:
    """Every invoice that is due on or before `through`, oldest first, period by period (M5).

    The last one may have `ends`, and then possibly no lines: nothing to issue, but the
    subscription is over. Refusals: `price_unknown` when a renewal has no price in force.
    """
    drafts: list[InvoiceDraft] = []
    while (due_on := next_invoice_on(facts)) is not None and due_on <= through:
        draft = _next_draft(facts, due_on)
        drafts.append(draft)
        facts = advance(facts, draft)
    return tuple(drafts)


def next_invoice_on(facts: SubscriptionFacts) -> date | None:
    """The day the next invoice is due: the next boundary, or an earlier end; None when over."""
    if facts.over:
        return None
    boundary = facts.cycle.boundary(facts.billed_periods)
    if facts.ends_on is None:
        return boundary
    return min(boundary, max(facts.ends_on, facts.period.start))


def advance(facts: SubscriptionFacts, draft: InvoiceDraft) -> SubscriptionFacts:
    """The facts after a draft was issued; composing them again through the same day is empty."""
    if draft.ends:
        return replace(facts, over=True, changes=())
    if draft.period is None:
        newest_id = max((change.id for change in facts.changes), default=0)
        return with_change(facts, Change(newest_id + 1, draft.on, ChangeKind.SWEEP, 0))
    return replace(
        facts,
        billed_periods=facts.billed_periods + 1,
        paid=draft.quantity,
        paid_unit_cents=draft.unit_cents,
        changes=tuple(change for change in facts.changes if change.on >= draft.on),
    )


def compose_final(facts: SubscriptionFacts, on: date) -> InvoiceDraft:
    """End now (Q10): no credit for what is paid, pending layers become a final invoice.

    Layers are charged up to the day, as if every unit were removed on it (Q7). Renewals that are
    due by then are composed and issued before.
    """
    lines: tuple[LineDraft, ...] = ()
    if facts.billed_periods:
        assert on <= facts.period.end, "due renewals are billed before the end"
        lines = _pending(facts, until=_charged_to(facts, on))
    return InvoiceDraft(on=on, period=None, lines=lines, ends=True, quantity=0, unit_cents=0)


def compose_sweep(facts: SubscriptionFacts, on: date) -> InvoiceDraft | None:
    """Invoice the pending lines of a yearly subscription between two renewals (Q11).

    Open layers are charged to the period's end and are paid from then on. None when the switch
    is off, the plan is not yearly, or nothing is pending. Record a `sweep` change of that day.
    """
    if next_sweep_on(facts, after=facts.period.start) is None:
        return None
    earlier = tuple(
        change
        for change in facts.changes
        if change.on < on or (change.on == on and change.kind is ChangeKind.SWEEP)
    )
    lines = _pending(replace(facts, changes=earlier), until=facts.period.end)
    if not lines:
        return None
    return InvoiceDraft(on=on, period=None, lines=lines, ends=False, quantity=0, unit_cents=0)


def next_sweep_on(facts: SubscriptionFacts, after: date) -> date | None:
    """The next monthly sweep day after a day and before the renewal, if sweeps happen (Q11)."""
    if not facts.rules.yearly_proration_sweep or facts.interval is Interval.MONTH or facts.over:
        return None
    months = BillingCycle(facts.anchor, Interval.MONTH)
    day = months.boundary(months.index_on(after) + 1)
    return day if day < facts.period.end else None


def upcoming(facts: SubscriptionFacts) -> tuple[InvoiceDraft, ...]:
    """The next invoice as things stand (Q12): the very same composers; empty when over.

    With monthly sweeps on that may be the sweep of what is pending, before the renewal (Q11).
    """
    due_on = next_invoice_on(facts)
    if due_on is None:
        return ()
    sweep = _next_sweep(facts)
    return (sweep,) if sweep is not None and sweep.on < due_on else compose(facts, due_on)


def _next_sweep(facts: SubscriptionFacts) -> InvoiceDraft | None:
    """The sweep that will take what is pending now; None where it waits for the renewal."""
    begun = [line.period.start for line in _pending(facts, until=facts.period.end)]
    sweep_on = next_sweep_on(facts, after=min(begun)) if begun else None
    return None if sweep_on is None else compose_sweep(facts, sweep_on)


def accrued(facts: SubscriptionFacts, on: date) -> tuple[LineDraft, ...]:
    """The proration lines recorded up to a day, as the next invoice will carry them (Q12)."""
    due_on = next_invoice_on(facts)
    if due_on is None or not facts.billed_periods:
        return ()
    known = tuple(change for change in facts.changes if change.on <= on)
    return _pending(replace(facts, changes=known), until=_charged_to(facts, due_on))


def freed_unit_credit(facts: SubscriptionFacts, on: date) -> int:
    """Cents of account credit if the newest unit is cancelled after a conversion (Q14).

    The part of its paid price for the remaining days; 0 if it is a layer, which simply stops.
    The caller makes sure that the period's invoice was paid: a debt is never credited.
    """
    newest = fold(facts).newest_held if facts.billed_periods else None
    if newest is None or newest.change_id is not None:
        return 0
    rest = facts.period.from_(on)
    return prorate(
        unit_cents=newest.unit_cents, quantity=1, days=rest.days, of_days=facts.period.days
    )


def priced_change(
    facts: SubscriptionFacts, *, id: int, on: date, kind: ChangeKind, delta: int, note: str = ""
) -> Change:
    """A change priced by the rules: the tier of the new scope total, from the list in force on
    that day (Q5). For an edition change the facts carry the new edition's price lists (Q13).

    Refusals: `price_unknown`.
    """
    held = fold(facts).held + delta
    if held == 0:
        return Change(id, on, kind, delta, 0, None, note)
    prices = list_in_force(facts.price_lists, on)
    unit_cents = prices.unit_cents(scope_quantity(held, facts.others, on))
    return Change(id, on, kind, delta, unit_cents, prices.id, note)


def _next_draft(facts: SubscriptionFacts, on: date) -> InvoiceDraft:
    is_first = facts.billed_periods == 0
    state = None if is_first else fold(facts)
    quantity = facts.paid if state is None else state.held
    if quantity == 0 or (facts.ends_on is not None and facts.ends_on <= on):
        return compose_final(facts, on)
    pending = () if state is None else _pending_of(facts, state, until=facts.period.end)
    period = facts.cycle.period(facts.billed_periods)
    prices = list_in_force(facts.price_lists, on)
    scope = scope_quantity(quantity, facts.others, on)
    unit_cents = prices.unit_cents(scope)
    extras = (
        _surcharge_line(surcharge, unit_cents=unit_cents, period=period, price_list=prices)
        for surcharge in facts.surcharges
        if surcharge.is_addon or not is_first
    )
    return InvoiceDraft(
        on=on,
        period=period,
        lines=(
            *pending,
            _recurring_line(facts, quantity=quantity, scope=scope, period=period, prices=prices),
            *(line for line in extras if line is not None),
        ),
        ends=False,
        quantity=quantity,
        unit_cents=unit_cents,
    )


def _charged_to(facts: SubscriptionFacts, end: date) -> date:
    """Where open layers stop being charged if the subscription's units go on a day (Q7)."""
    return facts.period.end if facts.rules.proration_survives_removal else end


def _pending(facts: SubscriptionFacts, until: date) -> tuple[LineDraft, ...]:
    return _pending_of(facts, fold(facts), until=until)


def _pending_of(facts: SubscriptionFacts, state: PeriodState, until: date) -> tuple[LineDraft, ...]:
    return proration_lines(title=facts.title, state=state, period=facts.period, until=until)


def _recurring_line(
    facts: SubscriptionFacts, *, quantity: int, scope: int, period: Period, prices: PriceList
) -> LineDraft:
    tier = prices.current_tier(scope)
    why = f"{product_text(quantity, tier.unit_cents)} for the {facts.interval} {span_text(period)}"
    if tier.from_quantity > 1:
        shared = "" if scope == quantity else f", {scope} counted together"
        why += f" (price from {tier.from_quantity} up{shared})"
    return LineDraft(
        kind=LineKind.RECURRING,
        source="recurring",
        title=f"{facts.title}, {span_text(period)}",
        why=why,
        quantity=Fraction(quantity),
        unit_cents=tier.unit_cents,
        period=period,
        amount_cents=quantity * tier.unit_cents,
        price_list_id=prices.id,
    )


def _surcharge_line(
    surcharge: Surcharge, *, unit_cents: int, period: Period, price_list: PriceList
) -> LineDraft | None:
    """A percentage of the unit price per server, rounded once (S1, S2)."""
    percent = surcharge.percent_on(period.start)
    if percent == 0 or surcharge.servers == 0:
        return None
    kind = LineKind.ADDON if surcharge.is_addon else LineKind.SURCHARGE
    return LineDraft(
        kind=kind,
        source=f"{kind}:{surcharge.code}",
        title=f"{surcharge.title}, {span_text(period)}",
        why=f"{percent} % of {product_text(surcharge.servers, unit_cents)}",
        quantity=Fraction(surcharge.servers),
        unit_cents=unit_cents,
        period=period,
        amount_cents=half_up_ratio(surcharge.servers * unit_cents * percent, 100),
        price_list_id=price_list.id,
    )
