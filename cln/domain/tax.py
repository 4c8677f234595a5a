"""Who owes which tax, and how much: per invoice and rate, on the sum of the rounded lines (M4)."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from cln.domain.money import format_cents, half_up, half_up_ratio

# ISO codes of the countries whose VAT is one system; Greece is GR here, EL in its VAT numbers.
EU_COUNTRIES = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT",
    "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})  # fmt: skip
REVERSE_CHARGE = (
    "Reverse charge \N{EM DASH} VAT to be accounted for by the recipient "
    "(Article 196, Council Directive 2006/112/EC)"
)


@dataclass(frozen=True, slots=True)
class TaxParties:
    """Between whom a service is sold: ISO codes of countries, "" = not known.

    `has_vat_number` says that the customer's VAT number has been checked: it is a business.
    """

    seller_country: str
    customer_country: str
    has_vat_number: bool = False


@dataclass(frozen=True, slots=True)
class RateFrom:
    """The rate of a country from a day on, in percent."""

    from_on: date
    percent: Fraction


@dataclass(frozen=True, slots=True)
class TaxDecision:
    """Whose rate an invoice bears, in percent, and what it must say about that; "" = nothing."""

    country: str
    percent: Fraction
    note: str = ""


def decide_tax(
    parties: TaxParties, rates: Mapping[str, Iterable[RateFrom]], on: date
) -> TaxDecision:
    """The tax of a service sold on a day (M4).

    A business of another EU country accounts for it itself. Everybody else pays the rate of the
    own country on that day, nothing where no rate is in force; who has not named a country is
    treated as living in the seller's.
    """
    country = parties.customer_country or parties.seller_country
    if _is_reverse_charged(parties):
        return TaxDecision(country, Fraction(0), REVERSE_CHARGE)
    begun = [rate for rate in rates.get(country, ()) if rate.from_on <= on]
    newest = max(begun, key=lambda rate: rate.from_on, default=None)
    return TaxDecision(country, newest.percent if newest else Fraction(0))


def _is_reverse_charged(parties: TaxParties) -> bool:
    return (
        parties.has_vat_number
        and parties.customer_country in EU_COUNTRIES
        and parties.seller_country not in {"", parties.customer_country}
    )


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
