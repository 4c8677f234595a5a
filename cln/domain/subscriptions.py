"""What the core is told about one subscription: its terms and the changes of the running period."""

from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from cln.domain.calendar import BillingCycle, Interval, Period
from cln.domain.pricing import PriceList, ScopeHolding, Surcharge
from cln.domain.rules import Rules


class ChangeKind(StrEnum):
    """Why a quantity or an edition changed."""

    PURCHASE = "purchase"  # the first order; its quantity is `paid` of period 0
    ADD = "add"
    REMOVE = "remove"
    SWEEP = "sweep"  # pending prorations were invoiced between two renewals (Q11)
    UPGRADE = "upgrade"  # to a dearer edition (Q13)
    DOWNGRADE = "downgrade"  # the way back, without credit (Q13)
    FREED = "freed"  # the old unit of a converted server, cancelled with credit (Q14)


@dataclass(frozen=True, slots=True)
class Change:
    """One dated, append-only change.

    `delta` is signed (0 for sweeps and editions). `unit_cents` and `price_list_id` are those of
    the tier of the new scope total on that day (Q5). `note` says who and why, for people.
    """

    id: int
    on: date
    kind: ChangeKind
    delta: int
    unit_cents: int = 0
    price_list_id: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFacts:
    """Everything that decides what a subscription is billed.

    `billed_periods` counts the periods whose recurring line exists; 0 means that the first
    purchase is not billed yet, and the next invoice is always on boundary(billed_periods).
    `paid` are the units paid in advance at the start of the running period (the quantity being
    bought while nothing is billed), `paid_unit_cents` what each of them cost. `changes` are those
    since the running period began, in order of id. `ends_on` is set when it will not renew.
    """

    license_type: str
    title: str
    anchor: date
    interval: Interval
    currency: str
    billed_periods: int
    paid: int
    paid_unit_cents: int
    price_lists: tuple[PriceList, ...]
    changes: tuple[Change, ...] = ()
    ends_on: date | None = None
    others: tuple[ScopeHolding, ...] = ()
    surcharges: tuple[Surcharge, ...] = ()
    rules: Rules = field(default_factory=Rules)
    over: bool = False

    @property
    def cycle(self) -> BillingCycle:
        """The calendar of its boundaries (M2)."""
        return BillingCycle(self.anchor, self.interval)

    @property
    def period(self) -> Period:
        """The running period: the newest billed one, or the first while nothing is billed."""
        return self.cycle.period(max(0, self.billed_periods - 1))


def with_change(facts: SubscriptionFacts, change: Change) -> SubscriptionFacts:
    """The facts as they would be after a change, for previews (Q12)."""
    return replace(facts, changes=(*facts.changes, change))
