"""What operators may put right: void, write off, give credit; each with a reason (P11).

Nothing is edited: an invoice changes its state, and the ledger is appended to.
"""

from datetime import datetime
from typing import ClassVar

from django.db import transaction

from cln.accounts.audit import record as audit
from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing import services as billing
from cln.billing.models import Invoice
from cln.billing.queries import UnknownInvoice
from cln.domain import ledger
from cln.domain.errors import Refusal
from cln.domain.money import BadAmount, format_cents
from cln.enums import UNFINISHED_ATTEMPT, InvoicePurpose, InvoiceStatus
from cln.flows.dunning import reconsider
from cln.flows.lapsed_orders import void_order
from cln.flows.settlement import settle_from_balance
from cln.payments import services as payments
from cln.payments.services import PaymentInProgress


class ReasonMissing(Refusal):
    """An operator's correction says why."""

    code: ClassVar[str] = "reason_missing"


class InvoiceNotOpen(Refusal):
    """Only an open invoice is voided or written off."""

    code: ClassVar[str] = "invoice_not_open"


def void_invoice(
    *, operator: str, account_id: int, invoice: str, reason: str, now: datetime
) -> None:
    """Take back a demand that is not paid; what had paid part of it is balance again (P11).

    A first order goes with its subscription. Refusals: `reason_missing`, `unknown_invoice`,
    `invoice_not_open`, `payment_in_progress`.
    """
    with transaction.atomic(durable=True):
        account, row = _open_invoice(account_id, invoice, reason)
        if row.purpose == InvoicePurpose.ORDER:
            void_order(account, row, now=now)
        else:
            payments.deallocate(account=account, invoice=row, now=now)
            billing.void(account=account, invoice=row, now=now)
        _record(account_id, operator, "void_invoice", row.number, reason, now=now)
        settle_from_balance(account=account, now=now)
        reconsider(account=account, now=now)


def write_off(*, operator: str, account_id: int, invoice: str, reason: str, now: datetime) -> None:
    """Give up what is open of an invoice as uncollectible; what was paid of it stays paid.

    Refusals: those of `void_invoice`.
    """
    with transaction.atomic(durable=True):
        account, row = _open_invoice(account_id, invoice, reason)
        billing.write_off(account=account, invoice=row, now=now)
        _record(account_id, operator, "write_off", row.number, reason, now=now)
        reconsider(account=account, now=now)


def grant_credit(
    *, operator: str, account_id: int, amount_cents: int, reason: str, now: datetime
) -> None:
    """Give account credit, or add to a deposit, without money; it pays the next invoices (P9).

    Refusals: `reason_missing`, `bad_amount`.
    """
    _check_reason(reason)
    if amount_cents <= 0:
        raise BadAmount("A credit is more than nothing.", given=format_cents(amount_cents))
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        billing.post(
            account=account,
            transfers=ledger.credit_granted(cents=amount_cents),
            kind="credit_granted",
            now=now,
        )
        _record(account_id, operator, "grant_credit", format_cents(amount_cents), reason, now=now)
        settle_from_balance(account=account, now=now)


def _open_invoice(account_id: int, public_id: str, reason: str) -> tuple[Account, Invoice]:
    """Joins: lock the account and return its open invoice that no money is on the way for."""
    _check_reason(reason)
    account = lock_account(account_id)
    row = Invoice.objects.filter(account=account, public_id=public_id).first()
    if row is None:
        raise UnknownInvoice("There is no such invoice.", "Choose one from the list of invoices.")
    if row.status != InvoiceStatus.OPEN:
        raise InvoiceNotOpen(f"Invoice {row.number} is {row.status}.", "A paid one is refunded.")
    if row.attempts.filter(state__in=UNFINISHED_ATTEMPT).exists():
        raise PaymentInProgress(
            f"A payment for invoice {row.number} is still being confirmed.", "Wait for its result."
        )
    return account, row


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing("Say why.", "The reason is kept with the change.")


def _record(
    account_id: int, operator: str, verb: str, subject: str, reason: str, *, now: datetime
) -> None:
    audit(
        account_id=account_id,
        actor=operator,
        verb=verb,
        subject=subject,
        details={"reason": reason.strip()},
        now=now,
    )
