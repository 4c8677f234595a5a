"""Reports by mail, per product: on or off, and to whom (facts A-15)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from cln.accounts.audit import record
from cln.accounts.queries import notice_addresses
from cln.catalog.models import Product
from cln.catalog.queries import products
from cln.domain.errors import Refusal
from cln.notifications.models import ReportSubscription

ADDRESSES_MAX: Final = 10


class BadReportAddress(Refusal):
    """The addresses of a report are too many, or one is none."""

    code: ClassVar[str] = "bad_report_address"


class UnknownProduct(Refusal):
    """There is no such product."""

    code: ClassVar[str] = "unknown_product"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """The report of a product. Without addresses of its own it goes where invoices go: `usual`."""

    product: str
    name: str
    is_active: bool
    emails: tuple[str, ...]
    usual: str


def reports_of(account_id: int) -> tuple[ReportRow, ...]:
    """The report of every product; one that was never touched is on."""
    usual = notice_addresses([account_id]).get(account_id, "")
    kept = {
        row.product.code: row
        for row in ReportSubscription.objects.filter(account=account_id).select_related("product")
    }
    rows = []
    for product in products():
        row = kept.get(product.code)
        emails = tuple(map(str, row.emails)) if row else ()
        active = row.active if row else True
        rows.append(ReportRow(product.code, product.name, active, emails, usual))
    return tuple(rows)


def set_report(
    *,
    account_id: int,
    product: str,
    is_active: bool,
    emails: Sequence[str],
    actor: str,
    now: datetime,
) -> None:
    """Switch a report on or off and say to whom it goes (nobody = where invoices go).

    Refusals: `unknown_product`, `bad_report_address`.
    """
    found = Product.objects.filter(code=product).first()
    if found is None:
        raise UnknownProduct("There is no such product.", "Choose one of the list.")
    addresses = _checked(emails)
    with transaction.atomic():
        row = ReportSubscription.objects.filter(account_id=account_id, product=found).first()
        before = {"on": row.active, "to": ", ".join(row.emails)} if row else {"on": True, "to": ""}
        after = {"on": is_active, "to": ", ".join(addresses)}
        ReportSubscription.objects.update_or_create(
            account_id=account_id,
            product=found,
            defaults={"active": is_active, "emails": addresses},
        )
        record(
            account_id=account_id,
            actor=actor,
            verb="report.changed",
            subject=product,
            details={
                name: [was, after[name]] for name, was in before.items() if was != after[name]
            },
            now=now,
        )


def _checked(emails: Sequence[str]) -> list[str]:
    addresses = list(dict.fromkeys(text.strip().lower() for text in emails if text.strip()))
    if len(addresses) > ADDRESSES_MAX:
        raise BadReportAddress(
            f"A report goes to at most {ADDRESSES_MAX} addresses.", "Use a mailing list of yours."
        )
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            raise BadReportAddress(
                f"{address[:80]!r} is not an e-mail address.", "Write one a line: name@example.com."
            ) from None
    return addresses
