"""KernelCare's keys, servers and monitors byte for byte (facts §7.7, §7.8), and the status."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from cln import clock
from cln.enums import AccountKind
from cln.licensing.models import ActivationKey, PatchReport, Server
from cln.licensing.services import create_key, reveal
from tests.licensing import NOW, bought, registered
from tests.v1 import ApiClient, a_client, as_v1

pytestmark = pytest.mark.django_db

ABSENT = {"success": True, "type": None}


@pytest.fixture
def acme() -> ApiClient:
    client = a_client()
    bought(client.account, "kernelcare", 5)
    return client


def a_key(client: ApiClient, **values: object) -> ActivationKey:
    """A second key, which may be deleted."""
    return create_key(
        account_id=client.account.pk, license_type="kernelcare", actor="acme", now=NOW, **values
    )


def the_default(client: ApiClient) -> ActivationKey:
    return ActivationKey.objects.get(
        account=client.account, license_type__code="kernelcare", is_default=True
    )


@pytest.mark.parametrize("root", ["/api", "/clweb/api"])
def test_creating_answers_the_key_as_a_string_k1_1(acme: ApiClient, root: str) -> None:
    acme.root = root

    body = acme.body("kcare/key/create.json", limit="2", note="whmcs-module: Ada")

    key = ActivationKey.objects.get(is_default=False)
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{15}", reveal(key))
    assert body == f'{{"success":true,"message":"","type":null,"data":"{reveal(key)}"}}'
    assert (key.limit, key.note) == (2, "whmcs-module: Ada")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"limit": "two"}, "bad_argument"),
        ({"limit": "-1"}, "bad_argument"),
        ({"limit": "100001"}, "bad_key_limit"),
        ({"note": "x" * 101}, "note_too_long"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    acme: ApiClient, arguments: dict[str, str], kind: str
) -> None:
    assert acme.refused("kcare/key/create.json", **arguments) == (kind, None)
    assert ActivationKey.objects.count() == 1


def test_deleting_says_whether_there_was_such_a_key(acme: ApiClient) -> None:
    text = reveal(a_key(acme))

    assert acme.body("kcare/key/delete.json", key=text) == (
        '{"success":true,"message":"","type":null,"data":true}'
    )
    for absent in (text, "", "WsTs821nSAtiastD", "%00", "x" * 900):
        assert acme.body("kcare/key/delete.json", key=absent) == (
            '{"success":true,"message":"","type":null,"data":false}'
        )


def test_deleting_without_naming_a_key_deletes_nothing_k1_3(acme: ApiClient) -> None:
    """The Go client lists its keys with this call."""
    assert acme.body("kcare/key/delete.json") == (
        '{"success":false,"message":"Key is required","type":"bad_argument","data":null}'
    )
    assert ActivationKey.objects.filter(removed_at=None).count() == 1


def test_a_customers_default_key_stays_k2() -> None:
    anna = a_client("anna", kind=AccountKind.CUSTOMER)
    text = reveal(bought(anna.account, "kernelcare", 5))

    assert anna.refused("kcare/key/delete.json", key=text) == ("default_key_stays", None)
    assert ActivationKey.objects.filter(removed_at=None).count() == 1


def test_the_list_has_every_key_with_its_types_k1_1(acme: ApiClient) -> None:
    first, second = the_default(acme), a_key(acme, limit=2, note="Zoë")

    body = acme.body("kcare/key/list.json")

    assert body == (
        '{"success":true,"message":"","type":null,"data":['
        f'{{"key":"{reveal(first)}","enabled":true,"created":"{as_v1(first.created_at)}",'
        '"limit":0,"note":""},'
        f'{{"key":"{reveal(second)}","enabled":true,"created":"{as_v1(second.created_at)}",'
        '"limit":2,"note":"Zo\\u00eb"}]}'
    )
    assert a_client("zenith").data("kcare/key/list.json") == []


def test_the_servers_of_a_key(acme: ApiClient) -> None:
    key = the_default(acme)
    server = registered(key, "web1", "192.0.2.10").server

    assert acme.body("kcare/key/servers.json", key=reveal(key)) == (
        '{"success":true,"message":"","type":null,"data":['
        f'{{"server_id":"{server.public_id}","ip":"192.0.2.10",'
        '"created":"2026-03-10T12:00+0000","last_checkin":null}]}'
    )
    assert acme.ask("kcare/key/servers.json", key="unknown-key") == {
        **ABSENT,
        "message": "Key not found",
        "data": [],
    }
    assert acme.refused("kcare/key/servers.json") == ("bad_argument", [])


@pytest.mark.parametrize("named_by", ["its own id", "the id of the list"])
def test_a_server_is_removed_by_either_of_its_ids(acme: ApiClient, named_by: str) -> None:
    key = the_default(acme)
    done = registered(key, "web1")
    text = done.secret if named_by == "its own id" else done.server.public_id

    body = acme.body("kcare/srv/remove.json", server_id=text)

    assert body == (
        '{"success":true,"message":"","type":null,"data":'
        f'{{"server_id":"{text}","key":"{reveal(key)}"}}}}'
    )
    assert Server.objects.get().status == "removed"
    assert acme.body("kcare/srv/remove.json", server_id=text) == (
        '{"success":true,"message":"Server not found","type":null,"data":null}'
    )


@pytest.mark.parametrize("text", ["s096slnkaAtoiAsd", "", "srv_nope", "\x01", "x" * 900])
def test_an_unknown_server_is_not_found_and_that_is_fine_tv6(acme: ApiClient, text: str) -> None:
    assert acme.body("kcare/srv/remove.json", server_id=text) == (
        '{"success":true,"message":"Server not found","type":null,"data":null}'
    )


def test_what_belongs_to_another_account_is_not_found(acme: ApiClient) -> None:
    zenith = a_client("zenith")
    bought(zenith.account, "kernelcare", 5)
    key = a_key(zenith)
    done = registered(key, "web1")

    assert acme.data("kcare/key/delete.json", key=reveal(key)) is False
    assert acme.ask("kcare/key/servers.json", key=reveal(key))["data"] == []
    assert acme.refused("kcare/key/set_cidr.json", key=reveal(key), cidr="192.0.2.0/24") == (
        "unknown_key",
        None,
    )
    for text in (done.secret, done.server.public_id):
        assert acme.ask("kcare/srv/remove.json", server_id=text)["message"] == "Server not found"
    key.refresh_from_db()
    assert (key.removed_at, key.cidrs) == (None, [])
    assert Server.objects.get().status == "active"


def test_a_key_or_server_of_another_product_is_not_found(acme: ApiClient) -> None:
    imunify = bought(acme.account, "imunify360_30", 1)
    server = registered(imunify, "web1").server

    assert acme.data("kcare/key/delete.json", key=reveal(imunify)) is False
    assert acme.ask("kcare/srv/remove.json", server_id=server.public_id)["data"] is None
    assert Server.objects.get(pk=server.pk).status == "active"


@pytest.mark.parametrize("separator", [" ", ",", ";", " ; ", ", "])
def test_ranges_are_replaced_whatever_separates_them_k1_2(acme: ApiClient, separator: str) -> None:
    key = the_default(acme)
    cidr = separator.join(["192.0.2.0/24", "198.51.100.7"])

    assert acme.body("kcare/key/set_cidr.json", key=reveal(key), cidr=cidr) == (
        '{"success":true,"message":"","type":null,"data":{"code":0}}'
    )
    key.refresh_from_db()
    assert key.cidrs == ["192.0.2.0/24", "198.51.100.7/32"]


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("192.0.2.0/24 300.0.0.0/8", 1),
        ("nonsense", 1),
        ("192.0.2.0/33", 2),
        ("192.0.2.0/x", 2),
        ("192.0.2.7/24", 2),
        (" ".join(f"10.0.{n}.0/24" for n in range(101)), 3),
    ],
)
def test_wrong_ranges_have_numbers_and_none_is_added_k1_2(
    acme: ApiClient, cidr: str, code: int
) -> None:
    key = the_default(acme)

    said = acme.ask("kcare/key/set_cidr.json", key=reveal(key), cidr=cidr)

    assert (said["success"], said["type"], said["data"]) == (True, "bad_range", {"code": code})
    key.refresh_from_db()
    assert key.cidrs == []


def test_ranges_are_not_lifted_by_an_empty_argument(acme: ApiClient) -> None:
    key = a_key(acme, cidrs=["192.0.2.0/24"])

    for arguments in ({}, {"cidr": ""}):
        refusal = acme.refused("kcare/key/set_cidr.json", key=reveal(key), **arguments)
        assert refusal == ("bad_argument", None)
    key.refresh_from_db()
    assert key.cidrs == ["192.0.2.0/24"]


# -- monitors ------------------------------------------------------------------------------------


def text(path: str) -> str:
    answer = Client().get(path)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert answer["Cache-Control"] == "no-store"
    return answer.content.decode()


@pytest.mark.parametrize("root", ["/api", "/clweb/api"])
def test_nagios_counts_the_servers_of_a_key(acme: ApiClient, root: str) -> None:
    key = the_default(acme)
    path = f"{root}/kcare/nagios/{reveal(key)}"
    registered(key, "web1", "192.0.2.1", now=clock.now())
    assert text(path) == (
        "KernelCare OK - all servers are up to date!|"
        "uptodate=1;outofdate=0;unsupported=0;inactive=0\n"
    )

    registered(key, "web2", "192.0.2.2", now=clock.now() - timedelta(days=2))

    assert text(path) == (
        "1 machines are INACTIVE!|uptodate=1;outofdate=0;unsupported=0;inactive=1\n"
        "web2 (192.0.2.2) is INACTIVE\n"
    )


@pytest.mark.parametrize("key", ["WsTs821nSAtiastD", "x", "%3Cb%3E"])
def test_nagios_says_so_when_a_key_has_no_servers(key: str) -> None:
    said = {"%3Cb%3E": "<b>"}.get(key, key)

    assert text(f"/api/kcare/nagios/{key}") == f"Servers not found for key {said}\n"


def test_nagios_of_an_account_takes_the_secret_or_a_signed_token(acme: ApiClient) -> None:
    registered(the_default(acme), "web1", now=clock.now())
    registered(bought(acme.account, "cloudlinux", 1), "web2", now=clock.now())
    ok = (
        "KernelCare OK - all servers are up to date!|"
        "uptodate=1;outofdate=0;unsupported=0;inactive=0\n"
    )

    for token in (acme.secret, acme.token, quote(acme.token)):
        assert text(f"/api/kcare/nagios-res/acme/{token}") == ok


def test_nagios_of_an_account_does_not_tell_which_part_was_wrong(acme: ApiClient) -> None:
    a_client("zenith")

    for login, token in (
        ("acme", "wrong"),
        ("nobody", acme.secret),
        ("zenith", acme.secret),
        ("zenith", acme.token),
        ("acme", f"acme|1401189361|{'0' * 40}"),
        ("%00", acme.secret),
        ("x" * 900, "%ED%A0%80"),
    ):
        assert text(f"/api/kcare/nagios-res/{login}/{token}") == "Reseller not found\n"


PATCHES = "5.14.0-1,1,2026-01-10\n5.14.0-1,2,2026-02-10\n"


def told(secret: str, **said: str) -> dict[str, object]:
    answer = Client().get("/api/kcare/checkin.json", {"server_id": secret, **said})
    assert answer.status_code == 200
    return dict(answer.json())


def test_monitors_tell_who_is_out_of_date_and_who_is_unsupported_ak_13(
    acme: ApiClient, tmp_path: Path
) -> None:
    key = the_default(acme)
    now = clock.now()
    kernels = {"a": ("5.14.0-1", "2"), "b": ("5.14.0-1", "1"), "c": ("9.9", "7")}
    for host, (kernel, level) in kernels.items():
        secret = registered(key, host, now=now).secret
        assert told(secret, kernel_id=kernel, patch_level=level)["data"]["code"] == 0  # type: ignore[index]
    path = f"/api/kcare/nagios/{reveal(key)}"
    assert text(path).endswith("|uptodate=3;outofdate=0;unsupported=0;inactive=0\n")
    (tmp_path / "list").write_text(PATCHES)
    call_command("patches", tmp_path / "list", stdout=StringIO())

    said = text(path)

    head, *lines = said.splitlines()
    assert head == "1 machines are OUTOFDATE!|uptodate=1;outofdate=1;unsupported=1;inactive=0"
    at = Server.objects.get(hostname="b").address
    assert sorted(lines) == [f"b ({at}) is OUTOFDATE", f"c ({at}) is UNSUPPORTED"]
    rows = Client().get(f"/api/kcare/patchset.json?key={reveal(key)}").json()
    levels = {(row["host"], row["kernel_id"], row["patch_level"]) for row in rows}
    assert levels == {("a", "5.14.0-1", 2), ("b", "5.14.0-1", 1), ("c", "9.9", 7)}
    table = Client().get(f"/clweb/api/kcare/patchset/{reveal(key)}").json()["data"]
    assert table == [[row["ip"], row["kernel_id"], row["patch_level"]] for row in rows]

    ActivationKey.objects.filter(pk=key.pk).update(sticky_on="2026-02-10")
    assert "|uptodate=2;outofdate=0;unsupported=1;inactive=0\n" in text(path)

    (tmp_path / "list").write_text("5.14.0-1,x,2026-01-10\n")
    with pytest.raises(CommandError):
        call_command("patches", tmp_path / "list")
    assert "|uptodate=2;outofdate=0;unsupported=1;inactive=0\n" in text(path)


@pytest.mark.parametrize(
    "said",
    [
        {"kernel_id": "5", "patch_level": bad}
        for bad in ("-1", "1.5", "x", "٣", " 1", "1" * 10, "1" * 10_000_000)
    ]
    + [{"patch_level": "1"}, {"kernel_id": " ", "patch_level": "1"}],
)
def test_a_wrong_patch_level_is_refused_and_is_no_check_in_ak_15(
    acme: ApiClient, said: dict[str, str]
) -> None:
    secret = registered(the_default(acme), "a").secret

    answer = told(secret, **said)

    assert (answer["success"], answer["data"]) == (False, None)
    assert Server.objects.get().last_check_in_at is None
    assert not PatchReport.objects.exists()


@pytest.mark.parametrize("secret", ["", "x", "s096slnkaAtoiAsd", "%00"])
def test_a_check_in_of_nobody_has_no_license_and_keeps_nothing_ak_15(secret: str) -> None:
    said = told(secret, kernel_id="5", patch_level="1")

    assert (said["success"], said["data"]["code"]) == (True, 3)  # type: ignore[index]
    assert not PatchReport.objects.exists()


def test_the_patchset_is_a_bare_list(acme: ApiClient) -> None:
    key = the_default(acme)
    registered(key, "my.example.com", "192.0.2.1")
    Server.objects.update(kernel="4.18.0-553")

    answer = Client().get(f"/api/kcare/patchset.json?key={reveal(key)}")

    assert answer.content.decode() == (
        '[{"host":"my.example.com","ip":"192.0.2.1","kernel_id":"4.18.0-553","patch_level":0}]'
    )
    assert Client().get("/api/kcare/patchset.json?key=nonsense").content == b"[]"
    assert Client().get("/api/kcare/patchset.json").content == b"[]"


def test_the_patchset_as_scanners_ask_eportal_for_it(acme: ApiClient) -> None:
    key = the_default(acme)
    registered(key, "my.example.com", "192.0.2.1")
    Server.objects.update(kernel="4.18.0-553")

    answer = Client().get(f"/api/kcare/patchset/{reveal(key)}")

    assert answer.content == b'{"data":[["192.0.2.1","4.18.0-553",0]]}'
    assert Client().get("/api/kcare/patchset/nonsense").content == b'{"data":[]}'


# -- status --------------------------------------------------------------------------------------

EIGHT = [
    "db_clweb_connected",
    "db_clweb_online",
    "db_rhn_connected",
    "db_rhn_online",
    "rhn_overloaded",
    "rhn_queue_full",
    "xmlrpc",
    "ip_server_reg",
]


@pytest.mark.parametrize("root", ["/api", "/clweb/api"])
def test_the_status_needs_no_token(root: str) -> None:
    said = Client().get(f"{root}/status.json").json()

    assert said["success"] is True
    assert list(said["data"]) == [*EIGHT, "rhn_queue_rejects", "acronis"]
    assert {type(said["data"][name]) for name in EIGHT} == {bool}
    assert (said["data"]["rhn_queue_rejects"], said["data"]["acronis"]) == (0, [])
    assert said["data"]["db_clweb_online"] is True
    assert said["data"]["rhn_overloaded"] is False


def test_the_status_in_lines() -> None:
    answer = Client().get("/api/status.plain")

    lines = answer.content.decode().splitlines()
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert lines[:2] == ["success:true", "db_clweb_connected:true"]
    assert [line.partition(":")[0] for line in lines[1:]] == EIGHT
    assert {line.partition(":")[2] for line in lines[1:]} <= {"true", "false"}
