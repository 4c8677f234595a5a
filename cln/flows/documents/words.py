"""Words and figures that all documents share."""

from collections.abc import Sequence
from decimal import Decimal

from cln.accounts.countries import country_names
from cln.billing.papers import PartyRow
from cln.billing.queries import LineRow
from cln.domain.lines import LineKind, formula_text
from cln.domain.money import amount_text, money_text
from cln.paper.sheet import Column, Note, Party, Sum

FIGURE = True


def party(heading: str, row: PartyRow, *, account: str = "") -> Party:
    """A side of the document; the account's public id also stands for a name not told."""
    lines = [line for line in row.address.splitlines() if line]
    if row.country:
        lines.append(country_names().get(row.country, row.country))
    if row.vat_number:
        lines.append(f"VAT {row.vat_number}")
    if account and row.name:
        lines.append(f"Account {account}")
    return Party(heading, row.name or account, tuple(lines))


def plain(quantity: Decimal) -> str:
    """2 for two whole units; 1.387097 for shares."""
    return f"{quantity:.6f}".rstrip("0").rstrip(".")


def columns(first: str, *figures: str) -> tuple[Column, ...]:
    """A column of words and columns of figures."""
    return (Column(first), *(Column(title, FIGURE) for title in figures))


def totals(
    *, net_cents: int, total_cents: int, taxes: Sequence[LineRow], currency: str, label: str
) -> list[Sum]:
    """Net, each tax with its calculation, and the total; only the total where nothing is taxed."""
    rows = [
        Sum(line.title, money_text(line.amount_cents, currency), formula_text(line.why, currency))
        for line in taxes
        if line.kind == LineKind.TAX
    ]
    net = [Sum("Net", money_text(net_cents, currency))] if rows else []
    return [*net, *rows, Sum(label, money_text(total_cents, currency), is_total=True)]


def tax_notes(text: str) -> tuple[Note, ...]:
    """What the law wants said, if anything."""
    return (Note(text),) if text else ()


def amount(cents: int) -> str:
    """An amount in a table, whose currency stands elsewhere."""
    return amount_text(cents)
