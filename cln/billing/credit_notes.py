"""Credit notes: numbered corrections of invoices, from a series of their own (P10, P11)."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Sum

from cln.accounts.models import Account
from cln.billing.issuing import take_numbers
from cln.billing.models import CreditNote, CreditNoteLine, Invoice, InvoiceLine
from cln.billing.services import post
from cln.domain import ledger
from cln.domain.lines import LineKind
from cln.domain.refunds import Creditable
from cln.ids import public_id

CREDIT_SERIES = "credits"
CREDIT_PREFIX = "CN-"


def creditable_lines(invoice: Invoice) -> tuple[tuple[Creditable, ...], tuple[Creditable, ...]]:
    """What can still be credited of an invoice's lines, and of its tax lines; cents."""
    credited = credited_of(invoice)
    left = [
        (line.kind, Creditable(line.pk, line.amount_cents - credited.get(line.pk, 0)))
        for line in invoice.lines.order_by("position")
    ]
    net = tuple(part for kind, part in left if kind != LineKind.TAX and part.cents > 0)
    tax = tuple(part for kind, part in left if kind == LineKind.TAX and part.cents > 0)
    return net, tax


def credited_of(invoice: Invoice) -> dict[int, int]:
    """What was credited of each line so far, by the line's id; cents."""
    rows = CreditNoteLine.objects.filter(credit_note__invoice=invoice).values("invoice_line_id")
    return {
        row["invoice_line_id"]: row["cents"] for row in rows.annotate(cents=Sum("amount_cents"))
    }


def issue_credit_note(
    *,
    account: Account,
    invoice: Invoice,
    parts: Sequence[Creditable],
    reason: str,
    now: datetime,
) -> CreditNote:
    """Write a credit note of parts of lines; its total becomes the account's balance. Joins.

    The database refuses more than is left of a line.
    """
    kinds = dict(InvoiceLine.objects.filter(invoice=invoice).values_list("id", "kind"))
    tax = sum(part.cents for part in parts if kinds[part.line] == LineKind.TAX)
    net = sum(part.cents for part in parts) - tax
    _, [number] = take_numbers(CREDIT_SERIES, CREDIT_PREFIX)
    note = CreditNote.objects.create(
        public_id=public_id("cn"),
        account=account,
        invoice=invoice,
        number=number,
        issued_at=now,
        net_cents=net,
        tax_cents=tax,
        total_cents=net + tax,
        reason=reason,
    )
    CreditNoteLine.objects.bulk_create(
        CreditNoteLine(credit_note=note, invoice_line_id=part.line, amount_cents=part.cents)
        for part in parts
    )
    post(
        account=account,
        transfers=ledger.credit_note_issued(net_cents=net, tax_cents=tax),
        kind="credit_note",
        now=now,
        invoice=invoice,
        credit_note=note,
    )
    return note
