"""A reseller's month on paper: each license with its days and its sum, and the deposit (R2, R6).

A movement of the deposit belongs to the month it pays for: an invoice to the month that was used,
everything else to the month it happened in. So each month ends with what the next begins with.
"""

from collections.abc import Sequence
from datetime import date
from typing import ClassVar

from cln.accounts.models import Account
from cln.accounts.services import first_of_next_month
from cln.billing import papers, queries
from cln.billing.queries import InvoiceRow
from cln.clock import start_of_day
from cln.domain.errors import Refusal
from cln.domain.lines import LineKind, formula_text, long_date
from cln.domain.money import money_text
from cln.flows.documents.invoice import share_table, usage_line
from cln.flows.documents.words import amount, columns, party
from cln.paper.sheet import Block, Column, Note, Row, Sheet, Table
from cln.payments.reseller_table import RowType, TableRow, reseller_invoice_table

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


class UnknownStatement(Refusal):
    """There is no statement of that month."""

    code: ClassVar[str] = "unknown_statement"


def statement_sheet(*, account_id: int, month: date) -> Sheet:
    """The statement of a month (its first day) that has been billed.

    Refusals: `unknown_statement`: the account is no reseller's, or nothing happened in the month,
    or it is not billed yet.
    """
    account = Account.objects.get(pk=account_id)
    ends_on = first_of_next_month(month)
    invoices = papers.usage_invoices(account_id=account_id, month=month)
    moved = reseller_invoice_table(account_id)
    own = [row for row in moved if _month_of(row) == month]
    is_billed = account.next_usage_on is not None and ends_on < account.next_usage_on
    if not is_billed or not (invoices or own):
        raise UnknownStatement(
            f"There is no statement of {month_text(month)}.", "Choose a month from the list."
        )
    before = sum(row.change_cents for row in moved if _month_of(row) < month)
    parties = (
        papers.parties_of(account_id=account_id, public_id=invoices[0].public_id)
        if invoices
        else papers.parties_today(account_id=account_id)
    )
    return Sheet(
        title="Statement",
        number=month_text(month),
        mark=None,
        facts=(
            ("Billed", long_date(ends_on)),
            ("Currency", account.currency),
        ),
        seller=party("From", parties.seller),
        customer=party("For", parties.customer, account=account.public_id),
        blocks=(*_used(invoices), *_deposit(own, before, account.currency)),
        made_at=invoices[-1].issued_at if invoices else start_of_day(ends_on),
    )


def month_text(month: date) -> str:
    """ "January 2026"."""
    return f"{MONTHS[month.month - 1]} {month.year}"


def _month_of(row: TableRow) -> date:
    return row.pay_period[0].replace(day=1)


def _used(invoices: Sequence[InvoiceRow]) -> list[Block]:
    if not invoices:
        return [Note("No license was held in this month.")]
    shares = queries.shares_of([row.public_id for row in invoices])
    tables = [
        share_table(
            shares[row.public_id],
            line=usage_line(row),
            title=f"{row.license_type_name}, invoice {row.number}",
            note=_why(row),
        )
        for row in invoices
    ]
    notes = dict.fromkeys(row.tax_note for row in invoices if row.tax_note)
    return [_overview(invoices), *(Note(text) for text in notes), *tables]


def _why(row: InvoiceRow) -> str:
    """How the line came to be, and what its add-ons cost (S2)."""
    addons = (
        f"{one.title}: {one.why} = {amount(one.amount_cents)}"
        for one in row.lines
        if one.kind == LineKind.ADDON
    )
    return formula_text("; ".join([usage_line(row).why, *addons]), row.currency)


def _overview(invoices: Sequence[InvoiceRow]) -> Table:
    figures = [(row.net_cents, row.tax_cents, row.total_cents) for row in invoices]
    sums = (sum(column) for column in zip(*figures, strict=True))
    return Table(
        columns=columns("Used in the month", "Net", "VAT", "Total"),
        rows=tuple(
            Row((row.license_type_name, *map(amount, cents)), f"Invoice {row.number}")
            for row, cents in zip(invoices, figures, strict=True)
        ),
        foot=("Together", *map(amount, sums)),
    )


def _what(row: TableRow) -> str:
    """What moved the deposit; documents by their numbers, payments by their method."""
    number = [] if row.type == RowType.PAYMENT else [row.id]
    return ", ".join([*number, *(one.title for one in row.details)])


def _deposit(rows: Sequence[TableRow], before: int, currency: str) -> list[Block]:
    # Invoices are issued after the month they bill: they end it.
    ordered = sorted(rows, key=lambda row: (row.type == RowType.INVOICE, row.created_at))
    balance, told = before, [Row(("Balance at the beginning", "", "", amount(before)))]
    for row in ordered:
        balance += row.change_cents
        told.append(
            Row(
                (
                    row.type,
                    long_date(row.created_at.date()),
                    amount(row.change_cents),
                    amount(balance),
                ),
                _what(row),
            )
        )
    return [
        Table(
            title="Deposit",
            columns=(
                Column("What"),
                Column("On"),
                Column("Amount", is_figure=True),
                Column("Balance", is_figure=True),
            ),
            rows=tuple(told),
            foot=("Balance at the end", "", "", money_text(balance, currency)),
        )
    ]
