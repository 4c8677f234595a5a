"""Verbs of the books: record a change, issue an invoice, post transfers. All join a transaction
whose first statement locked the account (`accounts.locks.lock_account`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection
from django.db.models import F

from cln.accounts.models import Account
from cln.billing.models import (
    CreditNote,
    Invoice,
    QuantityChange,
    Subscription,
    Transfer,
)
from cln.catalog.models import LicenseType
from cln.database.rows import among, copy_rows
from cln.domain import ledger
from cln.domain.calendar import BillingCycle, Interval
from cln.domain.invoicing import Change, ChangeKind, InvoiceDraft, SubscriptionFacts
from cln.enums import InvoiceStatus, SubscriptionStatus


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


def changes_of_periods(
    subscription_ids: Sequence[int],
) -> dict[tuple[int, int], tuple[Change, ...]]:
    """The changes since the running period began, oldest first, as the domain reads them, by
    (subscription, period); pairs without any are absent.
    """
    if not subscription_ids:
        return {}
    rows = (
        QuantityChange.objects.filter(
            subscription__in=among(subscription_ids), period=F("subscription__billed_periods")
        )
        .order_by("id")
        .values_list(
            "subscription_id",
            "period",
            *("id", "on", "kind", "delta", "unit_cents", "price_list_id", "note"),
        )
    )
    found: defaultdict[tuple[int, int], list[Change]] = defaultdict(list)
    for subscription_id, period, pk, on, kind, *rest in rows:
        found[subscription_id, period].append(Change(pk, on, ChangeKind(kind), *rest))
    return {period: tuple(changes) for period, changes in found.items()}


def apply_draft(
    *, subscription: Subscription, draft: InvoiceDraft, advanced: SubscriptionFacts
) -> None:
    """Move the subscription, in memory, to where the issued draft leaves it
    (`domain.invoicing.advance`); `save_all` writes it.
    """
    subscription.billed_periods = advanced.billed_periods
    subscription.paid = advanced.paid
    subscription.paid_unit_cents = advanced.paid_unit_cents
    if draft.ends:
        subscription.status = SubscriptionStatus.ENDED
        subscription.ended_on = draft.on
    subscription.next_billing_on = _next_invoice_on(subscription)


def save_all(subscriptions: Iterable[Subscription]) -> None:
    """Write what billing moves of subscriptions, in one statement."""
    rows = [
        (s.pk, s.status, s.billed_periods, s.paid, s.paid_unit_cents, s.next_billing_on, s.ended_on)
        for s in subscriptions
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(_SAVE_ALL, [list(column) for column in zip(*rows, strict=True)])


_SAVE_ALL = """
UPDATE billing_subscription AS s
SET status = v.status, billed_periods = v.billed_periods, paid = v.paid,
    paid_unit_cents = v.paid_unit_cents, next_billing_on = v.next_billing_on,
    ended_on = v.ended_on
FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::int[], %s::bigint[], %s::date[], %s::date[])
    AS v (id, status, billed_periods, paid, paid_unit_cents, next_billing_on, ended_on)
WHERE s.id = v.id
"""


def save_collected(invoices: Iterable[Invoice]) -> None:
    """Write what collection moves of invoices, in one statement. Joins."""
    rows = [
        (i.pk, i.paid_cents, i.status, i.settled_at, i.retry_at, i.remind_on, i.void_on)
        for i in invoices
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(_SAVE_COLLECTED, [list(column) for column in zip(*rows, strict=True)])


_SAVE_COLLECTED = """
UPDATE billing_invoice AS i
SET paid_cents = v.paid_cents, status = v.status, settled_at = v.settled_at,
    retry_at = v.retry_at, remind_on = v.remind_on, void_on = v.void_on
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[],
            %s::date[], %s::date[])
    AS v (id, paid_cents, status, settled_at, retry_at, remind_on, void_on)
WHERE i.id = v.id
"""


def plan_next_invoice(*, subscription: Subscription) -> None:
    """Set the due column: the next boundary or an earlier end; nothing while the first order is
    not paid.
    """
    subscription.next_billing_on = _next_invoice_on(subscription)
    subscription.save()


def _next_invoice_on(subscription: Subscription) -> date | None:
    if subscription.status != SubscriptionStatus.ACTIVE:
        return None
    cycle = BillingCycle(subscription.anchor, Interval(subscription.interval))
    boundary = cycle.boundary(subscription.billed_periods)
    return min(boundary, subscription.ends_on or boundary)


def plan_sweep(*, subscription: Subscription, on: date | None) -> None:
    """Let the billing run look at pending prorations on a day before the renewal (Q11)."""
    if on is not None and subscription.next_billing_on is not None:
        subscription.next_billing_on = min(on, subscription.next_billing_on)
        subscription.save(update_fields=["next_billing_on"])


def activate(*, subscription: Subscription) -> None:
    """The first invoice is paid: the subscription lives (Q3)."""
    subscription.status = SubscriptionStatus.ACTIVE
    plan_next_invoice(subscription=subscription)


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


def write_off(*, account: Account, invoice: Invoice, now: datetime) -> None:
    """Give up what is open of an invoice; nothing is collected of it any more (P11)."""
    post(
        account=account,
        transfers=ledger.written_off(cents=invoice.total_cents - invoice.paid_cents),
        kind="written_off",
        now=now,
        invoice=invoice,
    )
    invoice.status = InvoiceStatus.UNCOLLECTIBLE
    invoice.retry_at = invoice.remind_on = invoice.void_on = None
    invoice.save(update_fields=["status", "retry_at", "remind_on", "void_on"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """Transfers of one event, in the account's currency (cents), and what they belong to."""

    account: Account
    transfers: ledger.Postings
    kind: str
    invoice_id: int | None = None
    payment_id: int | None = None
    credit_note_id: int | None = None


def post(
    *,
    account: Account,
    transfers: ledger.Postings,
    kind: str,
    now: datetime,
    invoice: Invoice | None = None,
    payment_id: int | None = None,
    credit_note: CreditNote | None = None,
) -> None:
    """Append the transfers of one event to the ledger."""
    posting = Posting(
        account=account,
        transfers=transfers,
        kind=kind,
        invoice_id=invoice.pk if invoice else None,
        payment_id=payment_id,
        credit_note_id=credit_note.pk if credit_note else None,
    )
    post_all([posting], now=now)


def post_all(postings: Iterable[Posting], *, now: datetime) -> None:
    """Append the transfers of many events to the ledger, in one statement."""
    copy_rows(
        Transfer._meta.db_table,
        (
            {
                "account_id": posting.account.pk,
                "at": now,
                "kind": posting.kind,
                "debit": transfer.debit,
                "credit": transfer.credit,
                "cents": transfer.cents,
                "currency": posting.account.currency,
                "invoice_id": posting.invoice_id,
                "payment_id": posting.payment_id,
                "credit_note_id": posting.credit_note_id,
            }
            for posting in postings
            for transfer in posting.transfers
        ),
    )
