"""ELS and server groups byte for byte (facts §7.4, §7.9), usage and what was retired."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.test import Client

from cln.accounts.models import AuditEntry
from cln.licensing.models import ActivationKey, Server, ServerGroup
from cln.licensing.services import create_key, reveal
from tests.licensing import NOW, bought, registered, used
from tests.v1 import ApiClient, a_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> ApiClient:
    client = a_client()
    for license_type in ("els_centos6", "els_almalinux", "kernelcare"):
        bought(client.account, license_type, 3)
    return client


def a_key(client: ApiClient, license_type: str = "els_centos6", note: str = "") -> ActivationKey:
    """A further key, which may be removed."""
    return create_key(
        account_id=client.account.pk,
        license_type=license_type,
        note=note,
        actor="acme",
        now=NOW,
    )


# -- ELS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["productType", "code"])
@pytest.mark.parametrize(
    ("code", "answered"),
    [("CELS", "CELS"), ("ESU", "ESU"), ("EXTENDED_SECURITY_UPDATES", "ESU")],
)
def test_creating_answers_texts_e1_e2(acme: ApiClient, name: str, code: str, answered: str) -> None:
    body = acme.body("els/key/create.json", **{name: code, "limit": "2", "note": "123"})

    key = ActivationKey.objects.latest("pk")
    assert body == (
        '{"success":true,"message":"","type":null,"data":'
        f'{{"key":"{reveal(key)}","productCode":"{answered}","usageLimit":"2",'
        '"description":"123"}}'
    )


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"productType": "360_1"}, "unknown_license_type"),
        ({"productType": "x"}, "unknown_license_type"),
        ({"productType": "UELS16"}, "no_license_or_price"),
        ({}, "bad_argument"),
        ({"productType": "CELS", "limit": "2.5"}, "bad_argument"),
    ],
)
def test_a_key_that_cannot_be_is_refused_e5(
    acme: ApiClient, arguments: dict[str, str], kind: str
) -> None:
    before = ActivationKey.objects.count()

    said, data = acme.refused("els/key/create.json", **arguments)

    # A reseller needs a price where a customer needs a license.
    assert said in ({"no_license", "price_unknown"} if kind == "no_license_or_price" else {kind})
    assert data is None
    assert ActivationKey.objects.count() == before


@pytest.mark.parametrize("verb", ["get", "post", "put"])
def test_updating_by_any_verb_changes_what_is_sent_only(acme: ApiClient, verb: str) -> None:
    key = a_key(acme, note="old")
    sent = {"token": acme.token, "key": reveal(key), "limit": "3"}
    client, path = Client(), "/api/els/key/update.json"

    if verb == "put":
        form = "application/x-www-form-urlencoded"
        body = "&".join(f"{name}={value}" for name, value in sent.items())
        answer = client.put(path, body, content_type=form)
    else:
        answer = getattr(client, verb)(path, sent)

    assert answer.content.decode() == (
        '{"success":true,"message":"","type":null,"data":'
        f'{{"key":"{reveal(key)}","productCode":"CELS","usageLimit":"3","description":"old"}}}}'
    )


def test_the_list_is_of_one_type_where_one_is_named(acme: ApiClient) -> None:
    a_key(acme, note="Zoë")

    rows = acme.data("els/key/list.json")

    assert [row["productCode"] for row in rows] == ["CELS", "CELS", "ESU"]
    assert [row["description"] for row in rows] == [None, "Zoë", None]
    assert {type(row["usageLimit"]) for row in rows} == {str}
    assert acme.data("els/key/list.json", code="ESU") == rows[2:]
    assert acme.data("els/key/list.json", productType="UELS16") == []
    assert acme.refused("els/key/list.json", code="KC") == ("unknown_license_type", [])


@pytest.mark.parametrize("path", ["els/srv/remove.json", "els/key/remove.json"])
@pytest.mark.parametrize("verb", ["get", "delete"])
def test_both_addresses_remove_a_server_e3(acme: ApiClient, path: str, verb: str) -> None:
    key = a_key(acme)
    server = registered(key, "test", "192.0.2.1").server
    seen = datetime(2022, 9, 5, 14, 22, 23, 781372, tzinfo=UTC)
    Server.objects.update(last_check_in_at=seen)
    query = f"/api/{path}?token={acme.token}&id={server.public_id}"

    assert getattr(Client(), verb)(query).content.decode() == (
        '{"success":true,"message":"","type":null,"data":'
        f'{{"id":"{server.public_id}","key":"{reveal(key)}","ip":"192.0.2.1",'
        '"hostname":"test","lastCheckin":"2022-09-05 14:22:23.781372"}}'
    )
    assert used(acme.account, "els_centos6") == (0, 0)
    said = json.loads(getattr(Client(), verb)(query).content)
    assert (said["success"], said["message"]) == (True, "Server not found")


@pytest.mark.parametrize(
    ("verb", "data", "nothing"),
    [("delete", "[{}]", "[]"), ("post", "[{}]", "[]"), ("get", "{}", "null")],
)
def test_removing_a_key_answers_a_list_and_by_get_an_object_e4(
    acme: ApiClient, verb: str, data: str, nothing: str
) -> None:
    key = a_key(acme)
    registered(key, "test")
    path = f"/api/els/key/remove.json?token={acme.token}"

    def send(query: str) -> str:
        return str(getattr(Client(), verb)(f"{path}{query}").content.decode())

    gone = data.replace("{}", f'{{"key":"{reveal(key)}"}}')
    assert send("") == (
        f'{{"success":false,"message":"Key is required","type":"bad_argument","data":{nothing}}}'
    )
    assert send(f"&key={reveal(key)}") == (
        f'{{"success":true,"message":"","type":null,"data":{gone}}}'
    )
    assert send(f"&key={reveal(key)}") == (
        f'{{"success":true,"message":"Key not found","type":null,"data":{nothing}}}'
    )
    assert used(acme.account, "els_centos6") == (0, 0)


def test_key_and_server_together_are_refused_and_nothing_is_removed_e5(acme: ApiClient) -> None:
    key = a_key(acme)
    server = registered(key, "test").server

    both = {"key": reveal(key), "id": server.public_id}

    assert acme.refused("els/key/remove.json", **both) == ("bad_argument", None)
    assert acme.refused("els/key/remove.json") == ("bad_argument", None)
    assert used(acme.account, "els_centos6") == (1, 1)


def test_servers_are_listed_by_their_last_check_in(acme: ApiClient) -> None:
    key = a_key(acme)
    for name, seen in (("a", 2), ("b", None), ("c", 3)):
        registered(key, name, f"192.0.2.{ord(name)}")
        if seen:
            at = datetime(2022, 9, seen, 14, 22, 23, tzinfo=UTC)
            Server.objects.filter(hostname=name).update(last_check_in_at=at)
    registered(a_key(acme, "els_almalinux"), "d")

    rows = acme.data("els/srv/list.json", productType="CELS")

    assert [(row["hostname"], row["lastCheckin"]) for row in rows] == [
        ("c", "2022-09-03 14:22:23.000000"),
        ("a", "2022-09-02 14:22:23.000000"),
        ("b", None),
    ]
    assert [list(row) for row in rows] == [["id", "key", "ip", "hostname", "lastCheckin"]] * 3
    assert len(acme.data("els/srv/list.json")) == 4
    assert len(acme.data("els/srv/list.json", key=reveal(key))) == 3
    assert acme.ask("els/srv/list.json", key="CELS-x")["data"] == []


def test_what_belongs_to_another_account_or_product_is_not_found(acme: ApiClient) -> None:
    zenith = a_client("zenith")
    bought(zenith.account, "els_centos6", 1)
    theirs = a_key(zenith)
    server = registered(theirs, "web1").server
    kernelcare = registered(a_key(acme, "kernelcare"), "web2").server

    assert acme.ask("els/key/remove.json", key=reveal(theirs))["message"] == "Key not found"
    assert acme.refused("els/key/update.json", key=reveal(theirs), limit=1) == ("unknown_key", None)
    for absent in (server, kernelcare):
        said = acme.ask("els/srv/remove.json", id=absent.public_id)
        assert (said["message"], said["data"]) == ("Server not found", None)
    assert Server.objects.filter(status="active").count() == 2


# -- groups --------------------------------------------------------------------------------------


@pytest.fixture
def grouped(acme: ApiClient) -> ApiClient:
    acme.data("group/create.json", name="shops", description="Web shops")
    acme.data("group/create.json", name="mail")
    return acme


def a_server(client: ApiClient, license_type: str = "kernelcare", n: int = 1) -> Server:
    key = a_key(client, license_type)
    return registered(key, f"web{n}", f"192.0.2.{n}").server


def test_creating_a_group(acme: ApiClient) -> None:
    assert acme.body("group/create.json", name=" shops ", description="Web shops") == (
        '{"success":true,"message":"","type":null,"data":'
        '{"name":"shops","description":"Web shops"}}'
    )
    assert AuditEntry.objects.get(verb="server_group_created").subject == "shops"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"name": "shops"}, "group_exists"),
        ({"name": "x" * 101}, "bad_group_name"),
        ({"name": "x", "description": "x" * 201}, "bad_group_name"),
        ({"name": "\x07"}, "bad_group_name"),
        ({"name": " "}, "bad_argument"),
        ({}, "bad_argument"),
    ],
)
def test_a_group_that_cannot_be_is_refused_gr2(
    grouped: ApiClient, arguments: dict[str, str], kind: str
) -> None:
    assert grouped.refused("group/create.json", **arguments) == (kind, None)
    assert ServerGroup.objects.count() == 2


def test_groups_are_listed_by_name_and_each_account_has_its_own(grouped: ApiClient) -> None:
    assert grouped.body("group/list.json") == (
        '{"success":true,"message":"","type":null,"data":['
        '{"name":"mail","description":""},{"name":"shops","description":"Web shops"}]}'
    )
    zenith = a_client("zenith")
    assert zenith.data("group/list.json") == []
    assert zenith.data("group/create.json", name="shops")["name"] == "shops"


def test_servers_are_put_listed_and_removed_gr1_g5(grouped: ApiClient) -> None:
    bought(grouped.account, "imunify360_30", 1)
    one, two = a_server(grouped), a_server(grouped, "imunify360_30", 2)
    ids = f"{one.public_id}, {two.public_id}"
    row_one = f'{{"id":"{one.public_id}","hostName":"web1","ip":"192.0.2.1","type":"KERNELCARE"}}'
    row_two = f'{{"id":"{two.public_id}","hostName":"web2","ip":"192.0.2.2","type":"IMUNIFY"}}'
    head = '{"success":true,"message":"","type":null,"data":'

    put = grouped.body("group/servers/put.json", name="shops", server_ids=ids)
    assert put == f"{head}[{row_one},{row_two}]}}"
    assert grouped.body("group/servers/put.json", name="mail", server_ids=one.public_id) == (
        f"{head}[{row_one}]}}"
    )
    assert grouped.body("group/servers/list.json", name="shops") == f"{head}[{row_two}]}}"
    removed = grouped.body("group/servers/remove.json", name="shops", server_ids=ids)
    assert removed == f"{head}[{row_two}]}}"
    assert grouped.data("group/servers/list.json", name="shops") == []
    one.refresh_from_db()
    assert one.group is not None
    assert one.group.name == "mail"


def test_putting_a_stranger_puts_nobody(grouped: ApiClient) -> None:
    zenith = a_client("zenith")
    bought(zenith.account, "kernelcare", 1)
    mine, theirs = a_server(grouped), a_server(zenith, n=2)

    for stranger in (theirs.public_id, "srv_nope", "x"):
        ids = f"{mine.public_id},{stranger}"
        for call in ("put", "remove"):
            refusal = grouped.refused(f"group/servers/{call}.json", name="shops", server_ids=ids)
            assert refusal == ("unknown_server", [])
    assert not Server.objects.filter(group__isnull=False).exists()


def test_an_unknown_group_is_refused_with_a_list(grouped: ApiClient) -> None:
    server = a_server(grouped)
    zenith = a_client("zenith")
    zenith.data("group/create.json", name="theirs")

    for name in ("theirs", "nope"):
        ask = {"name": name, "server_ids": server.public_id}
        assert grouped.refused("group/servers/list.json", name=name) == ("unknown_group", [])
        assert grouped.refused("group/servers/put.json", **ask) == ("unknown_group", [])
        assert grouped.refused("group/servers/remove.json", **ask) == ("unknown_group", [])
    assert grouped.refused("group/servers/put.json", name="shops") == ("bad_argument", [])


# -- what was retired ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["list", "im/create", "resize", "remove"])
def test_backup_is_retired_and_answers_a_list(acme: ApiClient, path: str) -> None:
    assert acme.body(f"ab/{path}.json", server_id="x", size="1") == (
        '{"success":false,"message":"CloudLinux Backup was retired on 2023-10-01.",'
        '"type":"product_retired","data":[]}'
    )


def test_kuberdock_is_gone_v1_17(acme: ApiClient) -> None:
    assert Client().get(f"/api/kd/validate.json?token={acme.token}").status_code == 404
