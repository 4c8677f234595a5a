"""The guide is true: its example bills what it prints, its index leads to pages that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.urls import resolve

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


INDEX, PAINS = DOCS / "guide/README.md", DOCS / "guide/pains.md"
IMAGE_BYTES_MAX = 100_000


def _anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [INDEX, PAINS], ids=lambda page: page.name)
def test_the_index_of_the_guide_leads_to_pages_and_sections_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    sections = re.findall(r"\]\(([\w./-]+\.md)#([^)]+)\)", text)
    pages = set(re.findall(r"`(/[\w/-]+)`", text))

    assert len(sections) > 10
    assert [one for one in sections if one[1] not in _anchors(page.parent / one[0])] == []
    assert len(pages) > 10
    for path in pages:
        resolve(path)


def test_all_36_pains_are_answered_in_order() -> None:
    rows = re.findall(r"^\| (\d+) \| .+ \| .+ \|$", PAINS.read_text(encoding="utf-8"), re.MULTILINE)

    assert [int(number) for number in rows] == list(range(1, 37))


def test_the_pictures_of_the_documents_are_small_and_each_is_shown_with_its_words() -> None:
    documents = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    texts = "\n".join(path.read_text(encoding="utf-8") for path in documents)
    pictures = sorted((DOCS / "images").glob("*.png"))

    assert len(pictures) >= 12
    assert [one.name for one in pictures if one.stat().st_size > IMAGE_BYTES_MAX] == []
    shown = set(re.findall(r"!\[[^\]]{20,}\]\([\w./]*images/([\w-]+\.png)\)", texts))
    assert shown == {one.name for one in pictures}
