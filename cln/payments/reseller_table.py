"""The invoices table of resellers: what moved the deposit, and what was left of it (R6).

Every row is taken from the ledger, so the balance of the newest row is the balance of the account.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from django.db.models import Q

from cln.billing.models import CreditNote, Invoice, Transfer
from cln.domain.ledger import LedgerAccount
from cln.payments.models import Payment


class RowType(StrEnum):
    """What the column Type says (seed 002)."""

    PAYMENT = "Payment received"
    REFUND = "Refund"
    INVOICE = "Invoice"


@dataclass(frozen=True, slots=True)
class Detail:
    """What a row opens into; cents."""

    title: str
    quantity: Decimal
    subtotal_cents: int


@dataclass(frozen=True, slots=True)
class TableRow:
    """One movement of the deposit; `change_cents` is signed, an invoice takes away.

    `pay_period` is the half-open period an invoice bills, or the day of everything else;
    `invoice` and `credit_note` are the public ids of one, "" of everything else.
    """

    id: str
    created_at: datetime
    type: RowType
    pay_period: tuple[date, date]
    total_cents: int
    change_cents: int
    balance_after_cents: int
    details: tuple[Detail, ...]
    invoice: str = ""
    credit_note: str = ""


@dataclass(frozen=True, slots=True)
class _Event:
    """Transfers of one document, as they came."""

    invoice_id: int | None
    credit_note_id: int | None
    payment_id: int | None
    moved: list[Transfer]

    @property
    def change_cents(self) -> int:
        return sum(
            row.cents if row.credit == LedgerAccount.BALANCE else -row.cents for row in self.moved
        )


def reseller_invoice_table(account_id: int) -> tuple[TableRow, ...]:
    """All payments, refunds and invoices of a reseller, oldest first, with the running balance."""
    moved = Transfer.objects.filter(
        Q(credit=LedgerAccount.BALANCE) | Q(debit=LedgerAccount.BALANCE), account=account_id
    )
    events = _events(moved.order_by("id"))
    documents = _Documents(events)
    rows: list[TableRow] = []
    balance = 0
    for event in events:
        balance += event.change_cents
        rows.append(documents.row(event, balance))
    return tuple(rows)


def _events(transfers: Iterable[Transfer]) -> list[_Event]:
    """Group the transfers by the document they belong to, in the order of the first of each."""
    found: dict[tuple[str, int], _Event] = {}
    for row in transfers:
        invoice = credit_note = payment = None
        if row.credit_note_id is not None:
            key = ("credit note", credit_note := row.credit_note_id)
        elif row.debit == LedgerAccount.CASH and row.payment_id is not None:
            key = ("payment", payment := row.payment_id)
        elif row.invoice_id is not None:
            key = ("invoice", invoice := row.invoice_id)
        else:
            key = ("credit", row.pk)
        event = found.setdefault(key, _Event(invoice, credit_note, payment, []))
        event.moved.append(row)
    return list(found.values())


class _Documents:
    """The documents behind some events, read in a fixed number of queries."""

    def __init__(self, events: Iterable[_Event]) -> None:
        known = list(events)
        self._payments = Payment.objects.select_related("attempt__method").in_bulk(
            [one.payment_id for one in known if one.payment_id is not None]
        )
        self._notes = CreditNote.objects.prefetch_related("lines__invoice_line").in_bulk(
            [one.credit_note_id for one in known if one.credit_note_id is not None]
        )
        self._invoices = Invoice.objects.prefetch_related("lines").in_bulk(
            [one.invoice_id for one in known if one.invoice_id is not None]
        )

    def row(self, event: _Event, balance: int) -> TableRow:
        """The row of one event, with what was left of the deposit after it."""
        if event.payment_id is not None:
            return _of_payment(self._payments[event.payment_id], event, balance)
        if event.credit_note_id is not None:
            return _of_credit_note(self._notes[event.credit_note_id], event, balance)
        if event.invoice_id is not None:
            return _of_invoice(self._invoices[event.invoice_id], event, balance)
        [given] = event.moved
        return TableRow(
            id=f"credit-{given.pk}",
            created_at=given.at,
            type=RowType.REFUND,
            pay_period=_day(given.at),
            total_cents=given.cents,
            change_cents=event.change_cents,
            balance_after_cents=balance,
            details=(Detail("Credit", Decimal(1), given.cents),),
        )


def _of_payment(payment: Payment, event: _Event, balance: int) -> TableRow:
    method = payment.attempt.method
    title = f"Deposit, {method.label}" if method is not None else "Deposit"
    return TableRow(
        id=payment.public_id,
        created_at=payment.received_at,
        type=RowType.PAYMENT,
        pay_period=_day(payment.received_at),
        total_cents=payment.amount_cents,
        change_cents=event.change_cents,
        balance_after_cents=balance,
        details=(Detail(title, Decimal(1), payment.amount_cents),),
    )


def _of_credit_note(note: CreditNote, event: _Event, balance: int) -> TableRow:
    lines = sorted(note.lines.all(), key=lambda line: line.pk)
    return TableRow(
        id=note.number,
        created_at=note.issued_at,
        type=RowType.REFUND,
        pay_period=_day(note.issued_at),
        total_cents=note.total_cents,
        change_cents=event.change_cents,
        balance_after_cents=balance,
        details=tuple(
            Detail(line.invoice_line.title, Decimal(1), line.amount_cents) for line in lines
        ),
        credit_note=note.public_id,
    )


def _of_invoice(invoice: Invoice, event: _Event, balance: int) -> TableRow:
    lines = sorted(invoice.lines.all(), key=lambda line: line.position)
    period = lines[0].period
    return TableRow(
        id=invoice.number,
        created_at=invoice.issued_at,
        type=RowType.INVOICE,
        pay_period=(period.lower, period.upper),
        total_cents=invoice.total_cents,
        change_cents=event.change_cents,
        balance_after_cents=balance,
        details=tuple(Detail(line.title, line.quantity, line.amount_cents) for line in lines),
        invoice=invoice.public_id,
    )


def _day(at: datetime) -> tuple[date, date]:
    return at.date(), at.date()
