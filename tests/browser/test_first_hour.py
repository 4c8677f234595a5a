"""The first hour of a customer, in a real browser, over a CLN that runs as it does for people."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from cln import clock
from cln.domain.totp import code_at, step_at
from tests import visitors
from tests.browser.people import People
from tests.browser.visitor import PASSWORD, Visitor
from tests.pdf_text import text_of as words_of

Arrive = Callable[..., Visitor]


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str], str]:
    """Give a machine named web1.acme.example: its shell, and its real curl."""
    hostname = tmp_path / "hostname"
    hostname.write_text("#!/bin/sh\necho web1.acme.example\n")
    hostname.chmod(0o755)

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_a_newcomer_buys_registers_pays_and_understands_every_cent(
    visitor: Arrive, machine: Callable[[str], str]
) -> None:
    """Q1, Q3, Q4, Q6, Q9, Q12 as a person meets them. The clock starts on 31 January 2026."""
    anna = visitor()
    anna.signs_up("anna@acme.example", company="Acme")
    anna.signs_in("anna@acme.example")
    anna.looks("empty-dashboard")
    _buys_two(anna)
    command = _copies_key_and_command(anna)
    _registers(anna, machine, command)
    _finds_the_renewal_paid(anna)
    _adds_one(anna)
    _finds_the_added_share_explained(anna)
    _removes_the_server_and_its_license(anna)


def _buys_two(anna: Visitor) -> None:
    page = anna.page
    card = page.get_by_role("heading", name="KernelCare", exact=True).locator("..")
    anna.clicks("Buy", on=card)
    preview = page.locator("#preview")
    expect(preview).to_contain_text("The first month, 1 × $3.95.")
    page.get_by_label("Number of server licenses").fill("2")
    expect(preview).to_contain_text("Due now $5.90", use_inner_text=True)
    expect(preview).to_contain_text("Next invoice, 2026-02-28 $5.90", use_inner_text=True)
    anna.looks("purchase")
    anna.clicks("Add 2 to the cart")
    anna.sees("There is no payment method yet.")
    anna.looks("cart-without-card")
    anna.pays_with_card("$5.90")
    anna.sees("Your order", "2 × KernelCare", "$5.90: ", "ready")
    anna.looks("order")


def _copies_key_and_command(anna: Visitor) -> str:
    """Return the install command as it lies on the clipboard."""
    page = anna.page
    anna.clicks("See keys and install commands")
    card = page.get_by_role("region", name="KernelCare")
    expect(card).to_contain_text("0 of 2 licenses in use")
    expect(page.get_by_role("heading", name="Your first licensed server")).to_be_visible()
    expect(page.get_by_role("heading", name="Needs you")).to_have_count(0)
    anna.looks("dashboard-bought")
    copy = card.locator(".js-copy")
    key = card.locator("code").first.inner_text()
    assert _copied(anna, copy.first) == key
    command = _copied(anna, copy.last)
    assert command.endswith(f"/install/cln-install.sh | sh -s -- -k {key}")
    anna.looks("dashboard-command")
    # The way of the install page with nothing installed: this machine keeps its own agent.
    by_hand = f"{anna.site}/api/kcare/register_server.plain?key={key}&hostname=$(hostname -f)"
    return f'curl -fsS "{by_hand}"'


def _registers(anna: Visitor, machine: Callable[[str], str], command: str) -> None:
    answer = machine(command)
    assert "code:0" in answer.splitlines(), answer
    anna.clicks("Servers", on=anna.page.get_by_role("navigation", name="Section"))
    row = anna.page.get_by_role("row").filter(has_text="web1.acme.example")
    expect(row).to_contain_text("127.0.0.1")
    expect(row).to_contain_text("KernelCare")
    expect(row).to_contain_text("new")
    anna.looks("server-registered")
    server_id = next(line for line in answer.splitlines() if line.startswith("server_id:"))[10:]
    machine(f"curl -fsS '{anna.site}/api/kcare/check.plain?server_id={server_id}'")
    anna.page.reload()
    expect(row).to_contain_text("up")
    row.get_by_role("link", name="web1.acme.example", exact=True).click()
    anna.looks("server")


def _finds_the_renewal_paid(anna: Visitor) -> None:
    anna.moves_clock(days=31, to="2026-03-03")
    _opens_invoices(anna)
    renewal = anna.page.get_by_role("row").filter(has_text="2026-02-28")
    expect(renewal).to_contain_text("$5.90")
    expect(renewal).to_contain_text("paid")
    anna.sees("Nothing is owed.")
    renewal.locator("summary").click()
    expect(renewal).to_contain_text(
        "2 × $2.95 for the month 28 Feb – 31 Mar 2026 (price from 2 up)"
    )
    anna.looks("renewal-paid")


def _adds_one(anna: Visitor) -> None:
    page = anna.page
    anna.clicks("Dashboard")
    anna.looks("dashboard-month-later")
    anna.clicks("Add licenses")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("Due now $0.00", use_inner_text=True)
    expect(preview).to_contain_text("Next invoice, 2026-03-31 $11.51", use_inner_text=True)
    anna.looks("purchase-one-more")
    anna.clicks("Add 1 to the cart")
    anna.looks("cart-one-more")
    anna.clicks("Confirm")
    anna.sees("you have 3 now")
    anna.looks("order-one-more")
    anna.clicks("Dashboard")
    card = page.get_by_role("region", name="KernelCare")
    expect(card).to_contain_text("1 of 3 licenses in use")
    expect(card).to_contain_text("Next invoice 2026-03-31: $11.51 ($2.66 accrued so far)")
    anna.clicks("Billing", on=page.get_by_role("navigation", name="Main"))
    anna.sees("$2.66 of it is accrued so far by changes in this period.")
    anna.looks("accrued")


def _finds_the_added_share_explained(anna: Visitor) -> None:
    anna.moves_clock(days=28, to="2026-03-31")
    _opens_invoices(anna)
    latest = anna.page.get_by_role("row").filter(has_text="2026-03-31")
    expect(latest).to_contain_text("$11.51")
    expect(latest).to_contain_text("paid")
    latest.get_by_role("link", name="Open CBI").click()
    share = anna.page.get_by_role("row").filter(has_text="3 Mar – 31 Mar 2026")
    expect(share).to_contain_text("Added 1 on 3 Mar 2026: 1 × $2.95 × 28/31 days (3 Mar – 31 Mar)")
    expect(share).to_contain_text("[by anna]")
    expect(share.get_by_role("cell").last).to_have_text("$2.66")
    renewal = anna.page.get_by_role("row").filter(has_text="31 Mar – 30 Apr 2026")
    expect(renewal.get_by_role("cell").last).to_have_text("$8.85")
    anna.looks("invoice-explained")


def _removes_the_server_and_its_license(anna: Visitor) -> None:
    page = anna.page
    anna.clicks("Dashboard")
    card = page.get_by_role("region", name="KernelCare")
    expect(card).to_contain_text("Next invoice 2026-04-30: $8.85")
    anna.clicks("Servers", on=page.get_by_role("navigation", name="Section"))
    anna.looks("servers-silent")
    anna.clicks("web1.acme.example")
    anna.clicks("Remove")
    anna.sees("127.0.0.1 will not be able to use KernelCare any more.")
    anna.looks("remove-dialog")
    page.get_by_label("Cancel it as well.").check()
    anna.sees("The next invoice falls by $2.95.")
    anna.clicks("Remove the server")
    anna.sees("web1.acme.example is removed. Its license is cancelled.")
    anna.looks("server-removed")
    anna.clicks("Products", on=page.get_by_role("navigation", name="Section"))
    expect(card).to_contain_text("0 of 2 licenses in use")
    expect(card).to_contain_text("Next invoice 2026-04-30: $5.90")
    anna.sees("2 unused KernelCare licenses = $5.90 a month")
    anna.looks("bill-falls")
    anna.moves_clock(days=30, to="2026-04-30")
    _opens_invoices(anna)
    latest = page.get_by_role("row").filter(has_text="2026-04-30")
    expect(latest).to_contain_text("$5.90")
    expect(latest).to_contain_text("paid")
    anna.looks("invoices-at-last")


def _opens_invoices(anna: Visitor) -> None:
    anna.clicks("Billing", on=anna.page.get_by_role("navigation", name="Main"))
    anna.clicks("Invoices", on=anna.page.get_by_role("navigation", name="Section"))


def test_a_purchase_needs_no_javascript(visitor: Arrive) -> None:
    """From the first page to a paid order with scripts switched off."""
    bob = visitor(javascript=False)
    bob.signs_up("bob@plain.example")
    bob.signs_in("bob@plain.example")
    page = bob.page
    bob.clicks("Buy", on=page.get_by_role("heading", name="KernelCare", exact=True).locator(".."))
    page.get_by_label("Number of server licenses").fill("3")
    bob.clicks("Update the price")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("Due now $8.85", use_inner_text=True)
    bob.looks("purchase")
    bob.clicks("Add 3 to the cart")
    bob.pays_with_card("$8.85")
    bob.sees("3 × KernelCare", "$8.85: ", "ready")
    bob.looks("order")
    bob.clicks("Invoices", on=page.locator("main p"))
    invoice = page.locator("#table-invoices tbody tr")
    expect(invoice).to_have_count(1)
    expect(invoice).to_contain_text("$8.85")
    expect(invoice).to_contain_text("paid")


def test_login_name_and_e_mail_sign_in_and_a_wrong_password_is_told(visitor: Arrive) -> None:
    """A-2: either name will do; a refusal says what to do and signs nobody in."""
    carol = visitor()
    carol.signs_up("carol@two-names.example")
    carol.signs_in("carol@two-names.example", password="not that sentence")
    carol.sees("This login or e-mail and this password do not go together.")
    carol.looks("wrong-password")
    carol.opens("/console/dashboard")
    expect(carol.page).to_have_url(f"{carol.site}/console/auth/login?next=/console/dashboard")
    for name in ("carol", "carol@two-names.example"):
        carol.signs_in(name)
        expect(carol.page).to_have_url(f"{carol.site}/console/dashboard")
        menu = carol.page.locator("details.menu")
        menu.locator("summary").click()
        carol.clicks("Sign out", on=menu)
        expect(carol.page).to_have_url(f"{carol.site}/")


def _copied(anna: Visitor, button: Locator) -> str:
    button.click()
    expect(button).to_have_text("Copied")
    text: str = anna.page.evaluate("navigator.clipboard.readText()")
    return text


def test_an_owner_guards_the_login_and_lets_a_colleague_see_the_bills(visitor: Arrive) -> None:
    """To the end of it: the colleague holds the invoice of what the owner bought in their hands."""
    owner = visitor()
    owner.signs_up("olga@pair.example", company="Pair")
    owner.signs_in("olga@pair.example")
    _buys_two(owner)
    secret = _turns_two_factor_on(owner).secret
    _invites(owner, "carl@pair.example", role="Billing")

    colleague = visitor()
    _takes_the_invitation(colleague, "carl@pair.example")
    colleague.signs_in("carl@pair.example")
    _reads_the_invoice(colleague)
    colleague.opens("/console/profile")
    expect(colleague.page.get_by_role("link", name="Audit log")).to_have_count(1)
    expect(colleague.page.get_by_role("link", name="Account sublogins")).to_have_count(0)

    again = visitor()
    again.signs_in("olga@pair.example")
    again.sees("One more step: your code")
    again.page.get_by_label("Code", exact=True).fill(_code(secret, later=1))
    again.clicks("Sign in", on=again.page.locator("main"))
    again.opens("/console/profile/security")
    again.clicks("Sign out everywhere else")
    again.sees("Signed out everywhere else.")
    owner.opens("/console/dashboard")
    owner.sees("Forgotten the password?")


def _reads_the_invoice(colleague: Visitor) -> None:
    _opens_invoices(colleague)
    colleague.sees("Nothing is owed.")
    invoice = colleague.page.locator("#table-invoices tbody tr")
    expect(invoice).to_have_count(1)
    invoice.get_by_role("link", name="Open CBI").click()
    colleague.sees("Billed to", "Pair", "Paid on 2026-01-31")
    colleague.looks("invoice-of-a-colleague")
    paper = colleague.fetches(
        str(colleague.page.get_by_role("link", name="PDF", exact=True).get_attribute("href"))
    )
    assert paper.headers["content-type"] == "application/pdf"
    said = words_of(paper.body())
    assert "Pair" in said
    assert "Visa ending in 4242" in said


def test_who_lost_the_phone_signs_in_with_a_recovery_code_once(people: People) -> None:
    lena, _ = people.customer("lena")
    codes = _turns_two_factor_on(lena, password=visitors.PASSWORD).codes
    _signs_out(lena)
    lena.signs_in("lena", password=visitors.PASSWORD)
    lena.page.get_by_label("Code", exact=True).fill(codes[3])
    lena.looks("recovery-code")
    lena.clicks("Sign in", on=lena.page.locator("main"))
    expect(lena.page).to_have_url(f"{lena.site}/console/dashboard")
    lena.opens("/console/profile/security")
    lena.sees("9 recovery codes left.")
    lena.opens("/console/profile/audit")
    lena.sees("recovery code")
    lena.looks("audit")

    _signs_out(lena)
    lena.signs_in("lena", password=visitors.PASSWORD)
    lena.page.get_by_label("Code", exact=True).fill(codes[3])
    lena.clicks("Sign in", on=lena.page.locator("main"))
    expect(lena.page.get_by_role("alert")).to_be_visible()
    lena.opens("/console/dashboard")
    lena.sees("One more step: your code")


def test_a_passkey_is_made_and_opens_every_door_a_password_does(visitor: Arrive) -> None:
    """Second factor, sign-in and late password, with the browser's own WebAuthn and our policy."""
    visitor().signs_up("petra@keys.example")
    petra = visitor(by="localhost")
    petra.has_a_device_for_passkeys()
    petra.signs_in("petra@keys.example")
    petra.opens("/console/profile/security")
    petra.clicks("Add a passkey")
    petra.page.get_by_label("Password").fill(PASSWORD)
    petra.clicks("Go on")
    petra.page.get_by_label("Name, to tell it from others (optional)").fill("Office laptop")
    petra.looks("new-passkey")
    petra.clicks("Make the passkey")
    petra.sees("Your recovery codes", "The passkey is added.")
    petra.clicks("I have kept them")
    petra.sees("Office laptop", "10 recovery codes left.")
    petra.looks("security-with-passkey")

    _signs_out(petra)
    petra.signs_in("petra@keys.example")
    petra.sees("One more step: your passkey")
    petra.looks("second-factor-passkey")
    petra.clicks("Use a passkey")
    expect(petra.page).to_have_url(f"{petra.site}/console/dashboard")

    _signs_out(petra)
    petra.opens("/console/auth/login?next=/console/profile/security/passkeys/new")
    petra.clicks("Sign in with a passkey")
    petra.looks("passkey-alone")
    petra.clicks("Use a passkey")
    petra.sees("Your password, please")
    petra.clicks("Use a passkey instead")
    petra.clicks("Use a passkey")
    petra.sees("Add a passkey")
    petra.clicks("Make the passkey")
    petra.sees("This device has a passkey for you already.")


def _signs_out(somebody: Visitor) -> None:
    somebody.page.context.clear_cookies()


@dataclass(frozen=True)
class SecondFactor:
    """What the app knows, and what is kept on paper."""

    secret: str
    codes: list[str]


def _turns_two_factor_on(owner: Visitor, *, password: str = PASSWORD) -> SecondFactor:
    owner.opens("/console/profile/security")
    owner.clicks("Turn on")
    owner.page.get_by_label("Password").fill(password)
    owner.clicks("Go on")
    secret = owner.page.locator(".copyline code").inner_text().replace(" ", "")
    owner.looks("two-factor")
    owner.page.get_by_label("Code", exact=True).fill(_code(secret))
    owner.clicks("Turn on")
    owner.sees("Your recovery codes")
    expect(owner.page.locator(".codes li")).to_have_count(10)
    codes = owner.page.locator(".codes li").all_inner_texts()
    owner.clicks("I have kept them")
    owner.sees("10 recovery codes left.")
    owner.looks("security")
    return SecondFactor(secret, codes)


def _code(secret: str, *, later: int = 0) -> str:
    """What the app shows, `later` half minutes from now: a code works once."""
    return code_at(base64.b32decode(secret), step_at(clock.system_now()) + later)


def _invites(owner: Visitor, email: str, *, role: str) -> None:
    owner.clicks("Account sublogins")
    owner.clicks("Invite somebody")
    owner.page.get_by_label("E-mail").fill(email)
    owner.page.get_by_role("radio", name=role).first.check()
    owner.looks("invite")
    owner.clicks("Mail the invitation")
    owner.sees(f"{email} is invited; the mail is on its way.")
    owner.looks("sublogins")


def _takes_the_invitation(colleague: Visitor, email: str) -> None:
    colleague.opens(f"/sandbox/mail?to={email}")
    colleague.clicks("olga@pair.example invites you to CLN")
    colleague.page.locator("pre").get_by_role("link").first.click()
    colleague.sees("Choose a password", "For the login carl, carl@pair.example.")
    for field in ("New password", "New password, again"):
        colleague.page.get_by_label(field, exact=True).fill(PASSWORD)
    colleague.looks("choose-password")
    colleague.clicks("Save")
    colleague.sees("The new password is saved")
