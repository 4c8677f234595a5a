"""The table of settled invoices, and that of what moved a reseller's deposit."""

from __future__ import annotations

from collections.abc import Sequence

from cln.billing.invoice_lists import (
    INVOICE_SORTS,
    InvoiceFilter,
    billed_types,
    count_settled,
    settled_invoices,
)
from cln.billing.queries import InvoiceRow
from cln.console.tables import Column, Empty, Filter, Query, Table
from cln.domain.money import format_cents
from cln.payments.reseller_table import (
    TableRow,
    count_reseller_invoices,
    reseller_invoice_rows,
)

COLUMNS: Sequence[Column[InvoiceRow]] = (
    Column("number", "Invoice", lambda row: row.number),
    Column("issued", "Date", lambda row: row.issued_on),
    Column("type", "License type", lambda row: row.license_type_name),
    Column("total", "Total", lambda row: format_cents(row.total_cents), numeric=True),
    Column("status", "Status", lambda row: row.status),
    Column("", ""),
)
DEPOSIT_COLUMNS: Sequence[Column[TableRow]] = (
    Column("", "Invoice", lambda row: row.id),
    Column("", "Created", lambda row: row.created_at.date()),
    Column("", "Type", lambda row: row.type),
    Column("", "Pay period", lambda row: " – ".join(map(str, dict.fromkeys(row.pay_period)))),
    Column("", "Total", lambda row: format_cents(row.total_cents), numeric=True),
    Column("", "Balance", lambda row: format_cents(row.balance_after_cents), numeric=True),
)
STATES = (("paid", "Paid"), ("void", "Void"), ("uncollectible", "Written off"))


def invoice_table(account_id: int) -> Table[InvoiceRow]:
    """What is paid and closed, newest first."""

    def read(query: Query, limit: int, offset: int) -> Sequence[InvoiceRow]:
        return settled_invoices(
            account_id,
            _filter(query),
            sort=query.sort,
            descending=query.descending,
            limit=limit,
            offset=offset,
        )

    return Table(
        name="invoices",
        noun="invoice",
        columns=COLUMNS,
        read=read,
        count=lambda query: count_settled(account_id, _filter(query)),
        row="billing/invoice_row.html",
        sorts=INVOICE_SORTS.keys(),
        sort="-issued",
        search="Number or license type",
        filters=(
            Filter("type", "License type", billed_types(account_id)),
            Filter("status", "Status", STATES),
            Filter("since", "From", is_date=True),
            Filter("until", "Until", is_date=True),
        ),
        empty=Empty("None yet", "Each invoice stands here once it is paid.", "document-text"),
    )


def deposit_table(account_id: int) -> Table[TableRow]:
    """Everything that moved a reseller's deposit, newest first (R6)."""
    return Table(
        name="invoices",
        noun="invoice",
        columns=DEPOSIT_COLUMNS,
        read=lambda _query, limit, offset: reseller_invoice_rows(
            account_id, limit=limit, offset=offset
        ),
        count=lambda _query: count_reseller_invoices(account_id),
        row="reseller/invoice_row.html",
        empty=Empty(
            "No invoice yet",
            "The first one comes on the 1st of next month; what you top up stands here at once.",
            "document-text",
        ),
    )


def _filter(query: Query) -> InvoiceFilter:
    return InvoiceFilter(
        search=query.search,
        license_type=query.filters["type"],
        status=query.filters["status"],
        since=query.day("since"),
        until=query.day("until"),
    )
