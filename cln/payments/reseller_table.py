"""The invoices table of resellers: what moved the deposit, and what was left of it (R6).

Every row is taken from the ledger, so the balance of the newest row is the balance of the account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from django.db import connection

from cln.billing.models import CreditNote, Invoice, Transfer
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
    `invoice` and `credit_note` are the public ids of one, "" of everything else; `license_type` is
    the name of the one an invoice bills.
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
    license_type: str = ""
    credit_note: str = ""


class _Event(NamedTuple):
    """The transfers of one document: the first one's id, their sum, and the deposit after them."""

    transfer_id: int
    kind: str
    document_id: int
    change_cents: int
    balance_cents: int


def reseller_invoice_table(account_id: int) -> tuple[TableRow, ...]:
    """All payments, refunds and invoices of a reseller, oldest first, with the running balance."""
    return reseller_invoice_rows(account_id)[::-1]


def reseller_invoice_rows(
    account_id: int, *, limit: int | None = None, offset: int = 0
) -> tuple[TableRow, ...]:
    """Some of them, newest first: only those are read document by document."""
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, {"account": account_id, "limit": limit, "offset": offset})
        events = [_Event(*row) for row in cursor.fetchall()]
    documents = _Documents(events)
    return tuple(documents.row(event) for event in events)


def count_reseller_invoices(account_id: int) -> int:
    """How many rows there are."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({_BY_DOCUMENT}) AS event", {"account": account_id})
        return int(cursor.fetchone()[0])


# Transfers by the document they belong to, in the order of the first of each.
_BY_DOCUMENT: Final = """
SELECT min(t.id) AS id, d.kind, d.id AS document,
    sum(CASE t.credit WHEN 'balance' THEN t.cents ELSE -t.cents END)::bigint AS change
FROM billing_transfer AS t CROSS JOIN LATERAL (SELECT
    CASE WHEN t.credit_note_id IS NOT NULL THEN 'credit note'
        WHEN t.debit = 'cash' AND t.payment_id IS NOT NULL THEN 'payment'
        WHEN t.invoice_id IS NOT NULL THEN 'invoice' ELSE 'credit' END AS kind,
    CASE WHEN t.credit_note_id IS NOT NULL THEN t.credit_note_id
        WHEN t.debit = 'cash' AND t.payment_id IS NOT NULL THEN t.payment_id
        WHEN t.invoice_id IS NOT NULL THEN t.invoice_id ELSE t.id END AS id) AS d
WHERE t.account_id = %(account)s AND (t.credit = 'balance' OR t.debit = 'balance')
GROUP BY d.kind, d.id"""
# What was left after an event is the balance without what came later: a page of the newest adds up
# its own events, not all there ever were.
_EVENTS: Final = f"""
WITH event AS ({_BY_DOCUMENT})
SELECT id, kind, document, change,
    ((SELECT sum(change) FROM event) + change - sum(change) OVER (ORDER BY id DESC))::bigint
FROM event ORDER BY id DESC LIMIT %(limit)s OFFSET %(offset)s"""


class _Documents:
    """The documents behind some events, read in a fixed number of queries."""

    def __init__(self, events: Sequence[_Event]) -> None:
        def ids(kind: str) -> list[int]:
            return [one.document_id for one in events if one.kind == kind]

        self._payments = Payment.objects.select_related("attempt__method").in_bulk(ids("payment"))
        self._notes = CreditNote.objects.prefetch_related("lines__invoice_line").in_bulk(
            ids("credit note")
        )
        invoices = Invoice.objects.select_related("license_type").prefetch_related("lines")
        self._invoices = invoices.in_bulk(ids("invoice"))
        self._credits = Transfer.objects.in_bulk(ids("credit"))

    def row(self, event: _Event) -> TableRow:
        """The row of one event, with what was left of the deposit after it."""
        if event.kind == "payment":
            return _of_payment(self._payments[event.document_id], event)
        if event.kind == "credit note":
            return _of_credit_note(self._notes[event.document_id], event)
        if event.kind == "invoice":
            return _of_invoice(self._invoices[event.document_id], event)
        given = self._credits[event.document_id]
        return TableRow(
            id=f"credit-{given.pk}",
            created_at=given.at,
            type=RowType.REFUND,
            pay_period=_day(given.at),
            total_cents=given.cents,
            change_cents=event.change_cents,
            balance_after_cents=event.balance_cents,
            details=(Detail("Credit", Decimal(1), given.cents),),
        )


def _of_payment(payment: Payment, event: _Event) -> TableRow:
    method = payment.attempt.method
    title = f"Deposit, {method.label}" if method is not None else "Deposit"
    return TableRow(
        id=payment.public_id,
        created_at=payment.received_at,
        type=RowType.PAYMENT,
        pay_period=_day(payment.received_at),
        total_cents=payment.amount_cents,
        change_cents=event.change_cents,
        balance_after_cents=event.balance_cents,
        details=(Detail(title, Decimal(1), payment.amount_cents),),
    )


def _of_credit_note(note: CreditNote, event: _Event) -> TableRow:
    lines = sorted(note.lines.all(), key=lambda line: line.pk)
    return TableRow(
        id=note.number,
        created_at=note.issued_at,
        type=RowType.REFUND,
        pay_period=_day(note.issued_at),
        total_cents=note.total_cents,
        change_cents=event.change_cents,
        balance_after_cents=event.balance_cents,
        details=tuple(
            Detail(line.invoice_line.title, Decimal(1), line.amount_cents) for line in lines
        ),
        credit_note=note.public_id,
    )


def _of_invoice(invoice: Invoice, event: _Event) -> TableRow:
    lines = sorted(invoice.lines.all(), key=lambda line: line.position)
    period = lines[0].period
    return TableRow(
        id=invoice.number,
        created_at=invoice.issued_at,
        type=RowType.INVOICE,
        pay_period=(period.lower, period.upper),
        total_cents=invoice.total_cents,
        change_cents=event.change_cents,
        balance_after_cents=event.balance_cents,
        details=tuple(Detail(line.title, line.quantity, line.amount_cents) for line in lines),
        invoice=invoice.public_id,
        license_type=invoice.license_type.name,
    )


def _day(at: datetime) -> tuple[date, date]:
    return at.date(), at.date()
