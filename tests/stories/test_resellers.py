"""What resellers use, by IP and by key, is billed by the month (R2, R8)."""

from __future__ import annotations

from datetime import date

import pytest

from cln.billing.models import InvoiceLine
from cln.domain.lines import DASH, TIMES
from cln.flows import usage_run
from cln.flows.usage_so_far import month_so_far
from cln.licensing.keys import create_key
from tests.partners import a_reseller
from tests.world import World

ONE, TWO, THREE = "203.0.113.1", "203.0.113.2", "203.0.113.3"


@pytest.fixture
def shop(world: World) -> World:
    """New Year 2026; KernelCare 10.00 a month, 8.00 from three."""
    world.otto.prices("KernelCare", {1: "10.00", 3: "8.00"})
    world.otto.prices("Imunify360-30", {1: "31.00"})
    world.otto.prices("Imunify360-1", {1: "15.50"})
    return world.on("2026-01-01")


# -- the monthly bill ------------------------------------------------------------------------------


def test_ip_licenses_are_billed_on_the_1st_by_the_days_they_were_held(shop: World) -> None:
    """R2, R3: ten days and twenty of 31, two licenses held; the parts add up; the deposit pays."""
    zenith = a_reseller(shop)
    shop.on("2026-01-10")
    zenith.holds_ip("KernelCare", ONE)
    shop.on("2026-01-12")
    zenith.holds_ip("KernelCare", TWO)
    shop.on("2026-01-20")
    zenith.gives_back("KernelCare", ONE)

    shop.on("2026-02-01")

    assert zenith.invoices == ["2026-02-01 KernelCare 9.68 paid"]
    assert zenith.lines == ["usage 0.967742 × 10.00 2026-01-01..2026-02-01 9.68"]
    assert zenith.statement == [f"{ONE} 10 3.23", f"{TWO} 20 6.45"]
    assert zenith.deposit == "490.32"
    assert "203.0.113.1: 10 days, $3.23" in zenith.mail("invoice_issued")
    assert "Your balance is now $490.32." in zenith.mail("invoice_issued")


def test_the_tier_is_that_of_the_distinct_licenses_of_the_month(shop: World) -> None:
    """R2: three licenses, never two at once, are three; one given back and taken again is one."""
    zenith = a_reseller(shop)
    for day, address in ((1, ONE), (2, TWO), (3, THREE), (4, THREE)):
        shop.on(f"2026-01-0{day}")
        zenith.holds_ip("KernelCare", address)
        shop.on(f"2026-01-0{day + 1}")
        zenith.gives_back("KernelCare", address)

    shop.on("2026-02-01")

    assert zenith.lines == ["usage 0.129032 × 8.00 2026-01-01..2026-02-01 1.03"]
    assert zenith.statement == [f"{ONE} 1 0.26", f"{TWO} 1 0.26", f"{THREE} 2 0.51"]


def test_a_license_held_within_one_day_costs_nothing(shop: World) -> None:
    """R2: no day was held, so there is no invoice."""
    zenith = a_reseller(shop)
    zenith.holds_ip("KernelCare", ONE)
    zenith.gives_back("KernelCare", ONE)

    shop.on("2026-03-01")

    assert (zenith.invoices, zenith.deposit) == ([], "500.00")


def test_by_full_months_every_license_held_counts_whole(shop: World) -> None:
    """R2, switch `usage_rating`: one day of January is all of January."""
    shop.otto.sets(usage_rating="full_month")
    zenith = a_reseller(shop)
    shop.on("2026-01-31")
    zenith.holds_ip("KernelCare", ONE, TWO)

    shop.on("2026-02-01")

    assert zenith.lines == ["usage 2 × 10.00 2026-01-01..2026-02-01 20.00"]


def test_each_license_type_has_an_invoice_of_its_own(shop: World) -> None:
    """R2, C-6: a converted license counts as one type until its day and as the other from it."""
    zenith = a_reseller(shop)
    zenith.holds_ip("KernelCare", ONE)
    zenith.holds_ip("Imunify360-30", TWO)
    shop.on("2026-01-11")
    zenith.converts_ip(TWO, "Imunify360-1")

    shop.on("2026-02-01")

    assert zenith.invoices == [
        "2026-02-01 KernelCare 10.00 paid",
        "2026-02-01 Imunify360-1 10.50 paid",
        "2026-02-01 Imunify360-30 10.00 paid",
    ]
    assert zenith.deposit == "469.50"


def test_a_worker_that_was_down_bills_every_month_it_missed(shop: World) -> None:
    """R2, M5: each month by its own days, on the day it is issued."""
    zenith = a_reseller(shop)
    shop.on("2026-01-22")
    zenith.holds_ip("KernelCare", ONE)

    shop.wakes_up_on("2026-04-20")

    assert zenith.all_lines == [
        "usage 0.322581 × 10.00 2026-01-01..2026-02-01 3.23",
        "usage 1 × 10.00 2026-02-01..2026-03-01 10.00",
        "usage 1 × 10.00 2026-03-01..2026-04-01 10.00",
    ]
    assert {row[:10] for row in zenith.invoices} == {"2026-04-20"}
    assert zenith.deposit == "476.77"


def test_what_a_month_comes_to_is_known_before_it_is_billed(shop: World) -> None:
    """R2, Q12: the sum so far, what it comes to if nothing changes, and what the billing run would
    issue."""
    zenith = a_reseller(shop)
    shop.on("2026-01-22")
    zenith.holds_ip("KernelCare", ONE)

    month = month_so_far(account_id=zenith.account_id, page=1, now=shop.now)
    [so_far] = month.types
    [(account, draft)] = usage_run.dry_run(on=date(2026, 2, 1))

    assert [(row.name, row.share.days, row.share.amount_cents) for row in so_far.shares] == [
        (ONE, 1, 32)
    ]
    assert (month.total_cents, month.expected_cents) == (32, 323)
    assert (account.pk, draft.net_cents) == (zenith.account_id, 323)
    assert zenith.invoices == []


def test_usage_is_taxed_by_the_country(shop: World) -> None:
    """R2, M4: 19 % of 10.00 on the day of the bill."""
    shop.otto.taxes("DE", 19)
    zenith = a_reseller(shop)
    zenith.lives_in("DE")
    zenith.holds_ip("KernelCare", ONE)

    shop.on("2026-02-01")

    assert zenith.invoices == ["2026-02-01 KernelCare 11.90 paid"]
    assert zenith.deposit == "488.10"


def test_imunify_email_adds_a_tenth_of_the_licenses_that_have_it_on_the_day_of_the_bill(
    shop: World,
) -> None:
    """S2, R2, F-1: by the days they were held, whenever it was switched; with the band it goes."""
    zenith = a_reseller(shop)
    zenith.holds_ip("Imunify360-30", ONE, TWO)
    zenith.holds_ip("KernelCare", THREE)
    shop.on("2026-01-11")
    zenith.switches_email(True, ip=ONE)
    shop.on("2026-01-21")
    zenith.converts_ip(ONE, "Imunify360-1")
    month = month_so_far(account_id=zenith.account_id, now=shop.now)

    shop.on("2026-02-01")

    assert zenith.all_lines == [
        "usage 1 × 10.00 2026-01-01..2026-02-01 10.00",
        "usage 0.354839 × 15.50 2026-01-01..2026-02-01 5.50",
        "addon 0.354839 × 15.50 2026-01-01..2026-02-01 0.55",
        "usage 1.645161 × 31.00 2026-01-01..2026-02-01 51.00",
        "addon 0.645161 × 31.00 2026-01-01..2026-02-01 2.00",
    ]
    assert month.expected_cents == 69_05
    assert month.expected == {"kernelcare": 10_00, "imunify360_1": 6_05, "imunify360_30": 53_00}
    why = InvoiceLine.objects.get(kind="addon", quantity__lt="0.5").why
    assert why == (f"10 % of 1 {TIMES} 15.50 {TIMES} 11/31 license days (1 Jan {DASH} 1 Feb 2026)")


def test_imunify_email_of_partner_keys_follows_account_key_and_server(shop: World) -> None:
    """S2, R8, F-2: the highest level that is set on the day of the bill decides."""
    zenith = a_reseller(shop)
    zenith.creates_key("Imunify360-30")
    for number, host in enumerate(("web1", "web2"), start=1):
        zenith.registers(host, "Imunify360-30", ip=f"198.51.100.{number}")
    zenith.switches_email(True, host="web1")

    shop.on("2026-02-01")
    zenith.switches_email(True, product="Imunify360-30")
    zenith.switches_email(False, host="web1")
    shop.on("2026-03-01")
    zenith.switches_email(False)
    shop.on("2026-04-01")

    assert [line for line in zenith.all_lines if line.startswith("addon")] == [
        "addon 1 × 31.00 2026-01-01..2026-02-01 3.10",
        "addon 2 × 31.00 2026-02-01..2026-03-01 6.20",
    ]


# -- keys ------------------------------------------------------------------------------------------


def test_servers_on_a_resellers_key_count_like_ip_licenses(shop: World) -> None:
    """R8: no purchase, any number of servers; days registered, a reinstall is one license."""
    zenith = a_reseller(shop)
    zenith.creates_key("KernelCare")
    assert zenith.may_run("KernelCare") == (0, None)
    shop.on("2026-01-08")
    zenith.registers("web1", "KernelCare", ip="198.51.100.7")
    zenith.registers("web2", "KernelCare", ip="198.51.100.8")
    shop.on("2026-01-10")
    zenith.registers("web1", "KernelCare", ip="198.51.100.7")
    shop.on("2026-01-18")
    zenith.removes_server("web2")

    shop.on("2026-02-01")

    assert zenith.lines == ["usage 1.096774 × 10.00 2026-01-01..2026-02-01 10.97"]
    assert zenith.statement == [
        "web1 (198.51.100.7) 24 7.74",
        "web2 (198.51.100.8) 10 3.23",
    ]


@pytest.mark.parametrize("cancel_old", [False, True])
def test_a_converted_server_counts_as_each_type_by_its_days(shop: World, cancel_old: bool) -> None:
    """R8, C-6, Q14: ten days of one band, 21 of the other; nothing is bought for it, and no unit
    is left to cancel.
    """
    zenith = a_reseller(shop)
    zenith.creates_key("Imunify360-30")
    zenith.registers("shop1", "Imunify360-30", ip="198.51.100.9")
    shop.on("2026-01-11")
    zenith.converts("shop1", to="Imunify360-1", cancel_old=cancel_old)

    shop.on("2026-02-01")

    assert zenith.invoices == [
        "2026-02-01 Imunify360-1 10.50 paid",
        "2026-02-01 Imunify360-30 10.00 paid",
    ]


def test_kernelcare_that_comes_with_imunify360_counts_only_while_it_does_not(shop: World) -> None:
    """R8, S3: ten days alone; covered from the day Imunify360 is on the machine."""
    zenith = a_reseller(shop)
    zenith.creates_key("KernelCare")
    zenith.creates_key("Imunify360-30")
    zenith.registers("web1", "KernelCare", ip="198.51.100.7")
    shop.on("2026-01-11")
    zenith.registers("web1", "Imunify360-30", ip="198.51.100.7")

    shop.on("2026-02-01")

    assert zenith.invoices == [
        "2026-02-01 KernelCare 3.23 paid",
        "2026-02-01 Imunify360-30 21.00 paid",
    ]


def test_a_trial_of_a_reseller_is_free_until_a_key_makes_it_paid(shop: World) -> None:
    """R8, T4: registered on the 1st, post-paid from the 11th."""
    zenith = a_reseller(shop)
    zenith.starts_trial("KernelCare")
    zenith.registers("web1", "KernelCare", ip="198.51.100.7")
    shop.on("2026-01-11")
    zenith.creates_key("KernelCare")

    shop.on("2026-02-01")

    assert zenith.lines == ["usage 0.677419 × 10.00 2026-01-01..2026-02-01 6.77"]


def test_a_customer_still_needs_a_license_for_a_key(shop: World) -> None:
    """R8, K-1: only resellers pay afterwards."""
    acme = shop.customer("acme")

    with shop.refuses("no_license"):
        create_key(
            account_id=acme.account_id, license_type="kernelcare", actor="acme", now=shop.now
        )
