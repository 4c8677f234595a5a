"""Dates, rounding, price lists and invoices, as one would do them on paper (M1–M4, Q1)."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from math import floor

SCOPES = {
    "cloudlinux": "cloudlinux",
    "cloudlinux_pro": "cloudlinux",
    "kernelcare": "kernelcare",
    "imunify360_1": "imunify360",
    "imunify360_30": "imunify360",
}
"""What is counted together for a tier; these types' products are the same sets (product.md §1)."""
TRIAL_DAYS = {"cloudlinux": 30, "kernelcare": 30, "imunify360": 14}


def boundary(anchor: date, interval: str, k: int) -> date:
    """Boundary k, counted from the anchor and clamped to the month's end (M2)."""
    months = anchor.year * 12 + anchor.month - 1 + k * (12 if interval == "year" else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))


def half_up(exact: Fraction) -> int:
    """Whole cents, halves up (M3)."""
    return floor(exact + Fraction(1, 2))


@dataclass
class Shop:
    """Dated price lists and the operator's switches."""

    lists: list[tuple[str, str, date, dict[int, int]]] = field(default_factory=list)
    survives: bool = False
    sweeps: bool = False
    full_month: bool = False

    def unit_cents(self, license_type: str, interval: str, count: int, on: date) -> int | None:
        """The volume price: the list in force, its highest step not above the count (Q1)."""
        count = max(count, 1)
        in_force = [
            (since, steps)
            for name, length, since, steps in self.lists
            if name == license_type and length == interval and since <= on
        ]
        if in_force:
            steps = max(in_force, key=lambda one: one[0])[1]
            return steps[max(step for step in steps if step <= count)]
        if interval == "year":
            monthly = self.unit_cents(license_type, "month", count, on)
            return None if monthly is None else 10 * monthly
        return None


@dataclass
class Line:
    """A line of an invoice: what the days cost, rounded once."""

    kind: str
    quantity: Fraction
    unit: int
    start: date
    end: date
    cents: int


@dataclass
class Invoice:
    """A demand, what has been paid of it, and when it is tried by itself."""

    license_type: str
    purpose: str
    issued: date
    lines: list[Line]
    total: int
    status: str = "open"
    by_card: list[int] = field(default_factory=list)
    by_credit: int = 0
    tried: date | None = None
    is_stopped: bool = False
    credited: int = 0
    credited_lines: dict[int, int] = field(default_factory=dict)
    gone_units: int = 0

    @property
    def owed(self) -> int:
        return self.total - sum(self.by_card) - self.by_credit if self.status == "open" else 0

    def is_planned(self, today: date) -> bool:
        """Days 0, 3, 7 and 14 after issue, each once; a day that was missed is made up for (P2)."""
        days = [self.issued + timedelta(days=n) for n in (0, 3, 7, 14)]
        return any(day <= today and (self.tried is None or day > self.tried) for day in days)


def taxed(lines: list[Line], basis_points: int, issued: date) -> list[Line]:
    """The lines and, if there is any tax, a line of it on the sum of the rounded nets (M4)."""
    tax = half_up(Fraction(sum(line.cents for line in lines) * basis_points, 10_000))
    return [*lines, Line("tax", Fraction(1), tax, issued, issued, tax)] if tax else lines
