"""KernelCare's agent protocol byte for byte (facts §7.1, §10.1)."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from pytest_django import Settings

from cln import clock
from cln.accounts.models import Account
from cln.catalog.models import LicenseType
from cln.licensing import queries
from cln.licensing.models import ActivationKey, IpLicense, Server
from cln.licensing.services import create_key, end_entitlement, reveal, suspend
from cln.licensing.sticky import set_sticky
from tests.licensing import NOW, an_account, bought, locked_by_somebody_else, on_trial, used

pytestmark = pytest.mark.django_db

ROOTS = ["/api/kcare", "/clweb/api/kcare"]
SERVER_ID = re.compile(r"[A-Za-z][A-Za-z0-9]{15}")


def ask(path: str, root: str = ROOTS[0], **extra: str) -> str:
    """GET as the agent does; the body as text. The status is always 200."""
    answer = Client().get(f"{root}/{path}", **extra)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    return answer.content.decode()


@pytest.mark.parametrize("root", ROOTS)
def test_registering_answers_the_server_id_ak1(root: str) -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 1)

    body = ask(f"register_server.json?key={reveal(key)}&hostname=web1", root)

    server_id = json.loads(body)["data"]["server_id"]
    assert SERVER_ID.fullmatch(server_id)
    assert body == (
        f'{{"success":true,"message":"","type":null,"data":{{"server_id":"{server_id}","code":0}}}}'
    )
    (row,) = queries.servers_of(acme.pk)
    assert (row.hostname, row.address) == ("web1", "127.0.0.1")


@pytest.mark.parametrize("root", ROOTS)
def test_registering_in_plain_lines_ak2(root: str) -> None:
    key = bought(an_account(), "kernelcare", 1)

    answer = Client().get(f"{root}/register_server.plain?hostname=web1&key={reveal(key)}")

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    server_id = answer.content.decode().split("server_id:")[1].split("\n")[0]
    assert SERVER_ID.fullmatch(server_id)
    assert answer.content.decode() == f"success:true\nserver_id:{server_id}\ncode:0\n"


def test_arguments_come_from_query_form_or_json_v1_6() -> None:
    acme = an_account()
    key = reveal(bought(acme, "kernelcare", 3))
    path = "/api/kcare/register_server.json"

    by_form = Client().post(path, {"key": key, "hostname": "a"})
    by_json = Client().post(path, json.dumps({"key": key, "hostname": "b"}), "application/json")
    empty_json = Client().get(
        f"{path}?key={quote(f' {key} ')}&hostname=c&&", CONTENT_TYPE="application/json"
    )

    for answer in (by_form, by_json, empty_json):
        assert answer.json()["data"]["code"] == 0
    assert {row.hostname for row in queries.servers_of(acme.pk)} == {"a", "b", "c"}


def test_a_missing_key_is_named() -> None:
    assert ask("register_server.json") == (
        '{"success":false,"message":"Key is required","type":"bad_argument","data":null}'
    )
    assert ask("register_server.plain") == "success:false\nmessage:Key is required\n"


# -- the codes, one test a row -------------------------------------------------------------------


def refused(path: str, **extra: str) -> tuple[int, str | None]:
    """The code of a refused registration and its type; a server id is never among it."""
    body = json.loads(ask(path, **extra))
    assert body["success"] is True
    assert body["data"]["server_id"] == ""
    assert body["message"]
    return body["data"]["code"], body["type"]


def test_a_blocked_account_is_code_1() -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 1)
    Account.objects.filter(pk=acme.pk).update(blocked_on=date(2026, 3, 1))

    assert refused(f"register_server.json?key={reveal(key)}") == (1, "account_blocked")


@pytest.mark.parametrize(
    "text", ["", "nonsense", "WsTs821nSAtiastD", "%00", "%ED%A0%80", "x" * 900]
)
def test_an_unknown_key_is_code_2(text: str) -> None:
    assert refused(f"register_server.json?key={text}") == (2, "unknown_key")


def test_a_key_of_another_product_is_code_2_and_registers_nothing() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)

    assert refused(f"register_server.json?key={reveal(key)}") == (2, "unknown_key")
    assert used(acme, "cloudlinux") == (0, 0)


def test_a_full_key_is_code_3() -> None:
    acme = an_account()
    bought(acme, "kernelcare", 5)
    key = create_key(account_id=acme.pk, license_type="kernelcare", limit=1, actor="acme", now=NOW)
    ask(f"register_server.json?key={reveal(key)}&hostname=web1")

    path = f"register_server.json?key={reveal(key)}&hostname=web2"

    assert refused(path) == (3, "key_limit_reached")
    assert "Maximum usage count of 1 reached: used by web1" in json.loads(ask(path))["message"]


def test_an_exhausted_pool_is_code_3() -> None:
    key = bought(an_account(), "kernelcare", 1)
    ask(f"register_server.json?key={reveal(key)}&hostname=web1")

    path = f"register_server.json?key={reveal(key)}&hostname=web2"

    assert refused(path) == (3, "pool_exhausted")


def test_an_ended_license_is_code_3() -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 1)
    end_entitlement(account_id=acme.pk, license_type="kernelcare", now=NOW, why="ended")

    assert refused(f"register_server.json?key={reveal(key)}") == (3, "license_expired")


def test_an_ended_trial_is_code_3() -> None:
    key = on_trial(an_account(), "kernelcare", None, until=clock.now() - timedelta(days=1))

    assert refused(f"register_server.json?key={reveal(key)}") == (3, "trial_expired")


def test_an_address_outside_the_keys_range_is_code_4() -> None:
    acme = an_account()
    bought(acme, "kernelcare", 1)
    key = create_key(
        account_id=acme.pk,
        license_type="kernelcare",
        cidrs=["192.0.2.0/24"],
        actor="acme",
        now=NOW,
    )

    path = f"register_server.json?key={reveal(key)}"

    assert refused(path, REMOTE_ADDR="198.51.100.1") == (4, "ip_not_in_range")


@pytest.mark.parametrize(
    ("address", "kind"), [("10.0.0.1", "address_not_public"), ("nonsense", "bad_address")]
)
def test_an_address_that_is_not_public_is_code_4(
    address: str, kind: str, settings: Settings
) -> None:
    settings.CLN_MODE = "production"
    settings.CLN_ALLOW_PRIVATE_ADDRESSES = False
    key = bought(an_account(), "kernelcare", 1)

    path = f"register_server.json?key={reveal(key)}&ip=192.0.2.1"

    assert refused(path, REMOTE_ADDR=address) == (4, kind)


def test_an_address_that_ran_a_trial_is_code_5_t3() -> None:
    until = clock.now() + timedelta(days=30)
    first = on_trial(an_account("Zenith"), "kernelcare", None, until)
    second = on_trial(an_account(), "kernelcare", None, until)
    ask(f"register_server.json?key={reveal(first)}", REMOTE_ADDR="192.0.2.1")

    path = f"register_server.json?key={reveal(second)}"

    assert refused(path, REMOTE_ADDR="192.0.2.1") == (5, "trial_ip_used")


def test_a_refusal_in_plain_lines_carries_code_and_sentence() -> None:
    assert ask("register_server.plain?key=nonsense") == (
        "success:true\nserver_id:\ncode:2\n"
        "message:There is no such activation key. Copy the key from your console.\n"
    )


# -- unregister ----------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ROOTS)
def test_unregistering_answers_whether_there_was_something_to_remove_ak3(root: str) -> None:
    acme = an_account()
    server_id = _registered(bought(acme, "kernelcare", 1))
    path = f"unregister_server.json?server_id={server_id}"

    assert ask(path, root) == '{"success":true,"message":"","type":null,"data":true}'
    assert ask(path, root) == '{"success":true,"message":"","type":null,"data":false}'
    assert used(acme, "kernelcare") == (0, 0)


def test_unregistering_in_plain_lines() -> None:
    server_id = _registered(bought(an_account(), "kernelcare", 1))

    assert ask(f"unregister_server.plain?server_id={server_id}") == "success:true\n"
    assert ask(f"unregister_server.plain?server_id={server_id}") == "success:false\n"
    assert ask("unregister_server.plain?server_id=") == "success:false\n"


def test_unregistering_without_a_server_id_removes_nothing() -> None:
    acme = an_account()
    _registered(bought(acme, "kernelcare", 1))

    body = json.loads(ask("unregister_server.json"))

    assert (body["success"], body["message"], body["data"]) == (
        False,
        "Server id is required",
        None,
    )
    assert used(acme, "kernelcare") == (1, 1)


# -- check ---------------------------------------------------------------------------------------


def test_a_paid_license_checks_as_0_and_the_check_counts_as_a_check_in_ak4() -> None:
    server_id = _registered(bought(an_account(), "kernelcare", 1))

    assert ask(f"check.plain?server_id={server_id}") == (
        "success:true\ncode:0\nip:127.0.0.1\nexpire_date:\n"
    )
    assert ask(f"check.json?server_id={server_id}", ROOTS[1]) == (
        '{"success":true,"message":"","type":null,'
        '"data":{"code":0,"ip":"127.0.0.1","expire_date":""}}'
    )
    assert Server.objects.get().last_check_in_at is not None


def test_a_trial_checks_as_1_with_its_last_day_and_as_2_when_it_is_over_ak4() -> None:
    acme = an_account()
    until = clock.now() + timedelta(days=30)
    server_id = _registered(on_trial(acme, "kernelcare", None, until))

    assert ask(f"check.plain?server_id={server_id}") == (
        f"success:true\ncode:1\nip:127.0.0.1\nexpire_date:{until.date()}\n"
    )

    end_entitlement(account_id=acme.pk, license_type="kernelcare", now=until, why="the trial ended")
    assert "code:2\n" in ask(f"check.plain?server_id={server_id}")


@pytest.mark.parametrize("server_id", ["", "s096slnkaAtoiAsd", "nonsense!", "%00"])
def test_an_unknown_server_checks_as_3_ak4(server_id: str) -> None:
    assert ask(f"check.plain?server_id={server_id}") == (
        "success:true\ncode:3\nip:127.0.0.1\nexpire_date:\n"
    )


def test_a_suspended_license_checks_as_3_p7() -> None:
    acme = an_account()
    server_id = _registered(bought(acme, "kernelcare", 1))
    suspend(account_id=acme.pk, now=NOW)

    assert "code:3\n" in ask(f"check.plain?server_id={server_id}")


def test_an_address_with_a_license_of_its_own_checks_without_a_server_id_ak4() -> None:
    acme = an_account()
    assert "code:3\n" in ask("check.plain", REMOTE_ADDR="192.0.2.1")
    kernelcare = LicenseType.objects.get(code="kernelcare")
    IpLicense.objects.create(
        public_id="ipl_1",
        account=acme,
        license_type=kernelcare,
        product=kernelcare.product,
        address="192.0.2.1",
        added_at=NOW,
        added_on=NOW.date(),
    )

    assert ask("check.plain", REMOTE_ADDR="192.0.2.1") == (
        "success:true\ncode:0\nip:192.0.2.1\nexpire_date:\n"
    )


# -- never a 500 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["register_server", "unregister_server", "check"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"[1]", "application/json"),
        (b'{"key": [1], "server_id": {"a": 1}}', "application/json"),
        (b"\xff", "application/x-www-form-urlencoded"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"key=1", "text/plain; charset=nonsense"),
    ],
)
def test_a_body_that_cannot_be_read_is_no_body(name: str, body: bytes, content_type: str) -> None:
    answer = Client().generic("POST", f"/api/kcare/{name}.json", body, content_type)

    assert answer.status_code == 200
    assert list(answer.json()) == ["success", "message", "type", "data"]


@pytest.mark.parametrize("method", ["put", "delete", "head", "patch"])
def test_other_methods_are_not_allowed(method: str) -> None:
    answer = getattr(Client(), method)("/api/kcare/register_server.json")

    assert (answer.status_code, answer["Allow"]) == (405, "GET, POST")


@pytest.mark.django_db(transaction=True)
def test_a_busy_database_is_a_503_because_agents_retry_ak10() -> None:
    key = bought(an_account(), "kernelcare", 1)

    with locked_by_somebody_else(key):
        answer = Client().get(f"/api/kcare/register_server.plain?key={reveal(key)}")

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.content == b"success:false\nmessage:Unexpected server error\n"


def test_the_sticky_tag_of_the_key_is_told_ak5() -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 1)
    path = f"sticky_patch.plain?server_id={_registered(key)}"
    assert ask(path) == "success:true\ncode:2\n"

    set_sticky(
        account_id=acme.pk,
        key=key.public_id,
        sticky_on=date(2025, 12, 24),
        actor="owner",
        now=NOW,
    )

    assert ask(path) == "success:true\ncode:0\nprefix:24122025\n"
    assert ask("sticky_patch.plain?server_id=nonsense") == "success:true\ncode:1\n"


def _registered(key: ActivationKey) -> str:
    body = ask(f"register_server.json?key={reveal(key)}&hostname=web1")
    return str(json.loads(body)["data"]["server_id"])
