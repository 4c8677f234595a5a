"""What documents are printed from: the parties as an invoice keeps them, and credit notes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

from cln.accounts.models import Account
from cln.billing.issuing import bill_to
from cln.billing.models import CreditNote, Invoice
from cln.billing.queries import InvoiceRow, UnknownInvoice, invoices_of
from cln.billing.seller import seller
from cln.domain.errors import Refusal
from cln.domain.lines import LineKind


class UnknownCreditNote(Refusal):
    """The account has no such credit note."""

    code: ClassVar[str] = "unknown_credit_note"


@dataclass(frozen=True, slots=True)
class PartyRow:
    """One side of a document; `address` has lines, `country` is an ISO code."""

    name: str
    address: str
    country: str
    vat_number: str


@dataclass(frozen=True, slots=True)
class Parties:
    """Who sold, and who is billed."""

    seller: PartyRow
    customer: PartyRow


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """What was given back of a line, and what it had been; cents."""

    title: str
    is_tax: bool
    line_cents: int
    credited_cents: int


@dataclass(frozen=True, slots=True)
class CreditNoteRow:
    """A credit note with its lines; cents."""

    public_id: str
    number: str
    invoice: str
    invoice_public_id: str
    invoice_issued_on: date
    tax_note: str
    currency: str
    issued_at: datetime
    net_cents: int
    tax_cents: int
    total_cents: int
    reason: str
    lines: tuple[CreditedLine, ...]


def parties_of(*, account_id: int, public_id: str) -> Parties:
    """The parties of an invoice as they were when it was issued (P11).

    Refusals: `unknown_invoice`.
    """
    row = Invoice.objects.filter(account_id=account_id, public_id=public_id).first()
    if row is None:
        raise UnknownInvoice("There is no such invoice.", "Choose one from the list of invoices.")
    return _parties(row.seller, row.bill_to)


def parties_today(*, account_id: int) -> Parties:
    """The parties as they are now, for a document that follows no invoice."""
    return _parties({}, bill_to(Account.objects.get(pk=account_id)))


def credit_note_details(*, account_id: int, public_id: str) -> CreditNoteRow:
    """One credit note; absent and foreign answer alike. Refusals: `unknown_credit_note`."""
    row = _notes(account_id).filter(public_id=public_id).first()
    if row is None:
        raise UnknownCreditNote("There is no such credit note.", "Open the invoice it belongs to.")
    return _note(row)


def credit_notes_of(*, account_id: int, invoice: str) -> tuple[CreditNoteRow, ...]:
    """The credit notes of an invoice (its public id), oldest first."""
    rows = _notes(account_id).filter(invoice__public_id=invoice)
    return tuple(_note(row) for row in rows.order_by("id"))


def usage_invoices(*, account_id: int, month: date) -> tuple[InvoiceRow, ...]:
    """The invoices for what was used in a month (its first day), oldest first (R2)."""
    rows = invoices_of(account_id, oldest_first=True)
    return tuple(row for row in rows if row.usage_month == month)


def billed_months(*, account_id: int) -> tuple[date, ...]:
    """The months of which there are usage invoices, newest first."""
    found = Invoice.objects.filter(account_id=account_id, usage_month__isnull=False)
    months = found.order_by("-usage_month").values_list("usage_month", flat=True)
    return tuple(month for month in months.distinct() if month)


def _notes(account_id: int) -> Any:
    notes = CreditNote.objects.filter(account_id=account_id)
    return notes.select_related("invoice").prefetch_related("lines__invoice_line")


def _note(row: CreditNote) -> CreditNoteRow:
    lines = sorted(row.lines.all(), key=lambda one: one.invoice_line.position)
    return CreditNoteRow(
        public_id=row.public_id,
        number=row.number,
        invoice=row.invoice.number,
        invoice_public_id=row.invoice.public_id,
        invoice_issued_on=row.invoice.issued_on,
        tax_note=row.invoice.tax_note,
        currency=row.invoice.currency,
        issued_at=row.issued_at,
        net_cents=row.net_cents,
        tax_cents=row.tax_cents,
        total_cents=row.total_cents,
        reason=row.reason,
        lines=tuple(
            CreditedLine(
                title=one.invoice_line.title,
                is_tax=one.invoice_line.kind == LineKind.TAX,
                line_cents=one.invoice_line.amount_cents,
                credited_cents=one.amount_cents,
            )
            for one in lines
        ),
    )


def _parties(sold_by: Mapping[str, str], billed_to: Mapping[str, str]) -> Parties:
    """Invoices from before the seller was kept are taken to be today's seller's."""
    sold_by = sold_by or seller().as_json()
    return Parties(
        seller=PartyRow(
            sold_by["name"], sold_by["address"], sold_by["country"], sold_by["vat_number"]
        ),
        customer=PartyRow(
            billed_to.get("company", ""),
            billed_to.get("address", ""),
            billed_to.get("country", ""),
            billed_to.get("vat_number", ""),
        ),
    )
