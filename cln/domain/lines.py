"""Invoice drafts and their lines, in words that explain themselves."""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction

from cln.domain.calendar import Period
from cln.domain.money import format_cents, money_text, parse_amount

# Named, because in source code they are easily taken for the letter x and the hyphen.
TIMES, DASH = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"
# What is multiplied or taxed in a formula: "3 × 3.95", "19 % of 50.00".
_PRICE = re.compile(rf"(?:(?<={TIMES} )|(?<=% of ))[0-9]{{1,9}}\.[0-9]{{2}}(?![0-9])")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class LineKind(StrEnum):
    """What a line charges for; a closed set."""

    RECURRING = "recurring"
    PRORATION = "proration"
    SURCHARGE = "surcharge"
    ADDON = "addon"
    USAGE = "usage"
    CREDIT = "credit"
    TAX = "tax"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDraft:
    """One line: quantity x unit_cents x its share of the period, or its percentage, rounded once.

    `source` is the stable identity of what is billed; with the period it is unique per
    subscription, so the same thing cannot be billed twice.
    """

    kind: LineKind
    source: str
    title: str
    why: str
    quantity: Fraction
    unit_cents: int
    period: Period
    amount_cents: int
    price_list_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDraft:
    """What becomes due on a day, before tax.

    `period` is the one the recurring line pays for; None for a final or swept invoice. `ends`
    says that the subscription is over with it. `quantity` and `unit_cents` are those of the
    recurring line (0 without one). A draft without lines makes no invoice.
    """

    on: date
    period: Period | None
    lines: tuple[LineDraft, ...]
    ends: bool
    quantity: int
    unit_cents: int

    @property
    def net_cents(self) -> int:
        """Sum of the rounded lines, before tax (M4)."""
        return sum(line.amount_cents for line in self.lines)


def long_date(day: date) -> str:
    """A date for people: 10 Feb 2026."""
    return f"{short_date(day)} {day.year}"


def short_date(day: date) -> str:
    """A date without its year: 10 Feb."""
    return f"{day.day} {_MONTHS[day.month - 1]}"


def span_text(period: Period) -> str:
    """A period for people; the year of the start is left out where it is the end's."""
    start = short_date(period.start) if period.start.year == period.end.year else None
    return f"{start or long_date(period.start)} {DASH} {long_date(period.end)}"


def days_text(used: Period, of_days: int) -> str:
    """The share of a period: "18/28 days (10 Feb - 28 Feb)", with a real dash."""
    return f"{used.days}/{of_days} days ({short_date(used.start)} {DASH} {short_date(used.end)})"


def product_text(quantity: int, unit_cents: int) -> str:
    """Quantity times price: "3 x 3.95", with the real sign."""
    return f"{quantity} {TIMES} {format_cents(unit_cents)}"


def formula_text(why: str, currency: str) -> str:
    """A line's formula for people, its price with the currency: "3 x $3.95", with the real sign.

    Lines keep theirs without: those that are issued stay as they were written.
    """
    return _PRICE.sub(lambda found: money_text(parse_amount(found[0]), currency), why)
