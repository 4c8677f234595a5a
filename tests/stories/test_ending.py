"""Unsubscribing, at the end of what is paid or now, and taking it back (Q10)."""

from __future__ import annotations

from tests.world import World


def test_unsubscribing_keeps_servers_running_to_the_end_of_the_paid_period_q10(
    world: World,
) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)
    acme.registers("web1.example", "KernelCare")

    world.on("2026-03-11")
    acme.unsubscribes("KernelCare")

    assert acme.upcoming_totals() == []  # an end that bills nothing is no invoice
    world.on("2026-03-31T23:59:59")
    assert acme.checks_in("web1.example") == "active"
    world.on("2026-04-01")
    assert acme.invoices == ["2026-03-01 KernelCare 5.90 paid"]
    with world.refuses("server_removed"):
        acme.checks_in("web1.example")
    assert acme.mails[-1] == "2026-04-01 subscription_ended"


def test_units_added_before_the_end_are_the_last_invoice_q10(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)
    world.on("2026-03-11")
    acme.adds_servers("KernelCare", 2)

    acme.unsubscribes("KernelCare")
    world.on("2026-05-01")

    assert acme.invoices == [
        "2026-03-01 KernelCare 5.90 paid",
        "2026-04-01 KernelCare 4.00 paid",
    ]
    assert acme.lines == ["proration 2 × 2.95 2026-03-11..2026-04-01 4.00"]


def test_unsubscribing_now_ends_at_once_without_credit_and_bills_what_is_pending_q10(
    world: World,
) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=5)
    acme.registers("web1.example", "KernelCare")
    world.on("2026-03-11")
    acme.adds_servers("KernelCare", 2)

    world.on("2026-03-21")
    acme.unsubscribes("KernelCare", now=True)

    assert acme.lines == ["proration 2 × 2.95 2026-03-11..2026-03-21 1.90"]
    assert acme.subscriptions("KernelCare") == []
    with world.refuses("server_removed"):
        acme.checks_in("web1.example")
    world.on("2026-03-28")
    assert acme.invoices[1:] == ["2026-03-21 KernelCare 1.90 paid"]
    assert acme.credit == "0.00"
    world.on("2026-06-01")
    assert len(acme.invoices) == 2


def test_ending_now_charges_pending_units_to_the_period_s_end_with_the_switch_on_q7_q10(
    world: World,
) -> None:
    world.otto.sets(proration_survives_removal=True)
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=5)
    world.on("2026-03-11")
    acme.adds_servers("KernelCare", 2)

    world.on("2026-03-21")
    acme.unsubscribes("KernelCare", now=True)

    assert acme.lines == ["proration 2 × 2.95 2026-03-11..2026-04-01 4.00"]


def test_a_cancellation_is_taken_back_before_the_end_and_all_goes_on_q10(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)
    world.on("2026-03-11")
    acme.unsubscribes("KernelCare")
    with world.refuses("already_ending"):
        acme.unsubscribes("KernelCare")
    with world.refuses("subscription_ending"):
        acme.buys("KernelCare")

    world.on("2026-03-31")
    acme.resumes("KernelCare")

    with world.refuses("not_ending"):
        acme.resumes("KernelCare")
    world.on("2026-04-01")
    assert acme.lines == ["recurring 2 × 2.95 2026-04-01..2026-05-01 5.90"]


def test_a_cancellation_cannot_be_taken_back_once_it_has_come_to_pass_q10(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)
    acme.unsubscribes("KernelCare")

    world.on("2026-04-01")

    with world.refuses("not_subscribed"):
        acme.resumes("KernelCare")


def test_a_subscription_that_is_ending_can_still_be_ended_now_q10(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)
    acme.unsubscribes("KernelCare")

    world.on("2026-03-11")
    acme.unsubscribes("KernelCare", now=True)

    assert acme.subscriptions("KernelCare") == []
    assert acme.invoices == ["2026-03-01 KernelCare 5.90 paid"]


def test_unsubscribing_on_the_renewal_day_has_been_renewed_before_q9_q10(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)

    world.on("2026-04-01")
    acme.unsubscribes("KernelCare")

    assert acme.invoices[-1] == "2026-04-01 KernelCare 5.90 paid"
    world.on("2026-05-01")
    assert len(acme.invoices) == 2


def test_buying_again_after_the_end_begins_anew_with_the_same_key_q3_q10(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)
    key = acme.key("KernelCare")
    acme.unsubscribes("KernelCare", now=True)

    world.on("2026-03-05")
    acme.buys("KernelCare", servers=1)

    assert acme.key("KernelCare") == key
    assert acme.invoices[-1] == "2026-03-05 KernelCare 3.95 paid"
    acme.registers("web1.example", "KernelCare")
    assert acme.checks_in("web1.example") == "active"


def test_an_order_that_is_not_paid_cannot_be_unsubscribed_q3_q10(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme", card="declines")
    acme.buys("KernelCare")

    with world.refuses("order_pending"):
        acme.unsubscribes("KernelCare")
    with world.refuses("not_subscribed"):
        acme.unsubscribes("CloudLinux OS")


def test_a_last_invoice_inside_a_taxed_period_is_taxed_too_q10_m4(world: World) -> None:
    world.otto.taxes("GB", percent=20)
    acme = world.on("2026-03-01").customer("acme", country="GB")
    acme.buys("KernelCare", servers=5)
    world.on("2026-03-11")
    acme.adds_servers("KernelCare", 2)

    world.on("2026-03-21")
    acme.unsubscribes("KernelCare", now=True)

    assert acme.invoices[1:] == ["2026-03-21 KernelCare 2.28 paid"]
    assert acme.lines == [
        "proration 2 × 2.95 2026-03-11..2026-03-21 1.90",
        "tax 1 × 0.38 2026-03-21..2026-03-22 0.38",
    ]
