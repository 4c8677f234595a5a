"""Money is integer minor units and a currency; only `half_up_ratio` rounds (M3, M4)."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from cln.domain.errors import Refusal

# Nine digits before the point: more than any invoice, far below a 64-bit column's limit.
_AMOUNT = re.compile(r"(-?)([0-9]{1,9})(?:\.([0-9]{1,2}))?", re.ASCII)


class BadAmount(Refusal):
    """The text is not an amount of money."""

    code: ClassVar[str] = "bad_amount"


def half_up(value: Fraction) -> int:
    """Round to the nearest integer, halves away from zero: 1/2 -> 1, -1/2 -> -1 (M3)."""
    return half_up_ratio(value.numerator, value.denominator)


def half_up_ratio(numerator: int, denominator: int) -> int:
    """The same for a ratio of integers that need not be reduced; the denominator is positive."""
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return rounded if numerator >= 0 else -rounded


def prorate(*, unit_cents: int, quantity: int, days: int, of_days: int) -> int:
    """Cents for `days` of `of_days`: multiply first, divide once, round once (M3)."""
    assert 0 <= days <= of_days, "a part of a period lies within it"
    return half_up_ratio(unit_cents * quantity * days, of_days)


def split_cents(cents: int, weights: Sequence[Fraction | int]) -> tuple[int, ...]:
    """Cut cents by weight with cumulative rounding, so that the parts add up exactly (M3).

    10.00 in three equal parts is 3.33 + 3.34 + 3.33. Weights are not negative, their sum is not 0.
    """
    assert all(weight >= 0 for weight in weights), "a weight is not negative"
    total = sum(map(Fraction, weights), Fraction(0))
    assert total > 0, "something must carry the amount"
    parts: list[int] = []
    so_far, given = Fraction(0), 0
    for weight in weights:
        so_far += weight
        upto = half_up(cents * so_far / total)
        parts.append(upto - given)
        given = upto
    return tuple(parts)


def format_cents(cents: int) -> str:
    """Write cents as programs read them: 123456 -> "1234.56", -5 -> "-0.05"."""
    return _written(cents, "d")


def amount_text(cents: int) -> str:
    """Write cents as people read them: 123456 -> "1,234.56", -5 -> "-0.05"."""
    return _written(cents, ",")


def _written(cents: int, wholes: str) -> str:
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole:{wholes}}.{rest:02d}"


def money_text(cents: int, currency: str) -> str:
    """Cents for people, in mails and on pages: "$1,827.00", "-$3.95", "27.00 EUR"."""
    if currency == "USD":
        return f"{'-' if cents < 0 else ''}${amount_text(abs(cents))}"
    return f"{amount_text(cents)} {currency}"


def parse_amount(text: object, *, signed: bool = False) -> int:
    """Read "12.34" as 1234 cents.

    Refusals: `bad_amount` for anything but text of digits with at most two decimals and nine
    digits before the point; a minus sign is read only when `signed`. Numbers are refused too: a
    float has already lost the cents, and nobody knows whether an integer means cents.
    """
    match = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    if match is None or (match[1] and not signed):
        raise BadAmount(
            "That is not an amount of money.",
            'Write it as text with at most two decimals, such as "12.34".',
            given=str(text)[:40],
        )
    cents = int(match[2]) * 100 + int((match[3] or "0").ljust(2, "0"))
    return -cents if match[1] else cents


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount in integer minor units of one currency (ISO code)."""

    cents: int
    currency: str

    def __post_init__(self) -> None:
        assert type(self.cents) is int, "money is whole cents"
        assert re.fullmatch("[A-Z]{3}", self.currency), "a currency is three capital letters"

    def __add__(self, other: "Money") -> "Money":
        return Money(self.cents + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.cents - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.cents, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.cents < self._same(other)

    def times(self, factor: Fraction) -> "Money":
        """Multiply by an exact factor, rounded once (M3)."""
        return Money(half_up(self.cents * factor), self.currency)

    def split(self, weights: Sequence[Fraction | int]) -> tuple["Money", ...]:
        """Cut by weight so that the parts add up to the whole (M3)."""
        return tuple(Money(part, self.currency) for part in split_cents(self.cents, weights))

    @property
    def text(self) -> str:
        """The amount without its currency: "12.34"."""
        return format_cents(self.cents)

    def _same(self, other: "Money") -> int:
        assert self.currency == other.currency, "amounts of two currencies never meet"
        return other.cents
