"""Every endpoint of facts §8, by path, arguments, fields and types as they are documented."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from cln.accounts.models import ServerAccount
from cln.enums import AccountKind
from cln.licensing.models import ActivationKey, IpLicense, Server, System
from cln.licensing.services import create_key, reveal
from tests.customers import on_sale
from tests.licensing import NOW, bought, registered
from tests.v1 import ApiClient, a_client
from tests.v2 import V2Client, problem_of, with_token

pytestmark = pytest.mark.django_db

KEY = {"key": str, "product_type": str, "usage_limit": int, "description": str}


@pytest.fixture
def program() -> ApiClient:
    """Acme's program; Acme is a reseller."""
    return a_client()


@pytest.fixture
def acme(program: ApiClient) -> V2Client:
    return with_token(program)


@pytest.fixture
def zenith() -> V2Client:
    """Another reseller's program."""
    return with_token(a_client("zenith"))


def types_of(row: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in row.items()}


def a_key(client: V2Client, license_type: str, **wish: Any) -> ActivationKey:
    return create_key(
        account_id=client.account.pk, license_type=license_type, actor="t", now=NOW, **wish
    )


def test_post_cl_keys_creates_a_key_of_a_product_type(acme: V2Client) -> None:
    key = acme.data("POST", "cl/keys?limit=2&productType=CL&note=optional%20note")

    assert types_of(key) == KEY
    assert key == {
        "key": key["key"],
        "product_type": "cl",
        "usage_limit": 2,
        "description": "optional note",
    }
    row = ActivationKey.objects.get()
    assert (reveal(row), row.limit, row.note) == (key["key"], 2, "optional note")


def test_arguments_may_come_in_a_json_body_in_any_case_of_the_code(acme: V2Client) -> None:
    on_sale("cloudlinux_solo", 900)
    key = acme.data("POST", "cl/keys", {"limit": 0, "productType": "cls"})

    assert (key["product_type"], key["usage_limit"], key["description"]) == ("cls", 0, "")
    assert ActivationKey.objects.get().license_type.code == "cloudlinux_solo"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("productType=CL", 422, "bad_argument"),
        ("limit=2", 422, "bad_argument"),
        ("limit=-1&productType=CL", 422, "bad_argument"),
        ("limit=100001&productType=CL", 422, "bad_argument"),
        ("limit=two&productType=CL", 422, "bad_argument"),
        ("limit=2&productType=", 422, "unknown_license_type"),
        ("limit=2&productType=CELS", 422, "unknown_license_type"),
        (f"limit=2&productType=CL&note={'x' * 101}", 422, "note_too_long"),
    ],
)
def test_post_cl_keys_refuses_wrong_arguments(
    acme: V2Client, query: str, status: int, code: str
) -> None:
    assert acme.refused("POST", f"cl/keys?{query}") == (status, code)
    assert not ActivationKey.objects.exists()


def test_patch_cl_keys_changes_limit_and_note(acme: V2Client) -> None:
    text = reveal(a_key(acme, "cloudlinux", note="old"))

    key = acme.data("PATCH", f"cl/keys?key={text}&limit=3&note=new")

    assert key == {"key": text, "product_type": "cl", "usage_limit": 3, "description": "new"}
    assert acme.data("PATCH", f"cl/keys?key={text}&limit=4")["description"] == "new"
    assert acme.refused("PATCH", f"cl/keys?key={text}") == (422, "bad_argument")


def test_delete_cl_keys_answers_the_key_that_went(acme: V2Client) -> None:
    a_key(acme, "cloudlinux")
    other = reveal(a_key(acme, "cloudlinux"))

    assert acme.data("DELETE", f"cl/keys?key={other}") == {"key": other}
    assert acme.refused("DELETE", f"cl/keys?key={other}") == (404, "unknown_key")


def test_get_cl_keys_lists_the_keys_of_a_product_type(acme: V2Client) -> None:
    on_sale("cloudlinux_solo", 900)
    text = reveal(a_key(acme, "cloudlinux", limit=2))
    a_key(acme, "cloudlinux_solo")
    a_key(acme, "kernelcare")

    assert acme.data("GET", "cl/keys?productType=CL") == [
        {"key": text, "product_type": "cl", "usage_limit": 2, "description": ""}
    ]
    assert acme.refused("GET", "cl/keys") == (422, "bad_argument")


def test_get_cl_servers_lists_numbers_and_delete_answers_the_server(acme: V2Client) -> None:
    key = a_key(acme, "cloudlinux")
    server = registered(key, "server1", "192.0.2.1").server
    registered(a_key(acme, "kernelcare"), "server1", "192.0.2.1")
    row = {"id": server.pk, "key": reveal(key), "ip": "192.0.2.1", "hostname": "server1"}

    assert acme.data("GET", "cl/servers?productType=CL") == [row]
    assert acme.data("DELETE", f"cl/servers?id={server.pk}") == row
    assert acme.data("GET", "cl/servers?productType=CL") == []
    assert acme.refused("DELETE", f"cl/servers?id={server.pk}") == (404, "unknown_server")


def test_get_cl_sub_account_servers_names_the_server_account_of_each(acme: V2Client) -> None:
    key = a_key(acme, "cloudlinux")
    server = registered(key, "server1", "192.0.2.1").server
    ServerAccount.objects.create(
        account=acme.account, login="sub1", email="sub1@example.com", created_at=NOW
    )
    for login, one in (("sub1", server), ("acme", registered(key, "own", "192.0.2.2").server)):
        System.objects.create(
            server=one, profile_name="x", os_release="8.10", architecture="x", username=login
        )

    assert acme.data("GET", "cl/sub-account/servers") == [
        {
            "sub_account_login": "sub1",
            "sub_account_email": "sub1@example.com",
            "server_id": server.pk,
            "server_key": reveal(key),
            "version": 8,
            "ip": "192.0.2.1",
        }
    ]


def test_get_features_tells_each_features_ip_types(acme: V2Client) -> None:
    assert acme.data("GET", "features") == [
        {"feature_id": 1101, "applicable_product_ids": [1, 4, 5, 1002]},
        {"feature_id": 1102, "applicable_product_ids": [1, 4, 5, 1002]},
        {"feature_id": 4600, "applicable_product_ids": [41, 42, 43, 44, 49]},
    ]


def test_features_of_the_account_are_read_and_set_by_number(acme: V2Client) -> None:
    unset = dict.fromkeys(("1101", "1102", "4600"), "UNSET")
    assert acme.data("GET", "features/account") == unset
    for change in ({"4600": "ENABLED"}, {}, {"1101": "DISABLED"}, {"4600": "DISABLED"}):
        unset |= change
        assert acme.data("PATCH", "features/account", change) == unset
    disabled = {"1101": "DISABLED", "1102": "UNSET", "4600": "DISABLED"}
    assert acme.data("GET", "features/account") == disabled

    assert acme.refused("PATCH", "features/account", {"4600": "ON"}) == (422, "bad_argument")
    unknown = {"4600": "UNSET", "1": "ENABLED"}
    assert acme.refused("PATCH", "features/account", unknown) == (422, "unknown_feature")
    assert acme.data("GET", "features/account") == disabled


def test_patch_cl_keys_and_server_allow_accelerate_wp_below_the_account(acme: V2Client) -> None:
    """F-5: the documented call answers as documented; with `permissions` it tells them too."""
    key = a_key(acme, "cloudlinux")
    server = registered(key, "web1").server
    text = reveal(key)
    documented = {"key": text, "product_type": "cl", "usage_limit": 3, "description": "shop"}

    assert acme.data("PATCH", f"cl/keys?key={text}&limit=3&note=shop") == documented
    wish = {"key": text, "limit": 3, "permissions": {"1101": "DISABLED"}}
    off = {"permissions": {"1101": "DISABLED", "1102": "UNSET"}}
    assert acme.data("PATCH", "cl/keys", wish) == documented | off
    assert acme.data("PATCH", "cl/keys", wish | {"permissions": {}}) == documented | off
    on = {"id": server.pk, "permissions": {"1102": "ENABLED"}}
    assert acme.data("PATCH", "cl/server", on) == {
        "id": server.pk,
        "permissions": {"1101": "UNSET", "1102": "ENABLED"},
    }

    unknown = (422, "unknown_feature")
    email = {"permissions": {"1101": "ENABLED", "4600": "ENABLED"}}
    assert acme.refused("PATCH", "cl/keys", wish | {"limit": 9} | email) == unknown
    assert acme.refused("PATCH", "cl/server", on | email) == unknown
    assert acme.refused("PATCH", "cl/server", {"id": server.pk + 1}) == (404, "unknown_server")
    assert acme.data("PATCH", "cl/keys", wish | {"permissions": {}}) == documented | off
    assert acme.data("GET", "features/account") == dict.fromkeys(("1101", "1102", "4600"), "UNSET")


def test_patch_imunify_keys_and_server_set_features_below_the_account(acme: V2Client) -> None:
    key = a_key(acme, "imunify360_250")
    server = registered(key, "web1").server
    on = {"4600": "ENABLED"}

    changed = acme.data("PATCH", "imunify/keys", {"key": reveal(key), "permissions": on})
    assert changed == {
        "key": reveal(key),
        "product_type": "360_250",
        "usage_limit": 0,
        "description": "",
        "permissions": on,
    }
    body = {"key": reveal(key), "limit": 5, "note": "shop"}
    limited = acme.data("PATCH", "imunify/keys", body)
    assert (limited["usage_limit"], limited["description"]) == (5, "shop")
    assert limited["permissions"] == on
    assert acme.data("PATCH", "imunify/server", {"id": server.public_id, "permissions": on}) == {
        "id": server.public_id,
        "permissions": on,
    }
    assert acme.refused("PATCH", "imunify/server", {"id": "srv_x"}) == (404, "unknown_server")
    wrong = body | {"limit": 9, "permissions": {"1101": "ENABLED"}}
    assert acme.refused("PATCH", "imunify/keys", wrong) == (422, "unknown_feature")
    assert acme.data("PATCH", "imunify/keys", {"key": reveal(key)}) == limited
    assert acme.data("GET", "features/account") == dict.fromkeys(("1101", "1102", "4600"), "UNSET")


@pytest.mark.parametrize(
    ("root", "product_type", "shown"),
    [("kernelcare", "KC", "kernelcare"), ("imunify", "360_1", "360_1"), ("els", "CELS", "cels")],
)
def test_the_other_families_mirror_cl(
    acme: V2Client, root: str, product_type: str, shown: str
) -> None:
    key = acme.data("POST", f"{root}/keys?limit=2&productType={product_type}")
    assert types_of(key) == KEY
    assert key["product_type"] == shown
    row = ActivationKey.objects.get()
    server = registered(row, "web1", "192.0.2.1").server

    assert acme.data("GET", f"{root}/keys") == [key]
    assert acme.data("GET", f"{root}/servers?productType={product_type}") == [
        {"id": server.public_id, "key": key["key"], "ip": "192.0.2.1", "hostname": "web1"}
    ]
    assert acme.data("DELETE", f"{root}/servers?id={server.public_id}")["id"] == server.public_id
    changed = acme.data("PATCH", f"{root}/keys", {"key": key["key"], "limit": 7})
    assert changed["usage_limit"] == 7
    assert acme.refused("GET", f"cl/keys?productType={product_type}")[1] == "unknown_license_type"


def test_ip_license_types_are_what_the_account_may_hold(acme: V2Client) -> None:
    rows = acme.data("GET", "ip-license/licenses/types")

    assert types_of(rows[0]) == {"id": int, "name": str, "code": str, "family": str}
    assert [row["id"] for row in rows] == [1, 3, 16, 41, 42, 43, 49]
    assert [row["name"] for row in rows[:3]] == [
        "CloudLinux OS Legacy",
        "ELS for CentOS 6",
        "KernelCare",
    ]
    assert rows[3] == {
        "id": 41,
        "name": "Imunify for single user",
        "code": "imunify360_1",
        "family": "imunify360",
    }


def test_an_ip_license_is_added_once_listed_converted_and_removed(acme: V2Client) -> None:
    row = acme.data("POST", "ip-license/licenses?ip=192.0.2.7&type=41")
    assert row == {
        "ip": "192.0.2.7",
        "type": 41,
        "registered": False,
        "created": row["created"],
        "last_checkin": None,
        "hostname": "",
        "els_allowed": False,
        "permissions": {"4600": "UNSET"},
    }
    assert acme.data("POST", "ip-license/licenses", {"ip": "192.0.2.7", "type": 41}) == row
    assert acme.data("GET", "ip-license/licenses") == [row]

    band = acme.data("PATCH", "ip-license/licenses?ip=192.0.2.7&type=41&type_to=42")
    assert (band["type"], band["els_allowed"]) == (42, False)
    old = acme.data("PATCH", "ip-license/licenses?ip=192.0.2.7&type=42&els_allowed=true")
    assert old["els_allowed"] is True

    on = {"permissions": {"4600": "ENABLED"}}
    switched = acme.data("PATCH", "ip-license/licenses", {"ip": "192.0.2.7", "type": 42, **on})
    assert switched == old | on
    down = acme.data("PATCH", "ip-license/licenses?ip=192.0.2.7&type=42&type_to=41")
    assert down == switched | {"type": 41, "created": down["created"]}
    acme.data("POST", "ip-license/licenses?ip=192.0.2.7&type=16")
    assert [row["permissions"] for row in acme.data("GET", "ip-license/licenses")] == [
        on["permissions"],
        {},
    ]
    acme.data("DELETE", "ip-license/licenses?ip=192.0.2.7&type=16")
    acme.data("PATCH", "ip-license/licenses?ip=192.0.2.7&type=41&type_to=42", {})

    wrong = {"ip": "192.0.2.7", "type": 42, "type_to": 41, "permissions": {"1101": "ENABLED"}}
    assert acme.refused("PATCH", "ip-license/licenses", wrong) == (422, "unknown_feature")
    shared = acme.data("POST", "ip-license/licenses?ip=192.0.2.7&type=1")
    assert shared["permissions"] == {"1101": "UNSET", "1102": "UNSET"}
    wish = {"ip": "192.0.2.7", "type": 1, "permissions": {"1101": "ENABLED"}}
    switched = acme.data("PATCH", "ip-license/licenses", wish)
    assert switched["permissions"] == {"1101": "ENABLED", "1102": "UNSET"}
    acme.data("DELETE", "ip-license/licenses?ip=192.0.2.7&type=1")

    gone = acme.data("DELETE", "ip-license/licenses?ip=192.0.2.7&type=42")
    assert (gone["ip"], gone["type"]) == ("192.0.2.7", 42)
    assert acme.data("GET", "ip-license/licenses") == []
    again = acme.refused("DELETE", "ip-license/licenses?ip=192.0.2.7&type=42")
    assert again == (404, "unknown_ip_license")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("ip=66.45.228.100.1&type=16", 422, "bad_address"),
        ("ip=10.0.0.1&type=16", 403, "address_not_public"),
        ("ip=192.0.2.9&type=17", 409, "price_unknown"),
        ("ip=192.0.2.9&type=2", 422, "unknown_license_type"),
        ("ip=192.0.2.9", 422, "bad_argument"),
    ],
)
def test_an_ip_license_that_cannot_be_is_refused(
    acme: V2Client, query: str, status: int, code: str
) -> None:
    assert acme.refused("POST", f"ip-license/licenses?{query}") == (status, code)
    assert not IpLicense.objects.exists()


@pytest.mark.parametrize(
    ("ip_type", "permissions", "answer"),
    [
        (41, {"9999": "ENABLED"}, (422, "unknown_feature")),
        (41, {"4600": "ON"}, (422, "bad_argument")),
        (41, ["4600"], (422, "bad_argument")),
        (16, {"4600": "ENABLED"}, (422, "unknown_feature")),
    ],
)
def test_a_feature_an_ip_license_cannot_have_changes_nothing(
    acme: V2Client, ip_type: int, permissions: object, answer: tuple[int, str]
) -> None:
    for known in (16, 41):
        acme.data("POST", f"ip-license/licenses?ip=192.0.2.7&type={known}")
    before = acme.data("GET", "ip-license/licenses")

    which = {"ip": "192.0.2.7", "type": ip_type, "els_allowed": True}
    refused = acme.refused("PATCH", "ip-license/licenses", which | {"permissions": permissions})

    assert refused == answer
    assert acme.data("GET", "ip-license/licenses") == before


def test_an_address_another_reseller_holds_is_taken(acme: V2Client, zenith: V2Client) -> None:
    acme.data("POST", "ip-license/licenses?ip=192.0.2.7&type=16")

    taken = zenith.refused("POST", "ip-license/licenses?ip=192.0.2.7&type=16")

    assert taken == (409, "address_taken")
    assert zenith.data("GET", "ip-license/licenses") == []


def test_a_customer_has_keys_of_what_it_bought_and_no_ip_licenses() -> None:
    customer = with_token(a_client("anna", kind=AccountKind.CUSTOMER))
    bought(customer.account, "cloudlinux", 2)

    assert customer.data("POST", "cl/keys?limit=1&productType=CL")["usage_limit"] == 1
    assert customer.refused("POST", "cl/keys?limit=1&productType=CLS") == (409, "no_license")
    refused = customer.refused("POST", "ip-license/licenses?ip=192.0.2.7&type=16")
    assert refused == (409, "not_a_reseller")


def test_a_signed_token_is_good_in_the_query_and_as_a_bearer(program: ApiClient) -> None:
    for query, headers in (
        (f"?token={program.token.replace('|', '%7C')}", {}),
        (f"?token={program.token}", {}),
        ("", {"Authorization": f"Bearer {program.token}"}),
    ):
        answer = Client().get(f"/api/v2/features{query}", headers=headers)
        assert answer.status_code == 200
        assert json.loads(answer.content)["success"] is True


def test_a_signed_token_opens_partners_doors_only(program: ApiClient) -> None:
    headers = {"Authorization": f"Bearer {program.token}"}

    assert problem_of(Client().get("/api/v2/keys", headers=headers)) == (401, "auth_failed")
    assert problem_of(Client().get("/api/v2/me", {"token": program.token}))[0] == 401


def test_an_api_token_in_the_address_is_not_taken(acme: V2Client) -> None:
    assert problem_of(Client().get("/api/v2/features", {"token": acme.token}))[0] == 401


@pytest.mark.parametrize(
    ("query", "accept"), [("?envelope=0", "*/*"), ("", "application/vnd.cln.bare+json")]
)
def test_bare_data_is_answered_where_it_is_asked_for(
    acme: V2Client, query: str, accept: str
) -> None:
    assert acme.ask("GET", f"features/account{query}", Accept=accept)["4600"] == "UNSET"


def test_a_partners_error_has_the_members_of_v1_too(acme: V2Client) -> None:
    problem = json.loads(acme.send("DELETE", "cl/keys?key=CL-x").content)

    assert (problem["success"], problem["data"]) == (False, None)
    assert problem["message"] == problem["detail"] == "There is no such activation key."


def test_another_accounts_keys_and_servers_are_not_there(acme: V2Client, zenith: V2Client) -> None:
    key = a_key(acme, "cloudlinux")
    imunify = a_key(acme, "imunify360_250")
    server, other = registered(key, "web1").server, registered(imunify, "web1").server
    text = reveal(key)

    assert zenith.refused("PATCH", f"cl/keys?key={text}&limit=9") == (404, "unknown_key")
    assert zenith.refused("DELETE", f"cl/keys?key={text}") == (404, "unknown_key")
    assert zenith.refused("DELETE", f"cl/servers?id={server.pk}") == (404, "unknown_server")
    body = {"id": other.public_id, "permissions": {"4600": "ENABLED"}}
    assert zenith.refused("PATCH", "imunify/server", body) == (404, "unknown_server")
    body = {"key": reveal(imunify), "permissions": {"4600": "ENABLED"}}
    assert zenith.refused("PATCH", "imunify/keys", body) == (404, "unknown_key")
    assert zenith.data("GET", "cl/keys?productType=CL") == []
    assert zenith.data("GET", "cl/servers?productType=CL") == []
    assert Server.objects.filter(status="active").count() == 2
    assert ActivationKey.objects.filter(removed_at=None, limit=0).count() == 2
