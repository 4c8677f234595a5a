"""What each client of the field needs of REST v1, row by row (facts §7.13, §11.2).

Each test decodes an answer as strictly as the client named in it does.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from cln.accounts.models import Account
from cln.domain.dunning import DunningState
from cln.licensing.models import ActivationKey, Server
from cln.licensing.services import create_key, reveal
from tests.licensing import NOW, bought, registered
from tests.v1 import ApiClient, a_client

pytestmark = pytest.mark.django_db

IP = "192.0.2.1"


@pytest.fixture
def acme() -> ApiClient:
    client = a_client()
    for license_type in ("kernelcare", "imunify360_250", "els_centos6"):
        bought(client.account, license_type, 5)
    return client


def a_key(client: ApiClient, license_type: str) -> ActivationKey:
    return create_key(
        account_id=client.account.pk, license_type=license_type, limit=2, actor="acme", now=NOW
    )


def go_decodes(value: Any, kind: type) -> bool:
    """Go's decoder: the exact JSON type, and null leaves the zero value."""
    return value is None or type(value) is kind


@pytest.mark.parametrize("path", ["ipl/list", "kcare/key/list", "im/key/list", "group/list"])
def test_success_is_the_json_true_whmcs_compares_with(acme: ApiClient, path: str) -> None:
    assert acme.body(f"{path}.json").startswith('{"success":true,')


@pytest.mark.parametrize("path", ["register", "list", "server"])
def test_the_type_of_an_ip_license_is_a_number_for_whmcs_go_and_php(
    acme: ApiClient, path: str
) -> None:
    acme.data("ipl/register.json", ip=IP, type="16")

    data = acme.data(f"ipl/{path}.json", ip=IP, type="16")

    row = data if isinstance(data, dict) else data[0]
    assert type(row["type"]) is int
    assert row["type"] == 16
    assert type(row["registered"]) is bool
    assert type(row["ip"]) is str


def test_the_limit_of_a_new_imunify_key_is_a_text_for_go(acme: ApiClient) -> None:
    data = acme.data("im/key/create.json", code="360_250", limit="2")

    assert (type(data["limit"]), type(data["key"])) == (str, str)


def test_the_numbers_of_the_imunify_list_are_numbers_for_go(acme: ApiClient) -> None:
    rows = acme.data("im/key/list.json")

    assert len(rows) == 1
    for row in rows:
        assert {type(row[name]) for name in ("limit", "servers", "type")} == {int}
        assert row["note"] is None or type(row["note"]) is str


def test_a_new_kernelcare_key_is_a_bare_text_for_go_and_whmcs(acme: ApiClient) -> None:
    assert type(acme.data("kcare/key/create.json", limit="0")) is str


def test_the_limit_in_the_kernelcare_list_is_a_number_for_go(acme: ApiClient) -> None:
    rows = acme.data("kcare/key/list.json")

    assert len(rows) == 1
    for row in rows:
        assert (type(row["limit"]), type(row["enabled"])) == (int, bool)
        assert row.keys() >= {"key", "note", "limit", "created", "enabled"}  # W-10


def test_the_usage_limit_of_an_els_key_is_a_text_for_go(acme: ApiClient) -> None:
    created = acme.data("els/key/create.json", productType="CELS", limit="2")

    rows = acme.data("els/key/list.json", productType="CELS")
    assert created in rows
    for row in rows:
        assert type(row["usageLimit"]) is str
        assert go_decodes(row["description"], str)


def test_removing_an_els_key_answers_the_object_go_decodes_and_the_list_of_the_papers(
    acme: ApiClient,
) -> None:
    first, second = reveal(a_key(acme, "els_centos6")), reveal(a_key(acme, "els_centos6"))

    assert acme.data("els/key/remove.json", key=first) == {"key": first}
    papers = Client().delete(f"/api/els/key/remove.json?key={second}&token={acme.token}")
    assert papers.json()["data"] == [{"key": second}]


def test_backup_answers_a_list_go_decodes(acme: ApiClient) -> None:
    for path in ("ab/list", "ab/im/create", "ab/resize", "ab/remove"):
        assert acme.ask(f"{path}.json")["data"] == []


@pytest.mark.parametrize(
    "path",
    ["ipl/register.json?ip=x&type=16", "kcare/key/delete.json", "im/key/create.json?code=x"],
)
def test_errors_are_http_200_for_axios_and_requests(acme: ApiClient, path: str) -> None:
    joint = "&" if "?" in path else "?"

    for token in (acme.token, "nonsense"):
        answer = Client().get(f"/api/{path}{joint}token={token}")
        assert (answer.status_code, answer.json()["success"]) == (200, False)
        assert go_decodes(answer.json()["message"], str)


# -- whole flows, call by call -------------------------------------------------------------------


def test_whmcs_creates_views_and_terminates_an_ip_license(acme: ApiClient) -> None:
    assert acme.data("ipl/check.json", ip=IP) == []
    acme.data("ipl/register.json", ip=IP, type="16")
    assert 16 in acme.data("ipl/check.json", ip=IP)
    (row,) = (row for row in acme.data("ipl/list.json") if row["ip"] == IP and row["type"] == 16)
    assert row["created"][:4].isdecimal()
    (row,) = (row for row in acme.data("ipl/server.json", ip=IP) if row["type"] == 16)
    assert row.keys() >= {"ip", "type", "registered", "server_info", "created", "last_checkin"}
    assert acme.ask("ipl/remove.json", ip=IP, type="16")["success"] is True
    assert not any(row["ip"] == IP for row in acme.data("ipl/list.json"))


def test_whmcs_suspends_twice_and_unsuspends_once(acme: ApiClient) -> None:
    acme.data("ipl/register.json", ip=IP, type="16")

    assert acme.ask("ipl/remove.json", ip=IP, type="16")["success"] is True
    assert acme.ask("ipl/remove.json", ip=IP, type="16")["success"] is True
    assert 16 not in acme.data("ipl/check.json", ip=IP)
    acme.data("ipl/register.json", ip=IP, type="16")
    assert 16 in acme.data("ipl/check.json", ip=IP)


def test_whmcs_of_a_blocked_account_is_told_why_and_still_terminates(acme: ApiClient) -> None:
    acme.data("ipl/register.json", ip=IP, type="16")
    key = acme.data("kcare/key/create.json", limit="3")
    Account.objects.update(dunning_state=DunningState.BLOCKED)

    said = acme.ask("ipl/register.json", ip="192.0.2.2", type="16")

    assert (said["success"], said["type"]) == (False, "account_blocked")
    assert said["message"].startswith("The account is blocked because of an overdue invoice.")
    assert [row["ip"] for row in acme.data("ipl/list.json")] == [IP]
    assert acme.ask("ipl/remove.json", ip=IP, type="16")["success"] is True
    assert acme.ask("kcare/key/delete.json", key=key)["success"] is True
    assert acme.data("ipl/list.json") == []
    assert key not in {row["key"] for row in acme.data("kcare/key/list.json")}


def test_whmcs_changes_an_address_by_removing_first(acme: ApiClient) -> None:
    acme.data("ipl/register.json", ip=IP, type="41")

    assert acme.data("ipl/remove.json", ip=IP, type="41") is True
    acme.data("ipl/register.json", ip="192.0.2.2", type="41")

    assert [(row["ip"], row["type"]) for row in acme.data("ipl/list.json")] == [("192.0.2.2", 41)]


@pytest.mark.parametrize(
    ("create", "list_all", "servers", "remove"),
    [
        ("kcare/key/create", "kcare/key/list", "kcare/key/servers", "kcare/key/delete"),
        ("im/key/create", "im/key/list", "im/srv/list", "im/key/remove"),
    ],
)
def test_whmcs_creates_views_and_terminates_a_key(
    acme: ApiClient, create: str, list_all: str, servers: str, remove: str
) -> None:
    note = "whmcs-module: Ada Lovelace"
    data = acme.data(f"{create}.json", limit="1", note=note, description=note, code="360_250")
    key = data if isinstance(data, str) else data["key"]
    (row,) = (row for row in acme.data(f"{list_all}.json") if row["key"] == key)
    assert row["note"] == note

    registered(ActivationKey.objects.latest("pk"), "web1")

    (server,) = acme.data(f"{servers}.json", key=key)
    assert server["ip"] == "192.0.2.10"
    assert server.keys() & {"server_id", "id"}
    assert server.keys() >= {"ip", "created", "last_checkin"}
    assert acme.ask(f"{remove}.json", key=key)["success"] is True
    assert not any(row["key"] == key for row in acme.data(f"{list_all}.json"))


@pytest.mark.parametrize("root", ["kcare", "im"])
def test_whmcs_terminates_the_first_key_a_reseller_ever_made_w12(root: str) -> None:
    zenith = a_client("zenith")
    data = zenith.data(f"{root}/key/create.json", limit="1", code="360_250")
    key = data if isinstance(data, str) else data["key"]
    remove = "delete" if root == "kcare" else "remove"

    assert zenith.ask(f"{root}/key/{remove}.json", key=key)["success"] is True
    assert zenith.data(f"{root}/key/list.json") == []


@pytest.mark.parametrize("path", ["kcare/key/delete", "im/key/remove"])
def test_whmcs_terminates_with_an_empty_key_w13a(acme: ApiClient, path: str) -> None:
    assert acme.ask(f"{path}.json", key="")["success"] is True


def test_whmcs_iterates_servers_without_looking_at_success_m3(acme: ApiClient) -> None:
    assert acme.ask("im/srv/list.json", key="gone")["data"] == []
    assert acme.ask("im/srv/list.json", key="x" * 20_000)["data"] == []


def test_gos_mistaken_list_deletes_nothing_k1_3(acme: ApiClient) -> None:
    text = reveal(a_key(acme, "kernelcare"))

    assert acme.ask("kcare/key/delete.json")["data"] is None
    assert text in {row["key"] for row in acme.data("kcare/key/list.json")}


def test_gos_update_without_an_address_decodes_a_boolean_ipl9(acme: ApiClient) -> None:
    assert acme.ask("ipl/update.json", els_allowed="1")["data"] is False


def test_gos_status_decodes_numbers_and_a_list(acme: ApiClient) -> None:
    data = acme.data("status.json")

    assert (type(data["rhn_queue_rejects"]), type(data["acronis"])) == (int, list)


def test_go_sends_a_json_type_with_an_empty_body_and_node_a_form_type(acme: ApiClient) -> None:
    for kind in ("application/json", "application/x-www-form-urlencoded"):
        path = f"/api/ipl/list.json?a=1&&token={acme.token}"
        answer = Client().get(path, content_type=kind, headers={"Content-Type": kind})
        assert answer.json()["success"] is True


def test_phps_questions_are_answered_as_its_tests_ask(acme: ApiClient) -> None:
    status = Client().get("/api/status.json").json()
    assert (status["success"], "ip_server_reg" in status["data"]) == (True, True)
    assert acme.ask("ipl/check.json", ip="66.45.228.100.1")["success"] is False
    assert acme.ask("ipl/availability.json", ip="66.45.228.100.1")["success"] is False
    for arguments in ({"type": "1"}, {}):
        assert acme.ask("ipl/remove.json", ip="198.51.100.9", **arguments) == {
            "success": True,
            "message": "",
            "type": None,
            "data": False,
        }
    assert "<html" in Client().get("/").content.decode()


@pytest.mark.parametrize("named_by", ["its own id", "the listed id"])
def test_python_unregisters_a_server_with_its_token(acme: ApiClient, named_by: str) -> None:
    done = registered(a_key(acme, "kernelcare"), "web1")
    other = registered(a_key(acme, "kernelcare"), "web2", "192.0.2.11").server
    text = done.secret if named_by == "its own id" else done.server.public_id

    assert acme.body("kcare/unregister_server.json", server_id=text) == (
        '{"success":true,"message":"","type":null,"data":true}'
    )
    assert acme.data("kcare/unregister_server.json", server_id="s096slnkaAtoiAsd") is False
    assert list(Server.objects.filter(status="active")) == [other]


def test_a_listed_id_unregisters_nothing_without_the_accounts_token(acme: ApiClient) -> None:
    server = registered(a_key(acme, "kernelcare"), "web1").server
    zenith = a_client("zenith")
    path = f"/api/kcare/unregister_server.json?server_id={server.public_id}"

    assert Client().get(path).json()["data"] is False
    assert zenith.data("kcare/unregister_server.json", server_id=server.public_id) is False
    assert Client().get(f"{path}&token=nonsense").json()["success"] is False
    server.refresh_from_db()
    assert server.status == "active"


def test_scanners_compare_every_patch_level_with_a_number(acme: ApiClient) -> None:
    key = a_key(acme, "kernelcare")
    registered(key, "silent")
    told = registered(key, "patched", "192.0.2.11").secret
    path = f"/api/kcare/checkin.json?server_id={told}&kernel_id=5a1c&patch_level=4"
    assert Client(REMOTE_ADDR="192.0.2.11").get(path).json()["success"] is True

    bare = Client().get(f"/api/kcare/patchset.json?key={reveal(key)}").json()
    table = Client().get(f"/api/kcare/patchset/{reveal(key)}").json()["data"]

    assert {row.keys() == {"host", "ip", "kernel_id", "patch_level"} for row in bare} == {True}
    assert [row["host"] for row in bare if row["patch_level"] > 0] == ["patched"]
    assert [row for row in table if row[2] > 0] == [["192.0.2.11", "5a1c", 4]]
    assert len(bare) == len(table) == 2


def test_answers_are_compact_json(acme: ApiClient) -> None:
    body = acme.body("im/key/list.json")

    assert body == json.dumps(json.loads(body), separators=(",", ":"))
