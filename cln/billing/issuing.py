"""Drafts become numbered invoices with their lines and transfers (P11, P12), any number at once.

All join a transaction whose first statement locked the accounts. The numbers are taken last, right
before the invoices themselves are written: their lines and transfers, which need no number, come
first, so the series row is locked as briefly as can be.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from cln.accounts.models import Account
from cln.billing.models import Invoice, InvoiceLine, InvoiceSeries, Subscription
from cln.billing.seller import seller
from cln.billing.services import Posting, post_all
from cln.catalog.models import LicenseType
from cln.database.rows import Row, copy_rows, new_ids
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
    def net_cents(self) -> int:
        """Σ of the lines before tax."""
        return self.draft.net_cents

    @property
    def total_cents(self) -> int:
        """What is demanded."""
        return self.net_cents + self.tax_cents

    @property
    def tax_cents(self) -> int:
        """Σ of the tax lines."""
        return sum(line.amount_cents for line in self.tax_lines)


@dataclass(frozen=True, slots=True)
class Issued:
    """A demand that is an invoice now."""

    pk: int
    public_id: str
    number: str
    demand: Demand


def issue(demands: Sequence[Demand], *, now: datetime) -> list[Issued]:
    """Write invoices in the order given, with gapless numbers, lines and transfers."""
    if not demands:
        return []
    ids = new_ids(Invoice._meta.db_table, len(demands))
    written = list(zip(ids, demands, strict=True))
    copy_rows(
        InvoiceLine._meta.db_table,
        (
            _line(pk, demand, position, line)
            for pk, demand in written
            for position, line in enumerate(demand.lines, start=1)
        ),
    )
    post_all((_posting(pk, demand) for pk, demand in written), now=now)
    series, numbers = take_numbers(CUSTOMER_SERIES, CUSTOMER_PREFIX, len(demands))
    issued = [
        Issued(pk, public_id("inv"), number, demand)
        for (pk, demand), number in zip(written, numbers, strict=True)
    ]
    sold_by = json.dumps(seller().as_json())
    copy_rows(Invoice._meta.db_table, (_invoice(one, series, sold_by, now=now) for one in issued))
    return issued


def bill_to(account: Account) -> dict[str, str]:
    """The customer as he is today; an invoice keeps this copy for ever."""
    return {
        "company": account.company,
        "address": account.address,
        "country": account.country,
        "vat_number": account.vat_number,
        "email": account.billing_email,
    }


def _invoice(issued: Issued, series: InvoiceSeries, sold_by: str, *, now: datetime) -> Row:
    demand = issued.demand
    return {
        "id": issued.pk,
        "public_id": issued.public_id,
        "account_id": demand.account.pk,
        "subscription_id": demand.subscription.pk if demand.subscription else None,
        "license_type_id": demand.license_type.pk,
        "series_id": series.pk,
        "number": issued.number,
        "purpose": demand.purpose,
        "status": InvoiceStatus.OPEN,
        "currency": demand.account.currency,
        "issued_at": now,
        "issued_on": now.date(),
        "due_on": demand.terms.due_on,
        "net_cents": demand.net_cents,
        "tax_cents": demand.tax_cents,
        "total_cents": demand.total_cents,
        "paid_cents": 0,
        "bill_to": json.dumps(bill_to(demand.account)),
        "seller": sold_by,
        "tax_note": demand.tax_note,
        "retry_at": demand.terms.retry_at,
        "remind_on": demand.terms.remind_on,
        "void_on": demand.terms.void_on,
        "usage_month": demand.usage_month,
    }


def _line(invoice_id: int, demand: Demand, position: int, line: LineDraft) -> Row:
    return {
        "invoice_id": invoice_id,
        "subscription_id": demand.subscription.pk if demand.subscription else None,
        "position": position,
        "kind": line.kind,
        "source": line.source,
        "title": line.title,
        "why": line.why,
        "quantity": Decimal(line.quantity.numerator) / Decimal(line.quantity.denominator),
        "unit_cents": line.unit_cents,
        "period": f"[{line.period.start},{line.period.end})",
        "amount_cents": line.amount_cents,
        "price_list_id": line.price_list_id,
    }


def _posting(invoice_id: int, demand: Demand) -> Posting:
    return Posting(
        account=demand.account,
        transfers=ledger.invoice_issued(net_cents=demand.net_cents, tax_cents=demand.tax_cents),
        kind="invoice_issued",
        invoice_id=invoice_id,
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
