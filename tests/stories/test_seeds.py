"""What the documents this project began with tell customers, sentence by sentence.

Sentences that name a billing rule are told in the other stories; these are the rest of those that
are about money, licenses and keys.
"""

from __future__ import annotations

from tests.world import World


def test_a_first_purchase_brings_a_default_key_for_each_product(world: World) -> None:
    """Seed 001: generated automatically on server license purchase for each product."""
    acme = world.on("2026-03-01").customer("acme")

    acme.buys("KernelCare")
    acme.buys("CloudLinux OS")

    keys = {acme.key("KernelCare"), acme.key("CloudLinux OS")}
    assert len(keys) == 2
    assert None not in keys


def test_one_license_is_for_one_system(world: World) -> None:
    """Seed 000: Imunify360 requires one license per system to be protected."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("Imunify360-30", servers=2)
    acme.registers("web1.example", "Imunify360-30")
    acme.registers("web2.example", "Imunify360-30")

    with world.refuses("pool_exhausted"):
        acme.registers("web3.example", "Imunify360-30")


def test_payments_are_made_monthly_on_the_day_the_subscription_was_activated(
    world: World,
) -> None:
    """Seed 000, question 6."""
    acme = world.on("2026-03-17").customer("acme")
    acme.buys("Imunify360-1")

    world.on("2026-06-30")

    assert [charge.split()[0] for charge in acme.charges] == [
        "2026-03-17",
        "2026-04-17",
        "2026-05-17",
        "2026-06-17",
    ]


def test_the_key_does_not_expire_at_the_end_of_the_billing_cycle(world: World) -> None:
    """Seed 000, question 8: pay each month and continue to use the same activation key."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("Imunify360-1", servers=2)
    acme.registers("web1.example", "Imunify360-1")

    world.on("2026-05-02")
    acme.registers("web2.example", "Imunify360-1")

    assert acme.checks_in("web1.example") == "active"
    assert acme.checks_in("web2.example") == "active"


def test_a_license_moves_to_a_new_server_by_removing_the_old_one(world: World) -> None:
    """Seed 000, question 9, and seed 001: no second license, the same activation key."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("Imunify360-1")
    acme.registers("old.example", "Imunify360-1")
    with world.refuses("pool_exhausted") as refused:
        acme.registers("new.example", "Imunify360-1")
    assert "old.example" in refused.value.message + refused.value.fix

    acme.removes_server("old.example")
    acme.registers("new.example", "Imunify360-1")

    assert acme.checks_in("new.example") == "active"
    with world.refuses("server_removed"):
        acme.checks_in("old.example")
    world.on("2026-04-01")
    assert acme.invoices == [
        "2026-03-01 Imunify360-1 12.00 paid",
        "2026-04-01 Imunify360-1 12.00 paid",
    ]


def test_a_reinstalled_server_registers_again_without_a_second_license(world: World) -> None:
    """Seed 001, "Maximum usage count of 1 reached": the same machine needs no removal here."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("CloudLinux OS")
    acme.registers("web1.example", "CloudLinux OS", ip="203.0.113.5")

    acme.registers("web1.example", "CloudLinux OS", ip="203.0.113.5")

    assert acme.may_run("CloudLinux OS") == (1, 1)
    assert acme.checks_in("web1.example") == "active"


def test_cancelling_a_license_takes_removing_the_server_and_then_the_unused_license(
    world: World,
) -> None:
    """Seed 000, question 10, and seed 001, "How do I cancel a license?", with both steps."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("CloudLinux OS", servers=2)
    acme.registers("web1.example", "CloudLinux OS")
    acme.registers("web2.example", "CloudLinux OS")

    acme.removes_server("web2.example")
    assert acme.upcoming_totals() == ["2026-04-01 24.00"]
    acme.removes_unused("CloudLinux OS")

    assert acme.upcoming_totals() == ["2026-04-01 14.00"]


def test_more_is_billed_than_is_held_when_licenses_were_added_in_the_month(
    world: World,
) -> None:
    """Seed 001, Troubleshooting 1: prorated price on the next due invoice, with the reason."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("CloudLinux OS", servers=5)
    world.on("2026-03-17")
    acme.adds_servers("CloudLinux OS", 2)

    world.on("2026-04-01")

    assert acme.invoices[-1] == "2026-04-01 CloudLinux OS 79.68 paid"
    mail = acme.mail("invoice_issued")
    assert "Added 2 on 17 Mar 2026: 2 × $10.00 × 15/31 days (17 Mar – 1 Apr)" in mail
    assert "7 × $10.00 for the month 1 Apr – 1 May 2026 (price from 5 up)" in mail


def test_a_blocked_customer_is_told_how_to_settle_the_debt_and_unlock(world: World) -> None:
    """Seed 001: instructions and an alternative payment link by e-mail."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("CloudLinux OS")
    acme.replaces_method("declines")

    world.on("2026-05-01")

    mail = acme.mail("account_blocked")
    assert mail.startswith("Your CLN account is blocked: $28.00 is overdue\n")
    assert "due since 2026-04-01" in mail
    assert "Servers that already run keep their license until 2026-05-08." in mail
    world.opens_pay_link(acme.pay_link("account_blocked"), card="works")
    assert (acme.status, acme.owes) == ("current", "0.00")


def test_half_a_year_of_a_customer_reads_as_he_would_read_it(world: World) -> None:
    """Two products, servers that come and go, a declined card: every invoice of half a year."""
    acme = world.on("2026-01-31").customer("acme", country="GB")
    world.otto.taxes("GB", percent=20)
    acme.buys("KernelCare", servers=5)
    world.on("2026-02-14")
    acme.buys("Imunify360-30")
    acme.adds_servers("KernelCare", 2)
    world.on("2026-03-01")
    acme.adds_servers("Imunify360-30", 4)
    world.on("2026-04-10")
    acme.removes_unused("KernelCare", keep=3)
    acme.replaces_method("declines")
    world.on("2026-05-20")
    acme.replaces_method("works")
    acme.unsubscribes("Imunify360-30")

    world.on("2026-07-31")

    acme.all_invoices_are("half_a_year_of_acme.txt")
