"""Asking for overdue money, blocking, suspending, ending, giving back (P6–P8)."""

from __future__ import annotations

from tests.world import Customer, World


def _overdue(world: World, card: str = "declines") -> Customer:
    """5 KernelCare from 1 March, 2 in use; the renewal of 1 April is not paid."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=5)
    acme.registers("web1.example", "KernelCare")
    acme.registers("web2.example", "KernelCare")
    acme.replaces_method(card)
    world.on("2026-04-01")
    return acme


def test_reminders_go_out_on_days_7_14_21_and_28_p6(world: World) -> None:
    acme = _overdue(world)

    world.on("2026-04-30")

    reminders = [mail for mail in acme.mails if mail.endswith("reminder")]
    assert reminders == [f"2026-04-{day:02} reminder" for day in (8, 15, 22, 29)]
    assert acme.status == "past_due"


def test_nobody_is_reminded_before_the_invoice_is_due_p2_p6(world: World) -> None:
    world.otto.sets(payment_terms_days=20)
    acme = _overdue(world)

    world.on("2026-04-30")

    reminders = [mail for mail in acme.mails if mail.endswith("reminder")]
    assert reminders == ["2026-04-22 reminder", "2026-04-29 reminder"]


def test_a_reminder_names_the_licenses_behind_the_debt_and_how_to_cancel_the_unused_p6(
    world: World,
) -> None:
    """Seed 000, question 11: reminders come because unused licenses were not cancelled."""
    acme = _overdue(world)

    world.on("2026-04-08")

    mail = acme.mail("reminder")
    assert mail.startswith("Overdue: $14.75\n")
    assert "KernelCare: 5 licenses, 2 in use, 3 unused" in mail
    assert "Remove unused" in mail
    assert "the account is blocked on 2026-05-01" in mail


def test_a_reminder_after_the_block_does_not_announce_it_p6(world: World) -> None:
    acme = _overdue(world)

    world.on("2026-05-22")

    mail = acme.mail("reminder")
    assert "The account has been blocked since 2026-05-01." in mail
    assert "keep running until then" not in mail


def test_one_reminder_names_what_is_owed_for_and_nothing_that_is_paid_p6(world: World) -> None:
    """Two invoices of one day are one mail; the oldest of them says when the account is blocked."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=5)
    acme.buys("CloudLinux OS", servers=2)
    world.on("2026-03-15")
    acme.buys("Imunify360-1")
    acme.card("declines")

    world.on("2026-04-08")

    assert [mail for mail in acme.mails if "reminder" in mail] == ["2026-04-08 reminder"]
    mail = acme.mail("reminder")
    assert mail.startswith("Overdue: $38.75\n")  # 5 × 2.95 + 2 × 12.00
    assert "KernelCare: 5 licenses, 0 in use, 5 unused" in mail
    assert "CloudLinux OS Shared: 2 licenses, 0 in use, 2 unused" in mail
    assert "Imunify360" not in mail

    world.on("2026-04-22")
    assert "Imunify360" in acme.mail("reminder")
    assert "the account is blocked on 2026-05-01" in acme.mail("reminder")


def test_nobody_is_reminded_of_what_is_paid_p6(world: World) -> None:
    acme = _overdue(world)
    world.on("2026-04-10")
    acme.card("works")
    acme.pays_now()

    world.on("2026-04-30")

    assert [mail for mail in acme.mails if mail.endswith("reminder")] == ["2026-04-08 reminder"]
    assert acme.status == "current"


def test_the_account_is_blocked_30_days_after_the_due_date_p7(world: World) -> None:
    acme = _overdue(world)

    world.on("2026-04-30T23:59:59")
    assert acme.status == "past_due"
    world.on("2026-05-01")

    assert acme.status == "blocked"
    assert "2026-05-01 account_blocked" in acme.mails
    with world.refuses("account_blocked"):
        acme.buys("KernelCare")
    with world.refuses("account_blocked"):
        acme.buys("CloudLinux OS")
    with world.refuses("account_blocked"):
        acme.starts_trial("CloudLinux OS")
    with world.refuses("account_blocked"):
        acme.registers("web3.example", "KernelCare")
    assert acme.checks_in("web1.example") == "active"


def test_a_blocked_customer_may_still_give_up_what_he_does_not_need_p7(world: World) -> None:
    acme = _overdue(world)
    world.on("2026-05-01")

    acme.removes_unused("KernelCare")
    acme.unsubscribes("KernelCare")

    assert acme.holds("KernelCare") == 2


def test_running_servers_lose_the_license_7_days_after_the_block_not_at_once_p7(
    world: World,
) -> None:
    acme = _overdue(world)

    world.on("2026-05-07T23:59:59")
    assert acme.checks_in("web1.example") == "active"
    world.on("2026-05-08")

    assert acme.checks_in("web1.example") == "suspended"
    assert "2026-05-08 license_suspended" in acme.mails


def test_invoicing_goes_on_and_on_day_90_the_subscriptions_end_while_the_debt_stays_p7(
    world: World,
) -> None:
    acme = _overdue(world)

    world.on("2026-06-29")
    assert acme.holds("KernelCare") == 5
    world.on("2026-06-30")

    assert (acme.status, acme.holds("KernelCare")) == ("ended", 0)
    assert acme.invoices[1:] == [
        "2026-04-01 KernelCare 14.75 open",
        "2026-05-01 KernelCare 14.75 open",
        "2026-06-01 KernelCare 14.75 open",
    ]
    assert acme.owes == "44.25"
    with world.refuses("server_removed"):
        acme.checks_in("web1.example")
    world.on("2027-01-01")
    assert acme.owes == "44.25"


def test_units_that_are_pending_on_day_90_become_a_last_invoice_p7_q10(world: World) -> None:
    acme = _overdue(world)
    acme.adds_servers("KernelCare", 1)

    world.on("2026-04-28")
    acme.adds_servers("KernelCare", 1)
    world.on("2026-06-30")

    assert acme.invoices[2] == "2026-05-01 KernelCare 23.90 open"  # 20.65 + 2.95 + 3/30 of 2.95
    assert len(acme.invoices) == 4


def test_paying_the_last_overdue_invoice_unblocks_at_once_p8(world: World) -> None:
    acme = _overdue(world)
    world.on("2026-05-09")
    assert acme.checks_in("web1.example") == "suspended"
    acme.card("works")

    results = acme.pays_now()

    assert [result.state for result in results] == ["succeeded", "succeeded"]
    assert (acme.status, acme.checks_in("web1.example")) == ("current", "active")
    acme.registers("web3.example", "KernelCare")
    acme.adds_servers("KernelCare", 1)
    assert "2026-05-09 account_unblocked" in acme.mails


def test_paying_only_some_overdue_invoices_keeps_the_block_p8(world: World) -> None:
    acme = _overdue(world)
    world.on("2026-05-02")  # the invoice of yesterday is overdue as well

    acme.pays_at_hosted_page(acme.opens_hosted_page(amount="14.75"))
    assert (acme.status, acme.owes) == ("blocked", "14.75")
    acme.pays_at_hosted_page(acme.opens_hosted_page(amount="14.75"))

    assert (acme.status, acme.owes) == ("current", "0.00")


def test_blocked_and_paid_on_the_same_day_is_unblocked_and_stays_so_p7_p8(world: World) -> None:
    acme = _overdue(world)
    world.on("2026-05-01T12:00")
    assert acme.status == "blocked"
    acme.card("works")

    acme.pays_now()

    assert acme.status == "current"
    world.on("2026-05-31")
    assert acme.status == "current"
    assert [mail for mail in acme.mails if "blocked" in mail] == [
        "2026-05-01 account_blocked",
        "2026-05-01 account_unblocked",
    ]


def test_who_pays_after_the_end_may_buy_and_run_servers_again_p7_p8(world: World) -> None:
    acme = _overdue(world)
    world.on("2026-07-10")
    acme.card("works")

    acme.pays_now()
    assert (acme.status, acme.owes, acme.holds("KernelCare")) == ("current", "0.00", 0)
    acme.buys("KernelCare")
    acme.registers("web1.example", "KernelCare")

    assert acme.checks_in("web1.example") == "active"


def test_an_unpaid_first_order_is_no_debt_and_blocks_nobody_q3_p7(world: World) -> None:
    acme = world.on("2026-03-01").customer("acme", card="declines")
    world.otto.sets(void_unpaid_order_days=60)
    acme.buys("KernelCare")

    world.on("2026-04-20")

    assert (acme.status, acme.owes) == ("current", "3.95")
    assert not any("reminder" in mail or "blocked" in mail for mail in acme.mails)


def test_an_unpaid_first_order_does_not_bring_the_block_of_a_debt_forward_q3_p7(
    world: World,
) -> None:
    """The order of 29 March was never a debt; the renewal of 1 April is one."""
    world.otto.sets(block_after_days=3)
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare", servers=5)
    acme.card("declines")
    world.on("2026-03-29")
    acme.buys("CloudLinux OS")

    world.on("2026-04-03T12:00")
    assert acme.status == "past_due"
    world.on("2026-04-04")
    assert acme.status == "blocked"


def test_day_counts_are_settings_p2_p6_p7(world: World) -> None:
    world.otto.sets(
        payment_terms_days=10, block_after_days=5, suspend_after_block_days=1, reminder_days=[12]
    )
    acme = _overdue(world)

    world.on("2026-04-11")
    assert acme.status == "current"  # due on the 11th, overdue from the 12th
    world.on("2026-04-16")
    assert acme.status == "blocked"
    world.on("2026-04-17")

    assert acme.checks_in("web1.example") == "suspended"
    assert [mail for mail in acme.mails if "remind" in mail] == ["2026-04-13 reminder"]


def test_a_worker_that_was_down_still_gives_seven_days_between_block_and_suspension_m5_p7(
    world: World,
) -> None:
    acme = _overdue(world)

    world.wakes_up_on("2026-05-20")

    assert (acme.status, acme.checks_in("web1.example")) == ("blocked", "active")
    world.on("2026-05-26")
    assert acme.checks_in("web1.example") == "active"
    world.on("2026-05-27")
    assert acme.checks_in("web1.example") == "suspended"


def test_after_an_outage_one_reminder_is_sent_not_a_burst_m5_p6(world: World) -> None:
    acme = _overdue(world)

    world.wakes_up_on("2026-04-23")

    assert [mail for mail in acme.mails if "reminder" in mail] == ["2026-04-23 reminder"]
    assert acme.charges[1:] == ["2026-04-01 14.75 declined", "2026-04-23 14.75 declined"]


def test_the_link_in_the_block_mail_pays_without_a_login_and_unblocks_p7_p8(
    world: World,
) -> None:
    """Seed 001: the billing notification contains the alternative payment link."""
    acme = _overdue(world)
    world.on("2026-05-01")
    link = acme.pay_link("account_blocked")

    first = world.opens_pay_link(link, card="works")
    second = world.opens_pay_link(link, card="works")

    assert [result.state for result in first] == ["succeeded", "succeeded"]
    assert second == ()
    assert (acme.status, acme.owes, acme.money_taken) == ("current", "0.00", "44.25")


def test_a_payment_link_expires_after_60_days_p7(world: World) -> None:
    acme = _overdue(world)
    world.on("2026-05-01")
    link = acme.pay_link("account_blocked")
    acme.card("works")

    world.on("2026-06-30")

    with world.refuses("pay_link_expired"):
        world.opens_pay_link(link)


def test_a_payment_link_that_was_tampered_with_is_refused_p7(world: World) -> None:
    acme = _overdue(world)
    world.on("2026-05-01")
    link = acme.pay_link("account_blocked")

    for bad in (link[:-1], link[1:], link + "x", "nonsense", ""):
        with world.refuses("bad_pay_link"):
            world.opens_pay_link(bad)

    assert acme.owes == "29.50"


def test_a_card_tried_by_link_says_nothing_about_the_stored_one_p2_p7(world: World) -> None:
    """The stored card goes on by its own plan, and stays stopped where it was declined hard."""
    acme = world.on("2026-03-01").customer("acme")
    acme.buys("KernelCare")
    acme.replaces_method("declines")
    mallory = world.customer("mallory")
    mallory.buys("KernelCare")
    mallory.replaces_method("expired")
    world.on("2026-04-09")

    for customer in (acme, mallory):
        [result] = world.opens_pay_link(customer.pay_link("reminder"), card="expired")
        assert result.sentence == "The card has expired."
    world.on("2026-04-30")

    assert acme.charges[-2:] == ["2026-04-09 3.95 declined", "2026-04-15 3.95 declined"]
    assert mallory.charges[-2:] == ["2026-04-01 3.95 declined", "2026-04-09 3.95 declined"]
