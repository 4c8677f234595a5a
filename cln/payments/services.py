"""Verbs of money that arrives. All join a transaction that locked the account first."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NotRequired, TypedDict, Unpack

from django.db.models import Sum

from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.billing.services import Posting, post, post_all, save_collected
from cln.database.rows import among, copy_rows
from cln.domain import ledger
from cln.domain.dunning import Decline, DeclineCode, explain_decline
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
# The kind of the transfer that money makes when it arrives.
PAYMENT_RECEIVED = "payment_received"
# A gateway that said "later" (a bank transfer behind PayPal takes days) is asked this often.
PENDING_ASKED_EVERY = timedelta(hours=1)
# A hosted page that nobody paid on is closed after this, and other attempts may be made (P4).
HOSTED_PAGE_LIVES = timedelta(minutes=30)


class AttemptColumns(TypedDict):
    """What differs between a charge of a stored method and a hosted page."""

    amount_cents: int
    channel: AttemptChannel
    method: NotRequired[PaymentMethod]
    gateway: str
    created_at: datetime
    resolve_at: datetime


class NothingToPay(Refusal):
    """The invoice is settled, void or written off."""

    code = "nothing_to_pay"


class PaymentInProgress(Refusal):
    """Another attempt for the same thing has not ended (P3, P4)."""

    code = "payment_in_progress"


class NoPaymentMethod(Refusal):
    """The account has no active payment method."""

    code = "no_payment_method"


@dataclass(frozen=True, slots=True)
class DeclinedRow:
    """Invoices, by number, whose last charge was declined on that day for that reason."""

    on: date
    decline: Decline
    numbers: tuple[str, ...]


def active_method(account_id: int) -> PaymentMethod | None:
    """The one payment method that is charged (P1)."""
    return PaymentMethod.objects.filter(account_id=account_id, active=True).first()


def last_decline(method: PaymentMethod) -> DeclinedRow | None:
    """Why the last charge of a method was declined, whatever it was for; None where it was not."""
    last = PaymentAttempt.objects.filter(method=method).order_by("-id").first()
    if last is None or last.state != AttemptState.DECLINED:
        return None
    code = DeclineCode(last.decline_code or DeclineCode.TECHNICAL_PROBLEM)
    return DeclinedRow(last.created_at.date(), explain_decline(code), ())


def under_way(account_id: int) -> dict[str, str]:
    """The numbers of the invoices that a payment is being made for, with its public id.

    Nothing else may pay them meanwhile (P4).
    """
    rows = PaymentAttempt.objects.filter(
        account=account_id, state__in=UNFINISHED_ATTEMPT, invoice__isnull=False
    )
    return dict(rows.order_by("id").values_list("invoice__number", "public_id"))


def declines_of(account_id: int, *, number: str = "") -> tuple[DeclinedRow, ...]:
    """Why open invoices, or the one of a `number`, are not paid: those whose last attempt was
    declined, told together where day and reason are the same; the longest ago first.
    """
    tried = PaymentAttempt.objects.filter(account=account_id, invoice__status=InvoiceStatus.OPEN)
    if number:
        tried = tried.filter(invoice__number=number)
    last = tried.order_by("invoice", "-id").distinct("invoice")
    told: dict[tuple[date, str], list[str]] = defaultdict(list)
    for state, of, at, code in last.values_list(
        "state", "invoice__number", "created_at", "decline_code"
    ):
        if state == AttemptState.DECLINED:
            told[at.date(), code or DeclineCode.TECHNICAL_PROBLEM].append(of)
    return tuple(
        DeclinedRow(on, explain_decline(DeclineCode(code)), tuple(numbers))
        for (on, code), numbers in sorted(told.items())
    )


def method_labels(account_ids: Collection[int]) -> dict[int, str]:
    """What the active payment methods are called, by account."""
    rows = PaymentMethod.objects.filter(account__in=among(account_ids), active=True)
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


def drop_method(*, account: Account, now: datetime) -> PaymentMethod:
    """Leave the account without an active method; returns what it was (P1).

    Refusals: `no_payment_method`.
    """
    method = active_method(account.pk)
    if method is None:
        raise NoPaymentMethod("There is no payment method.")
    method.active, method.replaced_at = False, now
    method.save(update_fields=["active", "replaced_at"])
    return method


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
    if method is None:
        _refuse_settled(invoice)
        raise NoPaymentMethod(
            "There is no payment method.", "Add a card or a PayPal account under Payment methods."
        )
    return _write_attempt(
        account=account,
        invoice=invoice,
        amount_cents=amount_cents,
        channel=channel,
        method=method,
        gateway=method.gateway,
        created_at=now,
        resolve_at=now + RESOLVE_AFTER,
    )


def open_hosted_attempt(
    *, account: Account, invoice: Invoice | None, amount_cents: int, gateway: str, now: datetime
) -> PaymentAttempt:
    """Write the attempt that a gateway's page is about to make (P4); no stored method pays it.

    Refusals: `nothing_to_pay`, `payment_in_progress`.
    """
    return _write_attempt(
        account=account,
        invoice=invoice,
        amount_cents=amount_cents,
        channel=AttemptChannel.HOSTED,
        gateway=gateway,
        created_at=now,
        resolve_at=now + HOSTED_PAGE_LIVES,
    )


def unfinished_attempt(account: Account, invoice: Invoice | None) -> PaymentAttempt | None:
    """The one attempt that has not ended, for an invoice or else for the balance (P3)."""
    purpose = AttemptPurpose.TOP_UP if invoice is None else AttemptPurpose.INVOICE
    return PaymentAttempt.objects.filter(
        account=account, purpose=purpose, invoice=invoice, state__in=UNFINISHED_ATTEMPT
    ).first()


def has_unanswered(*, before: datetime) -> bool:
    """Whether a gateway owes us the answer to a charge that was begun before then."""
    waiting = PaymentAttempt.objects.filter(resolve_at__isnull=False, created_at__lt=before)
    return waiting.filter(state=AttemptState.UNKNOWN).exists()


def keep_gateway_charge(*, attempt_id: int, gateway_charge: str, state: AttemptState) -> bool:
    """Keep the gateway's id of a charge before money can move; `state` says who waits for whom.

    False: the attempt has been given up meanwhile and must not be charged any more.
    """
    waiting = PaymentAttempt.objects.filter(pk=attempt_id, state__in=UNFINISHED_ATTEMPT)
    # With its id and open again, it is being taken at this moment: see `claim_approved`.
    free = waiting.exclude(gateway_charge=gateway_charge, state=AttemptState.OPEN)
    return bool(free.update(gateway_charge=gateway_charge, state=state))


def claim_approved(*, attempt_id: int, now: datetime) -> bool:
    """Commit that what the payer has approved is about to be taken (P3, P4).

    Whoever found the page unused a moment ago sees by it that the attempt is not to be given up.
    False: it has ended meanwhile and must not be taken any more.
    """
    waiting = PaymentAttempt.objects.filter(pk=attempt_id, state__in=UNFINISHED_ATTEMPT)
    return bool(waiting.update(state=AttemptState.OPEN, resolve_at=now + RESOLVE_AFTER))


def _write_attempt(
    *, account: Account, invoice: Invoice | None, **columns: Unpack[AttemptColumns]
) -> PaymentAttempt:
    _refuse_settled(invoice)
    if unfinished_attempt(account, invoice):
        what = "the top-up" if invoice is None else f"invoice {invoice.number}"
        raise PaymentInProgress(
            f"A payment for {what} is still being confirmed.",
            "Wait for its result; nothing is charged twice.",
        )
    return PaymentAttempt.objects.create(
        public_id=public_id("att"),
        account=account,
        purpose=AttemptPurpose.TOP_UP if invoice is None else AttemptPurpose.INVOICE,
        invoice=invoice,
        currency=account.currency,
        state=AttemptState.OPEN,
        **columns,
    )


def _refuse_settled(invoice: Invoice | None) -> None:
    if invoice is not None and invoice.status != InvoiceStatus.OPEN:
        raise NothingToPay(f"Invoice {invoice.number} is {invoice.status}: nothing is due.")


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
        kind=PAYMENT_RECEIVED,
        now=now,
        invoice=attempt.invoice,
        payment_id=payment.pk,
    )
    return payment


@dataclass(frozen=True, slots=True)
class Part:
    """Money on its way to an invoice: from a payment or, without one, from the balance; cents."""

    account: Account
    invoice: Invoice
    payment: Payment | None
    cents: int


def allocate(*, part: Part, now: datetime) -> None:
    """Settle part or all of an invoice (P9). Sets the invoice paid when nothing is left; the
    caller acts on that.
    """
    allocate_all([part], now=now)


def allocate_all(parts: Sequence[Part], *, now: datetime) -> None:
    """The same for many invoices, in a fixed number of statements. Joins."""
    moved = [part for part in parts if part.cents]
    copy_rows(
        Allocation._meta.db_table,
        (
            {
                "account_id": part.account.pk,
                "payment_id": part.payment.pk if part.payment else None,
                "invoice_id": part.invoice.pk,
                "amount_cents": part.cents,
                "at": now,
            }
            for part in moved
        ),
    )
    post_all(
        (
            Posting(
                account=part.account,
                transfers=ledger.allocated(cents=part.cents),
                kind="allocated",
                invoice_id=part.invoice.pk,
                payment_id=part.payment.pk if part.payment else None,
            )
            for part in moved
        ),
        now=now,
    )
    for part in parts:
        invoice = part.invoice
        invoice.paid_cents += part.cents
        if invoice.paid_cents == invoice.total_cents:
            invoice.status = InvoiceStatus.PAID
            invoice.settled_at = now
            invoice.retry_at = invoice.remind_on = invoice.void_on = None
    save_collected([part.invoice for part in parts])


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
