"""The example of the billing guide is played, and its invoices are those the guide prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cln.accounts.models import Account
from cln.billing.queries import LineRow, invoices_of
from cln.catalog.services import codes_on_file
from cln.domain.lines import long_date
from cln.domain.money import format_cents
from cln.flows.simulation.parsing import parse
from cln.flows.simulation.playing import play

DOCS = Path(__file__).resolve().parents[2] / "docs"
INVOICE = re.compile(
    r"^\*\*(?P<heading>\d+ \w+, [\d.]+)\*\*\n\n\| line .*\n\|---.*\n(?P<rows>(?:\|.*\n)+)",
    re.MULTILINE,
)


def _as_printed(line: LineRow) -> str:
    why = line.why.removesuffix(" [by simulate]")
    return f"| {line.title} | {format_cents(line.amount_cents)} | {why} |"


def _heading_day(heading: str) -> tuple[str, str]:
    """`28 February, 29.29` as an invoice says it: (28 Feb, 29.29)."""
    day, _, total = heading.partition(", ")
    number, month = day.split()
    return f"{number} {month[:3]}", total


@pytest.mark.django_db
def test_the_invoices_of_the_guides_example_are_what_its_file_bills() -> None:
    scenario = parse(
        (DOCS / "operator/first-months.yaml").read_bytes(), license_types=codes_on_file()
    )
    guide = (DOCS / "guide/billing.md").read_text(encoding="utf-8")
    printed = [
        (*_heading_day(found["heading"]), found["rows"].splitlines())
        for found in INVOICE.finditer(guide)
    ]

    played = play(scenario)

    assert played.refused == ()
    invoices = invoices_of(Account.objects.get().pk, oldest_first=True)
    assert [
        (
            long_date(invoice.issued_on).removesuffix(" 2026"),
            format_cents(invoice.total_cents),
            [_as_printed(line) for line in invoice.lines],
        )
        for invoice in invoices
    ] == printed
