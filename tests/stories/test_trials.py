"""Trials: once, for a while, on one address, and then paid or over (T1–T4)."""

from __future__ import annotations

import pytest

from tests.world import World


@pytest.mark.parametrize(
    ("product", "last_moment", "end"),
    [
        ("CloudLinux OS", "2026-03-30T23:59:59", "2026-03-31"),
        ("KernelCare", "2026-03-30T23:59:59", "2026-03-31"),
        ("Imunify360-30", "2026-03-14T23:59:59", "2026-03-15"),
    ],
)
def test_a_trial_runs_for_the_days_of_its_product_and_then_its_servers_stop_t1_t4(
    world: World, product: str, last_moment: str, end: str
) -> None:
    """T1: CloudLinux OS and KernelCare 30 days, Imunify360 14 (seed 000, question 7)."""
    acme = world.on("2026-03-01").customer("acme")
    acme.starts_trial(product)
    acme.registers("web1.example", product)

    world.on(last_moment)
    assert acme.checks_in("web1.example") == "trial"
    world.on(end)

    with world.refuses("server_removed"):
        acme.checks_in("web1.example")
    with world.refuses("trial_expired"):
        acme.registers("web1.example", product)
    assert (acme.invoices, acme.money_taken) == ([], "0.00")
    assert acme.mails[-1] == f"{end} trial_ended"


def test_a_trial_is_announced_to_end_seven_three_and_one_day_before_t4(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.starts_trial("KernelCare")

    world.on("2026-04-30")

    assert acme.mails == [
        "2026-03-01 trial_started",
        "2026-03-24 trial_ending",
        "2026-03-28 trial_ending",
        "2026-03-30 trial_ending",
        "2026-03-31 trial_ended",
    ]


def test_a_product_can_be_tried_once_per_account_and_a_trial_is_not_extended_t1_t4(
    world: World,
) -> None:
    """Seed 001: once for each product in an account. Seed 000: trials are not extendable."""
    acme = world.on("2026-03-01").customer("acme")
    acme.starts_trial("Imunify360-1")

    with world.refuses("trial_already_used") as refused:
        acme.starts_trial("Imunify360-30")
    assert refused.value.message.startswith("Your trial of Imunify360 started on 1 Mar 2026.")
    acme.starts_trial("KernelCare")
    world.on("2026-06-01")
    with world.refuses("trial_already_used"):
        acme.starts_trial("Imunify360-1")


def test_there_is_no_trial_of_els_t1(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")

    with world.refuses("trial_not_offered"):
        acme.starts_trial("ELS for CentOS 6")


def test_who_has_bought_a_product_cannot_try_it_any_more_t1(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare")

    with world.refuses("already_paid"):
        acme.starts_trial("KernelCare")


@pytest.mark.parametrize("product", ["CloudLinux OS", "Imunify360-1"])
def test_one_server_can_be_tried_t2(world: World, product: str) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.starts_trial(product)
    acme.registers("web1.example", product)

    with world.refuses("pool_exhausted") as refused:
        acme.registers("web2.example", product)

    assert "web1.example" in refused.value.message + refused.value.fix
    assert acme.may_run(product) == (1, 1)


def test_any_number_of_servers_can_try_kernelcare_t2(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.starts_trial("KernelCare")

    for number in range(7):
        acme.registers(f"web{number}.example", "KernelCare")

    assert acme.may_run("KernelCare") == (7, None)


def test_an_address_that_has_run_a_trial_runs_no_other_one_under_any_account_t3(
    world: World,
) -> None:
    """Seed 001: "You can register the IP: X.X.X.X under a paid license only." """
    acme = world.on("2026-03-01").customer("acme")
    mallory = world.customer("mallory")
    acme.starts_trial("KernelCare")
    acme.registers("web1.example", "KernelCare", ip="203.0.113.5")
    acme.removes_server("web1.example")
    mallory.starts_trial("KernelCare")

    with world.refuses("trial_ip_used") as refused:
        mallory.registers("web1.example", "KernelCare", ip="203.0.113.5")

    assert refused.value.message == (
        "You can register the IP: 203.0.113.5 under a paid license only."
    )
    mallory.registers("web2.example", "KernelCare", ip="203.0.113.6")
    mallory.starts_trial("CloudLinux OS")
    mallory.registers("web1.example", "CloudLinux OS", ip="203.0.113.5")
    with world.refuses("trial_ip_used"):  # a trial of one product opens no door to another
        mallory.registers("web1.example", "KernelCare", ip="203.0.113.5")


def test_the_same_account_may_register_its_own_trial_address_again_t3(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.starts_trial("CloudLinux OS")
    acme.registers("web1.example", "CloudLinux OS", ip="203.0.113.5")
    acme.removes_server("web1.example")

    acme.registers("web1.example", "CloudLinux OS", ip="203.0.113.5")

    assert acme.checks_in("web1.example") == "trial"


def test_a_paid_license_runs_on_an_address_that_has_had_its_trial_t3(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    mallory = world.customer("mallory")
    acme.starts_trial("KernelCare")
    acme.registers("web1.example", "KernelCare", ip="203.0.113.5")
    mallory.buys("KernelCare")

    mallory.registers("web9.example", "KernelCare", ip="203.0.113.5")

    assert mallory.checks_in("web9.example") == "active"


def test_the_operator_clears_an_address_for_another_trial_t3(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    mallory = world.customer("mallory")
    acme.starts_trial("KernelCare")
    acme.registers("web1.example", "KernelCare", ip="203.0.113.5")
    mallory.starts_trial("KernelCare")

    assert world.otto.clears_trial_address("KernelCare", "203.0.113.5")
    mallory.registers("web1.example", "KernelCare", ip="203.0.113.5")

    assert mallory.checks_in("web1.example") == "trial"


def test_buying_during_the_trial_starts_the_paid_period_and_keeps_key_and_servers_t4(
    world: World,
) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.starts_trial("KernelCare")
    for number in (1, 2):
        acme.registers(f"web{number}.example", "KernelCare")
    key = acme.key("KernelCare")

    world.on("2026-03-10")
    acme.buys("KernelCare", servers=3)

    assert acme.lines == ["recurring 3 × 2.95 2026-03-10..2026-04-10 8.85"]
    assert (acme.key("KernelCare"), acme.may_run("KernelCare")) == (key, (2, 3))
    assert acme.checks_in("web1.example") == "active"
    world.on("2026-04-05")
    assert acme.checks_in("web2.example") == "active"
    assert "2026-03-31 trial_ended" not in acme.mails


def test_a_trial_turns_into_a_paid_license_on_its_last_day_t4(world: World) -> None:
    acme = world.on("2026-03-01T10:00").customer("acme")
    acme.starts_trial("CloudLinux OS")
    acme.registers("web1.example", "CloudLinux OS")

    world.on("2026-03-31T09:59:59")
    assert acme.checks_in("web1.example") == "trial"
    acme.buys("CloudLinux OS")
    world.on("2026-03-31T10:00")

    assert acme.checks_in("web1.example") == "active"
    assert acme.invoices == ["2026-03-31 CloudLinux OS 14.00 paid"]
    assert acme.accrued() == ["2026-04-30 0.00 of 14.00"]


def test_buying_after_the_trial_is_over_brings_the_same_key_back_t4(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.starts_trial("CloudLinux OS")
    acme.registers("web1.example", "CloudLinux OS")
    key = acme.key("CloudLinux OS")

    world.on("2026-04-15")
    acme.buys("CloudLinux OS")
    acme.registers("web1.example", "CloudLinux OS")

    assert acme.key("CloudLinux OS") == key
    assert acme.checks_in("web1.example") == "active"


def test_fewer_licenses_than_the_trial_s_servers_are_refused_t4(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.starts_trial("KernelCare")
    for number in range(3):
        acme.registers(f"web{number}.example", "KernelCare")

    with world.refuses("fewer_than_servers"):
        acme.buys("KernelCare", servers=2)

    acme.buys("KernelCare", servers=3)
    assert acme.may_run("KernelCare") == (3, 3)


def test_an_order_whose_payment_failed_leaves_the_trial_running_to_its_end_q3_t4(
    world: World,
) -> None:
    acme = world.on("2026-03-01").customer("acme", card="declines")
    acme.starts_trial("KernelCare")
    acme.registers("web1.example", "KernelCare")

    world.on("2026-03-29")
    acme.buys("KernelCare")

    assert acme.checks_in("web1.example") == "trial"
    world.on("2026-03-31")
    with world.refuses("server_removed"):
        acme.checks_in("web1.example")
    world.on("2026-04-30")
    assert acme.invoices == ["2026-03-29 KernelCare 3.95 void"]
