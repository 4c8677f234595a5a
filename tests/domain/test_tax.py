"""Who owes which tax, and how much on the sum of the rounded lines (M4, E15)."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.tax import (
    EU_COUNTRIES,
    REVERSE_CHARGE,
    RateFrom,
    TaxDecision,
    TaxLine,
    TaxParties,
    decide_tax,
    invoice_total,
    net_by_rate,
    tax_lines,
)

TWENTY, SEVEN_AND_A_HALF = Fraction(20), Fraction(15, 2)
NEW_YEAR = date(2026, 1, 1)
RATES = {
    "IE": (RateFrom(date(2000, 1, 1), Fraction(23)),),
    # Not in order: the rate in force is chosen by its day.
    "DE": (RateFrom(NEW_YEAR, Fraction(21)), RateFrom(date(2000, 1, 1), Fraction(19))),
    "CH": (RateFrom(date(2000, 1, 1), Fraction(81, 10)),),
}
COUNTRIES = st.sampled_from(["", "US", "CH", "GB", *sorted(EU_COUNTRIES)])


def test_tax_is_computed_once_on_the_sum_of_the_lines_e15() -> None:
    """M4, E15."""
    nets = net_by_rate((TWENTY, cents) for cents in (68_33, 68_33, 57_50, 85_00))

    taxes = tax_lines(nets)

    assert taxes == (TaxLine(TWENTY, 279_16, 55_83),)
    assert invoice_total(279_16, taxes) == 334_99


def test_each_rate_is_taxed_on_its_own_sum_lowest_first() -> None:
    """M4."""
    nets = net_by_rate([(TWENTY, 1000), (SEVEN_AND_A_HALF, 333), (Fraction(0), 50), (TWENTY, 3)])

    taxes = tax_lines(nets)

    assert taxes == (TaxLine(SEVEN_AND_A_HALF, 333, 25), TaxLine(TWENTY, 1003, 201))
    assert [tax.why for tax in taxes] == ["7.5 % of 3.33", "20 % of 10.03"]
    assert invoice_total(1386, taxes) == 1612


def test_an_invoice_without_tax_costs_its_net() -> None:
    assert invoice_total(1386, tax_lines({Fraction(0): 1386})) == 1386


@given(st.lists(st.integers(0, 10**6), max_size=20), st.sampled_from([TWENTY, SEVEN_AND_A_HALF]))
def test_tax_is_within_half_a_cent_of_the_exact_tax(lines: list[int], rate: Fraction) -> None:
    """M4."""
    taxes = tax_lines(net_by_rate((rate, cents) for cents in lines))

    exact = rate * sum(lines) / 100
    assert abs(sum(tax.amount_cents for tax in taxes) - exact) <= Fraction(1, 2)


@pytest.mark.parametrize(("net", "tax"), [(-250, -50), (-3, -1)])
def test_a_credit_takes_back_the_tax_it_was_charged_with(net: int, tax: int) -> None:
    """M4: rounding mirrors at zero, so a full credit leaves no cent."""
    assert tax_lines({TWENTY: net})[0].amount_cents == tax
    assert tax_lines({TWENTY: -net})[0].amount_cents == -tax


@pytest.mark.parametrize(
    ("seller", "customer", "has_number", "decided"),
    [
        ("IE", "IE", False, TaxDecision("IE", Fraction(23))),
        ("IE", "IE", True, TaxDecision("IE", Fraction(23))),
        ("IE", "DE", False, TaxDecision("DE", Fraction(21))),
        ("IE", "DE", True, TaxDecision("DE", Fraction(0), REVERSE_CHARGE)),
        ("US", "DE", True, TaxDecision("DE", Fraction(0), REVERSE_CHARGE)),
        ("IE", "CH", True, TaxDecision("CH", Fraction(81, 10))),
        ("IE", "US", True, TaxDecision("US", Fraction(0))),
        ("IE", "", False, TaxDecision("IE", Fraction(23))),
        ("", "DE", True, TaxDecision("DE", Fraction(21))),
        ("", "", False, TaxDecision("", Fraction(0))),
    ],
    ids=[
        "a customer at home pays the rate",
        "a business at home too",
        "a consumer of another EU country pays that country's",
        "a business of another EU country accounts for it itself",
        "also where the seller is outside the EU",
        "outside the EU the table decides",
        "no rate is no tax",
        "no country is the seller's",
        "a seller without a country reverses nothing",
        "neither is known",
    ],
)
def test_tax_is_decided_by_both_countries_and_the_vat_number(
    seller: str, customer: str, has_number: bool, decided: TaxDecision
) -> None:
    """M4: reverse charge under Article 196, or the rate of the customer's country."""
    assert decide_tax(TaxParties(seller, customer, has_number), RATES, NEW_YEAR) == decided


def test_a_rate_is_in_force_from_its_day_on() -> None:
    """M4: rates by country and date."""
    germany = TaxParties("DE", "DE")

    assert decide_tax(germany, RATES, NEW_YEAR - timedelta(days=1)).percent == 19
    assert decide_tax(germany, RATES, NEW_YEAR).percent == 21
    assert decide_tax(germany, RATES, date(1999, 12, 31)).percent == 0


@given(COUNTRIES, COUNTRIES, st.booleans())
def test_what_is_reverse_charged_bears_no_tax_and_is_never_domestic(
    seller: str, customer: str, has_number: bool
) -> None:
    """M4: the note stands exactly where the recipient owes the tax."""
    decision = decide_tax(TaxParties(seller, customer, has_number), RATES, NEW_YEAR)

    if decision.note:
        assert decision.percent == 0
        assert has_number
        assert customer in EU_COUNTRIES
        assert seller not in ("", customer)
    else:
        rates = {"IE": 23, "DE": 21, "CH": Fraction(81, 10)}
        assert decision.percent == rates.get(customer or seller, 0)


@given(COUNTRIES, COUNTRIES)
def test_without_a_vat_number_nothing_is_reverse_charged(seller: str, customer: str) -> None:
    """M4."""
    assert decide_tax(TaxParties(seller, customer), RATES, NEW_YEAR).note == ""


def test_a_rate_may_fall_and_rise_again() -> None:
    """M4: Germany took 16 % in the second half of 2020; the newest rate counts, not the highest."""
    rates = {
        "DE": [
            RateFrom(date(2021, 1, 1), Fraction(19)),
            RateFrom(date(2007, 1, 1), Fraction(19)),
            RateFrom(date(2020, 7, 1), Fraction(16)),
        ]
    }

    assert decide_tax(TaxParties("DE", "DE"), rates, date(2020, 12, 31)).percent == 16
    assert decide_tax(TaxParties("DE", "DE"), rates, date(2021, 1, 1)).percent == 19
