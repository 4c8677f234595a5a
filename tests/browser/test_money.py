"""Journeys of those who pay; each ends at another door than the one where the money moved."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from cln.payments.gateways.sandbox import Script
from tests.browser.people import People
from tests.browser.site import BEGIN, Site
from tests.browser.visitor import CARD, Visitor
from tests.reselling import refunds_first

Arrive = Callable[..., Visitor]
UP_TO_TEN = "4000 0000 0000 0341"


def test_a_debt_blocks_the_account_and_the_mailed_link_unblocks_it(
    people: People, visitor: Arrive
) -> None:
    """P7: the card fails, weeks pass, somebody without a login pays, everything works again."""
    dora, account = people.customer("dora", {"kernelcare": 2})
    people.has_card(account, Script.DECLINE)
    dora.opens("/console/dashboard")
    dora.moves_clock(days=60, to="2026-04-01")
    dora.opens("/console/dashboard")
    expect(dora.page).to_have_url(f"{dora.site}/console/billing/invoices")
    dora.sees("This account is blocked because an invoice is overdue.", "Total due $11.80")
    dora.looks("blocked")

    friend = visitor()
    friend.opens(f"/sandbox/mail?to={account.billing_email}")
    friend.page.get_by_role("link", name=re.compile("blocked")).first.click()
    link = friend.page.locator("pre").get_by_role("link").filter(has_text="/pay/")
    link.first.click()
    friend.sees("Pay $11.80")
    friend.page.get_by_text("Pay with another card").click()
    friend.types_card(CARD)
    friend.looks("pay-link")
    friend.clicks("Pay with this card")
    friend.sees("paid", "Nothing is due")

    dora.opens("/console/dashboard")
    card = dora.page.get_by_role("region", name="KernelCare", exact=True)
    expect(card).to_contain_text("0 of 2 licenses in use")
    assert dora.page.get_by_role("alert").count() == 0


def test_each_invoice_has_its_own_result_when_the_card_pays_only_one(people: People) -> None:
    """P5, the seed's "only one was paid": what was paid, what was not, and why."""
    paul, account = people.customer("paul", {"kernelcare": 2, "cloudlinux": 1})
    people.has_card(account, Script.DECLINE)
    page = paul.page
    paul.opens("/console/dashboard")
    paul.moves_clock(days=28, to="2026-02-28")
    paul.opens("/console/billing/invoices")
    paul.sees("2 unpaid", "Total due $19.90")
    paul.clicks("Change the payment method")
    paul.sees("$19.90 is due now; a new payment method is charged with it at once")
    paul.types_card(UP_TO_TEN)
    paul.clicks("Save the card and pay $19.90")
    results = page.get_by_role("status").filter(has_text="Result of the payment")
    expect(results).to_contain_text(re.compile(r"\$5\.90\s*paid"))
    refused = re.compile(r"There is not enough money.*\$14\.00\s*not paid", re.DOTALL)
    expect(results).to_contain_text(refused)
    paul.looks("one-of-two")
    paul.clicks("Change the payment method")
    paul.types_card(CARD)
    paul.clicks("Save the card and pay $14.00")
    expect(results).to_contain_text(re.compile(r"\$14\.00\s*paid"))

    paul.opens("/console/billing/invoices")
    expect(page.locator("#table-invoices tbody tr")).to_have_count(4)
    paul.sees("Nothing is owed.")


def test_two_tabs_that_buy_at_once_are_billed_once(people: People) -> None:
    tess, _ = people.customer("tess")
    first = tess.page
    tess.opens("/console/purchase/kernelcare")
    first.get_by_label("Number of server licenses").fill("2")
    tess.clicks("Add 2 to the cart")
    second = tess.opens_tab()
    second.goto("/console/cart")
    expect(second.locator("main")).to_contain_text("KernelCare")
    tess.clicks("Pay $5.90")
    tess.sees("2 × KernelCare", "ready")
    second.get_by_role("button", name="Pay $5.90").click()
    expect(second.locator("main")).to_contain_text(
        "This order was placed already; nothing was bought twice."
    )
    expect(second.locator("main")).to_contain_text("2 × KernelCare")

    tess.opens("/console/billing/invoices")
    expect(first.locator("#table-invoices tbody tr")).to_have_count(1)
    expect(first.locator("#table-invoices tbody tr")).to_contain_text("$5.90")


def test_a_refund_stands_on_the_invoice_and_in_its_own_paper(people: People, site: Site) -> None:
    fred, account = people.customer("fred", {"kernelcare": 2})
    site.does(refunds_first, account, 2_95, now=BEGIN)
    fred.opens("/console/billing/invoices")
    row = fred.page.locator("#table-invoices tbody tr")
    expect(row).to_contain_text("$5.90")
    row.get_by_role("link", name="Open CBI").click()
    fred.looks("refund")
    given_back = fred.page.locator(".panel").filter(has_text="Credit note")
    expect(given_back).to_contain_text("$2.95")
    note = given_back.get_by_role("link", name="PDF").get_attribute("href")

    paper = fred.fetches(str(note))
    assert paper.headers["content-type"] == "application/pdf"
    assert paper.body().startswith(b"%PDF")


def test_who_unsubscribes_may_change_their_mind(people: People) -> None:
    ulla, _ = people.customer("ulla", {"kernelcare": 2})
    page = ulla.page
    card = page.get_by_role("region", name="KernelCare", exact=True)
    ulla.opens("/console/dashboard")
    ulla.clicks("Unsubscribe", on=card)
    ulla.sees("Paid until 2026-02-28.")
    ulla.looks("unsubscribe")
    ulla.clicks("Unsubscribe", on=page.locator("main form"))
    expect(card).to_contain_text("ends 2026-02-28")
    ulla.opens("/console/billing")
    ulla.sees("Nothing is planned.")
    ulla.opens("/console/dashboard")
    ulla.clicks("Take the cancellation back", on=card)
    expect(card).to_contain_text("active")

    ulla.moves_clock(days=28, to="2026-02-28")
    ulla.opens("/console/billing/invoices")
    row = page.locator("#table-invoices tbody tr").filter(has_text="2026-02-28")
    expect(row).to_contain_text("$5.90")
    expect(row).to_contain_text("paid")


def test_an_order_survives_a_detour_and_a_slip_of_the_hand(people: People) -> None:
    """The address is written on the way, a mistyped card is told in the cart; then it is paid."""
    orla, _ = people.customer("orla")
    page = orla.page
    orla.opens("/console/billing/payment-methods/remove")
    page.locator("main").get_by_role("button", name=re.compile("Remove")).click()
    orla.opens("/console/purchase/kernelcare")
    orla.clicks("Add 1 to the cart")
    orla.clicks("Write it into the account details")
    page.get_by_label("Address", exact=True).fill("1 Mill Lane")
    orla.clicks("Save", on=page.get_by_role("region", name="On your invoices"))
    expect(page).to_have_url(re.compile("/console/cart"))
    orla.types_card("1234")
    orla.clicks("Pay $3.95 with this card")
    orla.sees("Never type a real card.", "KernelCare")
    expect(page.get_by_label("Card number")).to_be_focused()
    orla.looks("mistyped")
    orla.types_card(CARD)
    orla.clicks("Pay $3.95 with this card")
    orla.sees("ready")
    page.get_by_role("link", name=re.compile("CBI-")).click()
    orla.sees("1 Mill Lane", "Paid on 2026-01-31")


def test_a_declined_card_is_explained_and_replaced_and_the_order_done(people: People) -> None:
    doug, account = people.customer("doug")
    people.has_card(account, Script.DECLINE)
    page = doug.page
    doug.opens("/console/purchase/kernelcare")
    doug.clicks("Add 1 to the cart")
    doug.clicks("Pay $3.95")
    doug.sees("not done", "There is not enough money on the card")
    doug.looks("declined")
    doug.clicks("Use another payment method")
    doug.types_card(CARD)
    doug.looks("replace")
    doug.clicks("Save the card and pay $3.95")

    doug.opens("/console/dashboard")
    card = page.get_by_role("region", name="KernelCare", exact=True)
    expect(card).to_contain_text("0 of 1 license in use")
