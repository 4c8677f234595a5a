"""What people buy and add, and what it costs (Q1–Q5, Q8, Q9; E1–E4, E6, E8–E12)."""

from __future__ import annotations

import pytest

from tests.partners import credits
from tests.world import World


def test_a_first_purchase_is_one_paid_invoice_for_the_full_first_period_q3(world: World) -> None:
    acme = world.on("2026-01-31").customer("acme")

    bought = acme.buys("KernelCare", servers=5, monthly=True)

    assert acme.invoices == ["2026-01-31 KernelCare 14.75 paid"]
    assert acme.lines == ["recurring 5 × 2.95 2026-01-31..2026-02-28 14.75"]
    assert acme.may_run("KernelCare") == (0, 5)
    assert bought.payment is not None
    assert (bought.payment.state, acme.money_taken, acme.owes) == ("succeeded", "14.75", "0.00")


def test_servers_added_in_the_month_come_on_the_next_invoice_q4_q9_e6(world: World) -> None:
    """E6: 5 at 14.00 from 31 Jan; 3 more on 10 Feb cost 27.00 beside the renewal on 28 Feb."""
    world.otto.prices("KernelCare", {1: "14.00"})
    acme = world.on("2026-01-31").customer("acme")
    acme.buys("KernelCare", servers=5, monthly=True)

    world.on("2026-02-10")
    acme.adds_servers("KernelCare", 3)

    assert acme.may_run("KernelCare") == (0, 8)
    assert acme.accrued() == ["2026-02-28 27.00 of 139.00"]
    assert acme.money_taken == "70.00"
    world.on("2026-02-28")
    assert acme.lines == [
        "proration 3 × 14.00 2026-02-10..2026-02-28 27.00",
        "recurring 8 × 14.00 2026-02-28..2026-03-31 112.00",
    ]
    assert acme.invoices[-1] == "2026-02-28 KernelCare 139.00 paid"


@pytest.mark.parametrize(
    ("price", "yearly", "bought", "added", "renewed", "line"),
    [
        pytest.param(
            "249.95", False, "2016-06-10", "2016-07-01", "2016-07-10",
            "proration 1 × 249.95 2016-07-01..2016-07-10 74.99", id="E1",
        ),
        pytest.param(
            "249.95", False, "2012-01-31", "2012-03-02", "2012-03-31",
            "proration 1 × 249.95 2012-03-02..2012-03-31 233.82", id="E2",
        ),
        pytest.param(
            "2399.95", True, "2012-05-01", "2012-05-12", "2013-05-01",
            "proration 1 × 2399.95 2012-05-12..2013-05-01 2327.62", id="E3",
        ),
        pytest.param(
            "2399.95", True, "2016-05-10", "2017-05-01", "2017-05-10",
            "proration 1 × 2399.95 2017-05-01..2017-05-10 59.18", id="E4",
        ),
        pytest.param(
            "140.00", True, "2026-11-22", "2027-03-01", "2027-11-22",
            "proration 1 × 140.00 2027-03-01..2027-11-22 102.03", id="E10 for one unit",
        ),
    ],
)  # fmt: skip
def test_an_added_server_costs_its_days_of_the_period_m3(
    world: World, price: str, yearly: bool, bought: str, added: str, renewed: str, line: str
) -> None:
    """E1–E4: multiply first, divide once, round once, halves up; nothing is charged on the day."""
    world.otto.prices("KernelCare", {1: price}, yearly=yearly)
    acme = world.on(bought).customer("acme")
    acme.buys("KernelCare", monthly=not yearly)

    world.on(added)
    acme.adds_servers("KernelCare", 1)
    world.on(renewed)

    assert acme.lines[0] == line
    assert len(acme.lines) == 2


def test_an_addition_first_refills_what_is_paid_q8_e8(world: World) -> None:
    """E8: paid 10; 10 → 5 → 15 charges 5 units, from the day of the 15."""
    world.otto.prices("KernelCare", {1: "10.00"})
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=10)

    world.on("2026-03-05")
    acme.removes_unused("KernelCare", keep=5)
    world.on("2026-03-11")
    acme.adds_servers("KernelCare", 10)
    world.on("2026-04-01")

    assert acme.lines == [
        "proration 5 × 10.00 2026-03-11..2026-04-01 33.87",
        "recurring 15 × 10.00 2026-04-01..2026-05-01 150.00",
    ]


def test_each_addition_above_what_is_paid_is_a_layer_with_a_line_of_its_own_q8_e9(
    world: World,
) -> None:
    """E9: paid 10; 10 → 15 → 20 makes two layers of 5."""
    world.otto.prices("KernelCare", {1: "10.00"})
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=10)

    world.on("2026-03-11")
    acme.adds_servers("KernelCare", 5)
    world.on("2026-03-21")
    acme.adds_servers("KernelCare", 5)
    world.on("2026-04-01")

    assert acme.lines == [
        "proration 5 × 10.00 2026-03-11..2026-04-01 33.87",
        "proration 5 × 10.00 2026-03-21..2026-04-01 17.74",
        "recurring 20 × 10.00 2026-04-01..2026-05-01 200.00",
    ]


def test_the_tier_of_the_new_total_prices_the_addition_and_renewal_re_rates_the_rest_q5_e12(
    world: World,
) -> None:
    """E12: from 10 up 8.00 instead of 10.00; 9 held, 1 added at half period: 4.00, then 10 × 8."""
    world.otto.prices("KernelCare", {1: "10.00", 10: "8.00"})
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("KernelCare", servers=9)

    world.on("2026-04-16")
    acme.adds_servers("KernelCare", 1)

    assert acme.accrued() == ["2026-05-01 4.00 of 84.00"]
    world.on("2026-05-01")
    assert acme.lines == [
        "proration 1 × 8.00 2026-04-16..2026-05-01 4.00",
        "recurring 10 × 8.00 2026-05-01..2026-06-01 80.00",
    ]


def test_a_tier_crossed_up_and_down_in_one_period_leaves_the_renewal_as_it_was_q5_q7(
    world: World,
) -> None:
    world.otto.prices("KernelCare", {1: "10.00", 10: "8.00"})
    acme = world.on("2026-04-01").customer("acme")
    acme.buys("KernelCare", servers=9)

    world.on("2026-04-16")
    acme.adds_servers("KernelCare", 1)
    world.on("2026-04-21")
    acme.removes_unused("KernelCare", keep=9)
    world.on("2026-05-01")

    assert acme.lines == [
        "proration 1 × 8.00 2026-04-16..2026-04-21 1.33",
        "recurring 9 × 10.00 2026-05-01..2026-06-01 90.00",
    ]


def test_one_volume_price_holds_for_all_units_q1(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")

    acme.buys("CloudLinux OS", servers=5)
    acme.buys("KernelCare", servers=1)

    assert acme.invoices == [
        "2026-03-01 CloudLinux OS 50.00 paid",
        "2026-03-01 KernelCare 3.95 paid",
    ]


def test_each_subscription_type_gets_an_invoice_of_its_own_every_period_q3(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    for product in ("KernelCare", "CloudLinux OS", "Imunify360-1", "Imunify360-unlimited"):
        acme.buys(product)

    world.on("2026-04-01")

    assert acme.invoices[4:] == [
        "2026-04-01 KernelCare 3.95 paid",
        "2026-04-01 CloudLinux OS 14.00 paid",
        "2026-04-01 Imunify360-1 12.00 paid",
        "2026-04-01 Imunify360-unlimited 45.00 paid",
    ]


def test_monthly_beside_yearly_of_one_product_is_refused_q2(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("Imunify360-1", monthly=True)

    with world.refuses("interval_conflict"):
        acme.buys("Imunify360-30", monthly=False)

    acme.buys("KernelCare", monthly=False)
    assert [row.interval for row in acme.subscriptions("KernelCare")] == ["year"]


def test_buying_again_grows_the_one_subscription_of_a_license_type_q2(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=2)

    world.on("2026-03-02")
    acme.buys("KernelCare", servers=3)

    [subscription] = acme.subscriptions("KernelCare")
    assert (subscription.quantity, str(subscription.anchor)) == (5, "2026-03-01")


@pytest.mark.parametrize("quantity", [0, -1, 100_001, 2.0, "5", True])
def test_a_quantity_that_is_no_whole_number_in_range_is_refused(
    world: World, quantity: object
) -> None:
    acme = world.on("2026-03-01").customer("acme")

    with world.refuses("bad_quantity"):
        acme.buys("KernelCare", servers=quantity)


def test_additions_together_may_not_exceed_the_largest_quantity(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=100_000)

    with world.refuses("bad_quantity"):
        acme.buys("KernelCare", servers=1)


def test_what_has_no_price_cannot_be_bought(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")

    with world.refuses("price_unknown"):
        acme.buys("CloudLinux OS Pro")


def test_a_form_sent_twice_buys_once(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme")
    first = acme.buys("KernelCare", servers=2, key="the same form")

    second = acme.buys("KernelCare", servers=2, key="the same form")

    assert (second.held, second.invoice_number) == (2, first.invoice_number)
    assert acme.holds("KernelCare") == 2
    assert acme.money_taken == "5.90"
    with world.refuses("request_key_reused"):
        acme.buys("KernelCare", servers=3, key="the same form")


def test_an_unpaid_first_order_grants_nothing_and_is_void_after_seven_days_q3(
    world: World,
) -> None:
    acme = world.on("2026-03-01").customer("acme", card="declines")

    bought = acme.buys("KernelCare", servers=2)

    assert bought.payment is not None
    assert bought.payment.sentence == "There is not enough money on the card or the PayPal account."
    assert acme.invoices == ["2026-03-01 KernelCare 5.90 open"]
    assert acme.key("KernelCare") is None
    with world.refuses("order_pending"):
        acme.buys("KernelCare", servers=1)
    world.on("2026-03-07")
    assert acme.owes == "5.90"
    world.on("2026-03-08")
    assert acme.invoices == ["2026-03-01 KernelCare 5.90 void"]
    assert acme.charges == [f"2026-03-0{day} 5.90 declined" for day in (1, 4, 8)]
    assert (acme.owes, acme.money_taken, acme.holds("KernelCare")) == ("0.00", "0.00", 0)
    assert acme.mails[-1] == "2026-03-08 order_void"


def test_the_credit_a_void_order_held_pays_what_is_open_beside_it_q3_p9(world: World) -> None:
    """Renewed on the day the order lapses: the card is declined, and the credit is free again."""
    world.otto.prices("CloudLinux OS", {1: "14.00"})
    acme = world.on("2026-02-08").customer("acme")
    acme.buys("KernelCare")
    acme.replaces_method("declines")
    world.on("2026-03-01")
    credits(world, acme, "11.01")
    acme.buys("CloudLinux OS")

    world.on("2026-03-08")

    assert acme.invoices == [
        "2026-02-08 KernelCare 3.95 paid",
        "2026-03-01 CloudLinux OS 14.00 void",
        "2026-03-08 KernelCare 3.95 paid",
    ]
    assert (acme.owes, acme.credit, acme.status) == ("0.00", "7.06", "current")


def test_a_void_order_is_no_obstacle_to_a_new_one_q3(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme", card="declines")
    acme.buys("KernelCare", servers=2)
    world.on("2026-03-08")
    acme.replaces_method("works")

    acme.buys("KernelCare", servers=3)

    assert acme.invoices == [
        "2026-03-01 KernelCare 5.90 void",
        "2026-03-08 KernelCare 8.85 paid",
    ]
    assert acme.may_run("KernelCare") == (0, 3)


def test_an_order_paid_later_begins_on_the_day_it_was_placed_q3(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme", card="declines")
    acme.buys("KernelCare", servers=2)

    world.on("2026-03-03")
    acme.replaces_method("works")

    assert acme.charges == ["2026-03-01 5.90 declined", "2026-03-03 5.90 succeeded"]
    assert acme.may_run("KernelCare") == (0, 2)
    assert acme.accrued() == ["2026-04-01 0.00 of 5.90"]


def test_the_preview_of_a_first_order_tells_what_is_due_now_and_next_q12(world: World) -> None:
    acme = world.on("2026-01-31").customer("acme")

    preview = acme.previews("KernelCare", servers=5)

    assert (preview.is_addition, preview.unit_cents, preview.due_now_cents) == (False, 295, 1475)
    assert preview.next_invoice is not None
    assert str(preview.next_invoice.on) == "2026-02-28"
    assert preview.next_invoice.total_cents == 1475
    assert acme.invoices == []


def test_the_preview_of_an_addition_shows_the_next_invoice_to_the_cent_q12(world: World) -> None:
    acme = world.on("2026-01-31").customer("acme")
    acme.buys("KernelCare", servers=5)
    world.on("2026-02-10")

    preview = acme.previews("KernelCare", servers=3)

    assert (preview.held_after, preview.due_now_cents) == (8, 0)
    assert preview.next_invoice is not None
    assert (preview.next_invoice.accrued_cents, preview.next_invoice.total_cents) == (569, 2929)
    acme.adds_servers("KernelCare", 3)
    world.on("2026-02-28")
    assert acme.invoices[-1] == "2026-02-28 KernelCare 29.29 paid"


def test_an_order_is_invoiced_with_the_reason_of_every_line(world: World) -> None:
    acme = world.on("2026-01-31").customer("acme")
    acme.buys("KernelCare", servers=5)
    world.on("2026-02-10")
    acme.adds_servers("KernelCare", 3)
    world.on("2026-02-20")
    acme.removes_unused("KernelCare", keep=6)
    world.on("2026-03-31")

    acme.all_invoices_are("servers_added_and_removed.txt")
