"""Verbs of money that arrives. All join a transaction that locked the account first."""

from collections.abc import Collection
from datetime import date, datetime, timedelta

from django.db.models import Sum

from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.billing.services import post
from cln.domain import ledger
from cln.domain.dunning import DeclineCode
from cln.domain.errors import Refusal
from cln.enums import (
    UNFINISHED_ATTEMPT,
    AttemptChannel,
    AttemptPurpose,
    AttemptState,
    InvoiceStatus,
    MethodKind,
)
from cln.ids import public_id
from cln.payments.gateways import Outcome
from cln.payments.models import Allocation, Payment, PaymentAttempt, PaymentMethod

# After this an attempt whose process died is taken up by the resolver.
RESOLVE_AFTER = timedelta(minutes=10)


class NothingToPay(Refusal):
    """The invoice is settled, void or written off."""

    code = "nothing_to_pay"


class PaymentInProgress(Refusal):
    """Another attempt for the same thing has not ended (P3, P4)."""

    code = "payment_in_progress"


class NoPaymentMethod(Refusal):
    """The account has no active payment method."""

    code = "no_payment_method"


def active_method(account_id: int) -> PaymentMethod | None:
    """The one payment method that is charged (P1)."""
    return PaymentMethod.objects.filter(account_id=account_id, active=True).first()


def method_labels(account_ids: Collection[int]) -> dict[int, str]:
    """What the active payment methods are called, by account."""
    rows = PaymentMethod.objects.filter(account__in=account_ids, active=True)
    return dict(rows.values_list("account_id", "label"))


def store_method(
    *,
    account: Account,
    kind: MethodKind,
    gateway: str,
    token: str,
    label: str,
    expires_on: date | None,
    now: datetime,
) -> PaymentMethod:
    """Make this the account's one active method; the former one is replaced (P1)."""
    PaymentMethod.objects.filter(account=account, active=True).update(active=False, replaced_at=now)
    return PaymentMethod.objects.create(
        account=account,
        kind=kind,
        gateway=gateway,
        token=token,
        label=label,
        expires_on=expires_on,
        created_at=now,
    )


def open_attempt(
    *,
    account: Account,
    invoice: Invoice | None,
    amount_cents: int,
    channel: AttemptChannel,
    method: PaymentMethod | None,
    now: datetime,
) -> PaymentAttempt:
    """Write the attempt that is about to be made; it is the lock against a second one (P3).

    Without an invoice it is a top-up of the balance. Refusals: `nothing_to_pay`,
    `no_payment_method`, `payment_in_progress`.
    """
    if invoice is not None and invoice.status != InvoiceStatus.OPEN:
        raise NothingToPay(f"Invoice {invoice.number} is {invoice.status}: nothing is due.")
    if method is None:
        raise NoPaymentMethod(
            "There is no payment method.", "Add a card or a PayPal account under Payment methods."
        )
    purpose = AttemptPurpose.TOP_UP if invoice is None else AttemptPurpose.INVOICE
    unfinished = PaymentAttempt.objects.filter(
        account=account, purpose=purpose, invoice=invoice, state__in=UNFINISHED_ATTEMPT
    )
    if unfinished.exists():
        what = "the top-up" if invoice is None else f"invoice {invoice.number}"
        raise PaymentInProgress(
            f"A payment for {what} is still being confirmed.",
            "Wait for its result; nothing is charged twice.",
        )
    return PaymentAttempt.objects.create(
        public_id=public_id("att"),
        account=account,
        purpose=purpose,
        channel=channel,
        invoice=invoice,
        method=method,
        gateway=method.gateway,
        amount_cents=amount_cents,
        currency=account.currency,
        state=AttemptState.OPEN,
        created_at=now,
        resolve_at=now + RESOLVE_AFTER,
    )


def close_attempt(
    *,
    attempt: PaymentAttempt,
    state: AttemptState,
    decline_code: DeclineCode | None,
    resolve_at: datetime | None,
    now: datetime,
) -> None:
    """Record what became of an attempt; finished states carry no `resolve_at`."""
    attempt.state = state
    attempt.decline_code = decline_code or ""
    attempt.resolve_at = resolve_at
    attempt.finished_at = None if state in UNFINISHED_ATTEMPT else now
    attempt.save(update_fields=["state", "decline_code", "resolve_at", "finished_at"])


def receive_payment(
    *, account: Account, attempt: PaymentAttempt, outcome: Outcome, now: datetime
) -> Payment:
    """Write settled money into the books: cash to the account's balance (P12)."""
    payment = Payment.objects.create(
        public_id=public_id("pay"),
        account=account,
        attempt=attempt,
        gateway=attempt.gateway,
        gateway_reference=outcome.gateway_reference,
        amount_cents=attempt.amount_cents,
        currency=attempt.currency,
        received_at=now,
    )
    post(
        account=account,
        transfers=ledger.payment_received(cents=attempt.amount_cents),
        kind="payment_received",
        now=now,
        invoice=attempt.invoice,
        payment_id=payment.pk,
    )
    return payment


def allocate(
    *,
    account: Account,
    invoice: Invoice,
    payment: Payment | None,
    amount_cents: int,
    now: datetime,
) -> None:
    """Settle part or all of an invoice from a payment or, without one, from the balance (P9).

    Sets the invoice paid when nothing is left; the caller acts on that.
    """
    if amount_cents:
        Allocation.objects.create(
            account=account, payment=payment, invoice=invoice, amount_cents=amount_cents, at=now
        )
        post(
            account=account,
            transfers=ledger.allocated(cents=amount_cents),
            kind="allocated",
            now=now,
            invoice=invoice,
            payment_id=payment.pk if payment else None,
        )
    invoice.paid_cents += amount_cents
    if invoice.paid_cents == invoice.total_cents:
        invoice.status = InvoiceStatus.PAID
        invoice.settled_at = now
        invoice.retry_at = invoice.remind_on = invoice.void_on = None
    invoice.save(
        update_fields=["paid_cents", "status", "settled_at", "retry_at", "remind_on", "void_on"]
    )


def deallocate(*, account: Account, invoice: Invoice, now: datetime) -> None:
    """Give back to the balance what had paid part of an invoice that is about to be voided."""
    parts = (
        Allocation.objects.filter(invoice=invoice)
        .values("payment_id")
        .annotate(cents=Sum("amount_cents"))
        .filter(cents__gt=0)
    )
    for part in parts.order_by("payment_id"):
        Allocation.objects.create(
            account=account,
            payment_id=part["payment_id"],
            invoice=invoice,
            amount_cents=-part["cents"],
            at=now,
        )
        post(
            account=account,
            transfers=ledger.deallocated(cents=part["cents"]),
            kind="deallocated",
            now=now,
            invoice=invoice,
            payment_id=part["payment_id"],
        )
    invoice.paid_cents = 0
    invoice.save(update_fields=["paid_cents"])
