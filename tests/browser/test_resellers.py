"""A reseller's journeys: licenses by IP, the month's bill, the deposit."""

from __future__ import annotations

import csv
import re
from collections import Counter

from playwright.sync_api import expect

from tests.browser.people import People
from tests.browser.site import Site
from tests.browser.visitor import Visitor
from tests.pdf_text import text_of as words_of

PAPER = "/console/billing/statements/2026-02.pdf"


def test_a_resellers_month_is_billed_by_the_days_each_address_was_held(
    people: People, site: Site
) -> None:
    """R2, R3, R6: two addresses come, one goes; table, invoice and paper say 2.95 + 1.05."""
    zoe, _ = people.reseller("zoe")
    page = zoe.page
    zoe.opens("/console/ip-licenses")
    zoe.moves_clock(days=1, to="2026-02-01")
    _adds(zoe, "203.0.113.10\n203.0.113.11")
    zoe.moves_clock(days=10, to="2026-02-11")
    _gives_back(zoe, "203.0.113.10")
    zoe.opens("/console/billing/statement")
    zoe.sees("2 licenses held this month", "If nothing changes")
    expect(page.get_by_role("row").filter(has_text="203.0.113.10")).to_contain_text("10 of 28")
    zoe.looks("month-so-far")

    zoe.moves_clock(days=18, to="2026-03-01")
    zoe.opens("/console/billing/invoices")
    row = page.locator("#table-invoices tbody tr").filter(has_text="February 2026")
    expect(row).to_contain_text("$4.00")
    expect(row.get_by_role("cell").last).to_have_text("$496.00")
    row.locator("summary").click()
    zoe.looks("running-balance")
    zoe.clicks("Open the invoice", on=row)
    zoe.sees("2 × $2.95 × 38/56 license days (1 Feb – 1 Mar 2026)", "Paid on 2026-03-01")
    zoe.looks("invoice")
    paper = words_of(zoe.fetches(PAPER).body())
    assert "Statement February 2026" in paper
    assert "496.00" in paper
    assert "203.0.113.10" in paper
    zoe.opens("/console/check-license?ip=203.0.113.11")
    zoe.sees("Licensed: 203.0.113.11", "KernelCare")
    zoe.opens("/console/check-license?ip=203.0.113.10")
    zoe.sees("No active license: 203.0.113.10")


def _adds(zoe: Visitor, addresses: str) -> None:
    zoe.opens("/console/ip-licenses/add")
    zoe.page.get_by_label("License type").select_option("kernelcare")
    zoe.page.get_by_label("IP addresses").fill(addresses)
    zoe.clicks("Add")
    zoe.sees("Nothing has been added yet.")
    zoe.looks("dry-run")
    zoe.clicks("Add 2 licenses")
    zoe.sees("2 IP licenses are added.")


def _gives_back(zoe: Visitor, address: str) -> None:
    zoe.opens("/console/ip-licenses")
    zoe.page.get_by_label(f"Select {address}").check()
    zoe.looks("ip-licenses")
    zoe.clicks("Remove")
    zoe.sees("Remove 1 IP license?", address)
    zoe.looks("remove")
    zoe.clicks("Remove")
    zoe.sees("1 IP license is removed.")


def test_a_deposit_is_topped_up_by_hand_and_then_by_a_rule_tried_beforehand(
    people: People,
) -> None:
    """R4, R5: money at once; what a rule would have done; then the rule does it."""
    rudi, account = people.reseller("rudi", deposit_cents=100_00)
    page = rudi.page
    rudi.opens("/console/billing/balance")
    rudi.sees("Your balance $100.00")
    page.get_by_label("Amount").fill("25.50")
    rudi.looks("balance")
    rudi.clicks("Top up from Card that works")
    rudi.sees("Your balance $125.50")
    people.holds_address(account, "imunify360_250", "203.0.113.40")
    rudi.moves_clock(days=29, to="2026-03-01")
    # 125.50 - 1.13 for the day in January - 35.00 for February = 89.37.
    _tries_a_rule(rudi)

    rudi.moves_clock(days=31, to="2026-04-01")
    rudi.opens("/console/billing/invoices")
    charge = page.locator("#table-invoices tbody tr").filter(has_text="$210.63")
    expect(charge).to_contain_text("Payment received")
    expect(charge.get_by_role("cell").last).to_have_text("$300.00")
    rudi.looks("charged-by-rule")
    rudi.opens("/console/billing/balance")
    # 300.00 less the 35.00 of March.
    rudi.sees("Your balance $265.00", "Below $100.00 your deposit is filled up to $300.00.")


def _tries_a_rule(rudi: Visitor) -> None:
    page = rudi.page
    rudi.opens("/console/billing/autopayment")
    page.get_by_label(re.compile("^Add funds")).check()
    target = page.get_by_role("spinbutton", name="Target balance")
    target.fill("99")
    rudi.clicks("Try it on the last 3 months")
    expect(page.get_by_role("alert")).to_contain_text("at least 100.00")
    target.fill("300")
    rudi.clicks("Try it on the last 3 months")
    rudi.looks("simulator")
    rudi.sees("The last 3 months under this rule", "1 charge of $201.13 in all")
    rudi.opens("/console/billing/balance")
    rudi.sees("Off: nothing is charged by itself.")
    rudi.opens("/console/billing/autopayment")
    page.get_by_label(re.compile("^Add funds")).check()
    target.fill("300")
    rudi.clicks("Save")
    rudi.sees("The autopayment is saved.")


def test_500_addresses_are_pasted_the_good_ones_added_and_each_bad_line_explained(
    people: People, site: Site
) -> None:
    """R2: dry run, progress, result file; every tenth line of the list is wrong in some way."""
    bulk, _ = people.reseller("bulk")
    page = bulk.page
    page.goto("/console/ip-licenses/add")
    page.get_by_label("License type").select_option("kernelcare")
    # In one step: `fill` goes through the browser's editor, which takes its time with 500 lines.
    page.get_by_label("IP addresses").evaluate(
        "(field, text) => { field.value = text; }", "\n".join(A_LIST)
    )
    bulk.clicks("Add")
    bulk.sees("Nothing has been added yet. 450 of 500 can be added")
    bulk.sees("The address 10.0.0.1 is private, not public.", "'web1' is not an IP address")
    bulk.looks("dry-run")
    bulk.clicks("Add 450 licenses")
    bulk.looks("in-work")
    expect(page.get_by_role("heading", level=1)).to_have_text("450 added, 40 not", timeout=90_000)
    bulk.sees("10 were left out")
    bulk.looks("finished")
    file = page.get_by_role("link", name="Result as CSV").get_attribute("href")
    rows = list(csv.reader(bulk.fetches(str(file)).text().splitlines()))
    assert Counter(row[1] for row in rows[1:]) == {"done": 450, "refused": 40, "left_out": 10}

    bulk.opens("/console/ip-licenses")
    bulk.sees("of 450")
    bulk.opens(f"/console/check-license?ip={A_LIST[1]}")
    bulk.sees(f"Licensed: {A_LIST[1]}", "KernelCare")


BAD = ("10.0.0.1", "web1", "203.0.113.300", "100.64.0.1", "203.0.110.2")
A_LIST = [
    BAD[n // 10 % 5] if n % 10 == 0 else f"203.0.{n // 250 + 110}.{n % 250 + 1}" for n in range(500)
]
