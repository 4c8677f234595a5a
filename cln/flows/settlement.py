"""What money does once it is there: pay invoices from the balance, and free what they held."""

from datetime import datetime

from cln.accounts.models import Account
from cln.billing import services as billing
from cln.billing.models import Invoice
from cln.billing.queries import balance_cents
from cln.enums import (
    UNFINISHED_ATTEMPT,
    AccountKind,
    EntitlementKind,
    InvoicePurpose,
    InvoiceStatus,
    SubscriptionStatus,
)
from cln.flows import events
from cln.flows.deposit import balance_changed
from cln.flows.dunning import reconsider
from cln.flows.trials import convert_trial
from cln.licensing import entitlements as licensing
from cln.payments import services as payments


def settle_from_balance(*, account: Account, now: datetime) -> None:
    """Joins: pay open invoices, oldest first, from the account's credit (P9).

    A reseller's are paid in full from the deposit, which may go negative (R3). An invoice that an
    attempt is being made for is left alone: its money may be on the way.
    """
    _pay_open(account, now=now)
    balance_changed(account=account, now=now)


def _pay_open(account: Account, *, now: datetime) -> None:
    credit = balance_cents(account.pk)
    open_invoices = Invoice.objects.filter(account=account, status=InvoiceStatus.OPEN).exclude(
        attempts__state__in=UNFINISHED_ATTEMPT
    )
    for invoice in open_invoices.order_by("issued_on", "id"):
        due = invoice.total_cents - invoice.paid_cents
        part = due if account.kind == AccountKind.RESELLER else min(max(credit, 0), due)
        if part == 0 and due > 0:
            return
        payments.allocate(
            account=account, invoice=invoice, payment=None, amount_cents=part, now=now
        )
        credit -= part
        when_paid(account=account, invoice=invoice, now=now)


def when_paid(*, account: Account, invoice: Invoice, now: datetime) -> None:
    """Joins: what a settled invoice sets free: an order's licenses, a blocked account (P8)."""
    if invoice.status != InvoiceStatus.PAID:
        return
    events.invoice_paid(invoice, now=now)
    if invoice.purpose == InvoicePurpose.ORDER:
        _activate_order(account, invoice, now=now)
    reconsider(account=account, now=now)


def _activate_order(account: Account, invoice: Invoice, *, now: datetime) -> None:
    """Grant what a settled order bought, with its default key (Q3, T4)."""
    subscription = invoice.subscription
    assert subscription is not None, "an order belongs to a subscription"
    if subscription.status != SubscriptionStatus.PENDING:
        return
    billing.activate(subscription=subscription)
    licensing.grant(
        account_id=account.pk,
        license_type=subscription.license_type.code,
        kind=EntitlementKind.PAID,
        quantity=subscription.quantity,
        valid_until=None,
        now=now,
    )
    convert_trial(account=account, license_type=subscription.license_type, now=now)
    events.subscription_changed(subscription, now=now)
