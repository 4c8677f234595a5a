"""Imunify's keys and servers byte for byte (facts §7.5)."""

from __future__ import annotations

from datetime import date

import pytest

from cln.accounts.models import Account, AuditEntry
from cln.enums import AccountKind
from cln.licensing.models import ActivationKey, Server
from cln.licensing.services import create_key, reveal
from tests.licensing import NOW, bought, registered, used
from tests.v1 import ApiClient, a_client, as_v1

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> ApiClient:
    client = a_client()
    for license_type in ("imunify360_1", "imunify360_250", "imunify_av_plus"):
        bought(client.account, license_type, 3)
    return client


def a_key(client: ApiClient, license_type: str = "imunify360_250", **values: int) -> ActivationKey:
    """A further key, which may be removed."""
    return create_key(
        account_id=client.account.pk, license_type=license_type, actor="acme", now=NOW, **values
    )


@pytest.mark.parametrize(
    ("code", "answered"), [("360_1", "360_1"), ("AVP", "AVP"), ("CLEAN", "AVP")]
)
@pytest.mark.parametrize("root", ["/api", "/clweb/api"])
def test_creating_answers_texts_m1_p4(acme: ApiClient, root: str, code: str, answered: str) -> None:
    acme.root = root

    body = acme.body("im/key/create.json", code=code, limit="2", description="whmcs")

    key = ActivationKey.objects.latest("pk")
    assert body == (
        '{"success":true,"message":"","type":null,"data":'
        f'{{"key":"{reveal(key)}","limit":"2","code":"{answered}"}}}}'
    )
    assert (key.note, key.limit) == ("whmcs", 2)


def test_a_limit_that_is_not_sent_is_unlimited(acme: ApiClient) -> None:
    assert acme.data("im/key/create.json", code="360_250")["limit"] == "0"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"code": "360_2"}, "unknown_license_type"),
        ({"code": "CELS"}, "unknown_license_type"),
        ({"code": "CL"}, "unknown_license_type"),
        ({"code": ""}, "bad_argument"),
        ({}, "bad_argument"),
        ({"code": "360_1", "limit": "x"}, "bad_argument"),
        ({"code": "360_1", "note": "x" * 101}, "note_too_long"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    acme: ApiClient, arguments: dict[str, str], kind: str
) -> None:
    before = ActivationKey.objects.count()

    assert acme.refused("im/key/create.json", **arguments) == (kind, None)
    assert ActivationKey.objects.count() == before


def test_updating_changes_what_is_sent_only_m1(acme: ApiClient) -> None:
    key = a_key(acme)
    registered(key, "web1")
    text = reveal(key)

    assert acme.body("im/key/update.json", key=text, limit="2", servers="9") == (
        '{"success":true,"message":"","type":null,"data":'
        f'{{"key":"{text}","limit":"2","code":"360_250","servers":"1"}}}}'
    )
    acme.data("im/key/update.json", key=text, note="shop")
    assert acme.data("im/key/update.json", key=text, note="")["limit"] == "2"
    key.refresh_from_db()
    assert (key.limit, key.note) == (2, "")


def test_updating_an_unknown_key_is_refused(acme: ApiClient) -> None:
    text = reveal(a_key(a_client_with("zenith")))

    for key in (text, "IM250H94UpSnG4lfPQmE", ""):
        assert acme.refused("im/key/update.json", key=key, limit=1) == ("unknown_key", None)
    assert acme.refused("im/key/update.json", limit=1) == ("bad_argument", None)
    assert not ActivationKey.objects.filter(limit=1).exists()


def test_the_list_has_numbers_m1(acme: ApiClient) -> None:
    key = a_key(acme, limit=2)
    registered(key, "web1")

    rows = acme.data("im/key/list.json")

    assert [row["code"] for row in rows] == ["AVP", "360_1", "360_250", "360_250"]
    assert rows[-1] == {
        "key": reveal(key),
        "limit": 2,
        "code": "360_250",
        "servers": 1,
        "type": 43,
        "note": "",
        "created": as_v1(key.created_at),
        "enabled": True,
    }
    assert list(rows[-1]) == [
        "key", "limit", "code", "servers", "type", "note", "created", "enabled",
    ]  # fmt: skip


def test_removing_a_key_lists_the_servers_that_went_with_it(acme: ApiClient) -> None:
    key = a_key(acme)
    one = registered(key, "web1", "192.0.2.1").server.public_id
    two = registered(key, "web2", "192.0.2.2").server.public_id
    text = reveal(key)

    assert acme.body("im/key/remove.json", key=text) == (
        '{"success":true,"message":"","type":null,"data":'
        f'[{{"id":"{one}","key":"{text}"}},{{"id":"{two}","key":"{text}"}}]}}'
    )
    assert used(acme.account, "imunify360_250") == (0, 0)
    for absent in (text, "", "IM250H94UpSnG4lfPQmE"):
        assert acme.body("im/key/remove.json", key=absent) == (
            '{"success":true,"message":"Key not found","type":null,"data":[]}'
        )


def test_removing_without_naming_a_key_or_a_customers_default_key_is_refused() -> None:
    anna = a_client("anna", kind=AccountKind.CUSTOMER)
    default = bought(anna.account, "imunify360_1", 3)

    assert anna.refused("im/key/remove.json") == ("bad_argument", [])
    assert anna.refused("im/key/remove.json", key=reveal(default)) == ("default_key_stays", [])
    assert ActivationKey.objects.filter(removed_at=None).count() == 1


def test_the_servers_of_a_key_or_of_all_keys_m3_m4(acme: ApiClient) -> None:
    key, other = a_key(acme), a_key(acme, "imunify360_1")
    server = registered(key, "web1", "192.0.2.1").server
    registered(other, "web2", "192.0.2.2")
    Server.objects.filter(pk=server.pk).update(last_check_in_at=NOW)

    assert acme.body("im/srv/list.json", key=reveal(key)) == (
        '{"success":true,"message":"","type":null,"data":['
        f'{{"id":"{server.public_id}","ip":"192.0.2.1","key":"{reveal(key)}",'
        '"last_checkin":"2026-03-10T12:00+0000","created":"2026-03-10T12:00+0000"}]}'
    )
    assert [row["key"] for row in acme.data("im/srv/list.json")] == [reveal(other), reveal(key)]
    for absent in ("IM250H94UpSnG4lfPQmE", ""):
        assert acme.body("im/srv/list.json", key=absent) == (
            '{"success":true,"message":"Key not found","type":null,"data":[]}'
        )


def test_a_server_is_removed_by_either_of_its_ids(acme: ApiClient) -> None:
    key = a_key(acme)

    for named_by in ("public_id", "secret"):
        done = registered(key, "web1")
        text = done.secret if named_by == "secret" else done.server.public_id
        assert acme.body("im/srv/remove.json", id=text) == (
            '{"success":true,"message":"","type":null,"data":'
            f'{{"id":"{text}","key":"{reveal(key)}"}}}}'
        )
        assert acme.body("im/srv/remove.json", id=text) == (
            '{"success":true,"message":"Server not found","type":null,"data":null}'
        )
    assert used(acme.account, "imunify360_250") == (0, 0)
    assert acme.refused("im/srv/remove.json") == ("bad_argument", None)


def test_a_server_moves_to_a_key_of_another_license_type_m5(acme: ApiClient) -> None:
    server = registered(a_key(acme, "imunify360_1"), "web1").server
    new = a_key(acme)

    assert acme.body("im/srv/convert.json", id=server.public_id, key=reveal(new)) == (
        '{"success":true,"message":"","type":null,"data":'
        f'{{"id":"{server.public_id}","key":"{reveal(new)}"}}}}'
    )
    server.refresh_from_db()
    assert (server.key_id, server.license_type.code) == (new.pk, "imunify360_250")
    assert used(acme.account, "imunify360_250") == (1, 1)
    assert used(acme.account, "imunify360_1") == (0, 0)


def test_a_server_moves_to_another_key_of_its_license_type(acme: ApiClient) -> None:
    old, new = a_key(acme), a_key(acme, limit=1)
    server = registered(old, "web1").server

    for _ in range(2):  # the second time it is there already
        assert acme.data("im/srv/convert.json", id=server.public_id, key=reveal(new)) == {
            "id": server.public_id,
            "key": reveal(new),
        }
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.used, new.used) == (0, 1)
    assert used(acme.account, "imunify360_250") == (1, 1)
    trace = AuditEntry.objects.get(verb="server_changed_key")
    assert trace.details == {"key": [old.public_id, new.public_id]}


@pytest.mark.parametrize("case", ["users", "full key", "no seat", "other product", "blocked"])
def test_a_server_that_cannot_move_stays_m5_u32(acme: ApiClient, case: str) -> None:
    old = a_key(acme)
    server = registered(old, "web1", "192.0.2.1").server
    new, kind = a_key(acme, "imunify360_1", limit=1 if case == "full key" else 0), ""
    if case == "users":
        Server.objects.update(users=2)
        kind = "too_many_users"
    if case == "full key":
        registered(new, "web2", "192.0.2.2")
        kind = "key_limit_reached"
    if case == "no seat":
        for n in range(2, 5):
            registered(new, f"web{n}", f"192.0.2.{n}")
        kind = "no_free_seat"
    if case == "other product":
        new, kind = a_key(acme, "imunify_av_plus"), "wrong_product"
    if case == "blocked":
        Account.objects.update(dunning_state="blocked", blocked_on=date(2026, 3, 1))
        kind = "account_blocked"

    answer = acme.refused("im/srv/convert.json", id=server.public_id, key=reveal(new))

    assert answer == (kind, None)
    server.refresh_from_db()
    assert (server.key_id, server.license_type.code) == (old.pk, "imunify360_250")
    assert used(acme.account, "imunify360_250") == (1, 1)


def test_what_belongs_to_another_account_or_product_is_not_found(acme: ApiClient) -> None:
    zenith = a_client_with("zenith")
    theirs = a_key(zenith)
    server = registered(theirs, "web1").server
    mine = registered(a_key(acme), "web2").server
    kernelcare = bought(acme.account, "kernelcare", 1)

    for key in (theirs, kernelcare):
        assert acme.ask("im/key/remove.json", key=reveal(key))["message"] == "Key not found"
        assert acme.ask("im/srv/list.json", key=reveal(key))["data"] == []
        answer = acme.refused("im/srv/convert.json", id=mine.public_id, key=reveal(key))
        assert answer == ("unknown_key", None)
    assert acme.ask("im/srv/remove.json", id=server.public_id)["message"] == "Server not found"
    mine_key = reveal(ActivationKey.objects.get(pk=mine.key_id))
    answer = acme.refused("im/srv/convert.json", id=server.public_id, key=mine_key)
    assert answer == ("unknown_server", None)
    assert Server.objects.filter(status="active").count() == 2
    assert not ActivationKey.objects.filter(removed_at__isnull=False).exists()


def a_client_with(login: str) -> ApiClient:
    """Another reseller, which holds Imunify360 too."""
    client = a_client(login)
    bought(client.account, "imunify360_250", 3)
    return client
