"""Taking money: one method, planned attempts, answers that stay away (P1–P5, P9)."""

from __future__ import annotations

import pytest

from cln.enums import MethodKind
from tests.world import Customer, World


def _with_an_open_renewal(world: World, card: str, *products: str) -> Customer:
    """Bought on 1 March, renewed on 1 April with a bank that answers so."""
    acme = world.on("2026-03-01").customer("acme")
    for product in products or ("KernelCare",):
        acme.buys(product)
    acme.card(card)
    world.on("2026-04-01")
    return acme


def test_a_new_payment_method_replaces_the_old_one_p1(world: World) -> None:
    """Seed 001: card and PayPal cannot be set up at the same time."""
    acme = world.on("2026-03-01").customer("acme", card="works")

    acme.replaces_method("works", kind=MethodKind.PAYPAL)

    assert acme.active_methods == ["paypal"]
    acme.buys("KernelCare")
    assert acme.charges == ["2026-03-01 3.95 succeeded"]


def test_replacing_the_method_tries_what_is_due_at_once_p1(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme", card="works")
    acme.buys("KernelCare")
    acme.replaces_method("declines")
    world.on("2026-04-02")
    assert acme.owes == "3.95"

    [result] = acme.replaces_method("works")

    assert (result.state, result.sentence) == ("succeeded", "Paid. Thank you.")
    assert acme.owes == "0.00"


def test_declined_charges_are_tried_again_on_days_3_7_and_14_p2(world: World) -> None:
    acme = _with_an_open_renewal(world, "declines")

    world.on("2026-04-30")

    assert acme.charges[1:] == [
        "2026-04-01 3.95 declined",
        "2026-04-04 3.95 declined",
        "2026-04-08 3.95 declined",
        "2026-04-15 3.95 declined",
    ]


def test_a_retry_that_succeeds_is_the_last_one_p2(world: World) -> None:
    acme = _with_an_open_renewal(world, "declines")

    world.on("2026-04-05")
    acme.card("works")
    world.on("2026-04-30")

    assert acme.charges[1:] == [
        "2026-04-01 3.95 declined",
        "2026-04-04 3.95 declined",
        "2026-04-08 3.95 succeeded",
    ]
    assert acme.invoices[-1] == "2026-04-01 KernelCare 3.95 paid"


def test_an_operator_may_plan_no_attempts_and_no_reminders_p2_p6(world: World) -> None:
    """Invoices are paid by hand then, and billed as ever."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare")
    world.otto.sets(retry_days=[], reminder_days=[])

    world.on("2026-04-25")

    assert (acme.charges[1:], acme.owes) == ([], "3.95")
    assert [mail for mail in acme.mails if mail.endswith("reminder")] == []
    [paid] = acme.pays_now()
    assert paid.state == "succeeded"


def test_a_hard_decline_stops_the_attempts_until_the_method_changes_p2(world: World) -> None:
    acme = _with_an_open_renewal(world, "expired")
    world.on("2026-04-20")
    assert acme.charges[1:] == ["2026-04-01 3.95 declined"]

    acme.card("works")
    world.on("2026-04-21")
    assert len(acme.charges) == 2
    acme.replaces_method("works")

    assert acme.charges[2:] == ["2026-04-21 3.95 succeeded"]


def test_pay_now_with_a_card_that_was_given_up_begins_no_attempts_again_p2(world: World) -> None:
    """The bank finds a softer reason the second time; the method has not changed."""
    acme = _with_an_open_renewal(world, "expired")
    world.on("2026-04-02")
    acme.card("declines")

    acme.pays_now()
    world.on("2026-04-30")

    assert acme.charges[1:] == ["2026-04-01 3.95 declined", "2026-04-02 3.95 declined"]


def test_a_soft_decline_of_the_new_method_goes_on_with_the_plan_p1_p2(world: World) -> None:
    acme = _with_an_open_renewal(world, "expired")
    world.on("2026-04-05")

    acme.card("declines")
    acme.replaces_method("works")
    world.on("2026-04-30")

    assert acme.charges[2:] == [
        "2026-04-05 3.95 declined",
        "2026-04-08 3.95 declined",
        "2026-04-15 3.95 declined",
    ]


@pytest.mark.parametrize(
    ("card", "cause", "way_out"),
    [
        ("declines", "There is not enough money on the card or the PayPal account.", "Add funds"),
        ("expired", "The card has expired.", "Add the renewed card"),
    ],
)
def test_every_decline_is_explained_in_plain_words_p2(
    world: World, card: str, cause: str, way_out: str
) -> None:
    acme = _with_an_open_renewal(world, card)

    mail = acme.mail("payment_declined")

    assert cause in mail
    assert way_out in mail
    assert "$3.95" in mail


def test_without_a_method_nothing_is_tried_and_the_first_one_pays_p1_p2(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme", card=None)
    bought = acme.buys("KernelCare")
    assert bought.payment is not None
    assert bought.payment.sentence == "There is no payment method."

    world.on("2026-03-05")
    assert acme.charges == []
    acme.replaces_method("works")

    assert acme.charges == ["2026-03-05 3.95 succeeded"]
    assert acme.may_run("KernelCare") == (0, 1)


def test_a_lost_answer_of_a_made_charge_is_found_and_charged_once_p3(world: World) -> None:
    acme = _with_an_open_renewal(world, "times out, charged")
    assert acme.charges[1:] == ["2026-04-01 3.95 unknown"]
    assert (acme.owes, acme.money_taken) == ("3.95", "7.90")

    world.on("2026-04-01T00:10")

    assert acme.charges[1:] == ["2026-04-01 3.95 succeeded"]
    assert (acme.owes, acme.credit, acme.money_taken) == ("0.00", "0.00", "7.90")


def test_a_lost_answer_of_a_charge_never_made_waits_for_the_next_planned_attempt_p3(
    world: World,
) -> None:
    acme = _with_an_open_renewal(world, "times out, not charged")
    acme.card("works")

    world.on("2026-04-01T00:10")
    assert acme.charges[1:] == ["2026-04-01 3.95 abandoned"]
    world.on("2026-04-04")

    assert acme.charges[2:] == ["2026-04-04 3.95 succeeded"]
    assert (acme.owes, acme.money_taken) == ("0.00", "7.90")


def test_a_first_order_whose_answer_is_lost_is_granted_when_it_is_found_q3_p3(
    world: World,
) -> None:
    acme = world.on("2026-03-01").customer("acme", card="times out, charged")

    bought = acme.buys("KernelCare")

    assert bought.payment is not None
    assert bought.payment.sentence == "The payment is being confirmed."
    assert acme.key("KernelCare") is None
    world.on("2026-03-01T00:10")
    assert acme.may_run("KernelCare") == (0, 1)
    assert acme.money_taken == "3.95"


@pytest.mark.parametrize(("card", "taken"), [("charged", "7.90"), ("not charged", "3.95")])
def test_pay_now_while_the_automatic_attempt_is_unknown_tries_nothing_p3_p4(
    world: World, card: str, taken: str
) -> None:
    acme = _with_an_open_renewal(world, f"times out, {card}")
    acme.card("works")

    world.on("2026-04-01T00:05")
    for _ in range(2):
        [result] = acme.pays_now()
        assert (result.state, result.fix) == (
            "refused",
            "Wait for its result; nothing is charged twice.",
        )

    assert (len(acme.charges), acme.money_taken) == (2, taken)
    world.on("2026-04-04")
    assert (acme.owes, acme.money_taken) == ("0.00", "7.90")


def test_pay_now_pressed_twice_pays_once_p3_p5(world: World) -> None:
    acme = _with_an_open_renewal(world, "declines")
    acme.card("works")

    [first] = acme.pays_now()
    second = acme.pays_now()

    assert (first.state, second) == ("succeeded", ())
    assert acme.money_taken == "7.90"


@pytest.mark.parametrize(
    ("answer", "charges"),
    [
        ("charged", ["2026-04-01 3.95 succeeded"]),
        ("not charged", ["2026-04-01 3.95 abandoned", "2026-04-01 3.95 succeeded"]),
    ],
)
def test_a_method_replaced_during_an_attempt_never_makes_a_second_charge_p1_p3(
    world: World, answer: str, charges: list[str]
) -> None:
    """The new method is tried as soon as the gateway has said that the old one was not charged."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare")
    acme.replaces_method(f"times out, {answer}")
    world.on("2026-04-01")

    [result] = acme.replaces_method("works")
    world.on("2026-04-30")

    assert result.state == "refused"
    assert acme.charges[1:] == charges
    assert acme.money_taken == "7.90"


def test_an_open_hosted_page_and_the_automatic_charge_never_both_take_the_money_p4(
    world: World,
) -> None:
    acme = _with_an_open_renewal(world, "declines")
    world.on("2026-04-03T23:55")
    page = acme.opens_hosted_page()
    acme.card("works")

    [pressed] = acme.pays_now()
    world.on("2026-04-04")  # the day of the automatic attempt
    assert (pressed.state, len(acme.charges)) == ("refused", 3)
    acme.pays_at_hosted_page(page)

    assert (acme.owes, acme.credit) == ("0.00", "0.00")
    world.on("2026-04-30")
    assert acme.charges[1:] == ["2026-04-01 3.95 declined", "2026-04-03 3.95 succeeded"]


def test_money_that_arrives_after_its_attempt_was_given_up_is_credit_p3_p9(world: World) -> None:
    acme = _with_an_open_renewal(world, "declines")
    acme.card("works")
    world.on("2026-04-03")
    page = acme.opens_hosted_page()
    world.on("2026-04-04")
    assert (acme.charges[2], acme.owes) == ("2026-04-03 3.95 abandoned", "0.00")

    acme.pays_at_hosted_page(page)

    assert acme.credit == "3.95"
    world.on("2026-05-01")
    assert acme.invoices[-1] == "2026-05-01 KernelCare 3.95 paid"
    assert (acme.credit, len(acme.charges)) == ("0.00", 4)


def test_a_hosted_page_that_was_left_gives_way_to_the_next_planned_attempt_p2_p4(
    world: World,
) -> None:
    acme = _with_an_open_renewal(world, "declines")
    acme.card("works")
    world.on("2026-04-03")
    acme.opens_hosted_page()

    world.on("2026-04-30")

    assert acme.charges[1:] == [
        "2026-04-01 3.95 declined",
        "2026-04-03 3.95 abandoned",
        "2026-04-04 3.95 succeeded",
    ]


def test_pay_now_pays_all_invoices_oldest_first_one_attempt_each_p5(world: World) -> None:
    acme = _with_an_open_renewal(world, "declines", "KernelCare", "CloudLinux OS")
    world.on("2026-05-02")
    acme.card("works")

    results = acme.pays_now()

    assert [(result.amount_cents, result.state) for result in results] == [
        (395, "succeeded"),
        (1400, "succeeded"),
        (395, "succeeded"),
        (1400, "succeeded"),
    ]
    assert acme.owes == "0.00"
    assert acme.charges[-4:] == [
        f"2026-05-02 {amount} succeeded" for amount in ("3.95", "14.00", "3.95", "14.00")
    ]


def test_pay_now_says_which_invoice_failed_and_why_and_pays_the_others_p5(world: World) -> None:
    """Seed 001: "multiple products but only one was paid after clicking Pay now"."""
    acme = _with_an_open_renewal(world, "declines", "KernelCare", "CloudLinux OS")
    acme.opens_hosted_page()  # for the oldest, KernelCare
    acme.card("works")

    kernelcare, cloudlinux = acme.pays_now()

    assert (kernelcare.state, cloudlinux.state) == ("refused", "succeeded")
    assert kernelcare.sentence == (
        f"A payment for invoice {kernelcare.number} is still being confirmed."
    )
    assert acme.owes == "3.95"


def test_a_declined_pay_now_tells_the_reason_for_each_invoice_p5(world: World) -> None:
    acme = _with_an_open_renewal(world, "expired", "KernelCare", "CloudLinux OS")

    results = acme.pays_now()

    assert [(result.state, result.sentence) for result in results] == [
        ("declined", "The card has expired."),
        ("declined", "The card has expired."),
    ]


def test_a_part_payment_leaves_the_rest_to_the_next_attempt_p9(world: World) -> None:
    acme = _with_an_open_renewal(world, "declines")
    acme.pays_at_hosted_page(acme.opens_hosted_page(amount="1.00"))
    assert (acme.owes, acme.invoices[-1]) == ("2.95", "2026-04-01 KernelCare 3.95 open")

    acme.card("works")
    world.on("2026-04-04")

    assert acme.charges[-2:] == ["2026-04-01 1.00 succeeded", "2026-04-04 2.95 succeeded"]
    assert (acme.owes, acme.credit) == ("0.00", "0.00")


def test_an_overpayment_is_credit_that_pays_the_next_invoices_oldest_first_p9(
    world: World,
) -> None:
    acme = _with_an_open_renewal(world, "declines", "KernelCare", "CloudLinux OS")

    acme.pays_at_hosted_page(acme.opens_hosted_page(amount="20.00"))

    assert (acme.owes, acme.credit) == ("0.00", "2.05")  # 20.00 − 3.95 − 14.00
    acme.card("works")
    world.on("2026-05-01")
    assert acme.charges[-2:] == ["2026-05-01 1.90 succeeded", "2026-05-01 14.00 succeeded"]
    assert acme.credit == "0.00"


def test_credit_that_covers_an_order_pays_it_without_any_charge_p9(world: World) -> None:
    acme = _with_an_open_renewal(world, "declines")
    acme.pays_at_hosted_page(acme.opens_hosted_page(amount="20.00"))

    acme.buys("CloudLinux OS")

    assert acme.invoices[-1] == "2026-04-01 CloudLinux OS 14.00 paid"
    assert (acme.credit, acme.may_run("CloudLinux OS")) == ("2.05", (0, 1))


def test_credit_in_an_order_that_is_voided_comes_back_q3_p9(world: World) -> None:
    acme = _with_an_open_renewal(world, "declines")
    acme.pays_at_hosted_page(acme.opens_hosted_page(amount="10.00"))
    acme.buys("CloudLinux OS")
    assert (acme.credit, acme.owes) == ("0.00", "7.95")

    world.on("2026-04-08")

    assert acme.invoices[-1] == "2026-04-01 CloudLinux OS 14.00 void"
    assert (acme.credit, acme.owes) == ("6.05", "0.00")
    world.on("2026-05-01")
    assert acme.invoices[-1] == "2026-05-01 KernelCare 3.95 paid"
    assert acme.credit == "2.10"


def test_a_free_order_needs_no_payment_at_all_q3(world: World) -> None:
    world.otto.prices("KernelCare", {1: "0.00"})
    acme = world.on("2026-03-01").customer("acme", card=None)

    acme.buys("KernelCare")
    world.on("2026-04-01")

    assert acme.invoices == [
        "2026-03-01 KernelCare 0.00 paid",
        "2026-04-01 KernelCare 0.00 paid",
    ]
    assert (acme.charges, acme.may_run("KernelCare")) == ([], (0, 1))
