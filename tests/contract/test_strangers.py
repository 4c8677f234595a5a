"""Who guesses is slowed down at each older door, nobody who shows something good (security §3)."""

from __future__ import annotations

from xmlrpc.client import Fault, dumps, loads

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from cln import clock
from cln.api import limits
from cln.licensing.models import Server
from cln.licensing.services import reveal
from tests.licensing import an_account, bought, registered
from tests.rhn import INVALID_SYSTEM, STATUS, call, fault_of, machine
from tests.v1 import a_client

pytestmark = pytest.mark.django_db

AT, ELSEWHERE = "203.0.113.7", "203.0.113.8"
WAIT = "More than 2 calls in a minute. Wait 30 seconds, and spread the calls."


@pytest.fixture
def two_a_minute(settings: Settings) -> None:
    settings.CLN_API_STRANGERS_RATE = 2


def get(path: str, at: str = AT) -> HttpResponse:
    return Client().get(path, REMOTE_ADDR=at)


def told_to_wait(answer: HttpResponse) -> str:
    """The body of an answer that says when to come again."""
    assert (answer.status_code, answer["Retry-After"]) == (429, "30")
    return answer.content.decode()


@pytest.mark.usefixtures("two_a_minute")
def test_wrong_tokens_of_rest_v1_have_a_budget_and_good_ones_do_not_share_it() -> None:
    acme = a_client()
    path = "/api/ipl/list.json?token="
    for _ in range(2):
        assert get(f"{path}wrong").json()["message"] == "Authorization failed"

    assert told_to_wait(get(f"{path}wrong")) == (
        f'{{"success":false,"message":"{WAIT}","type":"too_many_requests","data":null,"code":429}}'
    )
    plain = told_to_wait(get("/api/ipl/list.plain?token=wrong"))
    assert plain == f"success:false\nmessage:{WAIT}\n"
    assert get(f"{path}{acme.token}").json() == {
        "success": True,
        "message": "",
        "type": None,
        "data": [],
    }
    assert get(f"{path}wrong", ELSEWHERE).status_code == 200


@pytest.mark.usefixtures("two_a_minute")
@pytest.mark.parametrize("wrong", ["wrong", "zenith/wrong"])
def test_wrong_monitoring_keys_and_secrets_have_a_budget(wrong: str) -> None:
    key = reveal(bought(an_account(), "kernelcare", 1))
    root = "/api/kcare/nagios-res/" if "/" in wrong else "/api/kcare/nagios/"
    assert [get(f"{root}{wrong}").status_code for _ in range(2)] == [200, 200]

    assert told_to_wait(get(f"{root}{wrong}")) == f"{WAIT}\n"
    assert get("/api/kcare/patchset.json?key=wrong").status_code == 429
    registered(bought(an_account("Other"), "kernelcare", 1), "web1")
    server = Server.objects.get()
    assert server.key is not None
    assert get(f"/api/kcare/nagios/{reveal(server.key)}").status_code == 200
    assert get(f"/api/kcare/nagios/{key}", ELSEWHERE).status_code == 200


@pytest.mark.usefixtures("two_a_minute")
def test_forged_systemids_have_a_budget_and_good_ones_do_not_share_it() -> None:
    good = call("registration.new_system", machine(bought(an_account(), "cloudlinux", 1)))
    codes = [fault_of("queue.get", f"forged {n}", 2, STATUS)[0] for n in range(3)]

    assert codes == [INVALID_SYSTEM[0], INVALID_SYSTEM[0], -49]
    assert call("queue.get", good, 2, STATUS) == ""


@pytest.mark.usefixtures("two_a_minute")
def test_wrong_tokens_of_the_partners_share_the_budget_and_hear_what_they_always_hear() -> None:
    acme = a_client()

    def told(token: str) -> object:
        body = dumps((token,), "registration.reconcile")
        answer = Client().post("/clweb/xmlrpc", body, content_type="text/xml", REMOTE_ADDR=AT)
        try:
            return loads(answer.content)[0]
        except Fault as fault:
            return fault.faultCode

    assert [told("wrong") for _ in range(3)] == [10, 10, 10]
    assert get("/api/ipl/list.json?token=wrong").status_code == 429
    assert told(acme.token) == ([],)


def test_thirty_unknown_keys_stop_an_address_at_kernelcares_door_and_rhns() -> None:
    key = bought(an_account(), "kernelcare", 1)
    path = "/api/kcare/register_server.json?key="
    for n in range(29):
        assert get(f"{path}unknown{n}").json()["data"] == {"server_id": "", "code": 2}
    mistyped = machine("mistyped")
    assert fault_of("registration.new_system", mistyped, REMOTE_ADDR=AT)[0] == -60

    stopped = get(f"{path}{reveal(key)}")

    assert (stopped.status_code, stopped.json()["type"]) == (429, "too_many_tries")
    assert fault_of("registration.new_system", mistyped, REMOTE_ADDR=AT)[0] == -49
    assert fault_of("registration.register_ip", mistyped, REMOTE_ADDR=AT)[0] == -49
    assert not Server.objects.exists()
    assert get(f"{path}{reveal(key)}", ELSEWHERE).json()["data"]["code"] == 0


def test_a_server_that_runs_wild_at_kernelcares_door_is_stopped_by_itself_alone() -> None:
    first, second = (
        registered(bought(an_account(name), "kernelcare", 1), name).secret for name in ("a", "b")
    )
    soon = clock.system_now().timestamp() + 60
    while not limits.servers.take(first, at=soon):
        pass

    for door in ("sticky_patch", "check", "checkin", "unregister_server", "tag_server"):
        path = f"/api/kcare/{door}.json?tag=x&server_id="
        assert (get(f"{path}{first}").status_code, get(f"{path}{second}").status_code) == (429, 200)
    assert sorted(Server.objects.values_list("hostname", "status")) == [
        ("a", "active"),
        ("b", "removed"),
    ]
