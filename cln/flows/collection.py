"""Taking money: record the attempt, ask the gateway, record the outcome (P1-P5, P8, P9).

The attempt is committed before the gateway is called and no transaction is open during the call.
`settle` is the one end of every attempt: the response, the resolver, hosted pages and webhooks
come here, and coming twice does nothing.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from django.db import transaction

from cln import faults
from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.catalog import queries as catalog
from cln.clock import start_of_day
from cln.domain.dunning import DeclineCode, explain_decline, next_attempt_on
from cln.domain.errors import Refusal
from cln.domain.rules import Rules
from cln.enums import (
    UNFINISHED_ATTEMPT,
    AccountKind,
    AttemptChannel,
    AttemptPurpose,
    AttemptState,
    InvoiceStatus,
    MethodKind,
)
from cln.flows import charging, deposit, notices
from cln.flows.each import each
from cln.flows.settlement import settle_from_balance, when_paid
from cln.payments import services as payments
from cln.payments.gateways import Charge, Outcome, gateway_named
from cln.payments.models import PaymentAttempt, PaymentMethod


class NotDue(Refusal):
    """No automatic attempt is planned for the invoice any more."""

    code: ClassVar[str] = "not_due"


@dataclass(frozen=True, slots=True)
class InvoiceResult:
    """What became of one invoice (P5): `state` is the attempt's, or `refused` with the refusal's
    `code`; cents.
    """

    number: str
    amount_cents: int
    state: str
    sentence: str
    fix: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that is committed or about to be, and what the gateway will be asked."""

    attempt_id: int
    gateway: str
    charge: Charge


def pay_now(
    *,
    account_id: int,
    channel: AttemptChannel,
    actor: str,
    method: PaymentMethod | None = None,
    now: datetime,
) -> tuple[InvoiceResult, ...]:
    """Pay every outstanding invoice, oldest first, one attempt each (P5); a reseller's negative
    deposit is brought back to zero (R7).

    A failure of one does not stop the others; each result says what happened and why. `method`
    pays this time only (`one_off_method`); the default is the account's active one.
    """
    open_ids = list(
        Invoice.objects.filter(account_id=account_id, status=InvoiceStatus.OPEN)
        .order_by("issued_on", "id")
        .values_list("id", flat=True)
    )
    results = tuple(
        collect(invoice_id=pk, channel=channel, method=method, now=now) for pk in open_ids
    ) + pay_deposit(account_id=account_id, channel=channel, method=method, now=now)
    if results:
        with transaction.atomic(durable=True):
            audit(
                account_id=account_id,
                actor=actor,
                verb="pay_now",
                subject=", ".join(result.number for result in results)[:120],
                now=now,
            )
    return results


def collect_due(*, now: datetime) -> int:
    """Make every automatic attempt that is due (P2); returns how many invoices were looked at."""
    due = (
        Invoice.objects.filter(retry_at__lte=now)
        .order_by("retry_at", "id")
        .values_list("id", flat=True)
    )

    def try_again(invoice_id: int) -> None:
        channel = AttemptChannel.AUTOMATIC
        collect(invoice_id=invoice_id, channel=channel, only_if_due=True, now=now)

    return each(due, try_again)


def collect(
    *,
    invoice_id: int,
    channel: AttemptChannel,
    method: PaymentMethod | None = None,
    only_if_due: bool = False,
    now: datetime,
) -> InvoiceResult:
    """Try to take what is open of one invoice. Never raises for what a customer can cause.

    `only_if_due` leaves alone what another worker has tried since it was found due.
    """
    try:
        begun = _record_attempt(invoice_id, channel, method, only_if_due=only_if_due, now=now)
    except Refusal as refusal:
        return _refused(invoice_id, channel, refusal, now=now)
    return finish(begun, now=now)


def pay_deposit(
    *,
    account_id: int,
    channel: AttemptChannel,
    method: PaymentMethod | None = None,
    only_if_due: bool = False,
    now: datetime,
) -> tuple[InvoiceResult, ...]:
    """Top a reseller's deposit up: by hand the debt, by itself what the autopay rule says (R4).

    Nothing is tried, and nothing returned, where nothing is missing. `only_if_due` leaves alone
    what another worker has tried since it was found due.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        if account.kind != AccountKind.RESELLER:
            return ()
        amount = deposit.claim(account=account, channel=channel, only_if_due=only_if_due, now=now)
        if amount is None:
            return ()
        try:
            begun = begin(
                account=account,
                invoice=None,
                amount_cents=amount,
                channel=channel,
                method=method,
                now=now,
            )
        except Refusal as refusal:
            return (InvoiceResult("", amount, "refused", *_said(refusal)),)
    return (finish(begun, now=now),)


def begin(
    *,
    account: Account,
    invoice: Invoice | None,
    amount_cents: int,
    channel: AttemptChannel,
    method: PaymentMethod | None = None,
    now: datetime,
) -> Begun:
    """Joins: write the attempt to take `amount_cents` for an invoice, or for the balance.

    Call `finish` after the commit. Refusals: `gateway_absent`, and those of
    `payments.services.open_attempt`.
    """
    method = method or payments.active_method(account.pk)
    if method is not None:
        gateway_named(method.gateway)  # refused now, or the attempt would wait for it for ever
    attempt = payments.open_attempt(
        account=account,
        invoice=invoice,
        amount_cents=amount_cents,
        channel=channel,
        method=method,
        now=now,
    )
    assert method is not None, "open_attempt refuses without a method"
    charge = Charge(
        reference=attempt.public_id,
        method_token=method.token,
        customer=account.public_id,
        amount_cents=attempt.amount_cents,
        currency=attempt.currency,
    )
    return Begun(attempt.pk, attempt.gateway, charge)


def finish(begun: Begun, *, now: datetime) -> InvoiceResult:
    """Ask the gateway, outside any transaction, and record what it said."""

    def keep(gateway_charge: str) -> bool:
        return payments.keep_gateway_charge(
            attempt_id=begun.attempt_id, gateway_charge=gateway_charge, state=AttemptState.OPEN
        )

    outcome = charging.make(begun.gateway, begun.charge, keep=keep)
    return settle(attempt_id=begun.attempt_id, outcome=outcome, now=now)


def settle(
    *,
    attempt_id: int,
    outcome: Outcome | None,
    seen: PaymentAttempt | None = None,
    now: datetime,
) -> InvoiceResult:
    """End an attempt with what the gateway said; None = it did not answer (*unknown*, P3).

    Settling an attempt that has ended changes nothing and reports what it ended with, but money
    that was taken after all is never refused. `seen` is the attempt as it was before the gateway
    was asked: it is not given up if somebody has set out to take the money since.
    """
    with transaction.atomic(durable=True):
        account_id = PaymentAttempt.objects.values_list("account_id", flat=True).get(pk=attempt_id)
        account = lock_account(account_id)
        attempt = PaymentAttempt.objects.select_related("invoice", "method").get(pk=attempt_id)
        is_overtaken = charging.is_overtaken(outcome, seen=seen or attempt, found=attempt)
        is_waiting = attempt.state in UNFINISHED_ATTEMPT and not is_overtaken
        if is_waiting or _is_late_success(attempt, outcome):
            _end_attempt(account, attempt, outcome, now=now)
            faults.reach("before_commit")
    faults.reach("after_commit")
    return result_of(attempt)


def resolve_due(*, now: datetime) -> int:
    """End the attempts that never heard an answer (P3); returns how many were looked at."""
    due = PaymentAttempt.objects.filter(resolve_at__lte=now).order_by("resolve_at", "id")

    def resolve(attempt_id: int) -> None:
        conclude(attempt_id=attempt_id, now=now)

    return each(due.values_list("id", flat=True), resolve)


def conclude(*, attempt_id: int, now: datetime) -> InvoiceResult:
    """Ask the gateway what became of an attempt, and end it (P3).

    Found = settled like any other; not found = closed at the gateway and abandoned: nothing was
    taken, the next planned attempt may try again. A gateway that is silent is asked again later.
    """
    attempt = PaymentAttempt.objects.get(pk=attempt_id)
    outcome = charging.end(
        attempt.gateway,
        reference=attempt.public_id,
        gateway_charge=attempt.gateway_charge,
        may_take=lambda: payments.claim_approved(attempt_id=attempt_id, now=now),
    )
    return settle(attempt_id=attempt_id, outcome=outcome, seen=attempt, now=now)


def set_payment_method(
    *,
    account_id: int,
    kind: MethodKind,
    gateway: str,
    token: str,
    label: str,
    expires_on: date | None,
    actor: str,
    now: datetime,
) -> tuple[InvoiceResult, ...]:
    """Make this the one payment method (P1) and try at once what is due with it."""
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        payments.store_method(
            account=account,
            kind=kind,
            gateway=gateway,
            token=token,
            label=label,
            expires_on=expires_on,
            now=now,
        )
        deposit.start_over(account=account, now=now)
        audit(account_id=account_id, actor=actor, verb="set_payment_method", subject=label, now=now)
    return pay_now(account_id=account_id, channel=AttemptChannel.AUTOMATIC, actor=actor, now=now)


def one_off_method(
    *, account_id: int, kind: MethodKind, gateway: str, token: str, label: str, now: datetime
) -> PaymentMethod:
    """A card that pays once, from a payment link, and does not replace the stored one (P7)."""
    return PaymentMethod.objects.create(
        account_id=account_id,
        kind=kind,
        gateway=gateway,
        token=token,
        label=label,
        active=False,
        created_at=now,
        replaced_at=now,
    )


def _record_attempt(
    invoice_id: int,
    channel: AttemptChannel,
    method: PaymentMethod | None,
    *,
    only_if_due: bool,
    now: datetime,
) -> Begun:
    with transaction.atomic(durable=True):
        account_id = Invoice.objects.values_list("account_id", flat=True).get(pk=invoice_id)
        account = lock_account(account_id)
        invoice = Invoice.objects.get(pk=invoice_id)
        if only_if_due and (invoice.retry_at is None or invoice.retry_at > now):
            raise NotDue(f"Invoice {invoice.number} has been tried meanwhile.")
        return begin(
            account=account,
            invoice=invoice,
            amount_cents=invoice.total_cents - invoice.paid_cents,
            channel=channel,
            method=method,
            now=now,
        )


def _end_attempt(
    account: Account, attempt: PaymentAttempt, outcome: Outcome | None, *, now: datetime
) -> None:
    state = outcome.state if outcome else AttemptState.UNKNOWN
    payments.close_attempt(
        attempt=attempt,
        state=state,
        decline_code=outcome.decline_code if outcome else None,
        resolve_at=now + _ASK_AGAIN_AFTER[state] if state in _ASK_AGAIN_AFTER else None,
        now=now,
    )
    invoice = attempt.invoice
    if invoice is not None and state in NOTHING_CAME:
        # Credit that came meanwhile left the invoice alone (P9).
        settle_from_balance(account=account, now=now)
        invoice.refresh_from_db()
    if outcome and state is AttemptState.SUCCEEDED:
        _receive(account, attempt, outcome, now=now)
    elif attempt.purpose == AttemptPurpose.TOP_UP and state not in UNFINISHED_ATTEMPT:
        deposit.top_up_ended(account=account, attempt=attempt, now=now)
    elif attempt.channel == AttemptChannel.HOSTED:
        return  # the payer saw the page, and the plan of the stored method is another matter
    elif invoice is not None and invoice.status == InvoiceStatus.OPEN:
        _plan_next_attempt(invoice, attempt, rules=catalog.rules(), now=now)
        if state is AttemptState.DECLINED:
            notices.payment_declined(account=account, invoice=invoice, attempt=attempt, now=now)


NOTHING_CAME = (AttemptState.DECLINED, AttemptState.ABANDONED)
_ASK_AGAIN_AFTER = {
    AttemptState.UNKNOWN: payments.RESOLVE_AFTER,
    AttemptState.PENDING: payments.PENDING_ASKED_EVERY,
}


def _is_late_success(attempt: PaymentAttempt, outcome: Outcome | None) -> bool:
    """Whether the gateway took the money after all, when we had given the attempt up."""
    given_up = attempt.state in (AttemptState.ABANDONED, AttemptState.DECLINED)
    return given_up and outcome is not None and outcome.state is AttemptState.SUCCEEDED


def _receive(account: Account, attempt: PaymentAttempt, outcome: Outcome, *, now: datetime) -> None:
    payment = payments.receive_payment(account=account, attempt=attempt, outcome=outcome, now=now)
    invoice = attempt.invoice
    if invoice is not None and invoice.status == InvoiceStatus.OPEN:
        part = min(payment.amount_cents, invoice.total_cents - invoice.paid_cents)
        payments.allocate(part=payments.Part(account, invoice, payment, part), now=now)
        notices.payment_received(account=account, invoice=invoice, payment=payment, now=now)
        when_paid(account=account, invoice=invoice, now=now)
    else:
        deposit.start_over(account=account, now=now)
    settle_from_balance(account=account, now=now)


def _plan_next_attempt(
    invoice: Invoice, attempt: PaymentAttempt, *, rules: Rules, now: datetime
) -> None:
    """Set the due column of the next automatic attempt (P2); none after a hard decline of this
    method, even if "Pay now" has met a softer one since.

    A method that was replaced during the attempt says nothing about the new one, which is tried
    at once (P1); a card that was to pay once (P7) leaves the plan as it is.
    """
    method = attempt.method
    if attempt.state not in UNFINISHED_ATTEMPT and method is not None and not method.active:
        if method.replaced_at != method.created_at:
            invoice.retry_at = now
            invoice.save(update_fields=["retry_at"])
        return
    codes = invoice.attempts.filter(method=method).exclude(decline_code="")
    next_on = next_attempt_on(
        issued_on=invoice.issued_on,
        last_attempt_on=now.date(),
        hard_declined=any(
            explain_decline(DeclineCode(code)).hard
            for code in codes.values_list("decline_code", flat=True)
        ),
        rules=rules,
    )
    invoice.retry_at = start_of_day(next_on) if next_on else None
    invoice.save(update_fields=["retry_at"])


def _refused(
    invoice_id: int, channel: AttemptChannel, refusal: Refusal, *, now: datetime
) -> InvoiceResult:
    """Report why no attempt was made; an automatic one waits for its next planned day."""
    with transaction.atomic(durable=True):
        account_id = Invoice.objects.values_list("account_id", flat=True).get(pk=invoice_id)
        lock_account(account_id)
        invoice = Invoice.objects.get(pk=invoice_id)
        if channel is AttemptChannel.AUTOMATIC and invoice.retry_at and invoice.retry_at <= now:
            next_on = next_attempt_on(
                issued_on=invoice.issued_on,
                last_attempt_on=now.date(),
                hard_declined=False,
                rules=catalog.rules(),
            )
            invoice.retry_at = start_of_day(next_on) if next_on else None
            invoice.save(update_fields=["retry_at"])
    return InvoiceResult(
        invoice.number, invoice.total_cents - invoice.paid_cents, "refused", *_said(refusal)
    )


def _said(refusal: Refusal) -> tuple[str, str, str]:
    return refusal.message, refusal.fix, refusal.code


def result_of(attempt: PaymentAttempt) -> InvoiceResult:
    """An attempt as people read it."""
    number = attempt.invoice.number if attempt.invoice else ""
    match attempt.state:
        case AttemptState.SUCCEEDED:
            sentence, fix = "Paid. Thank you.", ""
        case AttemptState.DECLINED:
            decline = explain_decline(DeclineCode(attempt.decline_code))
            sentence, fix = decline.sentence, decline.fix
        case AttemptState.ABANDONED:
            sentence, fix = "The payment did not go through; nothing was taken.", "Try again."
        case _:
            sentence = "The payment is being confirmed."
            fix = "You need not do anything: we ask the gateway and mail you the result."
    return InvoiceResult(number, attempt.amount_cents, attempt.state, sentence, fix)
