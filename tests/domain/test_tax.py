"""Tax per invoice and rate, on the sum of the rounded lines (M4, E15)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.tax import TaxLine, invoice_total, net_by_rate, tax_lines

TWENTY, SEVEN_AND_A_HALF = Fraction(20), Fraction(15, 2)


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
