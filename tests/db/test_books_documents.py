"""What the books know of taxes, write-offs, refunds and deposits: nothing false passes (P12)."""

from __future__ import annotations

import pytest
from django.db import transaction

from cln.flows import corrections
from cln.flows.books import check_books
from tests.db.falsehoods import anonymous, falsify
from tests.partners import a_reseller, corrects, refunds_to
from tests.world import World

pytestmark = pytest.mark.django_db

SECOND = "(SELECT id FROM billing_invoice WHERE status = 'uncollectible')"
FALSEHOODS = {
    "days of an addition made cheaper": (
        "UPDATE billing_invoiceline SET amount_cents = 1354 WHERE kind = 'proration'",
        [
            "amount of line 1 of invoice CBI-000002: 1355, not 1354",
            "net of invoice CBI-000002: 6354, not 6355",
            "total of invoice CBI-000002: 7561, not 7562",
        ],
    ),
    "a line of other units": (
        f"""
            UPDATE billing_invoiceline SET quantity = 4
                WHERE kind = 'recurring' AND invoice_id = {SECOND}
        """,
        [
            "amount of line 2 of invoice CBI-000002: 4000, not 5000",
            "units of line 2 of invoice CBI-000002: 5, not 4",
        ],
    ),
    "a tax of another rate": (
        f"""
            UPDATE billing_invoiceline SET source = 'tax:700'
                WHERE kind = 'tax' AND invoice_id = {SECOND}
        """,
        [
            "amount of line 3 of invoice CBI-000002: 445, not 1207",
        ],
    ),
    "an invoice without its tax": (
        f"UPDATE billing_invoice SET tax_cents = 0, total_cents = net_cents WHERE id = {SECOND}",
        [
            "tax in the ledger of invoice CBI-000002: 0, not 1207",
            "tax of invoice CBI-000002: 1207, not 0",
            "total of invoice CBI-000002: 7562, not 6355",
            "written off in the ledger of invoice CBI-000002: 6355, not 7562",
        ],
    ),
    "a write-off opened again": (
        f"UPDATE billing_invoice SET status = 'open' WHERE id = {SECOND}",
        [
            "next dunning day: some day, not none",
            "receivable: 7562, not 0",
            "written off in the ledger of invoice CBI-000002: 0, not 7562",
        ],
    ),
    "a write-off the ledger does not know": (
        "DELETE FROM billing_transfer WHERE debit = 'bad_debt'",
        [
            "receivable: 0, not 7562",
            "written off in the ledger of invoice CBI-000002: 7562, not 0",
        ],
    ),
    "a credit note made larger": (
        "UPDATE billing_creditnote SET net_cents = net_cents + 1, total_cents = total_cents + 1",
        [
            "balance: 1, not 0",
            "credited in the ledger of credit note CN-000001: 501, not 500",
            "lines of credit note CN-000001: 501, not 500",
        ],
    ),
    "a part of a credit note deleted": (
        "DELETE FROM billing_creditnoteline WHERE amount_cents = 420",
        [
            "lines of credit note CN-000001: 500, not 80",
        ],
    ),
    "a refund made larger": (
        "UPDATE payments_refund SET amount_cents = 501",
        [
            "balance: -1, not 0",
            "refunded in the ledger of credit note CN-000001: 501, not 500",
            "sandbox refund of ref_…: 501, not 500",
        ],
    ),
    "a refund the ledger does not know": (
        "DELETE FROM billing_transfer WHERE debit = 'balance' AND credit = 'cash'",
        [
            "balance: 0, not 500",
            "refunded in the ledger of credit note CN-000001: 500, not 0",
        ],
    ),
    "a payment and its attempt in another currency": (
        """
            UPDATE payments_payment SET currency = 'EUR' WHERE amount_cents = 3570;
            UPDATE payments_paymentattempt SET currency = 'EUR' WHERE amount_cents = 3570
        """,
        [
            "currency of attempt att_…: USD, not EUR",
            "currency of payment pay_…: USD, not EUR",
        ],
    ),
    "the day of a block that is none": (
        f"""
            UPDATE accounts_account SET dunning_state = 'past_due', blocked_on = '2026-02-01'
                WHERE id = (SELECT account_id FROM billing_invoice WHERE id = {SECOND})
        """,
        [
            "blocked since, past_due: never, not 2026-02-01",
            "dunning state without a debt: current, not past_due",
        ],
    ),
    "a reseller blocked with money in the deposit": (
        "UPDATE accounts_account SET dunning_state = 'blocked' WHERE kind = 'reseller'",
        [
            "dunning state with a deposit of 49000: current, not blocked",
        ],
    ),
    "a reseller's invoice opened again": (
        "UPDATE billing_invoice SET status = 'open' WHERE purpose = 'usage'",
        [
            "status of a reseller's invoice CBI-000003: paid, not open",
            "status of invoice CBI-000003: paid, not open",
        ],
    ),
}


@pytest.fixture
def world(db: None) -> World:
    """Acme paid three licenses with tax and got 5.00 back; five and the tax were written off.
    Zenith's month was paid from the deposit.
    """
    world = World()
    world.otto.prices("KernelCare", {1: "10.00"})
    world.otto.taxes("DE", 19)
    acme = world.on("2026-01-01").customer("acme", country="DE")
    acme.buys("KernelCare", servers=3, monthly=True)
    refunds_to(world, acme, 1, "5.00", remove_licenses=False)
    a_reseller(world).holds_ip("KernelCare", "203.0.113.1")
    world.on("2026-01-11")
    acme.adds_servers("KernelCare", 2)
    acme.card("declines")
    world.on("2026-02-01")
    corrects(world, corrections.write_off, acme, 2)
    return world


def test_a_falsehood_about_a_document_is_found_and_named(world: World) -> None:
    """P12, M3, M4, P10, P11, R3, R7: one world, falsified in every way, each time taken back."""
    found = {}
    for falsehood, (statement, _) in FALSEHOODS.items():
        with transaction.atomic():
            falsify(statement)
            found[falsehood] = sorted(
                f"{anonymous(one.what)}: {one.expected}, not {one.found}" for one in check_books()
            )
            transaction.set_rollback(True)

    assert found == {falsehood: told for falsehood, (_, told) in FALSEHOODS.items()}
    assert check_books() == ()
