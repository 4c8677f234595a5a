"""Volume prices, the tier that several subscriptions share, and dated lists (Q1, Q5)."""

from __future__ import annotations

from tests.world import World


def test_bulk_pricing_begins_at_five_q1(world: World) -> None:
    """Seed 000, question 5: 5 or more Imunify360 licenses qualify for bulk pricing."""
    acme = world.on("2026-03-01").customer("acme")
    mallory = world.customer("mallory")

    acme.buys("Imunify360-1", servers=4)
    mallory.buys("Imunify360-1", servers=5)

    assert acme.lines == ["recurring 4 × 12.00 2026-03-01..2026-04-01 48.00"]
    assert mallory.lines == ["recurring 5 × 5.00 2026-03-01..2026-04-01 25.00"]


def test_two_imunify_bands_share_a_tier_and_the_other_one_gets_it_at_its_renewal_q1(
    world: World,
) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("Imunify360-1", servers=3)

    world.on("2026-03-11")
    acme.buys("Imunify360-30", servers=2)

    assert acme.lines == ["recurring 2 × 10.00 2026-03-11..2026-04-11 20.00"]
    world.on("2026-04-01")
    assert acme.lines == ["recurring 3 × 5.00 2026-04-01..2026-05-01 15.00"]
    assert acme.invoices[0] == "2026-03-01 Imunify360-1 36.00 paid"


def test_an_addition_to_one_band_is_priced_by_all_bands_together_q1_q5(world: World) -> None:
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1", servers=2)
    acme.buys("Imunify360-30", servers=2)

    world.on("2026-04-16")
    acme.adds_servers("Imunify360-30", 1)
    world.on("2026-05-01")

    assert acme.invoices[2:] == [
        "2026-05-01 Imunify360-1 10.00 paid",
        "2026-05-01 Imunify360-30 35.00 paid",
    ]
    assert acme.lines == [
        "proration 1 × 10.00 2026-04-16..2026-05-01 5.00",
        "recurring 3 × 10.00 2026-05-01..2026-06-01 30.00",
    ]


def test_a_subscription_that_ends_on_a_day_no_longer_counts_on_it_q1(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("Imunify360-1", servers=3)
    acme.buys("Imunify360-30", servers=2)

    world.on("2026-03-20")
    acme.unsubscribes("Imunify360-30")
    world.on("2026-04-01")

    assert acme.lines == ["recurring 3 × 12.00 2026-04-01..2026-05-01 36.00"]


def test_editions_of_other_families_do_not_count_together_q1(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("CloudLinux OS", servers=4)

    acme.buys("KernelCare", servers=1)

    assert acme.lines == ["recurring 1 × 3.95 2026-03-01..2026-04-01 3.95"]


def test_a_price_list_that_changes_mid_period_holds_for_additions_now_and_for_all_at_renewal_q1_q5(
    world: World,
) -> None:
    world.otto.prices("KernelCare", {1: "10.00"})
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("KernelCare", servers=2)
    world.otto.prices("KernelCare", {1: "12.00"}, effective="2026-04-16")

    world.on("2026-04-11")
    acme.adds_servers("KernelCare", 1)
    world.on("2026-04-16")
    acme.adds_servers("KernelCare", 1)
    world.on("2026-05-01")

    assert acme.lines == [
        "proration 1 × 10.00 2026-04-11..2026-05-01 6.67",
        "proration 1 × 12.00 2026-04-16..2026-05-01 6.00",
        "recurring 4 × 12.00 2026-05-01..2026-06-01 48.00",
    ]
    assert acme.price_lists == ["2011-01-01", "2026-04-16", "2026-04-16"]


def test_a_new_list_waits_for_the_first_renewal_on_or_after_its_day_q1(world: World) -> None:
    world.otto.prices("KernelCare", {1: "10.00"})
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("KernelCare")

    world.otto.prices("KernelCare", {1: "9.00"}, effective="2026-05-01")
    world.otto.prices("KernelCare", {1: "8.00"}, effective="2026-05-02")

    assert acme.upcoming_totals() == ["2026-05-01 9.00"]
    world.on("2026-06-01")
    assert [invoice.split()[2] for invoice in acme.invoices] == ["10.00", "9.00", "8.00"]


def test_no_purchase_ever_makes_a_line_negative_q5(world: World) -> None:
    """The cheaper tier is not given back for the units that are paid already."""
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("Imunify360-1", servers=4)

    world.on("2026-04-16")
    acme.adds_servers("Imunify360-1", 1)

    assert acme.accrued() == ["2026-05-01 2.50 of 27.50"]


def test_a_list_entered_on_its_first_day_leaves_what_was_ordered_that_day_right_q1_p12(
    world: World,
) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2, monthly=True)

    world.otto.prices("KernelCare", {1: "9.99"}, effective="2026-03-01")
    acme.adds_servers("KernelCare", 1)

    world.nothing_more_is_due()
    world.on("2026-04-01")
    assert acme.lines == [
        "proration 1 × 9.99 2026-03-01..2026-04-01 9.99",
        "recurring 3 × 9.99 2026-04-01..2026-05-01 29.97",
    ]
    world.nothing_more_is_due()
