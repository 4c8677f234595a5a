"""The public license check (L-1, security §5.14)."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cln.accounts.models import Account
from cln.domain.dunning import DunningState
from cln.licensing.models import Server
from cln.licensing.services import remove_server, suspend
from tests.customers import START, clock_at
from tests.licensing import an_account, bought, registered
from tests.reselling import holds_ip, registers
from tests.shop import open_shop
from tests.visitors import text_of

pytestmark = pytest.mark.django_db

ADDRESS = "203.0.113.7"
NEVER_SEEN = "203.0.113.8"
PAGE = "/console/check-license"


@pytest.fixture(autouse=True)
def present() -> None:
    clock_at(START)


@pytest.fixture
def acme() -> Account:
    """Acme with one server at the address."""
    account = an_account()
    registered(bought(account, "cloudlinux", 2), "web1.acme.example", ADDRESS, now=START)
    return account


def asked(address: str, client: Client | None = None) -> str:
    answer = (client or Client()).get(PAGE, {"ip": address})
    assert answer.status_code == 200
    return text_of(answer)


def test_the_field_is_filled_with_the_address_the_visitor_comes_from() -> None:
    page = Client(REMOTE_ADDR="198.51.100.4").get(PAGE)

    assert 'value="198.51.100.4"' in page.content.decode()
    assert "active" not in text_of(page)


def test_a_licensed_address_is_told_its_products_and_nothing_else(acme: Account) -> None:
    page = asked(ADDRESS)

    assert "Licensed: 203.0.113.7 CloudLinux OS : active" in page
    assert not [word for word in ("Acme", "web1", "CL-", "acc_", "srv_") if word in page]


def test_scripts_find_their_line_at_the_old_address_of_the_check(acme: Account) -> None:
    def printed(address: str) -> str:
        answer = Client().get("/clweb/public/license-lookup.xhtml", {"ip": address})
        assert answer.status_code == 200
        (line,) = (
            line for line in answer.content.decode().splitlines() if "License for IP:" in line
        )
        return re.sub(r"<[^>]*>", "", line).strip()

    assert printed(ADDRESS) == "License for IP: 203.0.113.7: CloudLinux OS"
    assert printed(NEVER_SEEN) == "License for IP: 203.0.113.8: none"
    assert "License for IP:" not in asked(ADDRESS)
    assert Client().get("/clweb/public/license-lookup.xhtml", {"ip": "x"}).status_code == 422


def test_a_server_and_a_license_by_ip_both_count(acme: Account) -> None:
    reseller = registers("zenith", now=START)
    holds_ip(reseller.account_id, ADDRESS, now=START)

    assert "CloudLinux OS : active KernelCare : active" in asked(ADDRESS)


def test_every_spelling_of_an_address_is_the_same_address(acme: Account) -> None:
    assert "CloudLinux OS : active" in asked(f" ::ffff:{ADDRESS} ")


def test_never_seen_removed_suspended_and_blocked_look_alike(acme: Account) -> None:
    """Only the address itself differs."""
    never = asked(NEVER_SEEN).replace(NEVER_SEEN, "IP")
    assert "No active license: IP" in never

    suspend(account_id=acme.pk, now=START)
    suspended = asked(ADDRESS).replace(ADDRESS, "IP")
    server = Server.objects.get()
    remove_server(account_id=acme.pk, server=server.public_id, why="test", now=START)
    removed = asked(ADDRESS).replace(ADDRESS, "IP")

    assert suspended == removed == never


def test_a_blocked_resellers_ip_license_is_not_active() -> None:
    open_shop()
    reseller = registers("zenith", now=START)
    holds_ip(reseller.account_id, ADDRESS, now=START)
    assert "KernelCare : active" in asked(ADDRESS)

    Account.objects.filter(pk=reseller.account_id).update(dunning_state=DunningState.SUSPENDED)

    assert "No active license" in asked(ADDRESS)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", "This field is required."),
        ("web1.example.com", "is not an IP address. Write it like 192.0.2.10"),
        ("203.0.113.0/24", "is not an IP address."),
        ("10.1.2.3", "The address 10.1.2.3 is private, not public. Use the public address"),
        ("100.64.0.9", "is shared by a provider's customers (CGNAT), not public."),
        ("x" * 61, "Ensure this value has at most 60 characters"),
        ("<b>", "'<b>' is not an IP address."),
    ],
)
def test_what_cannot_be_checked_is_explained_beside_the_field(given: str, sentence: str) -> None:
    page = Client().get(PAGE, {"ip": given})

    assert page.status_code == 422
    assert sentence in text_of(page)
    assert 'role="alert"' in page.content.decode()


def test_an_address_may_ask_thirty_times_a_minute_and_its_ipv6_network_as_one() -> None:
    client = Client()

    def status(visitor: str) -> int:
        return client.get(PAGE, {"ip": NEVER_SEEN}, REMOTE_ADDR=visitor).status_code

    assert {status(f"2001:db8::{number:x}") for number in range(1, 31)} == {200}
    assert status("2001:db8::ffff") == 429
    assert status("2001:db8:0:1::1") == 200
    stopped = client.get(PAGE, {"ip": NEVER_SEEN}, REMOTE_ADDR="2001:db8::1")
    assert int(stopped["Retry-After"]) == 60
    assert client.get(PAGE, REMOTE_ADDR="2001:db8::1").status_code == 200


def test_as_much_is_asked_of_the_database_whatever_the_answer(acme: Account) -> None:
    def questions(address: str) -> int:
        with CaptureQueriesContext(connection) as asked_of_it:
            asked(address)
        return len(asked_of_it)

    assert questions(ADDRESS) == questions(NEVER_SEEN)
