"""The report for people: one aligned table per kind of thing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter

from cln.flows.simulation.report import Report

Columns = Sequence[tuple[str, Callable[[Report], object]]]

GAP = "  "
_RIGHT = frozenset({"quantity", "unit", "amount", "total", "amount due", "limit", "used"})


def tables(report: Report) -> str:
    """The whole report as text."""
    parts = [
        line
        for name, account in report["accounts"].items()
        for line in (*_account(name, account), "")
    ]
    if report["refused"]:
        parts += ["Refused", *(_refused(one) for one in report["refused"]), ""]
    parts.append(f"Books: {'balanced' if report['books']['balanced'] else 'NOT BALANCED'}")
    return "\n".join(parts)


def _account(name: str, account: Report) -> Iterator[str]:
    title = f"{name}: {account['status']}, balance {account['balance']}, due {account['due']}"
    yield from (title, "=" * len(title))
    for what, columns in _SECTIONS.items():
        if account[what]:
            yield from ("", what.replace("_", " ").capitalize())
            yield from _table(account[what], columns)
        if what == "invoices":
            for invoice in account[what]:
                yield from ("", f"Invoice {invoice['number']} of {invoice['issued']}")
                yield from _table(invoice["lines"], _LINES)
                yield from (f"{GAP}{GAP}{line['why']}" for line in invoice["lines"])


def _refused(one: Report) -> str:
    who = f"{one['at']}, {one['account']}, {one['do']}"
    return f"{GAP}{who}: {one['message']} ({one['code']})"


def _table(rows: Iterable[Report], columns: Columns) -> Iterator[str]:
    cells = [[heading for heading, _ in columns]]
    cells += [[_cell(value(row)) for _, value in columns] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    for row in cells:
        aligned = (
            cell.rjust(width) if heading in _RIGHT else cell.ljust(width)
            for cell, width, (heading, _) in zip(row, widths, columns, strict=True)
        )
        yield (GAP + GAP.join(aligned)).rstrip()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _plain(*names: str) -> Columns:
    return [(name.replace("_", " "), itemgetter(name)) for name in names]


_SECTIONS: dict[str, Columns] = {
    "subscriptions": _plain(
        "license_type", "interval", "quantity", "anchor", "paid_until", "status"
    ),
    "invoices": _plain("number", "issued", "license_type", "status", "total", "amount_due"),
    "payments": _plain("at", "purpose", "invoice", "method", "amount", "status"),
    "keys": _plain("name", "license_type", "limit", "used", "default"),
    "servers": _plain("name", "hostname", "ip", "license_type", "status"),
    "ip_licenses": _plain("ip", "license_type", "added", "removed"),
    "emails": _plain("at", "template", "to"),
}
_LINES: Columns = [
    *_plain("kind", "title", "quantity"),
    ("unit", itemgetter("unit_price")),
    ("period", lambda line: " … ".join(line["period"])),
    *_plain("amount"),
]
