"""The pages on which an owner says who a server is: copies and mistaken reinstalls."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from cln import clock
from cln.accounts.models import Account
from cln.licensing.agents import Presented, check_in_agent
from cln.licensing.models import ActivationKey, CloneCase, Server
from cln.licensing.registration import Registration
from cln.licensing.servers import Report
from tests.customers import START
from tests.licensing import registered, used
from tests.visitors import a_visitor, text_of, with_licenses

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor() -> tuple[Account, Client]:
    account, client = a_visitor()
    with_licenses(account, 2, "cloudlinux")
    return account, client


def web1(address: str = "192.0.2.10", hours: int = 0) -> Registration:
    key = ActivationKey.objects.get()
    return registered(key, "web1", address, now=clock.now() + timedelta(hours=hours))


def a_clone(done: Registration) -> None:
    for boot, address in (("a", "192.0.2.10"), ("b", "192.0.2.11"), ("a", "192.0.2.10")):
        check_in_agent(
            secret=done.secret,
            address=address,
            report=Report(),
            presented=Presented(boot=boot),
            now=START,
        )


def test_a_copied_server_is_shown_on_the_list_and_on_its_page(
    visitor: tuple[Account, Client],
) -> None:
    done = web1()
    a_clone(done)

    listed = text_of(visitor[1].get("/console/servers"))
    page = text_of(visitor[1].get(f"/console/servers/{done.server.public_id}"))

    assert "two machines use this registration. Decide until" in listed
    assert "Two machines use this registration" in page
    assert "192.0.2.10" in page
    assert "192.0.2.11" in page
    assert "Both are right: license the copy too" in page


@pytest.mark.parametrize(
    ("choice", "decision", "seats"),
    [("accept", "accepted", 2), ("established", "established", 1), ("newcomer", "newcomer", 1)],
)
def test_the_owner_decides_with_one_button(
    visitor: tuple[Account, Client], choice: str, decision: str, seats: int
) -> None:
    account, client = visitor
    done = web1()
    a_clone(done)
    path = f"/console/servers/{done.server.public_id}"

    answer = client.post(f"{path}/identity", {"choice": choice})

    assert answer.status_code == 303
    assert CloneCase.objects.get().decision == decision
    assert used(account, "cloudlinux") == (seats, seats)
    assert "Two machines use this registration" not in text_of(client.get(path))
    again = client.post(f"{path}/identity", {"choice": choice})
    assert again.status_code == 409


def test_a_mistaken_reinstall_is_undone_on_its_page(visitor: tuple[Account, Client]) -> None:
    account, client = visitor
    first, second = web1(), web1(hours=1)
    path = f"/console/servers/{second.server.public_id}"
    assert "took over from an earlier registration" in text_of(client.get("/console/servers"))
    assert "It is another machine: undo" in text_of(client.get(path))

    answer = client.post(f"{path}/identity", {"choice": "undo"}, follow=True)

    assert "The registration before web1 has its license back." in text_of(answer)
    assert dict(Server.objects.values_list("pk", "status")) == {
        first.server.pk: "active",
        second.server.pk: "removed",
    }
    assert used(account, "cloudlinux") == (1, 1)
    assert "another machine: undo" not in text_of(client.get(path))


def test_an_old_reinstall_offers_no_undo(visitor: tuple[Account, Client]) -> None:
    web1(hours=-80)
    second = web1(hours=-73)

    page = text_of(visitor[1].get(f"/console/servers/{second.server.public_id}"))

    assert "another machine: undo" not in page
    assert "took over" not in text_of(visitor[1].get("/console/servers"))


def test_a_form_without_a_choice_changes_nothing(visitor: tuple[Account, Client]) -> None:
    done = web1()
    a_clone(done)

    answer = visitor[1].post(f"/console/servers/{done.server.public_id}/identity", {"choice": "x"})

    assert answer.status_code == 303
    assert CloneCase.objects.get().decision == ""
