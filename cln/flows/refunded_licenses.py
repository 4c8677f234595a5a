"""Licenses that were paid back in full are taken back with their money (P10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from cln.accounts.models import Account
from cln.billing import services as billing
from cln.billing.credit_notes import credited_of
from cln.billing.models import Invoice, Subscription
from cln.catalog import queries as catalog
from cln.domain.invoicing import ChangeKind, LineKind, priced_change
from cln.domain.refunds import Creditable, refunded_units
from cln.enums import EntitlementKind, SubscriptionStatus
from cln.flows.facts import facts_of
from cln.licensing import entitlements as licensing

NEW_CHANGE_ID = 2**62


@dataclass(frozen=True, slots=True)
class Given:
    """Whole licenses of a running subscription that go with a refund."""

    subscription_id: int
    units: int


def refunded_licenses(invoice: Invoice, parts: Sequence[Creditable], *, on: date) -> Given | None:
    """How many licenses a credit pays back in full, of a period that still runs; None is none.

    Parts of a license add up: two refunds of half a license take one.
    """
    subscription = invoice.subscription
    if subscription is None or subscription.status != SubscriptionStatus.ACTIVE:
        return None
    before, now_credited = credited_of(invoice), {part.line: part.cents for part in parts}
    units = 0
    for line in invoice.lines.filter(kind=LineKind.RECURRING, period__contains=on):
        earlier, quantity = before.get(line.pk, 0), Fraction(line.quantity)
        total = refunded_units(
            quantity,
            line_cents=line.amount_cents,
            credited_cents=earlier + now_credited.get(line.pk, 0),
        )
        units += total - refunded_units(
            quantity, line_cents=line.amount_cents, credited_cents=earlier
        )
    units = min(units, subscription.quantity)
    return Given(subscription.pk, units) if units else None


def take_back(*, account: Account, given: Given, operator: str, now: datetime) -> None:
    """Joins: cut a subscription by what was refunded; the newest servers beyond the rest go too."""
    subscription = Subscription.objects.select_related("account", "license_type").get(
        pk=given.subscription_id
    )
    units = min(given.units, subscription.quantity)
    change = priced_change(
        facts_of(subscription, rules=catalog.rules()),
        id=NEW_CHANGE_ID,
        on=now.date(),
        kind=ChangeKind.FREED,
        delta=-units,
        note=f"refunded by {operator}",
    )
    billing.record_change(subscription=subscription, change=change, now=now)
    code = subscription.license_type.code
    if subscription.quantity == 0:
        licensing.end_entitlement(
            account_id=account.pk, license_type=code, now=now, why="Its license was refunded"
        )
        return
    licensing.grant(
        account_id=account.pk,
        license_type=code,
        kind=EntitlementKind.PAID,
        quantity=subscription.quantity,
        valid_until=None,
        now=now,
    )
