"""An invoice on paper: who, what, why, which tax, what was paid and what is left (P9, P11, M4)."""

from collections.abc import Sequence
from datetime import date
from ipaddress import ip_address

from django.conf import settings

from cln.accounts.models import Account
from cln.billing import papers, queries
from cln.billing.queries import InvoiceRow, LineRow, ShareRow
from cln.domain.lines import LineKind, formula_text, long_date
from cln.domain.money import money_text
from cln.enums import AccountKind, InvoiceStatus
from cln.flows.documents.words import amount, columns, party, plain, tax_notes, totals
from cln.paper.sheet import Block, Column, Mark, Note, Row, Sheet, Sum, Sums, Table, Tone
from cln.payments.settled import PaidRow, paid_of

PAY_PATH = "/console/billing/invoices"
MARKS = {
    InvoiceStatus.OPEN: Mark("UNPAID", Tone.DUE),
    InvoiceStatus.PAID: Mark("PAID", Tone.GOOD),
    InvoiceStatus.VOID: Mark("VOID", Tone.OFF),
    InvoiceStatus.UNCOLLECTIBLE: Mark("WRITTEN OFF", Tone.OFF),
}


def invoice_sheet(*, account_id: int, public_id: str) -> Sheet:
    """One invoice of the account, as it stands now. Refusals: `unknown_invoice`."""
    row = queries.invoice_details(account_id=account_id, public_id=public_id)
    account = Account.objects.get(pk=account_id)
    parties = papers.parties_of(account_id=account_id, public_id=public_id)
    balance_name = "Deposit" if account.kind == AccountKind.RESELLER else "Account credit"
    blocks: list[Block] = [_lines(row), _sums(row), *tax_notes(row.tax_note)]
    blocks += _pay_hint(row)
    blocks += _payments(paid_of(account_id=account_id, invoice=public_id), balance_name)
    blocks += _credits(papers.credit_notes_of(account_id=account_id, invoice=public_id))
    blocks += _shares(row, queries.shares_of([public_id]).get(public_id, ()))
    return Sheet(
        title="Invoice",
        number=row.number,
        mark=_mark(row),
        is_void=row.status == InvoiceStatus.VOID,
        facts=(
            ("Issued", long_date(row.issued_on)),
            ("Due", long_date(row.due_on)),
            ("Currency", row.currency),
        ),
        seller=party("From", parties.seller),
        customer=party("Billed to", parties.customer, account=account.public_id),
        blocks=tuple(blocks),
        made_at=row.issued_at,
    )


def share_table(shares: Sequence[ShareRow], *, line: LineRow, title: str, note: str = "") -> Table:
    """What each license was held and cost, in the order of their addresses; the sum is that of
    the invoice's line (R2).
    """
    return Table(
        title=title,
        note=note,
        columns=columns("License", "Days held", "Share of the month", "Amount"),
        rows=tuple(
            Row((one.name, str(one.days), plain(one.quantity), amount(one.amount_cents)))
            for one in sorted(shares, key=_by_address)
        ),
        foot=(
            "Together",
            str(sum(one.days for one in shares)),
            plain(line.quantity),
            amount(line.amount_cents),
        ),
    )


def usage_line(row: InvoiceRow) -> LineRow:
    """The line of a usage invoice that its statement divides by license."""
    return next(line for line in row.lines if line.kind == LineKind.USAGE)


def _by_address(share: ShareRow) -> tuple[int, int, str]:
    try:
        address = ip_address(share.name)
    except ValueError:
        return 9, 0, share.name
    return address.version, int(address), share.name


def _mark(row: InvoiceRow) -> Mark:
    if row.status == InvoiceStatus.OPEN and row.paid_cents:
        return Mark("PART PAID", Tone.DUE)
    return MARKS[InvoiceStatus(row.status)]


def _lines(row: InvoiceRow) -> Table:
    return Table(
        columns=columns("For", "Quantity", "Unit price", "Amount"),
        rows=tuple(
            Row(
                (
                    line.title,
                    plain(line.quantity),
                    amount(line.unit_cents),
                    amount(line.amount_cents),
                ),
                formula_text(line.why, row.currency),
            )
            for line in row.lines
            if line.kind != LineKind.TAX
        ),
    )


def _sums(row: InvoiceRow) -> Sums:
    found = totals(
        net_cents=row.net_cents,
        total_cents=row.total_cents,
        taxes=row.lines,
        currency=row.currency,
        label="Total",
    )
    if row.status != InvoiceStatus.VOID:
        found.append(Sum("Paid", money_text(row.paid_cents, row.currency)))
        found.append(Sum("Balance due", money_text(row.due_cents, row.currency), is_total=True))
    return Sums(tuple(found))


def _pay_hint(row: InvoiceRow) -> list[Block]:
    if not row.due_cents:
        return []
    sentence = f"Please pay {money_text(row.due_cents, row.currency)} by {long_date(row.due_on)}:"
    return [Note(sentence, settings.CLN_BASE_URL + PAY_PATH)]


def _payments(paid: tuple[PaidRow, ...], balance_name: str) -> list[Block]:
    if not paid:
        return []
    return [
        Table(
            title="Payments",
            columns=_DATED,
            rows=tuple(_dated(one.label or balance_name, one.on, one.cents) for one in paid),
        )
    ]


def _credits(notes: tuple[papers.CreditNoteRow, ...]) -> list[Block]:
    if not notes:
        return []
    rows = (
        _dated(f"Credit note {one.number}", one.issued_at.date(), one.total_cents) for one in notes
    )
    return [Table(title="Given back", columns=_DATED, rows=tuple(rows))]


def _shares(row: InvoiceRow, shares: tuple[ShareRow, ...]) -> list[Block]:
    return [share_table(shares, line=usage_line(row), title="By license")] if shares else []


_DATED = (Column("With"), Column("On"), Column("Amount", is_figure=True))


def _dated(label: str, on: date, cents: int) -> Row:
    return Row((label, long_date(on), amount(cents)))
