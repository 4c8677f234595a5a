"""Journeys of those who look after an account: who may come in, with what, and what is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from playwright.sync_api import expect

from cln import clock
from cln.enums import Role
from tests import visitors
from tests.browser.people import People
from tests.browser.visitor import Visitor

Arrive = Callable[..., Visitor]
ANOTHER = "another long sentence nobody knows"


def test_a_forgotten_password_is_replaced_and_every_old_session_ends(
    people: People, visitor: Arrive
) -> None:
    """A-2: the answer tells a stranger nothing; the link works once and signs the thief out."""
    frank, _ = people.customer("frank")
    newcomer = visitor()
    newcomer.opens("/console/auth/login")
    newcomer.clicks("Forgotten the password?")
    _asks_for_a_link(newcomer, "nobody-of-that-name")
    _asks_for_a_link(newcomer, "frank")
    newcomer.looks("link-is-on-its-way")
    newcomer.opens("/sandbox/mail?to=frank@people.example")
    newcomer.page.locator("tbody").get_by_role("link").first.click()
    newcomer.looks("mail")
    link = newcomer.page.locator("pre").get_by_role("link").first
    address = str(link.get_attribute("href"))
    link.click()
    for field in ("New password", "New password, again"):
        newcomer.page.get_by_label(field, exact=True).fill(ANOTHER)
    newcomer.looks("choose")
    newcomer.clicks("Save")
    newcomer.sees("The new password is saved")
    newcomer.opens(address)
    newcomer.sees("This link has been used or is too old.")

    newcomer.signs_in("frank", password=visitors.PASSWORD)
    newcomer.sees("do not go together")
    newcomer.signs_in("frank", password=ANOTHER)
    expect(newcomer.page).to_have_url(f"{newcomer.site}/console/dashboard")
    frank.opens("/console/dashboard")
    frank.sees("Forgotten the password?")


def _asks_for_a_link(newcomer: Visitor, name: str) -> None:
    newcomer.opens("/console/auth/reset")
    newcomer.page.get_by_label("Login or e-mail").fill(name)
    newcomer.clicks("Mail me a link")
    newcomer.sees("If there is such a login, a link to choose a new password is on its way")


def test_a_colleague_who_is_removed_is_out_at_the_next_click(people: People) -> None:
    owner, account = people.customer("omar", {"kernelcare": 1})
    people.server(account, "web1.omar.example", "kernelcare")
    carla = people.colleague(account, "carla", Role.SERVERS)
    carla.opens("/console/servers")
    carla.sees("web1.omar.example")
    owner.opens("/console/profile/logins")
    row = owner.page.get_by_role("row").filter(has_text="carla@people.example")
    row.get_by_role("link", name="Remove carla").click()
    dialog = owner.page.locator("dialog")
    expect(dialog).to_contain_text("carla@people.example is signed out everywhere")
    owner.looks("remove-colleague")
    owner.clicks("Remove", on=dialog)
    owner.sees("carla can sign in no more.")
    expect(row).to_have_count(0)

    carla.page.get_by_role("link", name="web1.omar.example", exact=True).click()
    carla.sees("Forgotten the password?")
    expect(carla.page.locator("body")).not_to_contain_text("web1.omar.example")
    carla.signs_in("carla", password=visitors.PASSWORD)
    carla.sees("do not go together")
    carla.looks("locked-out")
    owner.opens("/console/profile/audit")
    log = owner.page.get_by_role("row").filter(has_text="carla")
    expect(log.first).to_contain_text("omar")


def test_a_program_is_given_a_secret_once_and_the_next_one_ends_it(people: People) -> None:
    """Seed 004: secret shown once, token tester, the API agrees; rotated, the old one is dead."""
    arno, _ = people.customer("arno", {"kernelcare": 1})
    page = arno.page
    arno.opens("/console/profile/api")
    arno.looks("api")
    first = _makes_a_secret(arno, "Make one", asks_password=True)
    expect(page.locator("body")).not_to_contain_text(first)
    arno.sees(f"…{first[-4:]}")
    token = _token("arno", first)
    assert arno.fetches(f"/api/kcare/key/list.json?token={token}").json()["success"]
    _tests_token(arno, token)
    arno.sees("good")
    arno.looks("good-token")

    second = _makes_a_secret(arno, "Make a new one")
    assert second != first
    assert arno.fetches(f"/api/kcare/key/list.json?token={token}").json()["success"] is False
    _tests_token(arno, token)
    expect(page.locator(".verdict")).to_contain_text("refused")
    arno.looks("old-token")
    again = _token("arno", second)
    assert arno.fetches(f"/api/kcare/key/list.json?token={again}").json()["success"]


def _makes_a_secret(arno: Visitor, button: str, *, asks_password: bool = False) -> str:
    arno.clicks(button)
    if asks_password:
        arno.page.get_by_label("Password").fill(visitors.PASSWORD)
        arno.clicks("Go on")
    arno.clicks("Make a new secret")
    arno.sees("Copy it now: it is not shown again.")
    secret = arno.page.locator(".copyline code").inner_text()
    arno.looks("secret")
    arno.clicks("I have kept it")
    return secret


def _token(login: str, secret: str) -> str:
    at = int(clock.system_now().timestamp())
    return f"{login}|{at}|{hashlib.sha1(f'{secret}{at}'.encode()).hexdigest()}"


def _tests_token(arno: Visitor, token: str) -> None:
    arno.page.get_by_label("Token", exact=True).fill(token)
    arno.clicks("Test it")


def test_a_program_hears_of_a_test_and_its_secret_is_changed_without_a_gap(
    people: People,
) -> None:
    """Without JavaScript: every step is a page and a button."""
    wanda, _ = people.customer("wanda", javascript=False)
    page = wanda.page
    wanda.opens("/console/profile/api")
    wanda.clicks("To the webhooks")
    wanda.sees("No webhook yet")
    wanda.looks("no-webhook")
    wanda.clicks("Add a webhook", on=page.locator("main"))
    page.get_by_label("Password").fill(visitors.PASSWORD)
    wanda.clicks("Go on")
    page.get_by_label("Address").fill("https://hooks.wanda.example/in")
    wanda.clicks("Add it")
    wanda.sees("Choose at least one event.")
    page.get_by_label("A server is registered").check()
    wanda.looks("new-webhook")
    wanda.clicks("Add it")
    first = page.locator(".copyline code").inner_text()
    wanda.looks("webhook-secret")
    wanda.clicks("I have kept it")
    wanda.sees("Nothing was sent yet")
    wanda.clicks("Send a test")
    wanda.sees("A test is on its way.", "ping", "waiting")
    wanda.looks("webhook")

    wanda.clicks("Change the secret")
    page.get_by_label("3 days").check()
    wanda.clicks("Make a new secret")
    second = page.locator(".copyline code").inner_text()
    wanda.sees(f"each delivery is signed with the one before, …{first[-4:]}, too.")
    wanda.clicks("I have kept it")
    wanda.sees(f"…{second[-4:]}")
    expect(page.locator("body")).not_to_contain_text(second)
    wanda.clicks("Switch off")
    wanda.sees("called off")
    wanda.clicks("Remove")
    wanda.clicks("Remove", on=page.locator("main form"))
    wanda.sees("The webhook to hooks.wanda.example is removed.", "No webhook yet")


def test_a_report_goes_where_it_is_sent_and_the_log_says_who_changed_it(people: People) -> None:
    rosa, account = people.customer("rosa", {"kernelcare": 1})
    page = rosa.page
    people.server(account, "web1.rosa.example", "kernelcare")
    rosa.opens("/console/profile/reports")
    row = page.get_by_role("row").filter(has_text="KernelCare")
    expect(row).to_contain_text("where invoices go")
    row.get_by_role("link", name="Edit the report of KernelCare").click()
    dialog = page.locator("dialog")
    dialog.get_by_label("Addresses").fill("no address")
    rosa.clicks("Save", on=dialog)
    expect(page.get_by_role("alert")).to_contain_text("no address")
    rosa.looks("bad-address")
    page.get_by_label("Addresses").fill("noc@rosa.example")
    rosa.clicks("Save")
    expect(row).to_contain_text("noc@rosa.example")
    rosa.looks("reports")
    rosa.moves_clock(days=2, to="2026-02-02")
    rosa.opens("/sandbox/mail?to=noc@rosa.example")
    rosa.clicks("CloudLinux Network Status Report: Systems Not Checking In")
    rosa.sees("web1.rosa.example")
    rosa.looks("report")

    rosa.opens("/console/profile/audit")
    page.get_by_role("searchbox").fill("report")
    log = page.locator("#table-audit tbody tr")
    expect(log).to_have_count(1)
    expect(log).to_contain_text("rosa")
    rosa.looks("audit")
    text = rosa.fetches("/console/profile/audit?format=csv&q=report").text()
    assert text.count("rosa") >= 1
