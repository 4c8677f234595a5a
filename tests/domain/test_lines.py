"""How the lines of invoices read."""

import pytest

from cln.domain.lines import formula_text


@pytest.mark.parametrize(
    ("formula", "currency", "reads"),
    [
        (
            "5 × 2.95 for the month 31 Jan – 28 Feb 2026 (price from 2 up)",
            "USD",
            "5 × $2.95 for the month 31 Jan – 28 Feb 2026 (price from 2 up)",
        ),
        (
            "Added 2 on 12 Mar 2026, removed on 20 Mar 2026: 2 × 2.95 × 8/31 days"
            " (12 Mar – 20 Mar)",
            "EUR",
            "Added 2 on 12 Mar 2026, removed on 20 Mar 2026: 2 × 2.95 EUR × 8/31 days"
            " (12 Mar – 20 Mar)",
        ),
        ("7.50 % of 4 × 10.00", "USD", "7.50 % of 4 × $10.00"),
        ("20 % of 279.16", "GBP", "20 % of 279.16 GBP"),
        ("1 × 0.1234 × 9876543210.00", "USD", "1 × 0.1234 × 9876543210.00"),
        ("", "USD", ""),
    ],
)
def test_a_formula_names_the_currency_of_its_price_and_changes_no_other_figure(
    formula: str, currency: str, reads: str
) -> None:
    assert formula_text(formula, currency) == reads
