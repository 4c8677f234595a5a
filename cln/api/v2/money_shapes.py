"""Shapes of what is bought and billed; money is whole cents."""

from __future__ import annotations

from datetime import date, datetime

from ninja import Schema


class SubscriptionOut(Schema):
    """A standing agreement; `paid_until` is the end of the billed period."""

    license_type: str
    name: str
    product: str
    interval: str
    status: str
    quantity: int
    anchor: date
    paid_until: date | None
    next_invoice_on: date | None
    ends_on: date | None


class SubscriptionsOut(Schema):
    """What runs, in the order of the catalog."""

    data: list[SubscriptionOut]


class LineOut(Schema):
    """A line and why it is there; the period is half-open. `quantity` is an exact decimal."""

    kind: str
    title: str
    why: str
    quantity: str
    unit_cents: int
    starts_on: date
    ends_on: date
    amount_cents: int


class InvoiceOut(Schema):
    """An invoice with its lines."""

    id: str
    number: str
    purpose: str
    status: str
    license_type: str
    currency: str
    issued_at: datetime
    issued_on: date
    due_on: date
    net_cents: int
    tax_cents: int
    total_cents: int
    paid_cents: int
    due_cents: int
    lines: list[LineOut]


class InvoicePage(Schema):
    """A page of invoices."""

    data: list[InvoiceOut]
    next_cursor: str | None


class ShareOut(Schema):
    """One license of a month's statement."""

    name: str
    days: int
    quantity: str
    amount_cents: int


class StatementOut(Schema):
    """What each license added to the month."""

    data: list[ShareOut]


class UpcomingOut(Schema):
    """An invoice to come; `accrued_cents` are the prorations that wait for it."""

    license_type: str
    on: date
    accrued_cents: int
    total_cents: int
    lines: list[LineOut]


class UpcomingsOut(Schema):
    """The invoices to come."""

    data: list[UpcomingOut]


class TierOut(Schema):
    """From how many licenses on each costs so much."""

    from_quantity: int
    unit_cents: int


class PreviewOut(Schema):
    """What buying would cost. `scope`: the quantity that picks the tier."""

    license_type: str
    interval: str
    quantity: int
    currency: str
    is_addition: bool
    held_after: int
    unit_cents: int
    due_now_cents: int
    scope: int
    tiers: list[TierOut]
    next_invoice: UpcomingOut | None


class PaymentOut(Schema):
    """What became of the payment of a first order."""

    invoice: str
    amount_cents: int
    state: str
    sentence: str
    fix: str


class BoughtOut(Schema):
    """What was bought; `payment` belongs to first orders only."""

    license_type: str
    quantity: int
    held: int
    is_addition: bool
    invoice_number: str
    payment: PaymentOut | None


class RemovedOut(Schema):
    """How many licenses went and how many are left."""

    removed: int
    left: int


class RemovalOut(RemovedOut):
    """The same, foretold, and by how much the next invoice would fall."""

    saving_cents: int
