"""Journeys of those who look after licenses; each ends at another door than it began."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from cln.enums import Role
from tests.browser.people import People
from tests.browser.visitor import NARROW


def test_a_trial_becomes_paid_and_its_server_stays(people: People) -> None:
    tina, account = people.customer("tina")
    page = tina.page
    tina.opens("/console/dashboard")
    offer = page.get_by_role("heading", name="CloudLinux OS", exact=True).locator("..")
    tina.clicks("Start the free trial", on=offer)
    card = page.get_by_role("region", name="CloudLinux OS Shared", exact=True)
    expect(card).to_contain_text("The trial ends in 30 days, on 2026-03-02 00:00 UTC")
    server = people.server(account, "web1.tina.example", "cloudlinux")
    tina.looks("trial")
    tina.clicks("Buy", on=card)
    tina.clicks("Add 1 to the cart")
    tina.clicks("Pay $14.00")
    tina.sees("1 × CloudLinux OS Shared", "ready")

    tina.clicks("See keys and install commands")
    expect(card).to_contain_text("1 of 1 license in use")
    expect(card).to_contain_text("Next invoice 2026-02-28: $14.00")
    expect(card).not_to_contain_text("The trial ends")
    tina.opens(f"/console/servers/{server.public_id}")
    expect(page.get_by_text("Status new")).to_be_visible()
    tina.sees("web1.tina.example", "CloudLinux OS Shared")


def test_a_removed_server_is_put_back_with_its_license(people: People) -> None:
    rita, account = people.customer("rita", {"kernelcare": 1})
    server = people.server(account, "web1.rita.example", "kernelcare")
    rita.opens(f"/console/servers/{server.public_id}")
    rita.clicks("Remove")
    rita.page.get_by_label("Keep it free for another server.").check()
    rita.clicks("Remove the server")
    rita.sees("web1.rita.example is removed.", "This server is removed")
    rita.looks("removed")
    rita.clicks("Undo the removal")

    rita.clicks("Servers", on=rita.page.get_by_role("navigation", name="Section"))
    row = rita.page.get_by_role("row").filter(has_text="web1.rita.example")
    expect(row).to_contain_text("new")
    rita.clicks("Products", on=rita.page.get_by_role("navigation", name="Section"))
    card = rita.page.get_by_role("region", name="KernelCare", exact=True)
    expect(card).to_contain_text("1 of 1 license in use")


def test_a_license_moves_to_another_machine_and_nothing_is_billed(people: People) -> None:
    mona, account = people.customer("mona", {"cloudlinux": 1})
    server = people.server(account, "old.mona.example", "cloudlinux")
    page = mona.page
    mona.opens(f"/console/servers/{server.public_id}")
    mona.clicks("Move to another server")
    mona.sees("Nothing is billed for the move.")
    mona.looks("move")
    command = page.locator("[data-dialog-body] code").inner_text()
    mona.clicks("Free the license")
    mona.sees("old.mona.example")
    assert command in page.locator("main").inner_text()
    people.server(account, "new.mona.example", "cloudlinux", "198.51.100.8")

    mona.opens("/console/servers")
    expect(page.get_by_role("link", name="new.mona.example", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="old.mona.example", exact=True)).to_have_count(0)
    mona.opens("/console/billing/invoices")
    expect(page.locator("#table-invoices tbody tr")).to_have_count(1)


def test_a_server_changes_its_license_type_and_the_old_license_becomes_credit(
    people: People,
) -> None:
    cora, account = people.customer("cora", {"imunify360_1": 1})
    server = people.server(account, "shop.cora.example", "imunify360_1")
    page = cora.page
    cora.opens(f"/console/servers/{server.public_id}")
    cora.clicks("Change license type")
    page.get_by_label("Imunify360, up to 30 users").check()
    page.get_by_label("Cancel it.").check()
    cora.looks("license-type")
    cora.clicks("Change")
    cora.sees("Imunify360, up to 30 users")

    cora.opens("/console/billing")
    row = page.get_by_role("row").filter(has_text="up to 30 users").first
    expect(row).to_contain_text("monthly")
    old = page.get_by_role("row").filter(has_text="single user")
    expect(old).to_contain_text("every license is removed; nothing more is billed")
    expect(page.get_by_role("heading", name="next invoice of")).to_have_count(1)
    expect(page.locator("main")).to_contain_text(re.compile(r"Credit\s*\$1[0-9]\.[0-9]{2}"))


def test_the_edition_of_all_licenses_changes_and_the_bill_says_so(people: People) -> None:
    edda, _ = people.customer("edda", {"cloudlinux": 2})
    people.asks_a_price("cloudlinux_pro", 18_00)
    edda.opens("/console/products/cloudlinux")
    edda.clicks("Change edition")
    pro = edda.page.get_by_role("region", name="CloudLinux OS Shared Pro")
    expect(pro).to_contain_text("2 licenses. The rest of this period costs $12.00 more")
    edda.looks("edition")
    edda.clicks("Change to this edition", on=pro)

    edda.opens("/console/dashboard")
    card = edda.page.get_by_role("region", name="CloudLinux OS Shared Pro")
    expect(card).to_contain_text("0 of 2 licenses in use")
    expect(card).to_contain_text("Next invoice 2026-02-28: $48.00 ($12.00 accrued so far)")


def test_licenses_nobody_uses_are_removed_and_the_next_invoice_falls(people: People) -> None:
    uma, account = people.customer("uma", {"kernelcare": 3})
    people.server(account, "web1.uma.example", "kernelcare")
    page = uma.page
    uma.opens("/console/dashboard")
    uma.sees("2 unused KernelCare licenses = $4.90 a month")
    uma.clicks("Remove unused", on=page.get_by_role("region", name="Needs you"))
    uma.sees("With 2 gone and 1 left")
    page.get_by_label("Licenses to keep").fill("2")
    uma.clicks("Show the figures")
    uma.sees("With 1 gone and 2 left", "the next invoice falls by $2.95")
    uma.looks("remove-unused")
    uma.clicks("Remove")
    uma.sees("Licenses removed: 1. Left: 2.")

    uma.opens("/console/billing/upcoming")
    expect(page.locator("main")).to_contain_text("2 × $2.95 for the month 28 Feb – 31 Mar 2026")


def test_a_group_is_made_filled_and_excused_and_alerts_go_where_they_should(
    people: People,
) -> None:
    gerd, account = people.customer("gerd", {"kernelcare": 2})
    people.server(account, "db1.gerd.example", "kernelcare")
    page = gerd.page
    gerd.opens("/console/groups")
    page.get_by_label("Name").fill("Rack 4")
    gerd.clicks("Save")
    gerd.opens("/console/servers")
    page.get_by_label("Select db1.gerd.example, KernelCare").check()
    gerd.looks("servers-selected")
    gerd.clicks("Add to group")
    gerd.looks("put")
    page.get_by_label("Choose a group or type the name of a new one").fill("Rack 4")
    gerd.clicks("Add to group")
    expect(page.get_by_role("row").filter(has_text="db1.gerd.example")).to_contain_text("Rack 4")
    gerd.opens("/console/groups")
    gerd.clicks("Rack 4")
    page.get_by_label("Excused when overdue").select_option(label="a week")
    gerd.clicks("Save", on=page.get_by_role("region", name="Grace"))
    gerd.opens("/console/profile/reports/kernelcare")
    page.get_by_label("Addresses").fill("night@gerd.example")
    gerd.clicks("Save")

    gerd.opens("/console/watch")
    expect(page.get_by_role("region", name="Who is told")).to_contain_text(
        re.compile(r"KernelCare\s*night@gerd\.example")
    )
    gerd.opens("/console/groups")
    expect(page.get_by_role("row").filter(has_text="Rack 4")).to_contain_text("7 days")


def test_everything_is_found_with_the_keyboard_alone(people: People) -> None:
    kira, account = people.customer("kira", {"kernelcare": 1})
    people.server(account, "mail7.kira.example", "kernelcare")
    page = kira.page
    kira.opens("/console/dashboard")
    page.keyboard.press("/")
    expect(page.get_by_label("What are you looking for?")).to_be_focused()
    page.keyboard.type("mail7")
    hit = page.get_by_role("dialog").get_by_role("link", name="mail7.kira.example")
    expect(hit).to_be_visible()
    # The answer to the last letter, after which nothing is swapped under the focus.
    expect(page.get_by_role("dialog")).to_contain_text("Servers with “mail7”")
    kira.looks("palette")
    for _ in range(4):
        page.keyboard.press("Tab")
        if hit.evaluate("one => one === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("mail7.kira.example")
    page.keyboard.press("g")
    page.keyboard.press("i")

    expect(page).to_have_url(f"{kira.site}/console/billing/invoices")
    expect(page.locator("#table-invoices tbody tr")).to_have_count(1)


def test_a_phone_in_dark_mode_leads_everywhere(people: People) -> None:
    """Nothing is lost at 390 px: the menu opens, and no page is wider than the screen."""
    nora, account = people.customer("nora", {"cloudlinux": 2})
    people.server(account, "web1.nora.example", "cloudlinux")
    page = nora.page
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="dark")
    nora.opens("/console/dashboard")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") != "light"
    bright = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(int(part) for part in re.findall(r"\d+", bright)[:3]) < 200
    for link, heading in (("Billing", "Billing"), ("CloudLinux OS", "CloudLinux OS")):
        menu = page.locator(".burger")
        menu.locator("summary").click()
        nora.clicks(link, on=menu)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= NARROW["width"], page.url
    nora.looks("phone")


def test_a_role_sees_and_does_exactly_what_it_may(people: People) -> None:
    """One person of each role opens the same account; what is missing is refused by address too."""
    _, account = people.customer("rolf", {"kernelcare": 2})
    server = people.server(account, "web1.rolf.example", "kernelcare")
    sees = {
        # role: (buys, bills, edits servers, manages logins)
        Role.FULL: (True, True, True, True),
        Role.BILLING: (False, True, False, False),
        Role.SERVERS_AND_LICENSES: (True, False, True, False),
        Role.SERVERS: (False, False, True, False),
        Role.READ_BILLING: (False, True, False, False),
        Role.READ_SERVERS: (False, False, False, False),
    }
    for role, expected in sees.items():
        person = people.colleague(account, f"rolf-{role}".replace("_", "-"), role)
        person.opens("/console/dashboard")
        card = person.page.get_by_role("region", name="KernelCare", exact=True)
        expect(card).to_contain_text("1 of 2 licenses in use")
        buys = card.get_by_role("link", name="Add licenses").count() == 1
        main = person.page.get_by_role("navigation", name="Main")
        bills = person.fetches("/console/billing/invoices").status == 200
        assert (main.get_by_role("link", name="Billing").count() == 1) == (bills or buys), role
        logins = person.fetches("/console/profile/logins").status == 200
        person.opens(f"/console/servers/{server.public_id}")
        edits = person.page.get_by_role("link", name="Remove", exact=True).count() == 1
        assert (buys, bills, edits, logins) == expected, role
        person.looks(f"role-{role}")
        removal = person.fetches(f"/console/servers/{server.public_id}/remove").status
        assert removal == (200 if edits else 403), role
