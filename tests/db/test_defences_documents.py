"""What the database refuses of issued documents and of currencies, whoever asks (§5, P11)."""

from __future__ import annotations

import pytest

from cln.accounts.models import Account
from tests.customers import a_customer, buys
from tests.db.test_defences import refusal_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    """A customer with one paid order, in dollars."""
    account = a_customer()
    buys(account, 2)
    return account


@pytest.mark.parametrize("change", ["seller = '{}'", "tax_note = 'none'"])
def test_an_issued_invoice_keeps_its_seller_and_what_it_says_of_the_tax(
    change: str, acme: Account
) -> None:
    """P11."""
    message = refusal_of(f"UPDATE billing_invoice SET {change}")

    assert message == (
        "billing_invoice rows are history: they are appended, never changed or deleted"
    )


def test_the_currency_of_an_account_stays_once_it_was_billed(acme: Account) -> None:
    """Amounts of two currencies never meet in one account's books."""
    message = refusal_of("UPDATE accounts_account SET currency = 'EUR'")

    assert message == f"account {acme.public_id} has been billed in USD: its currency stays"


@pytest.mark.parametrize(
    "change",
    [
        "public_id = 'inv_other'",
        "number = 'CBI-000009'",
        "issued_on = '2026-01-01'",
        "due_on = '2027-01-01'",
        "currency = 'EUR'",
        "purpose = 'renewal'",
        "bill_to = '{}'",
        "net_cents = 1, total_cents = 1, paid_cents = 1",
        "tax_cents = 1, total_cents = total_cents + 1, status = 'open'",
    ],
)
def test_an_issued_invoice_keeps_its_figures(change: str, acme: Account) -> None:
    """P11."""
    message = refusal_of(f"UPDATE billing_invoice SET {change}")

    assert message == "invoice CBI-000001 was issued: its figures are history"


def test_an_issued_invoice_is_not_deleted(acme: Account) -> None:
    message = refusal_of("DELETE FROM billing_invoice")

    assert message == "invoice CBI-000001 was issued: it is never deleted"
