"""Finding one thing: by address, name, key, number, or by what a page is about (pain 28)."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from cln.accounts.models import Account
from cln.billing.queries import invoices_of
from cln.enums import Role
from cln.licensing.keys import reveal
from cln.licensing.models import ActivationKey
from tests.customers import START, a_customer
from tests.licensing import registered
from tests.visitors import a_login, a_visitor, signed_in, text_of, with_licenses

pytestmark = pytest.mark.django_db
# Each "where can I find …" and "how do I …" of seed 001, and the page that answers it.
WHERE = {
    "trial": "/console/dashboard",
    "server licenses": "/console/dashboard",
    "servers": "/console/servers",
    "credit card": "/console/billing/payment-methods",
    "password": "/console/profile/security",
    "users": "/console/profile/logins",
    "pay now": "/console/billing/invoices",
    "product": "/console/purchase",
    "mailing": "/console/profile/reports",
    "support": "/console/support",
    "activation key": "/console/dashboard",
    "company": "/console/profile",
    "cancel": "/console/billing",
    "whmcs": "/console/profile/api",
}


@pytest.fixture
def acme() -> tuple[Account, Client]:
    account, client = a_visitor()
    with_licenses(account)
    return account, client


def found(client: Client, text: str) -> list[str]:
    """Where the answers lead, in their order."""
    answer = client.get("/console/search", {"q": text}, headers={"hx-request": "true"})
    assert answer.status_code == 200
    return re.findall(r'<a href="([^"]+)"', answer.content.decode())


def test_a_server_is_found_by_its_address_and_by_the_beginning_of_its_name(
    acme: tuple[Account, Client],
) -> None:
    key = ActivationKey.objects.get()
    server = registered(key, "web1.acme.example", address="203.0.113.77", now=START).server
    page = f"/console/servers/{server.public_id}"

    assert found(acme[1], "203.0.113.77")[0] == page
    assert found(acme[1], "WEB1")[0] == page
    assert found(acme[1], "eb1.acme") == ["/console/servers?q=eb1.acme"]


def test_a_key_is_found_by_its_end_its_whole_text_and_its_note(
    acme: tuple[Account, Client],
) -> None:
    key = ActivationKey.objects.get()
    ActivationKey.objects.filter(pk=key.pk).update(note="rack seven")
    page = f"/console/keys/{key.public_id}"

    for text in (reveal(key)[-4:], f" {reveal(key)} ", "RACK"):
        assert found(acme[1], text)[0] == page


def test_an_invoice_is_found_by_the_end_of_its_number(acme: tuple[Account, Client]) -> None:
    [invoice] = invoices_of(acme[0].pk)

    assert (
        found(acme[1], invoice.number[-4:])[0] == f"/console/billing/invoices/{invoice.public_id}"
    )
    assert f"Invoice {invoice.number}" in text_of(
        acme[1].get(f"/console/search?q={invoice.number}")
    )


@pytest.mark.parametrize("words", WHERE)
def test_every_where_question_of_the_faq_is_answered_by_its_page(
    acme: tuple[Account, Client], words: str
) -> None:
    assert WHERE[words] in found(acme[1], words)


def test_nothing_of_another_account_and_nothing_beyond_the_role_is_found(
    acme: tuple[Account, Client],
) -> None:
    key = ActivationKey.objects.get()
    registered(key, "web1.acme.example", address="203.0.113.77", now=START)
    [invoice] = invoices_of(acme[0].pk)
    stranger = signed_in(a_login(a_customer("Mallory"), name="mallory"))
    reader = signed_in(a_login(acme[0], Role.READ_SERVERS, name="rita"))

    for text in ("203.0.113.77", "web1", reveal(key), reveal(key)[-4:], invoice.number):
        assert found(stranger, text) == [f"/console/servers?q={text}"]
    assert found(reader, invoice.number) == [f"/console/servers?q={invoice.number}"]
    assert "/console/billing/invoices" not in found(reader, "pay now")


def test_nonsense_finds_nothing_and_breaks_nothing(acme: tuple[Account, Client]) -> None:
    for text in ("", "a", "%", "'; drop", "x" * 500, "\x00", "<b>"):
        answer = acme[1].get("/console/search", {"q": text})
        assert answer.status_code == 200
    assert "<b>" not in acme[1].get("/console/search", {"q": "<b>"}).content.decode()
