"""What money does once it is there: pay invoices from the balance, and free what they held."""

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from django.db.models import QuerySet

from cln.accounts.models import Account
from cln.billing import services as billing
from cln.billing.models import Invoice
from cln.billing.queries import balances_of
from cln.database.rows import among
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
from cln.flows.dunning import reconsider_all
from cln.flows.trials import convert_trial
from cln.licensing import entitlements as licensing
from cln.payments import services as payments


def settle_from_balance(*, account: Account, now: datetime) -> None:
    """Joins: pay open invoices, oldest first, from the account's credit (P9).

    A reseller's are paid in full from the deposit, which may go negative (R3). An invoice that an
    attempt is being made for is left alone: its money may be on the way.
    """
    settle_all([account], now=now)


def settle_all(accounts: Sequence[Account], *, now: datetime) -> None:
    """The same for many accounts, all locked."""
    if not accounts:
        return
    parts = _payable(accounts)
    payments.allocate_all(parts, now=now)
    paid = [(part.account, part.invoice) for part in parts]
    when_all_paid(paid, now=now)
    for account in accounts:
        balance_changed(account=account, now=now)


def foreseen_parts(*, account: Account, dues: Sequence[int]) -> list[int]:
    """What the balance would pay of invoices that were issued now, after the open ones: cents of
    each of `dues`. Changes nothing.
    """
    earlier = [_due_of(invoice) for invoice in _open_of([account.pk])]
    credit = balances_of([account.pk]).get(account.pk, 0)
    parts = _shared_out(account, credit, [*earlier, *dues])[len(earlier) :]
    return parts + [0] * (len(dues) - len(parts))


def _payable(accounts: Sequence[Account]) -> list[payments.Part]:
    """What each account's balance pays of its open invoices, oldest first."""
    by_id = {account.pk: account for account in accounts}
    credits = balances_of(list(by_id))
    parts = []
    for account_id, group in groupby(_open_of(by_id), key=attrgetter("account_id")):
        account, invoices = by_id[account_id], list(group)
        dues = [_due_of(invoice) for invoice in invoices]
        shares = _shared_out(account, credits.get(account_id, 0), dues)
        # The first that gets nothing ends it: what comes after it is newer.
        for invoice, share in zip(invoices, shares, strict=False):
            invoice.account = account
            parts.append(payments.Part(account, invoice, None, share))
    return parts


def _open_of(account_ids: Collection[int]) -> QuerySet[Invoice]:
    """The open invoices of each account that no attempt is being made for, oldest first."""
    return (
        Invoice.objects.filter(account__in=among(account_ids), status=InvoiceStatus.OPEN)
        .exclude(attempts__state__in=UNFINISHED_ATTEMPT)
        .order_by("account_id", "issued_on", "id")
    )


def _due_of(invoice: Invoice) -> int:
    return invoice.total_cents - invoice.paid_cents


def _shared_out(account: Account, credit: int, dues: Sequence[int]) -> list[int]:
    """What a balance pays of each sum that is due, up to the first it has nothing left for."""
    parts = []
    for due in dues:
        part = due if account.kind == AccountKind.RESELLER else min(max(credit, 0), due)
        if part == 0 and due > 0:
            break
        credit -= part
        parts.append(part)
    return parts


def when_paid(*, account: Account, invoice: Invoice, now: datetime) -> None:
    """Joins: what a settled invoice sets free: an order's licenses, a blocked account (P8)."""
    when_all_paid([(account, invoice)], now=now)


def when_all_paid(settled: Sequence[tuple[Account, Invoice]], *, now: datetime) -> None:
    """The same for many invoices; those that are not paid in full are passed over."""
    paid = [
        (account, invoice) for account, invoice in settled if invoice.status == InvoiceStatus.PAID
    ]
    events.invoices_paid([invoice for _, invoice in paid], now=now)
    for account, invoice in paid:
        if invoice.purpose == InvoicePurpose.ORDER:
            _activate_order(account, invoice, now=now)
    reconsider_all(list({account.pk: account for account, _ in paid}.values()), now=now)


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
