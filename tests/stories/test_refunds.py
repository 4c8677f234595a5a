"""Operators give money back, void, write off and give credit (P10, P11, E16)."""

from __future__ import annotations

import pytest

from cln.accounts.models import AuditEntry
from cln.billing.models import CreditNote, Invoice
from cln.flows import corrections, refunds
from cln.payments.models import Refund, SandboxCharge, SandboxRefund
from tests.cast import Customer
from tests.partners import a_reseller, a_wish, corrects, credits, refunds_to
from tests.world import World


@pytest.fixture
def shop(world: World) -> World:
    """10 January 2026; CloudLinux OS 249.95, KernelCare 10.00 a month."""
    world.otto.prices("CloudLinux OS", {1: "249.95"})
    world.otto.prices("KernelCare", {1: "10.00"})
    return world.on("2026-01-10")


@pytest.fixture
def acme(shop: World) -> Customer:
    """Has paid 249.95 for one license."""
    acme = shop.customer("acme")
    acme.buys("CloudLinux OS", servers=1, monthly=True)
    return acme


def given_back() -> list[str]:
    """What the gateway says it gave back."""
    rows = SandboxRefund.objects.order_by("id").values_list("amount_cents", flat=True)
    return [f"{cents / 100:.2f}" for cents in rows]


def notes() -> list[tuple[str, int]]:
    return list(CreditNote.objects.order_by("id").values_list("number", "total_cents"))


def test_refunds_add_up_and_never_exceed_the_payment(shop: World, acme: Customer) -> None:
    """P10, E16: 249.95 paid; 10.00, then 1.00 and 10.00 back; 230.00 more is refused."""
    refunds_to(shop, acme, 1, "10.00")
    refunds_to(shop, acme, 1, "1.00")
    refunds_to(shop, acme, 1, "10.00")

    with shop.refuses("refund_too_large") as caught:
        refunds_to(shop, acme, 1, "230.00")

    assert caught.value.message == "Only 228.95 can still be refunded."
    assert given_back() == ["10.00", "1.00", "10.00"]
    assert notes() == [("CN-000001", 1000), ("CN-000002", 100), ("CN-000003", 1000)]
    assert (acme.credit, acme.owes, acme.invoices) == (
        "0.00",
        "0.00",
        ["2026-01-10 CloudLinux OS 249.95 paid"],
    )

    assert refunds_to(shop, acme, 1).total_cents == 228_95
    with shop.refuses("refund_too_large"):
        refunds_to(shop, acme, 1, "0.01")


def test_a_refund_goes_back_to_the_method_that_paid(shop: World, acme: Customer) -> None:
    """P10: by the payment, though another method is active now."""
    acme.replaces_method()

    refunds_to(shop, acme, 1, "10.00")

    refund = Refund.objects.select_related("payment__attempt__method").get()
    assert (refund.state, refund.payment.attempt.method.active) == ("succeeded", False)
    assert acme.mails[-1] == "2026-01-10 refund_issued"
    assert "$10.00 goes back to the payment method" in acme.mail("refund_issued")


def test_what_credit_paid_becomes_credit_again(shop: World) -> None:
    """P10, P9: 4.00 of credit and 6.00 by card; the card is given back first."""
    acme = shop.customer("acme")
    credits(shop, acme, "4.00")
    acme.buys("KernelCare", servers=1, monthly=True)
    assert acme.money_taken == "6.00"

    done = refunds_to(shop, acme, 1)

    assert (done.total_cents, done.cash_cents, given_back()) == (1000, 600, ["6.00"])
    assert acme.credit == "4.00"


def test_tax_goes_back_with_what_it_was_charged_on(shop: World) -> None:
    """P10, M4: 19 % on 10.00; half of it back, then the rest to the cent."""
    shop.otto.taxes("DE", 19)
    acme = shop.customer("acme", country="DE")
    acme.buys("KernelCare", servers=1, monthly=True)

    refunds_to(shop, acme, 1, "5.95")
    refunds_to(shop, acme, 1)

    rows = CreditNote.objects.order_by("id").values_list("net_cents", "tax_cents", "total_cents")
    assert list(rows) == [(500, 95, 595), (500, 95, 595)]


def test_a_refund_of_chosen_lines_takes_no_more_than_is_left_of_them(
    shop: World,
) -> None:
    """P10: the renewal has a proration line and a recurring one."""
    acme = shop.customer("acme")
    acme.buys("KernelCare", servers=1, monthly=True)
    shop.on("2026-01-25")
    acme.adds_servers("KernelCare", 1)
    shop.on("2026-02-10")
    assert acme.invoices[-1] == "2026-02-10 KernelCare 25.16 paid"

    refunds_to(shop, acme, 2, lines={1: 500})

    with shop.refuses("refund_too_large"):
        refunds_to(shop, acme, 2, lines={1: 17})
    with shop.refuses("refund_too_large"):
        refunds_to(shop, acme, 2, lines={9: 1})
    with shop.refuses("bad_amount"):
        refunds_to(shop, acme, 2, lines={2: 0})
    assert refunds_to(shop, acme, 2, lines={1: 16, 2: 2000}, remove_licenses=False).licenses == 0
    assert given_back() == ["5.00", "20.16"]


# -- when ------------------------------------------------------------------------------------------


def test_after_30_days_a_refund_needs_a_reason(shop: World, acme: Customer) -> None:
    """P10: on the 30th day still without, by one day."""
    shop.on("2026-02-09")
    refunds_to(shop, acme, 1, "1.00")
    shop.on("2026-02-10")

    with shop.refuses("refund_too_late"):
        refunds_to(shop, acme, 1, "1.00")

    refunds_to(shop, acme, 1, "1.00", reason="our fault")
    entry = AuditEntry.objects.filter(account=acme.account_id, verb="refund").latest("id")
    assert (entry.actor, entry.details["reason"]) == ("otto", "our fault")


def test_a_refund_needs_the_word_that_the_programs_are_gone(shop: World, acme: Customer) -> None:
    """P10."""
    with shop.refuses("refund_not_certified"):
        refunds_to(shop, acme, 1, "1.00", is_removal_certified=False)


def test_usage_is_refunded_with_a_reason_only_and_into_the_deposit(shop: World) -> None:
    """P10, R6: post-paid; the row Refund is a credit."""
    zenith = a_reseller(shop, deposit="5.00")
    zenith.holds_ip("KernelCare", "203.0.113.1")
    shop.on("2026-02-01")
    assert zenith.deposit == "-2.10"

    with shop.refuses("refund_needs_reason"):
        refunds_to(shop, zenith, 1, "3.10")
    done = refunds_to(shop, zenith, 1, "3.10", reason="wrong address")

    assert (done.cash_cents, given_back(), zenith.deposit) == (0, [], "1.00")
    assert zenith.table[-1] == (
        "2026-02-01 Refund 2026-02-01 3.10 1.00 [KernelCare, 1 Jan – 1 Feb 2026 × 1: 3.10]"
    )


def test_what_was_not_paid_is_not_refunded(shop: World) -> None:
    """P10."""
    acme = shop.customer("acme", card="declines")
    acme.buys("KernelCare", servers=1, monthly=True)

    with shop.refuses("invoice_not_paid"):
        refunds_to(shop, acme, 1)


def test_a_foreign_invoice_is_unknown(shop: World, acme: Customer) -> None:
    """P10: absent and foreign give the same answer."""
    mallory = shop.customer("mallory")

    with shop.refuses("unknown_invoice"):
        refunds.refund(
            operator="otto", account_id=mallory.account_id, wish=a_wish(acme, 1), now=shop.now
        )


# -- licenses --------------------------------------------------------------------------------------


def test_refunded_licenses_are_removed_with_their_newest_servers(shop: World) -> None:
    """P10, Q8: two of three paid back in full; they cannot be had again for nothing."""
    acme = shop.customer("acme")
    acme.buys("KernelCare", servers=3, monthly=True)
    for hostname in ("web1", "web2"):
        acme.registers(hostname, "KernelCare")

    assert refunds_to(shop, acme, 1, "15.00").licenses == 1
    assert refunds_to(shop, acme, 1, "5.00").licenses == 1

    assert (acme.holds("KernelCare"), acme.may_run("KernelCare")) == (1, (1, 1))
    assert (acme.server_status("web1"), acme.server_status("web2")) == ("active", "removed")
    acme.adds_servers("KernelCare", 1)
    shop.on("2026-02-10")
    assert acme.lines == [
        "proration 1 × 10.00 2026-01-10..2026-02-10 10.00",
        "recurring 2 × 10.00 2026-02-10..2026-03-10 20.00",
    ]


def test_a_full_refund_ends_the_license_and_nothing_more_is_billed(
    shop: World, acme: Customer
) -> None:
    """P10, Q6."""
    acme.registers("web1", "CloudLinux OS")

    assert refunds_to(shop, acme, 1).licenses == 1

    assert acme.server_status("web1") == "removed"
    shop.on("2026-04-10")
    assert acme.invoices == ["2026-01-10 CloudLinux OS 249.95 paid"]
    assert acme.subscriptions("CloudLinux OS") == []


def test_the_operator_may_leave_the_licenses(shop: World, acme: Customer) -> None:
    """P10: unless the operator says otherwise."""
    acme.registers("web1", "CloudLinux OS")

    assert refunds_to(shop, acme, 1, remove_licenses=False).licenses == 0

    assert (acme.server_status("web1"), acme.holds("CloudLinux OS")) == ("active", 1)


def test_a_license_that_was_left_stays_when_the_others_are_refunded(shop: World) -> None:
    """P10: a later refund takes what it pays back itself; who wants the rest back unsubscribes."""
    acme = shop.customer("acme")
    acme.buys("KernelCare", servers=3, monthly=True)

    assert refunds_to(shop, acme, 1, "15.00", remove_licenses=False).licenses == 0
    assert refunds_to(shop, acme, 1).licenses == 2

    assert (acme.holds("KernelCare"), acme.invoices) == (1, ["2026-01-10 KernelCare 30.00 paid"])


def test_a_refund_of_a_past_period_removes_nothing(shop: World, acme: Customer) -> None:
    """P10: those licenses have been used; the running period is paid by another invoice."""
    shop.on("2026-02-15")

    assert refunds_to(shop, acme, 1, reason="goodwill").licenses == 0
    assert acme.holds("CloudLinux OS") == 1


# -- gateways --------------------------------------------------------------------------------------


def test_money_on_its_way_back_cannot_be_spent_meanwhile(shop: World, acme: Customer) -> None:
    """P10, P3: the answer is lost; an invoice of the same day is not paid with it."""
    acme.card("times out, charged")
    assert refunds_to(shop, acme, 1, "20.00").states == ("unknown",)
    acme.card("declines")
    acme.buys("KernelCare", servers=1, monthly=True)
    assert (acme.credit, acme.owes) == ("0.00", "10.00")

    shop.on("2026-01-11")

    assert Refund.objects.get().state == "succeeded"
    assert (given_back(), acme.credit, acme.owes) == (["20.00"], "0.00", "10.00")


@pytest.mark.parametrize("fate", ["declined", "abandoned"])
def test_a_refund_the_gateway_did_not_make_is_balance_until_it_is_tried_again(
    shop: World, acme: Customer, fate: str
) -> None:
    """P10, P3: nothing is lost and nothing is given twice."""
    if fate == "declined":
        # Somebody has given the money back at the gateway's own pages.
        SandboxCharge.objects.update(refunded_cents=249_95)
    else:
        acme.card("times out, not charged")
    refunds_to(shop, acme, 1, "20.00")
    shop.on("2026-01-11")
    failed = Refund.objects.get()
    assert (failed.state, given_back(), acme.credit) == (fate, [], "20.00")

    acme.card("works")
    SandboxCharge.objects.update(refunded_cents=0)
    state = refunds.retry_refund(
        operator="otto", account_id=acme.account_id, refund_id=failed.public_id, now=shop.now
    )
    shop.nothing_more_is_due()

    assert (state, given_back(), acme.credit) == ("succeeded", ["20.00"], "0.00")
    with shop.refuses("nothing_to_retry"):
        refunds.retry_refund(
            operator="otto", account_id=acme.account_id, refund_id=failed.public_id, now=shop.now
        )


# -- corrections -----------------------------------------------------------------------------------


@pytest.fixture
def debtor(shop: World) -> Customer:
    """Paid once, and owes the renewal of 10 February, half paid by credit, since a while."""
    debtor = shop.customer("debtor")
    debtor.buys("KernelCare", servers=1, monthly=True)
    credits(shop, debtor, "4.00")
    debtor.card("declines")
    shop.on("2026-03-05")
    assert (debtor.status, debtor.owes) == ("past_due", "6.00")
    return debtor


def test_a_void_invoice_is_owed_no_more_and_keeps_its_number(shop: World, debtor: Customer) -> None:
    """P11: what had paid part of it is balance again."""
    corrects(shop, corrections.void_invoice, debtor, 2)

    assert debtor.invoices[-1] == "2026-02-10 KernelCare 10.00 void"
    assert (debtor.owes, debtor.credit, debtor.status) == ("0.00", "4.00", "current")
    assert Invoice.objects.filter(account=debtor.account_id).count() == 2


def test_a_written_off_invoice_is_asked_for_no_more(shop: World, debtor: Customer) -> None:
    """P11: what was paid of it stays paid; the account is free again (P8)."""
    shop.on("2026-03-13")
    assert debtor.status == "blocked"

    corrects(shop, corrections.write_off, debtor, 2)
    assert debtor.invoices[1] == "2026-02-10 KernelCare 10.00 uncollectible"
    assert (debtor.credit, debtor.owes) == ("0.00", "10.00")
    corrects(shop, corrections.write_off, debtor, 3)

    assert (debtor.owes, debtor.status) == ("0.00", "current")
    assert len(debtor.charges) == len(set(debtor.charges))


def test_voiding_a_first_order_takes_its_subscription_back(shop: World) -> None:
    """P11, Q3: and it can be ordered anew."""
    acme = shop.customer("acme", card="declines")
    acme.buys("KernelCare", servers=1, monthly=True)

    corrects(shop, corrections.void_invoice, acme, 1)

    assert (acme.owes, acme.subscriptions("KernelCare")) == ("0.00", [])
    acme.buys("KernelCare", servers=2, monthly=True)


def test_granted_credit_pays_what_is_open_and_then_the_next_invoice(
    shop: World, debtor: Customer
) -> None:
    """P9: the 6.00 that are open, and 4.00 of the renewal of 10 March."""
    credits(shop, debtor, "10.00")

    assert (debtor.owes, debtor.credit, debtor.status) == ("0.00", "4.00", "current")
    shop.on("2026-03-10")
    assert debtor.owes == "6.00"


def test_a_correction_says_why_and_only_an_open_invoice_is_corrected(
    shop: World, debtor: Customer
) -> None:
    """P11."""
    with shop.refuses("reason_missing"):
        corrects(shop, corrections.void_invoice, debtor, 2, reason=" ")
    with shop.refuses("invoice_not_open"):
        corrects(shop, corrections.write_off, debtor, 1)
    with shop.refuses("bad_amount"):
        credits(shop, debtor, "0.00")
    with shop.refuses("unknown_invoice"):
        corrections.void_invoice(
            operator="otto",
            account_id=debtor.account_id,
            invoice="inv_nobody",
            reason="typo",
            now=shop.now,
        )


def test_an_invoice_that_is_being_paid_is_not_corrected(shop: World, debtor: Customer) -> None:
    """P11, P3: its money may be on the way."""
    debtor.card("times out, charged")
    debtor.pays_now()

    with shop.refuses("payment_in_progress"):
        corrects(shop, corrections.void_invoice, debtor, 2)
