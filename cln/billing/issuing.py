"""Drafts become numbered invoices with their lines and transfers (P11, P12), any number at once.

All join a transaction whose first statement locked the accounts. The numbers are taken last, right
before the rows are written, so the series row is locked as briefly as can be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.backends.postgresql.psycopg_any import DateRange

from cln.accounts.models import Account
from cln.billing.models import Invoice, InvoiceLine, InvoiceSeries, Subscription
from cln.billing.seller import seller
from cln.billing.services import Posting, post_all
from cln.catalog.models import LicenseType
from cln.domain import ledger
from cln.domain.invoicing import InvoiceDraft, LineDraft
from cln.enums import InvoicePurpose, InvoiceStatus
from cln.ids import public_id

CUSTOMER_SERIES = "customers"
CUSTOMER_PREFIX = "CBI-"


@dataclass(frozen=True, slots=True)
class Terms:
    """When an invoice falls due and when collection looks at it (P2, P6, Q3)."""

    due_on: date
    retry_at: datetime | None
    remind_on: date | None
    void_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """An invoice about to be written: whose, for what, the tax lines on its net and what must be
    said about its tax.

    Usage has no subscription; `usage_month` is the first day of the month it bills (R2).
    """

    account: Account
    license_type: LicenseType
    subscription: Subscription | None
    draft: InvoiceDraft
    tax_lines: tuple[LineDraft, ...]
    purpose: InvoicePurpose
    terms: Terms
    usage_month: date | None = None
    tax_note: str = ""

    @property
    def lines(self) -> tuple[LineDraft, ...]:
        """Everything the invoice will say, taxes last."""
        return self.draft.lines + self.tax_lines

    @property
    def tax_cents(self) -> int:
        """Σ of the tax lines."""
        return sum(line.amount_cents for line in self.tax_lines)


def issue(demands: Sequence[Demand], *, now: datetime) -> list[Invoice]:
    """Write invoices in the order given, with gapless numbers, lines and transfers."""
    if not demands:
        return []
    series, numbers = take_numbers(CUSTOMER_SERIES, CUSTOMER_PREFIX, len(demands))
    sold_by = seller().as_json()
    invoices = Invoice.objects.bulk_create(
        _invoice(demand, series, number, sold_by=sold_by, now=now)
        for demand, number in zip(demands, numbers, strict=True)
    )
    issued = list(zip(demands, invoices, strict=True))
    InvoiceLine.objects.bulk_create(
        _line(invoice, position, line)
        for demand, invoice in issued
        for position, line in enumerate(demand.lines, start=1)
    )
    post_all(
        (
            Posting(
                account=demand.account,
                transfers=ledger.invoice_issued(
                    net_cents=invoice.net_cents, tax_cents=invoice.tax_cents
                ),
                kind="invoice_issued",
                invoice=invoice,
            )
            for demand, invoice in issued
        ),
        now=now,
    )
    return invoices


def bill_to(account: Account) -> dict[str, str]:
    """The customer as he is today; an invoice keeps this copy for ever."""
    return {
        "company": account.company,
        "address": account.address,
        "country": account.country,
        "vat_number": account.vat_number,
        "email": account.billing_email,
    }


def _invoice(
    demand: Demand, series: InvoiceSeries, number: str, *, sold_by: dict[str, str], now: datetime
) -> Invoice:
    net, tax = demand.draft.net_cents, demand.tax_cents
    return Invoice(
        public_id=public_id("inv"),
        account=demand.account,
        subscription=demand.subscription,
        license_type=demand.license_type,
        series=series,
        number=number,
        purpose=demand.purpose,
        status=InvoiceStatus.OPEN,
        currency=demand.account.currency,
        issued_at=now,
        issued_on=now.date(),
        due_on=demand.terms.due_on,
        net_cents=net,
        tax_cents=tax,
        total_cents=net + tax,
        bill_to=bill_to(demand.account),
        seller=sold_by,
        tax_note=demand.tax_note,
        retry_at=demand.terms.retry_at,
        remind_on=demand.terms.remind_on,
        void_on=demand.terms.void_on,
        usage_month=demand.usage_month,
    )


def _line(invoice: Invoice, position: int, line: LineDraft) -> InvoiceLine:
    quantity = Decimal(line.quantity.numerator) / Decimal(line.quantity.denominator)
    return InvoiceLine(
        invoice=invoice,
        subscription_id=invoice.subscription_id,
        position=position,
        kind=line.kind,
        source=line.source,
        title=line.title,
        why=line.why,
        quantity=quantity,
        unit_cents=line.unit_cents,
        period=DateRange(line.period.start, line.period.end),
        amount_cents=line.amount_cents,
        price_list_id=line.price_list_id,
    )


def take_numbers(series_code: str, prefix: str, count: int = 1) -> tuple[InvoiceSeries, list[str]]:
    """Joins: the next numbers of a series, whose row stays locked until the commit (P11)."""
    series, _ = InvoiceSeries.objects.select_for_update().get_or_create(
        code=series_code, defaults={"prefix": prefix}
    )
    first = series.next_number
    series.next_number += count
    series.save(update_fields=["next_number"])
    return series, [f"{series.prefix}{first + i:06d}" for i in range(count)]
