"""Billing dates: half-open periods counted from one anchor (M1, M2).

Boundary k is the anchor plus k intervals, counted from the anchor and clamped to the month's
end. Counting from the previous boundary would drift: 31 Jan, 28 Feb, 28 Mar. Counting from the
anchor does not: 31 Jan, 28 Feb, 31 Mar, 30 Apr.
"""

import calendar
import functools
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Interval(StrEnum):
    """How often a subscription renews."""

    MONTH = "month"
    YEAR = "year"

    @property
    def months(self) -> int:
        """The length in months: 1 or 12."""
        return 1 if self is Interval.MONTH else 12


@functools.lru_cache(maxsize=65_536)
def add_months(day: date, months: int) -> date:
    """Move a date by whole months, clamped to the end of the month it lands in.

    Remembered, because the boundaries of one subscription are asked for again and again, and many
    subscriptions share them.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The days from `start` up to, not including, `end` (M1)."""

    start: date
    end: date

    def __post_init__(self) -> None:
        assert self.start <= self.end, "a period does not end before it starts"

    @property
    def days(self) -> int:
        """Number of days, 0 for an empty period."""
        return (self.end - self.start).days

    def contains(self, day: date) -> bool:
        """Whether the day lies in it; the end does not."""
        return self.start <= day < self.end

    def from_(self, day: date) -> "Period":
        """The rest of the period from a day within it (the end gives the empty rest)."""
        assert self.start <= day <= self.end, "the day lies within the period"
        return Period(day, self.end)

    def until(self, day: date) -> "Period":
        """The part of the period before a day within it (the start gives the empty part)."""
        assert self.start <= day <= self.end, "the day lies within the period"
        return Period(self.start, day)


@dataclass(frozen=True, slots=True)
class BillingCycle:
    """Every boundary of a subscription, fixed by its immutable anchor date (M2)."""

    anchor: date
    interval: Interval

    def boundary(self, k: int) -> date:
        """The day on which period k starts; k = 0 is the anchor."""
        return add_months(self.anchor, k * self.interval.months)

    def index_on(self, day: date) -> int:
        """The k of the period that contains the day; negative before the anchor."""
        months = (day.year - self.anchor.year) * 12 + day.month - self.anchor.month
        k = months // self.interval.months
        return k if self.boundary(k) <= day else k - 1

    def period(self, k: int) -> Period:
        """Period k: from boundary k up to boundary k + 1."""
        return Period(self.boundary(k), self.boundary(k + 1))
