"""A reseller's deposit: top-ups, autopay, a debt and its end (R3–R7, E13, E14)."""

from __future__ import annotations

import pytest

from cln.billing.queries import balance_due_cents
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.flows.autopay import simulate_autopay
from cln.flows.ip_licenses import add_ip_license
from cln.flows.reseller import top_up
from cln.licensing.models import IpLicense
from cln.licensing.queries import has_ip_license
from tests.partners import a_reseller, credits, floor
from tests.world import World

ONE, TWO, THREE = "203.0.113.1", "203.0.113.2", "203.0.113.3"


@pytest.fixture
def shop(world: World) -> World:
    """New Year 2026; KernelCare 10.00 a month, 8.00 from three."""
    world.otto.prices("KernelCare", {1: "10.00", 3: "8.00"})
    world.otto.prices("Imunify360-30", {1: "31.00"})
    world.otto.prices("Imunify360-1", {1: "15.50"})
    return world.on("2026-01-01")


# -- the deposit -----------------------------------------------------------------------------------


def test_the_deposit_may_go_negative_and_that_is_the_debt(shop: World) -> None:
    """R3: the invoice is paid, 5.00 are due, and a refund of the operator is a credit."""
    zenith = a_reseller(shop, deposit="5.00")
    zenith.holds_ip("KernelCare", ONE)

    shop.on("2026-02-01")

    assert zenith.invoices == ["2026-02-01 KernelCare 10.00 paid"]
    assert (zenith.deposit, balance_due_cents(zenith.account_id)) == ("-5.00", 500)

    credits(shop, zenith, "5.00")
    assert (zenith.deposit, balance_due_cents(zenith.account_id)) == ("0.00", 0)


def test_below_the_floor_nothing_new_is_given_and_usage_is_billed_all_the_same(
    shop: World,
) -> None:
    """R3, R-12: with −5.00 in the deposit, a floor of 5.00 and of 4.99."""
    zenith = a_reseller(shop, deposit="5.00")
    floor(zenith, "5.00")
    zenith.holds_ip("KernelCare", ONE)
    shop.on("2026-02-01")
    assert zenith.deposit == "-5.00"
    zenith.holds_ip("KernelCare", TWO)

    floor(zenith, "4.99")
    with shop.refuses("deposit_exhausted"):
        zenith.holds_ip("KernelCare", THREE)

    shop.on("2026-03-01")
    assert zenith.deposit == "-25.00"


def test_a_customer_holds_no_ip_license(shop: World) -> None:
    """R2: nobody would bill it."""
    acme = shop.customer("acme")

    with shop.refuses("not_a_reseller"):
        add_ip_license(
            account_id=acme.account_id,
            license_type="kernelcare",
            address=ONE,
            actor="acme",
            now=shop.now,
        )


def test_a_top_up_is_in_the_deposit_when_the_gateway_has_confirmed_it(shop: World) -> None:
    """R5: a decline adds nothing; a lost answer adds once, when the resolver has asked."""
    zenith = a_reseller(shop)
    assert zenith.tops_up("20.00").state == "succeeded"
    assert zenith.deposit == "520.00"

    zenith.card("declines")
    assert zenith.tops_up("30.00").sentence == (
        "There is not enough money on the card or the PayPal account."
    )
    assert zenith.deposit == "520.00"

    zenith.card("times out, charged")
    assert zenith.tops_up("40.00").state == "unknown"
    assert zenith.deposit == "520.00"
    with shop.refuses("payment_in_progress"):
        zenith.tops_up("40.00")
    shop.on("2026-01-02")
    assert (zenith.deposit, zenith.money_taken) == ("560.00", "560.00")


@pytest.mark.parametrize("amount", ["0.99", "100000.01"])
def test_a_top_up_of_an_odd_size_is_refused(shop: World, amount: str) -> None:
    """R5."""
    zenith = a_reseller(shop)

    with shop.refuses("bad_top_up"):
        zenith.tops_up(amount)


def test_a_customer_has_no_deposit_to_top_up(shop: World) -> None:
    """R5."""
    acme = shop.customer("acme")

    with shop.refuses("not_a_reseller"):
        top_up(account_id=acme.account_id, amount_cents=2_000, actor="acme", now=shop.now)


def test_a_reseller_buys_nothing_in_advance(shop: World) -> None:
    """R2: a subscription beside usage would be paid twice."""
    zenith = a_reseller(shop)

    with shop.refuses("paid_afterwards"):
        zenith.buys("KernelCare", servers=2, monthly=True)


def test_the_invoices_table_runs_the_balance_from_row_to_row(shop: World) -> None:
    """R6: payment, invoice, refund; each opens into title, quantity and subtotal."""
    zenith = a_reseller(shop, deposit="15.00")
    zenith.holds_ip("KernelCare", ONE, TWO)
    shop.on("2026-02-03")
    credits(shop, zenith, "2.50")
    zenith.tops_up("7.50")

    assert zenith.table == [
        "2026-01-01 Payment received 2026-01-01 15.00 15.00 [Deposit, card that works × 1: 15.00]",
        "2026-02-01 Invoice 2026-01-01 20.00 -5.00 [KernelCare, 1 Jan – 1 Feb 2026 × 2: 20.00]",
        "2026-02-03 Refund 2026-02-03 2.50 -2.50 [Credit × 1: 2.50]",
        "2026-02-03 Payment received 2026-02-03 7.50 5.00 [Deposit, card that works × 1: 7.50]",
    ]
    assert zenith.deposit == "5.00"


# -- autopay ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "charged"), [("100.00", []), ("100.01", ["400.01"]), ("230.00", ["530.00"])]
)
def test_funds_are_added_when_the_balance_falls_below_100(
    shop: World, usage: str, charged: list[str]
) -> None:
    """R4, E13: target 500; a balance of 100.00, 99.99 and −30.00, after one month's bill."""
    shop.otto.prices("ELS for CentOS 6", {1: usage})
    zenith = a_reseller(shop, deposit="200.00", mode="add_funds", target="500.00")
    zenith.holds_ip("ELS for CentOS 6", ONE)

    shop.on("2026-02-01")

    assert zenith.tries[1:] == [f"02-01 00:00 {amount} succeeded" for amount in charged]
    assert zenith.deposit == ("500.00" if charged else "100.00")
    assert zenith.account.negative_since is None


@pytest.mark.parametrize(
    ("usage", "charged", "left"),
    [
        ("50.00", [], "0.00"),
        ("50.01", ["20.00"], "19.99"),
        ("69.99", ["20.00"], "0.01"),
        ("70.01", ["20.01"], "0.00"),
        ("85.50", ["35.50"], "0.00"),
    ],
)
def test_a_negative_balance_is_repaid_with_at_least_20(
    shop: World, usage: str, charged: list[str], left: str
) -> None:
    """R4, E14: balances of 0.00, −0.01, −19.99, −20.01 and −35.50."""
    shop.otto.prices("ELS for CentOS 6", {1: usage})
    zenith = a_reseller(shop, deposit="50.00", mode="repay")
    zenith.holds_ip("ELS for CentOS 6", ONE)

    shop.on("2026-02-01")

    assert zenith.tries[1:] == [f"02-01 00:00 {amount} succeeded" for amount in charged]
    assert zenith.deposit == left


def test_after_declines_autopay_waits_1_6_and_24_hours_then_stops_and_mails(shop: World) -> None:
    """R4: four tries; nothing more by itself, until another card is there."""
    zenith = a_reseller(shop, deposit="5.00", mode="repay")
    zenith.holds_ip("KernelCare", ONE)
    zenith.card("declines")

    shop.on("2026-02-20")

    assert zenith.tries[1:] == [
        "02-01 00:00 20.00 declined",
        "02-01 01:00 20.00 declined",
        "02-01 07:00 20.00 declined",
        "02-02 07:00 20.00 declined",
    ]
    assert [mail for mail in zenith.mails if "autopay" in mail] == ["2026-02-02 autopay_stopped"]
    assert "There is not enough money" in zenith.mail("autopay_stopped")

    zenith.card("works")
    zenith.replaces_method()
    assert zenith.tries[5:] == ["02-20 00:00 20.00 succeeded"]
    assert zenith.deposit == "15.00"


def test_a_stopped_autopay_begins_again_with_a_payment_of_its_own(shop: World) -> None:
    """R4: four declines, twice; each month's bill after the stop asks for nothing."""
    zenith = a_reseller(shop, deposit="5.00", mode="repay")
    zenith.holds_ip("KernelCare", ONE)
    zenith.card("declines")
    shop.on("2026-03-10")
    assert len(zenith.tries) == 5

    zenith.card("works")
    zenith.tops_up("20.00")
    zenith.card("declines")
    shop.on("2026-04-10")

    assert zenith.tries[5:7] == ["03-10 00:00 20.00 succeeded", "04-01 00:00 20.00 declined"]
    assert len(zenith.tries) == 10


def test_autopay_that_declines_ten_times_was_begun_anew_by_somebody_twice(shop: World) -> None:
    """R4: four tries each time; the bills of the months ask for nothing more."""
    zenith = a_reseller(shop, deposit="5.00", mode="repay")
    zenith.holds_ip("KernelCare", ONE)
    zenith.card("declines")

    shop.on("2026-02-20")
    zenith.sets_autopay("repay")
    shop.on("2026-02-28")
    zenith.gives_back("KernelCare", ONE)
    zenith.replaces_method()
    shop.on("2026-04-10")

    assert zenith.tries[1:] == [
        f"{day} 20.00 declined"
        for first, last in (("02-01", "02-02"), ("02-20", "02-21"))
        for day in (f"{first} 00:00", f"{first} 01:00", f"{first} 07:00", f"{last} 07:00")
    ] + [
        "02-28 00:00 20.00 declined",
        "02-28 01:00 20.00 declined",
        "02-28 07:00 20.00 declined",
        "03-01 07:00 20.00 declined",
    ]
    assert (zenith.deposit, zenith.money_taken) == ("-14.64", "5.00")


def test_a_hard_decline_stops_autopay_at_once(shop: World) -> None:
    """R4, P2: an expired card is not tried again."""
    zenith = a_reseller(shop, deposit="5.00", mode="repay")
    zenith.holds_ip("KernelCare", ONE)
    zenith.card("expired")

    shop.on("2026-02-20")

    assert zenith.tries[1:] == ["02-01 00:00 20.00 declined"]
    assert "2026-02-01 autopay_stopped" in zenith.mails


@pytest.mark.parametrize(
    ("outcome", "tries"),
    [
        ("times out, charged", ["02-01 00:00 20.00 succeeded"]),
        (
            "times out, not charged",
            [
                "02-01 00:00 20.00 abandoned",
                "02-01 01:10 20.00 abandoned",
                "02-01 07:20 20.00 abandoned",
                "02-02 07:30 20.00 abandoned",
            ],
        ),
    ],
)
def test_one_top_up_is_in_flight_at_a_time(shop: World, outcome: str, tries: list[str]) -> None:
    """R4, P3: no second one until the gateway has said what became of the first."""
    zenith = a_reseller(shop, deposit="5.00", mode="repay")
    zenith.holds_ip("KernelCare", ONE)
    zenith.card(outcome)

    shop.on("2026-02-20")

    assert zenith.tries[1:] == tries


def test_another_rule_is_followed_at_once(shop: World) -> None:
    """R4: off does nothing; add funds fills up what lies below 100.00."""
    zenith = a_reseller(shop, deposit="50.00")
    shop.on("2026-01-05")
    assert zenith.tries[1:] == []

    zenith.sets_autopay("add_funds", "300.00")

    assert zenith.tries[1:] == ["01-05 00:00 250.00 succeeded"]
    with shop.refuses("bad_autopay_target"):
        zenith.sets_autopay("add_funds", "99.99")


def test_the_figures_of_a_rule_come_from_the_months_behind(shop: World) -> None:
    """R4: what each rule would have charged for January and February, real top-ups left out."""
    zenith = a_reseller(shop, deposit="100.00")
    zenith.holds_ip("Imunify360-30", ONE, TWO)
    shop.on("2026-03-15")
    zenith.tops_up("500.00")
    shop.on("2026-03-16")

    found = [
        simulate_autopay(
            account_id=zenith.account_id, rule=AutopayRule(mode, 200_00), months=2, now=shop.now
        )
        for mode in (AutopayMode.ADD_FUNDS, AutopayMode.REPAY, AutopayMode.OFF)
    ]

    assert [(len(one.charges), one.total_cents, one.balance_cents) for one in found] == [
        (1, 162_00, 138_00),
        (1, 24_00, 0),
        (0, 0, -24_00),
    ]
    assert zenith.deposit == "476.00"


def test_the_figures_of_a_rule_begin_with_the_deposit_where_it_is_younger(shop: World) -> None:
    """R4: nothing is charged before there was a deposit, and its first payment counts."""
    zenith = a_reseller(shop, deposit="100.00")
    zenith.holds_ip("Imunify360-30", ONE)
    shop.on("2026-02-16")

    found = simulate_autopay(
        account_id=zenith.account_id,
        rule=AutopayRule(AutopayMode.ADD_FUNDS, 200_00),
        now=shop.now,
    )

    assert [(f"{day:%m-%d}", cents) for day, cents in found.charges] == [("02-01", 131_00)]
    assert (found.lowest_cents, found.balance_cents) == (69_00, 200_00)


# -- debt ------------------------------------------------------------------------------------------


def test_a_negative_deposit_is_reminded_of_and_blocks_after_30_days(shop: World) -> None:
    """R7, P6, P7: blocked on day 30, licenses lost 7 days later, given up on day 90."""
    zenith = a_reseller(shop, deposit="5.00")
    zenith.holds_ip("KernelCare", ONE)
    shop.on("2026-03-02")
    assert zenith.status == "past_due"
    assert [mail for mail in zenith.mails if "deposit_negative" in mail] == [
        f"2026-{day} deposit_negative" for day in ("02-08", "02-15", "02-22", "03-01")
    ]
    assert "blocked on 2026-03-03" in zenith.mail("deposit_negative")

    shop.on("2026-03-03")
    assert zenith.status == "blocked"
    with shop.refuses("account_blocked"):
        zenith.holds_ip("KernelCare", TWO)
    with shop.refuses("account_blocked"):
        zenith.creates_key("KernelCare")
    assert has_ip_license(product="kernelcare", address=ONE)

    shop.on("2026-03-10")
    assert zenith.status == "suspended"
    assert not has_ip_license(product="kernelcare", address=ONE)

    shop.on("2026-05-02")
    assert zenith.status == "ended"
    assert not IpLicense.objects.filter(removed_at=None).exists()
    shop.on("2026-07-02")
    assert zenith.invoices[-1] == "2026-06-01 KernelCare 0.32 paid"
    assert zenith.deposit == "-35.32"


def test_bringing_the_deposit_to_zero_unblocks_at_once(shop: World) -> None:
    """R7, P8: by the link of the mail, without a login, and to the cent."""
    zenith = a_reseller(shop, deposit="5.00")
    zenith.holds_ip("KernelCare", ONE)
    shop.on("2026-03-12")
    assert zenith.status == "suspended"
    assert "$15.00" in zenith.mail("account_blocked")
    billed = zenith.mail("invoice_issued")
    assert "Your balance is now -$15.00.\nAutopayment repays it" in billed
    assert "/console/billing/balance" in billed

    [paid] = shop.opens_pay_link(zenith.pay_link("account_blocked"))

    assert (paid.amount_cents, paid.state, zenith.deposit) == (15_00, "succeeded", "0.00")
    assert "Nothing is overdue any more" in zenith.mail("account_unblocked")
    assert zenith.status == "current"
    assert has_ip_license(product="kernelcare", address=ONE)


def test_a_deposit_that_was_positive_in_between_is_no_old_debt(shop: World) -> None:
    """R7: 30 days in a row; by one cent."""
    zenith = a_reseller(shop, deposit="9.99")
    zenith.holds_ip("KernelCare", ONE)
    shop.on("2026-02-20")
    assert str(zenith.account.negative_since) == "2026-02-01"
    zenith.tops_up("5.01")
    assert (zenith.deposit, zenith.account.negative_since) == ("5.00", None)

    shop.on("2026-03-30")

    assert (zenith.deposit, zenith.status) == ("-5.00", "past_due")
    assert str(zenith.account.negative_since) == "2026-03-01"
