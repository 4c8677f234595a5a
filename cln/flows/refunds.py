"""Operators give money back: a credit note, and the payments it came from (P10).

The credit note and the refunds are committed before the gateway is asked, as every attempt is
(P3); the money has then left the balance, so nothing else can spend it. A refund that the gateway
did not make becomes balance again.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import transaction
from django.db.models import QuerySet, Sum

from cln import faults
from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing import credit_notes
from cln.billing.models import CreditNote, Invoice, InvoiceLine
from cln.billing.queries import UnknownInvoice, balance_cents
from cln.billing.services import post
from cln.catalog import queries as catalog
from cln.domain import ledger
from cln.domain.errors import Refusal
from cln.domain.lines import LineKind
from cln.domain.money import format_cents
from cln.domain.refunds import Creditable, RefundFacts, check_refund, spread_credit, with_tax
from cln.enums import UNFINISHED_ATTEMPT, AttemptState, InvoicePurpose, InvoiceStatus
from cln.flows import charging, deposit_notices
from cln.flows.billing_run import bring_current
from cln.flows.each import each
from cln.flows.refunded_licenses import Given, refunded_licenses, take_back
from cln.flows.settlement import settle_from_balance
from cln.ids import public_id
from cln.payments.gateways import (
    GatewayAbsent,
    GatewayUnreachable,
    Outcome,
    RefundRequest,
    gateway_named,
)
from cln.payments.models import Allocation, Payment, Refund
from cln.payments.services import RESOLVE_AFTER

# A refund in one of these has not given, and will not give, anything back.
FAILED = (AttemptState.DECLINED, AttemptState.ABANDONED)


class InvoiceNotPaid(Refusal):
    """What was not paid cannot be given back."""

    code: ClassVar[str] = "invoice_not_paid"


class NothingToRetry(Refusal):
    """The refund has not failed, or its money was used otherwise."""

    code: ClassVar[str] = "nothing_to_retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an operator wants to give back of an invoice: an amount with tax, in cents, or net
    cents by the position of a line; without both all that is left.
    """

    invoice: str
    amount_cents: int | None = None
    lines: Mapping[int, int] | None = None
    reason: str = ""
    is_removal_certified: bool = False
    remove_licenses: bool = True


@dataclass(frozen=True, slots=True)
class Preview:
    """The exact figures of a refund before it happens (P10); cents.

    `cash` goes back to payment methods, as (label, cents); what no payment paid is balance.
    """

    number: str
    currency: str
    total_cents: int
    lines: tuple[tuple[str, int], ...]
    cash: tuple[tuple[str, int], ...]
    balance_cents: int
    licenses: int


@dataclass(frozen=True, slots=True)
class Refunded:
    """A refund that was made: `states` are those of its parts at the gateways."""

    number: str
    total_cents: int
    cash_cents: int
    licenses: int
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    invoice: Invoice
    parts: tuple[Creditable, ...]
    cash: tuple[tuple[Payment, int], ...]
    given: Given | None

    @property
    def total_cents(self) -> int:
        return sum(part.cents for part in self.parts)

    @property
    def cash_cents(self) -> int:
        return sum(cents for _, cents in self.cash)


def preview_refund(*, account_id: int, wish: Wish, now: datetime) -> Preview:
    """What `refund` would do, to the cent. Changes nothing. Refusals: those of `refund`."""
    plan = _plan(Account.objects.get(pk=account_id), wish, now=now)
    titles = dict(InvoiceLine.objects.filter(invoice=plan.invoice).values_list("id", "title"))
    return Preview(
        number=plan.invoice.number,
        currency=plan.invoice.currency,
        total_cents=plan.total_cents,
        lines=tuple((titles[part.line], part.cents) for part in plan.parts),
        cash=tuple((_label(payment), cents) for payment, cents in plan.cash),
        balance_cents=plan.total_cents - plan.cash_cents,
        licenses=plan.given.units if plan.given else 0,
    )


def refund(*, operator: str, account_id: int, wish: Wish, now: datetime) -> Refunded:
    """Give back part or all of a paid invoice, to the methods that paid it (P10).

    What credit or a deposit paid becomes balance. The licenses that are paid back in full are
    removed unless the wish says otherwise. Refusals: `unknown_invoice`, `invoice_not_paid`,
    `bad_amount`, `refund_too_large`, `refund_too_late`, `refund_needs_reason`,
    `refund_not_certified`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        bring_current(account=account, now=now)
        plan = _plan(account, wish, now=now)
        note = credit_notes.issue_credit_note(
            account=account,
            invoice=plan.invoice,
            parts=plan.parts,
            reason=wish.reason.strip(),
            now=now,
        )
        rows = [_open(account, note, payment, cents, now=now) for payment, cents in plan.cash]
        if plan.given is not None:
            take_back(account=account, given=plan.given, operator=operator, now=now)
        audit(
            account_id=account_id,
            actor=operator,
            verb="refund",
            subject=plan.invoice.number,
            details={
                "credit_note": note.number,
                "amount": format_cents(plan.total_cents),
                "to_methods": format_cents(plan.cash_cents),
                "licenses": plan.given.units if plan.given else 0,
                "reason": wish.reason.strip(),
            },
            now=now,
        )
        deposit_notices.refund_issued(
            account=account, note=note, cash_cents=plan.cash_cents, now=now
        )
        settle_from_balance(account=account, now=now)
    states = tuple(_ask(row, now=now) for row in rows)
    licenses = plan.given.units if plan.given else 0
    return Refunded(note.number, plan.total_cents, plan.cash_cents, licenses, states)


def retry_refund(*, operator: str, account_id: int, refund_id: str, now: datetime) -> str:
    """Try a failed refund once more, from the balance it has become; returns its new state.

    The gateway is asked first whether it made the failed one after all; while it does not say,
    nothing is given. Refusals: `gateway_absent`, `gateway_silent`, `nothing_to_retry`.
    """
    failed = Refund.objects.filter(
        public_id=refund_id, payment__account=account_id, state__in=FAILED
    ).select_related("payment", "credit_note")
    try:
        for given_up in failed:
            conclude_refund(row=given_up, now=now)
    except GatewayUnreachable:
        raise charging.GatewaySilent(
            "The gateway does not say whether it made the failed refund after all.",
            "Try again in several minutes.",
        ) from None
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        row = failed.first()
        if row is None or balance_cents(account_id) < row.amount_cents:
            raise NothingToRetry("There is no failed refund of that much balance.")
        again = _open(account, row.credit_note, row.payment, row.amount_cents, now=now)
        audit(
            account_id=account_id,
            actor=operator,
            verb="retry_refund",
            subject=row.credit_note.number,
            now=now,
        )
        settle_from_balance(account=account, now=now)
    return _ask(again, now=now)


def settle_refund(*, refund_id: int, outcome: Outcome | None, now: datetime) -> str:
    """End a refund with what the gateway said; None = it did not answer. Twice changes nothing.

    What was given after we had given it up is booked, and what comes back from the bank too.
    """
    with transaction.atomic(durable=True):
        account_id = Refund.objects.values_list("payment__account_id", flat=True).get(pk=refund_id)
        account = lock_account(account_id)
        row = Refund.objects.select_related("credit_note").get(pk=refund_id)
        state = outcome.state if outcome else AttemptState.UNKNOWN
        is_late = row.state in FAILED and state is AttemptState.SUCCEEDED
        comes_back = row.state == AttemptState.SUCCEEDED and state is AttemptState.DECLINED
        if is_late:
            _take_from_balance(account, row, now=now)
            settle_from_balance(account=account, now=now)
        if is_late or comes_back or row.state in UNFINISHED_ATTEMPT:
            _end(account, row, state, now=now)
            faults.reach("before_commit")
    faults.reach("after_commit")
    return str(row.state)


def resolve_due(*, now: datetime) -> int:
    """Ask the gateways what became of refunds that never heard an answer (P3); how many."""
    due = Refund.objects.filter(resolve_at__lte=now).select_related("payment")

    def resolve(row: Refund) -> None:
        # It may have ended since it was read; whoever ended it had an answer.
        with contextlib.suppress(GatewayUnreachable, GatewayAbsent):
            conclude_refund(row=row, now=now)

    return each(due.order_by("resolve_at", "id"), resolve)


def conclude_refund(*, row: Refund, now: datetime) -> str:
    """Ask the gateway what became of a refund, and end it (P3); returns its state.

    A refund in doubt is asked about again by itself. Nobody asks again about one that has ended,
    so a gateway that is silent about it raises GatewayUnreachable, and whoever asked comes again.
    """
    try:
        outcome = gateway_named(row.payment.gateway).find_refund(_request(row))
    except (GatewayUnreachable, GatewayAbsent):
        state = settle_refund(refund_id=row.pk, outcome=None, now=now)
        if state not in UNFINISHED_ATTEMPT:
            raise
        return state
    given_up = Outcome(AttemptState.ABANDONED)
    return settle_refund(refund_id=row.pk, outcome=outcome or given_up, now=now)


def _plan(account: Account, wish: Wish, *, now: datetime) -> _Plan:
    invoice = (
        Invoice.objects.filter(account=account, public_id=wish.invoice)
        .select_related("license_type")
        .first()
    )
    if invoice is None:
        raise UnknownInvoice("There is no such invoice.", "Choose one from the list of invoices.")
    if invoice.status != InvoiceStatus.PAID or invoice.settled_at is None:
        raise InvoiceNotPaid(
            f"Invoice {invoice.number} is {invoice.status}.", "Void it or write it off instead."
        )
    lines, taxes = credit_notes.creditable_lines(invoice)
    left = sum(part.cents for part in lines + taxes)
    parts = _chosen(invoice, wish, lines, taxes)
    amount = wish.amount_cents if parts is None else sum(part.cents for part in parts)
    if amount is None:
        amount = left
    check_refund(
        RefundFacts(
            cents=amount,
            on=now.date(),
            paid_on=invoice.settled_at.date(),
            payment_cents=invoice.paid_cents,
            refunded_cents=invoice.total_cents - left,
            creditable_cents=left,
            is_postpaid=invoice.purpose == InvoicePurpose.USAGE,
            is_removal_certified=wish.is_removal_certified,
            reason=wish.reason,
        ),
        catalog.rules(),
    )
    if parts is None:
        parts = spread_credit(amount, lines=lines, taxes=taxes)
    given = refunded_licenses(invoice, parts, on=now.date()) if wish.remove_licenses else None
    return _Plan(invoice, parts, _cash(invoice, amount), given)


def _chosen(
    invoice: Invoice,
    wish: Wish,
    lines: tuple[Creditable, ...],
    taxes: tuple[Creditable, ...],
) -> tuple[Creditable, ...] | None:
    if wish.lines is None:
        return None
    ids = dict(
        InvoiceLine.objects.filter(invoice=invoice)
        .exclude(kind=LineKind.TAX)
        .values_list("position", "id")
    )
    wanted = [Creditable(ids.get(position, 0), cents) for position, cents in wish.lines.items()]
    return with_tax(wanted, lines=lines, taxes=taxes)


def _cash(invoice: Invoice, cents: int) -> tuple[tuple[Payment, int], ...]:
    """The payments to give back, newest first, each as far as it paid this invoice and is left."""
    paid = (
        Allocation.objects.filter(invoice=invoice, payment__isnull=False)
        .values("payment_id")
        .annotate(cents=Sum("amount_cents"))
    )
    parts: list[tuple[Payment, int]] = []
    for row in paid.order_by("-payment_id"):
        payment = Payment.objects.select_related("attempt__method").get(pk=row["payment_id"])
        live = Refund.objects.filter(payment=payment).exclude(state__in=FAILED)
        of_this = live.filter(credit_note__invoice=invoice)
        left = min(
            row["cents"] - _sum(of_this),
            payment.amount_cents - _sum(live),
            cents,
        )
        if left > 0:
            parts.append((payment, left))
            cents -= left
    return tuple(parts)


def _sum(rows: QuerySet[Refund]) -> int:
    return int(rows.aggregate(cents=Sum("amount_cents", default=0))["cents"])


def _open(
    account: Account, note: CreditNote, payment: Payment, cents: int, *, now: datetime
) -> Refund:
    """Joins: write the refund that is about to be asked for; its money leaves the balance now."""
    row = Refund.objects.create(
        public_id=public_id("ref"),
        payment=payment,
        credit_note=note,
        amount_cents=cents,
        created_at=now,
        resolve_at=now + RESOLVE_AFTER,
    )
    _take_from_balance(account, row, now=now)
    return row


def _take_from_balance(account: Account, row: Refund, *, now: datetime) -> None:
    post(
        account=account,
        transfers=ledger.refunded(cents=row.amount_cents),
        kind="refunded",
        now=now,
        invoice=row.credit_note.invoice,
        payment_id=row.payment_id,
        credit_note=row.credit_note,
    )


def _request(row: Refund) -> RefundRequest:
    return RefundRequest(
        reference=row.public_id,
        charge_reference=row.payment.gateway_reference,
        amount_cents=row.amount_cents,
        currency=row.payment.currency,
    )


def _ask(row: Refund, *, now: datetime) -> str:
    """Ask the gateway, outside any transaction, and record what it said."""
    faults.reach("before_gateway")
    try:
        outcome = gateway_named(row.payment.gateway).refund(_request(row))
    except (GatewayUnreachable, GatewayAbsent):
        outcome = None
    faults.reach("after_gateway")
    return settle_refund(refund_id=row.pk, outcome=outcome, now=now)


def _end(account: Account, row: Refund, state: AttemptState, *, now: datetime) -> None:
    waits = state in UNFINISHED_ATTEMPT
    row.state = state
    row.resolve_at = now + RESOLVE_AFTER if waits else None
    row.finished_at = None if waits else now
    row.save(update_fields=["state", "resolve_at", "finished_at"])
    if state in FAILED:
        _give_to_balance(account, row, now=now)
        settle_from_balance(account=account, now=now)


def _give_to_balance(account: Account, row: Refund, *, now: datetime) -> None:
    post(
        account=account,
        transfers=ledger.refund_failed(cents=row.amount_cents),
        kind="refund_failed",
        now=now,
        invoice=row.credit_note.invoice,
        credit_note=row.credit_note,
    )
    audit(
        account_id=account.pk,
        actor="gateway",
        verb="refund_failed",
        subject=row.credit_note.number,
        details={"refund": row.public_id, "amount": format_cents(row.amount_cents)},
        now=now,
    )


def _label(payment: Payment) -> str:
    method = payment.attempt.method
    return method.label if method is not None else payment.gateway
