"""Settled invoices as a long list, and how one differs from the one before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db.models import Count, F, Max, Q, QuerySet, Sum

from cln.billing.models import Invoice
from cln.billing.queries import InvoiceRow, LineRow, UnknownInvoice, rows_with_lines
from cln.domain.lines import LineKind
from cln.enums import InvoiceStatus
from cln.listing import count_up_to, ordered

INVOICE_SORTS: Final[Mapping[str, str]] = {
    "number": "number",
    "issued": "issued_on",
    "type": "license_type__name",
    "total": "total_cents",
}


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """What to list; "" and None are everything. `since` and `until` are both included."""

    search: str = ""
    license_type: str = ""
    status: str = ""
    since: date | None = None
    until: date | None = None


def settled_invoices(
    account_id: int,
    which: InvoiceFilter,
    *,
    sort: str,
    descending: bool,
    limit: int,
    offset: int,
) -> Sequence[InvoiceRow]:
    """Invoices that are not open, with their lines; `sort` is one of INVOICE_SORTS."""
    rows = ordered(_settled(account_id, which), INVOICE_SORTS, sort, descending=descending)
    return rows_with_lines(rows[offset : offset + limit])


def count_settled(account_id: int, which: InvoiceFilter) -> int:
    """How many there are, up to the budget of lists."""
    return count_up_to(_settled(account_id, which))


def billed_types(account_id: int) -> list[tuple[str, str]]:
    """The license types the account has invoices of: (code, name)."""
    rows = Invoice.objects.filter(account_id=account_id).order_by("license_type__name")
    return list(rows.values_list("license_type__code", "license_type__name").distinct())


@dataclass(frozen=True, slots=True)
class Billed:
    """All invoices of one subscription type, void ones left out; `total_cents` with tax."""

    license_type: str
    name: str
    invoices: int
    total_cents: int
    open_cents: int
    latest_on: date


def billed_by_type(account_id: int) -> tuple[Billed, ...]:
    """What each license type was billed, by name: one group of invoices a subscription type."""
    rows = (
        Invoice.objects.filter(account_id=account_id)
        .exclude(status=InvoiceStatus.VOID)
        .values_list("license_type__code", "license_type__name")
        .annotate(
            invoices=Count("pk"),
            billed=Sum("total_cents"),
            due=Sum(
                F("total_cents") - F("paid_cents"),
                filter=Q(status=InvoiceStatus.OPEN),
                default=0,
            ),
            latest=Max("issued_on"),
        )
    )
    return tuple(Billed(*row) for row in rows.order_by("license_type__name"))


@dataclass(frozen=True, slots=True)
class Difference:
    """One reason why an invoice is not what the one before was; cents, positive = dearer."""

    words: str
    cents: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """An invoice beside the one before it of the same subscription; cents."""

    before: InvoiceRow
    difference_cents: int
    reasons: tuple[Difference, ...]


def compared(*, account_id: int, public_id: str) -> Comparison | None:
    """What changed since the last invoice of the subscription; None = there was none before.

    Refusals: `unknown_invoice`.
    """
    row = Invoice.objects.filter(account_id=account_id, public_id=public_id).first()
    if row is None:
        raise UnknownInvoice("There is no such invoice.", "Choose one from the list.")
    earlier = (
        Invoice.objects.filter(
            account_id=account_id,
            license_type=row.license_type_id,
            subscription=row.subscription_id,
        )
        .filter(Q(issued_on__lt=row.issued_on) | Q(issued_on=row.issued_on, pk__lt=row.pk))
        .exclude(status=InvoiceStatus.VOID)
        .order_by("-issued_on", "-pk")
    )
    before = rows_with_lines(earlier[:1])
    if row.subscription_id is None or not before:
        return None
    [now] = rows_with_lines(Invoice.objects.filter(pk=row.pk))
    return Comparison(before[0], now.total_cents - before[0].total_cents, _reasons(before[0], now))


def _reasons(before: InvoiceRow, now: InvoiceRow) -> tuple[Difference, ...]:
    """The parts of the difference of the totals; they add up to it."""
    old, new = _renewal(before), _renewal(now)
    found = [_renewed(old, new)]
    found += [
        Difference(f"Only then: {line.title}", -line.amount_cents) for line in _others(before)
    ]
    found += [Difference(f"Only now: {line.title}", line.amount_cents) for line in _others(now)]
    found.append(Difference("Tax", now.tax_cents - before.tax_cents))
    return tuple(one for one in found if one.cents)


def _renewed(old: LineRow | None, new: LineRow | None) -> Difference:
    cents = (new.amount_cents if new else 0) - (old.amount_cents if old else 0)
    if old is None or new is None:
        return Difference("The period itself" if new else "No further period", cents)
    parts = []
    if old.quantity != new.quantity:
        licenses = "license" if new.quantity == 1 else "licenses"
        parts.append(
            f"{new.quantity.normalize():f} {licenses} instead of {old.quantity.normalize():f}"
        )
    if old.unit_cents != new.unit_cents:
        parts.append("another price for each")
    return Difference(" and ".join(parts) or "The period itself", cents)


def _renewal(row: InvoiceRow) -> LineRow | None:
    lines = [line for line in row.lines if line.kind == LineKind.RECURRING]
    return lines[0] if len(lines) == 1 else None


def _others(row: InvoiceRow) -> list[LineRow]:
    renewal = _renewal(row)
    return [line for line in row.lines if line is not renewal and line.kind != LineKind.TAX]


def _settled(account_id: int, which: InvoiceFilter) -> QuerySet[Invoice]:
    rows = Invoice.objects.filter(account_id=account_id).exclude(status=InvoiceStatus.OPEN)
    if which.search:
        rows = rows.filter(
            Q(number__icontains=which.search) | Q(license_type__name__icontains=which.search)
        )
    if which.license_type:
        rows = rows.filter(license_type__code=which.license_type)
    if which.status:
        rows = rows.filter(status=which.status)
    if which.since:
        rows = rows.filter(issued_on__gte=which.since)
    if which.until:
        rows = rows.filter(issued_on__lte=which.until)
    return rows
