"""Builders of facts: a monthly KernelCare subscription unless a test says otherwise."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from cln.domain.calendar import Interval
from cln.domain.invoicing import (
    Change,
    ChangeKind,
    InvoiceDraft,
    SubscriptionFacts,
    advance,
    compose,
    priced_change,
    with_change,
)
from cln.domain.pricing import PriceList, Tier


def day(text: str) -> date:
    """A date as people write it in these tests: 2026-01-31."""
    return date.fromisoformat(text)


def prices(
    *tiers: tuple[int, int],
    id: int = 1,
    effective: str = "2000-01-01",
    interval: Interval = Interval.MONTH,
) -> PriceList:
    """A price list of (from quantity, cents) tiers."""
    return PriceList(
        id=id,
        license_type="kernelcare",
        interval=interval,
        currency="USD",
        effective_on=day(effective),
        tiers=tuple(Tier(start, cents) for start, cents in tiers),
    )


def bought(
    quantity: int,
    *tiers: tuple[int, int],
    on: str,
    interval: Interval = Interval.MONTH,
    **more: Any,
) -> SubscriptionFacts:
    """A subscription whose first period has been billed."""
    ordered = order(quantity, *tiers, on=on, interval=interval, **more)
    return advance(ordered, compose(ordered, day(on))[0])


def order(
    quantity: int,
    *tiers: tuple[int, int],
    on: str,
    interval: Interval = Interval.MONTH,
    **more: Any,
) -> SubscriptionFacts:
    """A first purchase that has not been billed yet."""
    facts: dict[str, Any] = {
        "license_type": "kernelcare",
        "title": "KernelCare",
        "anchor": day(on),
        "interval": interval,
        "currency": "USD",
        "billed_periods": 0,
        "paid": quantity,
        "paid_unit_cents": 0,
        "price_lists": (prices(*tiers, interval=interval),) if tiers else (),
    }
    return SubscriptionFacts(**(facts | more))


def after(facts: SubscriptionFacts, *changes: tuple[str, int | ChangeKind]) -> SubscriptionFacts:
    """The facts after changes of (day, +units, -units or kind), priced by the rules."""
    for on, what in changes:
        facts = with_change(facts, change_of(facts, on, what))
    return facts


def change_of(facts: SubscriptionFacts, on: str, what: int | ChangeKind) -> Change:
    """One priced change with the next id."""
    if isinstance(what, ChangeKind):
        kind, delta = what, -1 if what is ChangeKind.FREED else 0
    else:
        kind, delta = (ChangeKind.ADD if what > 0 else ChangeKind.REMOVE), what
    next_id = max((change.id for change in facts.changes), default=0) + 1
    return priced_change(facts, id=next_id, on=day(on), kind=kind, delta=delta)


def renewal(facts: SubscriptionFacts) -> InvoiceDraft:
    """The one invoice of the next boundary."""
    (draft,) = compose(facts, facts.cycle.boundary(facts.billed_periods))
    return draft


def rows(draft: InvoiceDraft) -> Sequence[tuple[str, str, int]]:
    """Lines as (source, days, cents)."""
    return [
        (line.source, f"{line.period.start}..{line.period.end}", line.amount_cents)
        for line in draft.lines
    ]
