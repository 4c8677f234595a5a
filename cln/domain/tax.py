"""Tax per invoice and rate, on the sum of the rounded net lines (M4)."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from cln.domain.money import format_cents, half_up, half_up_ratio


@dataclass(frozen=True, slots=True)
class TaxLine:
    """The tax of one rate on one invoice; `percent` may be a fraction such as 15/2."""

    percent: Fraction
    net_cents: int
    amount_cents: int

    @property
    def why(self) -> str:
        """The sum behind it: "20 % of 279.16"."""
        return f"{_percent_text(self.percent)} % of {format_cents(self.net_cents)}"


def net_by_rate(lines: Iterable[tuple[Fraction, int]]) -> dict[Fraction, int]:
    """Sum the rounded net cents of lines, given as (percent, cents), by rate."""
    sums: defaultdict[Fraction, int] = defaultdict(int)
    for percent, cents in lines:
        sums[percent] += cents
    return dict(sums)


def tax_lines(net_by_rate: Mapping[Fraction, int]) -> tuple[TaxLine, ...]:
    """One line per rate above zero, lowest first; each rate is rounded once, on its sum (M4)."""
    return tuple(
        TaxLine(percent, cents, half_up_ratio(percent.numerator * cents, percent.denominator * 100))
        for percent, cents in sorted(net_by_rate.items())
        if percent > 0
    )


def invoice_total(net_cents: int, taxes: Iterable[TaxLine]) -> int:
    """Net plus tax, in cents."""
    return net_cents + sum(tax.amount_cents for tax in taxes)


@functools.cache
def _percent_text(percent: Fraction) -> str:
    whole, rest = divmod(half_up(percent * 10_000), 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")
