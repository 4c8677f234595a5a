"""What the books know of usage, deposits, credit notes and refunds: nothing false passes (P12)."""

from __future__ import annotations

import pytest

from cln.flows.books import check_books
from tests.db.falsehoods import falsify
from tests.partners import a_reseller, refunds_to
from tests.world import World

pytestmark = pytest.mark.django_db

FALSEHOODS = {
    "a share of the statement changed": (
        "UPDATE billing_usageshare SET amount_cents = amount_cents + 1 WHERE position = 1",
        ["statement of usage invoice CBI-000001: expected 2000, found 2001"],
    ),
    "a license left out of the statement": (
        "DELETE FROM billing_usageshare WHERE position = 2",
        [
            "amount of usage invoice CBI-000001: expected 1000, found 2000",
            "quantity of the statement of usage invoice CBI-000001: expected 0, found 1",
            "statement of usage invoice CBI-000001: expected 2000, found 1000",
        ],
    ),
    "a usage invoice of another month": (
        "UPDATE billing_invoice SET usage_month = '2025-12-01'",
        ["month of usage invoice CBI-000001: expected 0, found 1"],
    ),
    "a month that would be billed again": (
        "UPDATE accounts_account SET next_usage_on = '2026-02-01'",
        ["next bill after the usage of 2026-01-01: expected after 2026-02-01, found 2026-02-01"],
    ),
    "a debt without a first day": (
        "UPDATE accounts_account SET negative_since = NULL",
        ["day the deposit became negative: expected some day, found none"],
    ),
    "a reseller nobody asks": (
        "UPDATE accounts_account SET dunning_next_on = NULL",
        ["next dunning day of a negative deposit: expected some day, found none"],
    ),
    "a credit note without its number": (
        "UPDATE billing_creditnote SET number = 'CN-000007'",
        ["number of credit note CN-000007: expected CN- and 1 to 1, found CN-000007"],
    ),
    "a credit note deleted": (
        "DELETE FROM billing_creditnoteline; DELETE FROM billing_creditnote",
        [
            "balance: expected -1500, found -1000",
            "invoices of series credits: expected 1, found 0",
        ],
    ),
}


@pytest.fixture
def world(db: None) -> World:
    """Zenith held two licenses in January, owes 15.00, and 5.00 of it was refunded."""
    world = World()
    world.otto.prices("KernelCare", {1: "10.00"})
    zenith = a_reseller(world.on("2026-01-01"), deposit="5.00")
    zenith.holds_ip("KernelCare", "203.0.113.1", "203.0.113.2")
    world.on("2026-02-02")
    refunds_to(world, zenith, 1, "5.00", reason="test")
    assert zenith.deposit == "-10.00"
    return world


@pytest.mark.parametrize("falsehood", FALSEHOODS)
def test_a_falsehood_about_a_reseller_is_found_and_named(world: World, falsehood: str) -> None:
    """P12, R2, R3, P10."""
    statement, expected = FALSEHOODS[falsehood]

    falsify(statement)

    found = sorted(
        f"{one.what}: expected {one.expected}, found {one.found}" for one in check_books()
    )
    assert found == expected


def test_a_refund_the_gateway_never_made_is_found(world: World) -> None:
    """P10, P12: our state against the sandbox's."""
    acme = world.customer("acme")
    acme.buys("KernelCare", servers=1, monthly=True)
    refunds_to(world, acme, 1, "5.00")

    falsify("DELETE FROM payments_sandboxrefund")

    [difference] = check_books()
    assert difference.what.startswith("sandbox refund of ref_")
    assert (difference.expected, difference.found) == ("500", "0")
