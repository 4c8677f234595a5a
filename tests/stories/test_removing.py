"""Giving licenses up: what is removed, and what it still costs (Q6–Q8; E7)."""

from __future__ import annotations

from tests.world import World


def test_remove_unused_leaves_the_servers_in_use_and_gives_no_credit_q6(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=5)
    acme.registers("web1.example", "KernelCare")
    acme.registers("web2.example", "KernelCare")

    world.on("2026-03-11")
    removed = acme.removes_unused("KernelCare")

    assert (removed.units, removed.left) == (3, 2)
    assert acme.may_run("KernelCare") == (2, 2)
    assert (acme.credit, acme.owes) == ("0.00", "0.00")
    world.on("2026-04-01")
    assert acme.lines == ["recurring 2 × 2.95 2026-04-01..2026-05-01 5.90"]


def test_remove_unused_goes_down_to_a_chosen_number_not_below_the_servers_q6(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=5)
    acme.registers("web1.example", "KernelCare")
    acme.registers("web2.example", "KernelCare")

    with world.refuses("keep_below_used"):
        acme.removes_unused("KernelCare", keep=1)
    with world.refuses("bad_quantity"):
        acme.removes_unused("KernelCare", keep=-1)
    with world.refuses("nothing_unused"):
        acme.removes_unused("KernelCare", keep=5)
    acme.removes_unused("KernelCare", keep=4)

    assert acme.holds("KernelCare") == 4


def test_remove_unused_is_refused_without_anything_to_remove_q6(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")

    with world.refuses("not_subscribed"):
        acme.removes_unused("KernelCare")


def test_removing_the_last_license_ends_the_product_at_the_boundary_q6_q9(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)

    world.on("2026-03-11")
    acme.removes_unused("KernelCare")

    assert acme.may_run("KernelCare") == (0, 0)
    with world.refuses("license_expired"):
        acme.registers("web1.example", "KernelCare")
    world.on("2026-06-01")
    assert acme.invoices == ["2026-03-01 KernelCare 5.90 paid"]
    assert acme.subscriptions("KernelCare") == []
    assert acme.mails[-1] == "2026-04-01 subscription_ended"


def test_quantity_to_zero_and_back_within_what_is_paid_costs_nothing_q8(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=5)

    world.on("2026-03-11")
    acme.removes_unused("KernelCare")
    world.on("2026-03-21")
    acme.adds_servers("KernelCare", 3)

    acme.registers("web1.example", "KernelCare")
    assert acme.may_run("KernelCare") == (1, 3)
    world.on("2026-04-01")
    assert acme.lines == ["recurring 3 × 2.95 2026-04-01..2026-05-01 8.85"]


def test_quantity_to_zero_and_back_after_the_boundary_is_a_new_first_purchase_m2(
    world: World,
) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=5)
    world.on("2026-03-11")
    acme.removes_unused("KernelCare")

    world.on("2026-04-05")
    acme.buys("KernelCare", servers=2)

    assert acme.invoices == [
        "2026-03-01 KernelCare 14.75 paid",
        "2026-04-05 KernelCare 5.90 paid",
    ]
    assert acme.accrued() == ["2026-05-05 0.00 of 5.90"]


def test_an_added_unit_is_charged_until_the_day_it_is_removed_q7_e7(world: World) -> None:
    """E7: 2 added on 11 Nov at 14.00, removed on 21 Nov, of a month of 30 days: 9.33."""
    world.otto.prices("KernelCare", {1: "14.00"})
    acme = world.on("2026-11-01").customer("acme")
    acme.buys("KernelCare")

    world.on("2026-11-11")
    acme.adds_servers("KernelCare", 2)
    world.on("2026-11-21")
    acme.removes_unused("KernelCare", keep=1)

    assert acme.accrued() == ["2026-12-01 9.33 of 23.33"]
    world.on("2026-12-01")
    assert acme.lines == [
        "proration 2 × 14.00 2026-11-11..2026-11-21 9.33",
        "recurring 1 × 14.00 2026-12-01..2027-01-01 14.00",
    ]


def test_an_added_unit_is_charged_to_the_end_of_the_period_with_the_switch_on_q7_e7(
    world: World,
) -> None:
    """E7 with `proration_survives_removal`: 18.67."""
    world.otto.prices("KernelCare", {1: "14.00"})
    world.otto.sets(proration_survives_removal=True)
    acme = world.on("2026-11-01").customer("acme")
    acme.buys("KernelCare")

    world.on("2026-11-11")
    acme.adds_servers("KernelCare", 2)
    world.on("2026-11-21")
    acme.removes_unused("KernelCare", keep=1)
    world.on("2026-12-01")

    assert acme.lines == [
        "proration 2 × 14.00 2026-11-11..2026-12-01 18.67",
        "recurring 1 × 14.00 2026-12-01..2027-01-01 14.00",
    ]


def test_units_that_are_charged_to_the_end_are_refilled_for_nothing_with_the_switch_on_q7_q8(
    world: World,
) -> None:
    world.otto.prices("KernelCare", {1: "14.00"})
    world.otto.sets(proration_survives_removal=True)
    acme = world.on("2026-11-01").customer("acme")
    acme.buys("KernelCare")
    world.on("2026-11-11")
    acme.adds_servers("KernelCare", 2)
    world.on("2026-11-21")
    acme.removes_unused("KernelCare", keep=1)

    world.on("2026-11-26")
    acme.adds_servers("KernelCare", 2)
    world.on("2026-12-01")

    assert acme.lines == [
        "proration 2 × 14.00 2026-11-11..2026-12-01 18.67",
        "recurring 3 × 14.00 2026-12-01..2027-01-01 42.00",
    ]


def test_a_unit_added_and_removed_on_one_day_costs_nothing_q7(world: World) -> None:
    acme = world.on("2026-11-01").customer("acme")
    acme.buys("KernelCare", servers=2)

    world.on("2026-11-11T08:00")
    acme.adds_servers("KernelCare", 3)
    world.on("2026-11-11T20:00")
    acme.removes_unused("KernelCare", keep=2)
    world.on("2026-12-01")

    assert acme.lines == ["recurring 2 × 2.95 2026-12-01..2027-01-01 5.90"]


def test_a_removal_takes_the_newest_layer_first_and_the_rest_goes_on_q8(world: World) -> None:
    world.otto.prices("KernelCare", {1: "10.00"})
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("KernelCare", servers=10)
    world.on("2026-04-06")
    acme.adds_servers("KernelCare", 3)
    world.on("2026-04-11")
    acme.adds_servers("KernelCare", 4)

    world.on("2026-04-16")
    acme.removes_unused("KernelCare", keep=12)
    world.on("2026-05-01")

    assert acme.lines == [
        "proration 2 × 10.00 2026-04-06..2026-05-01 16.67",
        "proration 1 × 10.00 2026-04-06..2026-04-16 3.33",
        "proration 4 × 10.00 2026-04-11..2026-04-16 6.67",
        "recurring 12 × 10.00 2026-05-01..2026-06-01 120.00",
    ]


def test_a_server_removed_alone_keeps_its_license_and_its_bill_q6(world: World) -> None:
    """Seed 000, questions 10 and 11: unused licenses that are not cancelled are paid for."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)
    acme.registers("web1.example", "KernelCare")
    acme.registers("web2.example", "KernelCare")

    world.on("2026-03-11")
    acme.removes_server("web1.example")

    assert acme.may_run("KernelCare") == (1, 2)
    world.on("2026-04-01")
    assert acme.invoices[-1] == "2026-04-01 KernelCare 5.90 paid"


def test_a_server_and_its_license_go_in_one_step_and_the_bill_falls_q6(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)
    acme.registers("web1.example", "KernelCare")
    acme.registers("web2.example", "KernelCare")

    world.on("2026-03-11")
    removed = acme.removes_server("web1.example", cancel_license=True)

    assert (removed.units, removed.left) == (1, 1)
    assert (acme.server_status("web1.example"), acme.may_run("KernelCare")) == ("removed", (1, 1))
    world.on("2026-04-01")
    assert acme.lines == ["recurring 1 × 3.95 2026-04-01..2026-05-01 3.95"]


def test_a_license_removed_on_the_renewal_day_has_been_renewed_before_q9(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=5)

    world.on("2026-04-01")
    acme.removes_unused("KernelCare", keep=2)

    assert acme.invoices[-1] == "2026-04-01 KernelCare 14.75 paid"
    world.on("2026-05-01")
    assert acme.invoices[-1] == "2026-05-01 KernelCare 5.90 paid"


def test_nobody_removes_what_is_not_his(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    mallory = world.customer("mallory")
    acme.buys("KernelCare", servers=2)
    mallory.buys("KernelCare", servers=2)
    acme.registers("web1.example", "KernelCare")

    with world.refuses("unknown_server"):
        mallory.removes_server("web1.example", cancel_license=True)

    assert acme.checks_in("web1.example") == "active"
