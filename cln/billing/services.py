"""Verbs of the books: record a change, issue an invoice, post transfers. All join a transaction
whose first statement locked the account (`accounts.locks.lock_account`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.backends.postgresql.psycopg_any import DateRange

from cln.accounts.models import Account
from cln.billing.models import (
    Invoice,
    InvoiceLine,
    InvoiceSeries,
    QuantityChange,
    Subscription,
    Transfer,
)
from cln.catalog.models import LicenseType
from cln.domain import ledger
from cln.domain.calendar import BillingCycle, Interval
from cln.domain.invoicing import Change, ChangeKind, InvoiceDraft, LineDraft, SubscriptionFacts
from cln.enums import InvoicePurpose, InvoiceStatus, SubscriptionStatus
from cln.ids import public_id

CUSTOMER_SERIES = "customers"


@dataclass(frozen=True, slots=True)
class Terms:
    """When an invoice falls due and when collection looks at it (P2, P6, Q3)."""

    due_on: date
    retry_at: datetime | None
    remind_on: date | None
    void_on: date | None


@dataclass(frozen=True, slots=True)
class TaxedDraft:
    """What an invoice will say: the composed draft and the tax lines on its net."""

    draft: InvoiceDraft
    tax_lines: tuple[LineDraft, ...]

    @property
    def lines(self) -> tuple[LineDraft, ...]:
        return self.draft.lines + self.tax_lines


def open_subscription(
    *,
    account: Account,
    license_type: LicenseType,
    interval: Interval,
    first: Change,
    now: datetime,
) -> Subscription:
    """Write a subscription that waits for the payment of its first invoice, with its first
    change (Q3). The anchor is the day of the order (M2).
    """
    subscription = Subscription.objects.create(
        account=account,
        license_type=license_type,
        product_id=license_type.product_id,
        interval=interval,
        status=SubscriptionStatus.PENDING,
        quantity=0,
        anchor=first.on,
        paid=first.delta,
        paid_unit_cents=first.unit_cents,
        created_at=now,
    )
    record_change(subscription=subscription, change=first, now=now)
    return subscription


def record_change(*, subscription: Subscription, change: Change, now: datetime) -> None:
    """Append a dated change of quantity and move the subscription's quantity with it.

    The row gets its own id: that of `change` was a stand-in for previews.
    """
    subscription.quantity += change.delta
    QuantityChange.objects.create(
        subscription=subscription,
        kind=change.kind,
        on=change.on,
        at=now,
        period=subscription.billed_periods,
        delta=change.delta,
        quantity_after=subscription.quantity,
        unit_cents=change.unit_cents,
        price_list_id=change.price_list_id,
        note=change.note,
    )
    subscription.save(update_fields=["quantity"])


def changes_of_period(subscription: Subscription) -> tuple[Change, ...]:
    """The changes since the running period began, oldest first, as the domain reads them."""
    rows = subscription.changes.filter(period=subscription.billed_periods).order_by("id")
    return tuple(
        Change(
            id=row.pk,
            on=row.on,
            kind=ChangeKind(row.kind),
            delta=row.delta,
            unit_cents=row.unit_cents,
            price_list_id=row.price_list_id,
            note=row.note,
        )
        for row in rows
    )


def issue(
    *,
    account: Account,
    subscription: Subscription,
    taxed: TaxedDraft,
    purpose: InvoicePurpose,
    terms: Terms,
    now: datetime,
) -> Invoice:
    """Write a draft as a numbered invoice with its lines and transfers (P11, P12).

    The number is taken last, so the series row is locked as briefly as can be.
    """
    net = sum(line.amount_cents for line in taxed.draft.lines)
    tax = sum(line.amount_cents for line in taxed.tax_lines)
    invoice = Invoice.objects.create(
        public_id=public_id("inv"),
        account=account,
        subscription=subscription,
        license_type_id=subscription.license_type_id,
        purpose=purpose,
        status=InvoiceStatus.OPEN,
        currency=account.currency,
        issued_at=now,
        issued_on=now.date(),
        due_on=terms.due_on,
        net_cents=net,
        tax_cents=tax,
        total_cents=net + tax,
        bill_to=bill_to(account),
        retry_at=terms.retry_at,
        remind_on=terms.remind_on,
        void_on=terms.void_on,
        **_next_number(CUSTOMER_SERIES),
    )
    InvoiceLine.objects.bulk_create(
        _line(invoice, position, line) for position, line in enumerate(taxed.lines, start=1)
    )
    post(
        account=account,
        transfers=ledger.invoice_issued(net_cents=net, tax_cents=tax),
        kind="invoice_issued",
        now=now,
        invoice=invoice,
    )
    return invoice


def apply_draft(
    *, subscription: Subscription, draft: InvoiceDraft, advanced: SubscriptionFacts
) -> None:
    """Move the subscription to where the issued draft leaves it (`domain.invoicing.advance`)."""
    subscription.billed_periods = advanced.billed_periods
    subscription.paid = advanced.paid
    subscription.paid_unit_cents = advanced.paid_unit_cents
    if draft.ends:
        end(subscription=subscription, on=draft.on)
        return
    plan_next_invoice(subscription=subscription)


def plan_next_invoice(*, subscription: Subscription) -> None:
    """Set the due column: the next boundary or an earlier end; nothing while the first order is
    not paid.
    """
    cycle = BillingCycle(subscription.anchor, Interval(subscription.interval))
    boundary = cycle.boundary(subscription.billed_periods)
    is_live = subscription.status == SubscriptionStatus.ACTIVE
    subscription.next_billing_on = (
        min(boundary, subscription.ends_on or boundary) if is_live else None
    )
    subscription.save()


def plan_sweep(*, subscription: Subscription, on: date | None) -> None:
    """Let the billing run look at pending prorations on a day before the renewal (Q11)."""
    if on is not None and subscription.next_billing_on is not None:
        subscription.next_billing_on = min(on, subscription.next_billing_on)
        subscription.save(update_fields=["next_billing_on"])


def activate(*, subscription: Subscription) -> None:
    """The first invoice is paid: the subscription lives (Q3)."""
    subscription.status = SubscriptionStatus.ACTIVE
    plan_next_invoice(subscription=subscription)


def end(*, subscription: Subscription, on: date) -> None:
    """The subscription is over: nothing of it will be billed any more."""
    subscription.status = SubscriptionStatus.ENDED
    subscription.ended_on = on
    subscription.next_billing_on = None
    subscription.save()


def change_license_type(*, subscription: Subscription, license_type: LicenseType) -> None:
    """Another edition of the same product under the same agreement (Q13)."""
    assert subscription.product_id == license_type.product_id, "an edition stays in its product"
    subscription.license_type = license_type
    subscription.save(update_fields=["license_type"])


def void_subscription(*, subscription: Subscription) -> None:
    """A first order that was never paid leaves nothing behind."""
    subscription.status = SubscriptionStatus.VOID
    subscription.next_billing_on = None
    subscription.save()


def schedule_end(*, subscription: Subscription, on: date | None) -> None:
    """Let the subscription end on a day (Q10), or go on; the billing run of that day does it."""
    subscription.ends_on = on
    plan_next_invoice(subscription=subscription)


def void(*, account: Account, invoice: Invoice, now: datetime) -> None:
    """Take back an unpaid demand: its transfers are reversed, its number stays (P11)."""
    assert invoice.paid_cents == 0, "a paid invoice is refunded, not voided"
    invoice.status = InvoiceStatus.VOID
    invoice.retry_at = invoice.remind_on = invoice.void_on = None
    invoice.save(update_fields=["status", "retry_at", "remind_on", "void_on"])
    post(
        account=account,
        transfers=ledger.invoice_voided(net_cents=invoice.net_cents, tax_cents=invoice.tax_cents),
        kind="invoice_voided",
        now=now,
        invoice=invoice,
    )


def post(
    *,
    account: Account,
    transfers: Iterable[ledger.Transfer],
    kind: str,
    now: datetime,
    invoice: Invoice | None = None,
    payment_id: int | None = None,
) -> None:
    """Append transfers to the ledger, in the account's currency (cents)."""
    Transfer.objects.bulk_create(
        Transfer(
            account=account,
            at=now,
            kind=kind,
            debit=transfer.debit,
            credit=transfer.credit,
            cents=transfer.cents,
            currency=account.currency,
            invoice=invoice,
            payment_id=payment_id,
        )
        for transfer in transfers
    )


def bill_to(account: Account) -> dict[str, str]:
    """The customer as he is today; an invoice keeps this copy for ever."""
    return {
        "company": account.company,
        "address": account.address,
        "country": account.country,
        "vat_number": account.vat_number,
        "email": account.billing_email,
    }


def _line(invoice: Invoice, position: int, line: LineDraft) -> InvoiceLine:
    quantity = Decimal(line.quantity.numerator) / Decimal(line.quantity.denominator)
    return InvoiceLine(
        invoice=invoice,
        subscription_id=invoice.subscription_id,
        position=position,
        kind=line.kind,
        source=line.source,
        title=line.title,
        why=line.why,
        quantity=quantity,
        unit_cents=line.unit_cents,
        period=DateRange(line.period.start, line.period.end),
        amount_cents=line.amount_cents,
        price_list_id=line.price_list_id,
    )


def _next_number(series_code: str) -> dict[str, object]:
    series, _ = InvoiceSeries.objects.select_for_update().get_or_create(
        code=series_code, defaults={"prefix": "CBI-"}
    )
    number = f"{series.prefix}{series.next_number:06d}"
    series.next_number += 1
    series.save(update_fields=["next_number"])
    return {"series": series, "number": number}
