"""Who may call what: every operation, every role, every scope, another tenant's ids."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from cln.accounts.access import PERMISSIONS, Permission
from cln.accounts.models import Account
from cln.api.v2 import urls
from cln.api.v2.operation import Declared
from cln.domain.dunning import DunningState
from cln.enums import Role
from cln.ids import public_id
from cln.licensing import groups
from cln.licensing.ip_licenses import add_ip_license
from cln.licensing.services import create_key, reveal
from cln.notifications import webhooks
from tests.customers import START, a_customer, buys, clock_at
from tests.licensing import NOW, registered
from tests.v1 import a_client
from tests.v2 import V2Client, a_v2_client, problem_of, routed, token_for, with_token
from tests.visitors import a_login

pytestmark = pytest.mark.django_db

# A body or a query that is good but for the ids in it; `{…}` are things of somebody's world.
GOOD: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "cl/keys"): {"key": "{cl_key}", "limit": 1},
    ("DELETE", "cl/keys"): {"key": "{cl_key}"},
    ("DELETE", "cl/servers"): {"id": "{cl_server}"},
    ("PATCH", "cl/server"): {"id": "{cl_server}", "permissions": {"1101": "ENABLED"}},
    ("PATCH", "kernelcare/keys"): {"key": "{kc_key}", "limit": 1},
    ("DELETE", "kernelcare/keys"): {"key": "{kc_key}"},
    ("DELETE", "kernelcare/servers"): {"id": "{kc_server}"},
    ("PATCH", "imunify/keys"): {"key": "{im_key}", "limit": 1},
    ("DELETE", "imunify/keys"): {"key": "{im_key}"},
    ("DELETE", "imunify/servers"): {"id": "{im_server}"},
    ("PATCH", "imunify/server"): {"id": "{im_server}", "permissions": {"4600": "ENABLED"}},
    ("PATCH", "els/keys"): {"key": "{els_key}", "limit": 1},
    ("DELETE", "els/keys"): {"key": "{els_key}"},
    ("DELETE", "els/servers"): {"id": "{els_server}"},
    ("PATCH", "ip-license/licenses"): {"ip": "{ip}", "type": 16, "els_allowed": True},
    ("DELETE", "ip-license/licenses"): {"ip": "{ip}", "type": 16},
    ("PATCH", "keys/{key}"): {"limit": 1},
    ("POST", "servers/{server}/move"): {"key": "{key}"},
    ("PUT", "servers/{server}/group"): {"group": "{group}"},
    ("PUT", "servers/{server}/usage"): {"product": "AWP_PREMIUM", "uses": []},
    ("PATCH", "webhooks/{webhook}"): {"enabled": False},
    ("POST", "webhooks/{webhook}/rotate-secret"): {"overlap_hours": 1},
    ("POST", "subscriptions/{license_type}/unsubscribe"): {"when": "now"},
    ("POST", "subscriptions/{license_type}/remove-unused"): {"keep": 1},
}
TYPES = {"cl": "cloudlinux", "kc": "kernelcare", "im": "imunify360_250", "els": "els_centos6"}
OPERATIONS = {f"{one.method} {one.path.strip('/')}": one for one in urls.DECLARED}
IDS = re.findall(r"\{(\w+)\}", " ".join(OPERATIONS) + json.dumps([*GOOD.values()]))
ABSENT = dict.fromkeys(IDS, "0") | {"ip": "192.0.2.1", "cl_server": "987654321"}


def has_ids(one: Declared) -> bool:
    """Whether it names a thing of somebody's; a license type is everybody's."""
    named = one.path + json.dumps(GOOD.get((one.method, path_of(one)), ""))
    return "{" in named.replace("{license_type}", "")


def path_of(one: Declared) -> str:
    return one.path.strip("/")


def a_world(client: V2Client, host: int) -> dict[str, str]:
    """One of everything, and what it is called."""
    who: dict[str, Any] = {"account_id": client.account.pk, "actor": "t", "now": NOW}
    mine = {"ip": f"192.0.2.{host}", "group": f"group {host}", "license_type": "cloudlinux"}
    for short, license_type in TYPES.items():
        create_key(license_type=license_type, **who)
        key = create_key(license_type=license_type, **who)
        server = registered(key, f"host{host}-{short}", f"203.0.113.{host}").server
        by = str(server.pk) if short == "cl" else server.public_id
        mine |= {f"{short}_key": reveal(key), f"{short}_server": by}
        mine |= {"key": key.public_id, "server": server.public_id}
    add_ip_license(license_type="kernelcare", address=mine["ip"], **who)
    groups.create_group(name=mine["group"], **who)
    endpoint, _ = webhooks.create_endpoint(
        url="https://example.com/hook", events=["key.created"], **who
    )
    mine["webhook"] = endpoint.public_id
    ping = webhooks.ping(account_id=client.account.pk, endpoint=endpoint.public_id, now=NOW)
    mine |= {"event": ping.event, "invoice": public_id("inv")}
    token = client.ask("POST", "tokens", {"name": "other", "scopes": ["view_servers"]})
    mine["token"] = token["id"]
    return mine


def call(client: V2Client, one: Declared, ids: dict[str, str]) -> HttpResponse:
    """The operation with these ids, and good arguments otherwise."""

    def filled(text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda name: ids[name[1]], text)

    body = json.loads(filled(json.dumps(GOOD.get((one.method, path_of(one))))))
    return client.send(one.method, filled(path_of(one)), body)


def without_the_address(answer: HttpResponse) -> dict[str, Any]:
    """A problem but for its request and the address that it repeats."""
    text = re.sub(r"192\.0\.2\.\d+", "IP", answer.content.decode())
    return {name: value for name, value in json.loads(text).items() if name != "request_id"}


def everything() -> dict[str, Any]:
    """A digest of every table that a call could change; the audit of tokens' use is not among."""
    tables = [
        "accounts_apitoken", "accounts_auditentry", "licensing_activationkey", "licensing_server",
        "licensing_iplicense", "licensing_servergroup", "licensing_featuresetting",
        "licensing_addonspan",
        "notifications_webhookendpoint", "notifications_message", "billing_subscription",
    ]  # fmt: skip
    digests = ", ".join(
        f"(SELECT md5(string_agg((to_jsonb(t) - 'last_used_at')::text, '|' ORDER BY id))"
        f" FROM {table} t)"
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {digests}")
        return dict(zip(tables, cursor.fetchone(), strict=True))


def test_every_route_under_api_v2_was_declared_or_is_known_to_be_open() -> None:
    declared = {path_of(one) for one in OPERATIONS.values()}

    agents = {path for path in routed() if path.startswith(("agent/", "leases/"))}
    assert routed() - agents - {"openapi.json", "docs"} == declared
    assert len(OPERATIONS) > 60


@pytest.mark.parametrize("header", ["", "Bearer cln_nonsense", "Basic x", "Bearer a|1|b"])
def test_without_a_good_token_there_is_nothing(header: str, settings: Settings) -> None:
    settings.CLN_API_STRANGERS_RATE = 10_000
    client = Client()
    for name, one in OPERATIONS.items():
        path = f"/api/v2/{path_of(one)}".replace("{", "").replace("}", "")
        answer = client.generic(one.method, path, headers={"Authorization": header})
        assert problem_of(answer) == (401, "auth_failed"), name
        assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("role", Role)
def test_a_token_may_do_what_its_owners_role_may_and_nothing_else(role: Role) -> None:
    account = a_client().account
    client = V2Client(account, token_for(account, login=a_login(account, role, name="worker")))

    for name, one in OPERATIONS.items():
        status = call(client, one, ABSENT).status_code
        assert (status == 403) is (one.needs not in PERMISSIONS[role]), name
        assert status != 401, name


def test_a_scope_opens_the_operations_that_need_it_and_no_other() -> None:
    client = a_v2_client(scopes=["view_servers"])

    for name, one in OPERATIONS.items():
        status = call(client, one, ABSENT).status_code
        assert (status == 403) is (one.needs != Permission.VIEW_SERVERS), name


def test_a_login_that_loses_its_role_loses_it_in_its_tokens_too() -> None:
    client = a_v2_client()
    assert client.ask("GET", "tokens")["data"]

    client.account.logins.update(role=Role.READ_SERVERS)

    assert client.refused("GET", "tokens") == (403, "not_allowed")
    assert client.ask("GET", "me")["rights"] == ["reporting", "view_products", "view_servers"]
    client.account.logins.update(is_active=False)
    assert client.refused("GET", "me") == (401, "auth_failed")


def test_an_account_whose_api_is_switched_off_has_no_tokens_that_work() -> None:
    client = a_v2_client()

    Account.objects.filter(pk=client.account.pk).update(api_enabled=False)

    assert client.refused("GET", "me") == (401, "auth_failed")


def test_ids_of_another_tenant_and_ids_that_never_were_answer_alike() -> None:
    acme, mallory = a_v2_client(), with_token(a_client("mallory"))
    foreign, own = a_world(acme, 1), a_world(mallory, 2)
    absent = {name: f"{value[:4]}never" for name, value in foreign.items()}
    absent |= {"cl_server": "987654321", "ip": "192.0.2.200", "license_type": "cloudlinux"}
    foreign |= {"license_type": "cloudlinux"}
    before = everything()

    tried = 0
    for name, one in OPERATIONS.items():
        if not has_ids(one):
            continue
        tried += 1
        answers = [call(mallory, one, ids) for ids in (foreign, absent)]
        assert [answer.status_code for answer in answers] == [404, 404], name
        assert without_the_address(answers[0]) == without_the_address(answers[1]), name
    assert tried >= 30
    assert everything() == before
    # A server of one's own does not go to another's key, nor into another's group.
    for one in (
        d
        for d in OPERATIONS.values()
        if d.path in ("/servers/{server}/move", "/servers/{server}/group")
    ):
        answer = call(mallory, one, foreign | {"server": own["server"]})
        assert answer.status_code == 404, one
    assert everything() == before


def test_a_blocked_account_may_look_and_pay_but_not_buy() -> None:
    """P7."""
    clock_at(START)
    account = a_customer()
    a_login(account, name="anna")
    buys(account, 2, "cloudlinux")
    client = V2Client(account, token_for(account))
    Account.objects.filter(pk=account.pk).update(
        dunning_state=DunningState.BLOCKED, blocked_on=START.date()
    )

    assert client.ask("GET", "me")["state"] == "blocked"
    assert len(client.ask("GET", "invoices")["data"]) == 1
    order = {"license_type": "cloudlinux", "quantity": 1}
    refused = client.refused("POST", "subscriptions", order, Idempotency_Key="k")
    assert refused == (403, "account_blocked")


def test_what_is_no_door_is_a_problem_and_no_page() -> None:
    client = a_v2_client()

    assert client.refused("GET", "nothing/here") == (404, "no_such_door")
    assert client.refused("GET", "keys/") == (404, "no_such_door")
    assert client.refused("PUT", "me") == (405, "method_not_allowed")
    assert client.send("PUT", "me")["Allow"] == "GET"
