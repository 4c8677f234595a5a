"""Verbs of the books: record a change, issue an invoice, post transfers. All join a transaction
whose first statement locked the account (`accounts.locks.lock_account`).
"""

from collections.abc import Iterable, Sequence
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
from cln.catalog.models import PriceList as PriceListRow
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
    license_type_id: int,
    product_id: int,
    interval: Interval,
    quantity: int,
    unit_cents: int,
    today: date,
    now: datetime,
) -> Subscription:
    """Write a subscription that waits for the payment of its first invoice (Q3)."""
    return Subscription.objects.create(
        account=account,
        license_type_id=license_type_id,
        product_id=product_id,
        interval=interval,
        status=SubscriptionStatus.PENDING,
        quantity=quantity,
        anchor=today,
        paid=quantity,
        paid_unit_cents=unit_cents,
        next_billing_on=today,
        created_at=now,
    )


def record_change(
    *,
    subscription: Subscription,
    kind: ChangeKind,
    delta: int,
    unit_cents: int,
    price_list_id: int,
    note: str,
    now: datetime,
) -> QuantityChange:
    """Append a dated change of quantity and move the subscription's quantity with it."""
    subscription.quantity += delta
    change = QuantityChange.objects.create(
        subscription=subscription,
        kind=kind,
        on=now.date(),
        at=now,
        period=subscription.billed_periods,
        delta=delta,
        quantity_after=subscription.quantity,
        unit_cents=unit_cents,
        price_list_id=price_list_id,
        note=note,
    )
    subscription.save(update_fields=["quantity"])
    return change


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


def apply_draft(*, subscription: Subscription, draft: InvoiceDraft, advanced: SubscriptionFacts) -> None:
    """Move the subscription to where the issued draft leaves it (`domain.invoicing.advance`)."""
    subscription.billed_periods = advanced.billed_periods
    subscription.paid = advanced.paid
    subscription.paid_unit_cents = advanced.paid_unit_cents
    if draft.ends:
        end(subscription=subscription, on=draft.on)
        return
    cycle = BillingCycle(subscription.anchor, Interval(subscription.interval))
    subscription.next_billing_on = cycle.boundary(subscription.billed_periods)
    subscription.save(
        update_fields=["billed_periods", "paid", "paid_unit_cents", "next_billing_on"]
    )


def activate(*, subscription: Subscription) -> None:
    """The first invoice is paid: the subscription lives (Q3)."""
    subscription.status = SubscriptionStatus.ACTIVE
    subscription.save(update_fields=["status"])


def end(*, subscription: Subscription, on: date) -> None:
    """The subscription is over: nothing of it will be billed any more."""
    subscription.status = SubscriptionStatus.ENDED
    subscription.ended_on = on
    subscription.next_billing_on = None
    subscription.quantity = 0
    subscription.save()


def void(*, account: Account, invoice: Invoice, now: datetime) -> None:
    """Take back an unpaid demand: its transfers are reversed, its number stays (P11)."""
    assert invoice.paid_cents == 0, "a paid invoice is refunded, not voided"
    invoice.status = InvoiceStatus.VOID
    invoice.retry_at = invoice.remind_on = invoice.void_on = None
    invoice.save(update_fields=["status", "retry_at", "remind_on", "void_on"])
    post(
        account=account,
        transfers=ledger.invoice_voided(
            net_cents=invoice.net_cents, tax_cents=invoice.tax_cents
        ),
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
