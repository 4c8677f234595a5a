"""What the books know of prices: lists, tiers, units, additions and surcharges (P12)."""

from __future__ import annotations

import re
from datetime import date

import pytest
from django.db import transaction

from cln.catalog.models import PriceList
from cln.flows.books import check_books
from cln.licensing.features import set_feature
from tests.db.falsehoods import falsify
from tests.partners import a_reseller
from tests.world import World

pytestmark = pytest.mark.django_db


OF_THREE = "FROM billing_quantitychange WHERE kind = 'add' AND delta = 3"


def of_line(change: str, number: str, position: int) -> str:
    """A change of one line, which is the only one that is not as it was."""
    return (
        f"UPDATE billing_invoiceline l SET {change} FROM billing_invoice i "
        f"WHERE i.id = l.invoice_id AND i.number = 'CBI-0000{number}' AND l.position = {position}"
    )


FALSEHOODS: dict[str, tuple[str, list[str]]] = {
    "a renewal at the price of fewer": (
        of_line("unit_cents = 1200", "08", 1),
        [
            "amount of line 1 of invoice CBI-000008: 3600, not 1500",
            "unit price of line 1 of invoice CBI-000008: 500, not 1200",
            "unit price of line 2 of invoice CBI-000008: 1200, not 500",
        ],
    ),
    "a renewal at a list that is none any more, on the day of the new one": (
        of_line(f"price_list_id = (SELECT price_list_id {OF_THREE})", "07", 2),
        [
            "unit price of line 2 of invoice CBI-000007: 295, not 350",
        ],
    ),
    "a renewal without a list": (
        of_line("price_list_id = NULL", "08", 1),
        [
            "price list of line 1 of invoice CBI-000008: 2010-01-01, not none",
            "price list of line 2 of invoice CBI-000008: none, not list …",
        ],
    ),
    "a year at another price": (
        of_line("unit_cents = 3951", "05", 1),
        [
            "amount of line 1 of invoice CBI-000005: 3951, not 3950",
            "unit price of line 1 of invoice CBI-000005: 3950, not 3951",
        ],
    ),
    "a list dated back": (
        """
            UPDATE catalog_pricelist SET effective_on = '2025-12-15' WHERE account_id IS NOT NULL
        """,
        [
            "price list of change … of subscription …: 2025-12-15, not 2010-01-01",
            "price list of change … of subscription …: 2025-12-15, not 2010-01-01",
            "price list of line 1 of invoice CBI-000002: 2025-12-15, not 2010-01-01",
            "unit price of change … of subscription …: 350, not 295",
            "unit price of change … of subscription …: 350, not 395",
            "unit price of line 1 of invoice CBI-000002: 350, not 395",
        ],
    ),
    "a list that came later": (
        """
            UPDATE catalog_pricelist SET effective_on = '2026-02-02' WHERE account_id IS NOT NULL
        """,
        [
            "price list of line 2 of invoice CBI-000007: 2010-01-01, not 2026-02-02",
            "unit price of line 2 of invoice CBI-000007: 295, not 350",
        ],
    ),
    "another account's list": (
        """
            UPDATE catalog_pricelist SET account_id = (SELECT id FROM accounts_account WHERE kind
            = 'reseller') WHERE account_id IS NOT NULL
        """,
        [
            "price list of line 2 of invoice CBI-000007: 2010-01-01, not 2026-02-01",
            "unit price of line 2 of invoice CBI-000007: 295, not 350",
        ],
    ),
    "a tier that was edited": (
        """
            UPDATE catalog_pricetier SET unit_cents = 1100 FROM catalog_pricelist p,
            catalog_licensetype t WHERE p.id = price_list_id AND t.id = p.license_type_id AND
            t.code = 'cloudlinux'
        """,
        [
            "unit price of change … of subscription …: 1100, not 1200",
            "unit price of change … of subscription …: 1100, not 1200",
            "unit price of change … of subscription …: 1100, not 1200",
            "unit price of line 1 of invoice CBI-000001: 1100, not 1200",
            "unit price of line 3 of invoice CBI-000006: 1100, not 1200",
        ],
    ),
    "an addition at another price": (
        "UPDATE billing_quantitychange SET unit_cents = 294 WHERE kind = 'add' AND delta = 3",
        [
            "unit price of change … of subscription …: 295, not 294",
            "unit price of line 1 of invoice CBI-000007: 294, not 295",
        ],
    ),
    "an addition charged at another price": (
        of_line("unit_cents = 294", "07", 1),
        [
            "amount of line 1 of invoice CBI-000007: 597, not 600",
            "unit price of line 1 of invoice CBI-000007: 295, not 294",
        ],
    ),
    "an addition of another product's list": (
        """
            UPDATE billing_quantitychange SET unit_cents = 1200, price_list_id =
            (SELECT price_list_id FROM billing_invoiceline WHERE source = 'surcharge:els6')
            WHERE kind = 'add' AND delta = 3
        """,
        [
            "price list of change …: one of product …, not one of product …",
            "price list of line 1 of invoice CBI-000007: list …, not list …",
            "unit price of line 1 of invoice CBI-000007: 1200, not 295",
        ],
    ),
    "an addition charged a day longer": (
        of_line("period = '[2026-01-10,2026-02-01)'", "06", 1),
        [
            "amount of line 1 of invoice CBI-000006: 852, not 813",
            "first day of line 1 of invoice CBI-000006: 2026-01-11, not 2026-01-10",
        ],
    ),
    "a removed unit charged a day longer": (
        of_line("period = '[2026-01-11,2026-01-22)'", "06", 2),
        [
            "amount of line 2 of invoice CBI-000006: 426, not 387",
            "last day of line 2 of invoice CBI-000006: 2026-01-21, not 2026-01-22",
        ],
    ),
    "an addition of another subscription": (
        of_line(f"source = 'proration:' || (SELECT id {OF_THREE})", "06", 1),
        [
            "change of line 1 of invoice CBI-000006: of subscription …, not of subscription …",
            "charged units of change … of subscription …: 3, not 4",
            "price list of line 1 of invoice CBI-000006: list …, not list …",
            "unit price of line 1 of invoice CBI-000006: 295, not 1200",
        ],
    ),
    "an addition that was never charged": (
        "DELETE FROM billing_invoiceline WHERE kind = 'proration' AND quantity = 3",
        [
            "charged units of change … of subscription …: 3, not 0",
            "net of invoice CBI-000007: 1400, not 2000",
            "total of invoice CBI-000007: 1400, not 2000",
        ],
    ),
    "an addition charged twice": (
        of_line("quantity = 2", "06", 1),
        [
            "amount of line 1 of invoice CBI-000006: 1626, not 813",
            "charged units of change … of subscription …: at most 2, not 3",
        ],
    ),
    "a renewal of fewer units": (
        of_line("quantity = 3", "07", 2),
        [
            "amount of line 2 of invoice CBI-000007: 1050, not 1400",
            "units of line 2 of invoice CBI-000007: 4, not 3",
        ],
    ),
    "a surcharge of another rate": (
        "UPDATE catalog_surchargerate SET percent = 31 WHERE percent = 30",
        [
            "amount of line 4 of invoice CBI-000006: 372, not 360",
        ],
    ),
    "a surcharge before its day": (
        "DELETE FROM catalog_surchargerate",
        [
            "amount of line 4 of invoice CBI-000006: 0, not 360",
        ],
    ),
    "a surcharge for more servers than licenses": (
        of_line("quantity = 4", "06", 4),
        [
            "amount of line 4 of invoice CBI-000006: 1440, not 360",
            "servers of line 4 of invoice CBI-000006: at most 3, not 4",
        ],
    ),
    "a surcharge on another price": (
        of_line("unit_cents = 1100", "06", 4),
        [
            "amount of line 4 of invoice CBI-000006: 330, not 360",
            "unit price of line 4 of invoice CBI-000006: 1200, not 1100",
        ],
    ),
    "a surcharge on another product": (
        of_line("source = 'surcharge:els6'", "08", 2),
        [
            "amount of line 2 of invoice CBI-000008: 150, not 50",
            "reason of line 2 of invoice CBI-000008: addon:imunify_email, not surcharge:els6",
        ],
    ),
    "a feature made dearer": (
        of_line("amount_cents = 51", "08", 2),
        [
            "amount of line 2 of invoice CBI-000008: 50, not 51",
            "net of invoice CBI-000008: 1551, not 1550",
            "total of invoice CBI-000008: 1551, not 1550",
        ],
    ),
    "a surcharge of another month": (
        of_line("period = '[2026-01-01,2026-02-01)'", "06", 4),
        [
            "period of line 4 of invoice CBI-000006: "
            "[2026-02-01,2026-03-01), not [2026-01-01,2026-02-01)",
        ],
    ),
    "a usage at the price of fewer": (
        of_line("unit_cents = 395", "10", 1),
        [
            "amount of usage invoice CBI-000010: 408, not 305",
            "unit price of line 1 of invoice CBI-000010: 295, not 395",
        ],
    ),
    "a share of fewer days": (
        "UPDATE billing_usageshare SET days = 10 WHERE position = 1",
        [
            "amount of usage invoice CBI-000010: 247, not 305",
        ],
    ),
}


@pytest.fixture
def world(db: None) -> World:
    """January of Acme, with a price list of its own for KernelCare from February on; of Mallory,
    who pays by the year; and of Zenith, who held two addresses for half of it.
    """
    world = World()
    acme = world.on("2026-01-01").customer("acme")
    acme.buys("CloudLinux OS", servers=2, monthly=True)
    acme.registers("old.example", "CloudLinux OS", os_version="6.10")
    acme.buys("KernelCare", servers=1, monthly=True)
    acme.buys("Imunify360-1", servers=3, monthly=True)
    acme.buys("Imunify360-30", servers=2, monthly=True)
    acme.registers("mail.example", "Imunify360-1")
    set_feature(
        account_id=acme.account_id, feature="imunify_email", enabled=True, actor="a", now=world.now
    )
    world.customer("mallory").buys("KernelCare", servers=1, monthly=False)
    zenith = a_reseller(world)
    world.otto.prices("KernelCare", {1: "3.50"}, effective="2026-02-01")
    PriceList.objects.filter(effective_on=date(2026, 2, 1)).update(account=acme.account_id)
    world.on("2026-01-11")
    acme.adds_servers("CloudLinux OS", 2)
    acme.adds_servers("KernelCare", 3)
    world.on("2026-01-16")
    zenith.holds_ip("KernelCare", "203.0.113.1", "203.0.113.2")
    world.on("2026-01-21")
    acme.removes_unused("CloudLinux OS", keep=3)
    world.on("2026-02-01")
    return world


def told() -> list[str]:
    """The differences without ids, which differ from run to run; lists are called by their day."""
    lines = (f"{one.what}: {one.expected}, not {one.found}" for one in check_books())
    dated = (re.sub(r"\blist \d+ of ", "", line) for line in lines)
    return sorted(
        re.sub(r"\b(list|change|subscription|product) \d+", r"\1 …", line) for line in dated
    )


def test_a_falsehood_about_a_price_is_found_and_named(world: World) -> None:
    """P12, Q1, Q4, Q5, Q7, Q8, R2, S1, S2: falsified in every way, each time taken back."""
    found = {}
    for falsehood, (statement, _) in FALSEHOODS.items():
        with transaction.atomic():
            falsify(statement)
            found[falsehood] = told()
            transaction.set_rollback(True)

    assert found == {falsehood: expected for falsehood, (_, expected) in FALSEHOODS.items()}
    assert check_books() == ()
