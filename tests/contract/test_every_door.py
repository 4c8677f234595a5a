"""Every door for machines, from the table of routes itself: a new one cannot be forgotten.

Whatever is sent to it, a door answers in its own form, never with a 500, and nothing changes. The
classes of doors say which are asked with another tenant's ids (`test_two_tenants`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode
from xmlrpc.client import dumps

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern
from django.urls.resolvers import RegexPattern
from pytest_django import Settings

from cln import clock
from cln.api import limits, urls
from cln.api.rhn.door import METHODS as RHN_METHODS
from cln.api.v1.urls import CALLS as V1_CALLS
from cln.api.v2.agent_paths import agent_paths
from cln.api.v2.urls import DECLARED
from cln.api.xmlrpc.partner import METHODS as PARTNER_METHODS
from cln.licensing.lease_keys import published_keys
from cln.licensing.services import reveal
from tests.contract.test_v1_bad_input import a_world
from tests.licensing import bought, registered
from tests.rhn import call as rhn_call
from tests.rhn import machine
from tests.v1 import a_client
from tests.v2 import with_token
from tests.vendor import Vendor

pytestmark = pytest.mark.django_db

# What a route shows is everybody's, or it takes nothing that names anything.
OPEN: Final = {
    "XMLRPC/", "RPC2",  # other names of XMLRPC
    "api/v2/docs", "api/v2/leases/incident", "api/v2/leases/keys", "api/v2/openapi",
    "install/<str:name>", "install/SHA256SUMS", "showip", "showip.php",
}  # fmt: skip
# Signed by a gateway; what it names is looked up among that gateway's own.
SIGNED_BY_GATEWAYS: Final = {"webhooks/<slug:gateway>"}
# Who shows the secret is the server, or holds the key: there is no other id in the call. Lists show
# public ids instead, which must open none of these (ADR 48).
OF_A_SECRET: Final[Mapping[str, tuple[str, str, str]]] = {
    # route without its root and form: method, where the secret is, what it is
    "api/v2/agent/register": ("POST", "key", "key"),
    "api/v2/agent/check-in": ("POST", "bearer", "server"),
    "api/v2/agent/usage": ("POST", "bearer", "server"),
    "api/v2/agent/lease": ("GET", "bearer", "server"),
    "api/v2/agent/move": ("POST", "bearer", "server"),
    "api/v2/agent/move-here": ("POST", "code", "server"),
    "api/v2/agent/unregister": ("POST", "bearer", "server"),
    "cln/api/centos/token/register": ("POST", "key", "key"),
    "cln/api/els/token/register": ("POST", "key", "key"),
    "cln/api/els/server/register": ("POST", "key", "key"),
    "api/kcare/register_server": ("GET", "key", "key"),
    "api/kcare/unregister_server": ("GET", "server_id", "server"),
    "api/kcare/check": ("GET", "server_id", "server"),
    "api/kcare/checkin": ("GET", "server_id", "server"),
    "api/kcare/sticky_patch": ("GET", "server_id", "server"),
    "api/kcare/tag_server": ("GET", "server_id", "server"),
    "api/kcare/trial": ("GET", "server_id", "server"),  # of the caller's address, and of no id
    "api/kcare/patchset": ("GET", "key", "key"),
    "api/kcare/patchset/<str:key>": ("GET", "path", "key"),
    "api/kcare/nagios/register_key": ("GET", "key", "key"),
    "api/kcare/nagios/<str:key>": ("GET", "path", "key"),
    "api/kcare/nagios-res/<str:login>/<str:token>": ("GET", "path", "key"),
}
# A token, and ids that belong to its account: each is asked with another tenant's.
OF_A_TENANT: Final = {
    "api/status",  # takes no token and no id
    "api/cl/awp",
    *(f"api/{call}" for call in V1_CALLS),
    *(f"api/v2/{one.path.strip('/')}" for one in DECLARED),
    "clweb/xmlrpc",
    "XMLRPC",
    "^(?:XMLRPC|RPC2)//?GET-REQ/",
}
BODIES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"", "application/json"),
    (b"{", "application/json"),
    (b"[1]", "application/json"),
    (b'{"a":1,"a":[{}]}', "application/json"),
    (b"[" * 20_000, "application/json"),
    (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
    (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
    (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "text/xml"),
)
HUGE: Final = b"1" * 10_000_000
HUGE_BODIES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"ip=" + HUGE, "application/x-www-form-urlencoded"),
    (b'{"key":"' + HUGE + b'"}', "application/json"),
    (b"<methodCall><methodName>" + HUGE + b"</methodName></methodCall>", "text/xml"),
)
QUERIES: Final = ("", "a=&a=1&=&&%00=%ED%A0%80&ip=x&limit=-1", "x=" + "1" * 100_000)
DEEP: Final = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
# What comes and goes with every request, or counts them.
COUNTERS: Final = {"accounts_apitoken", "accounts_apirequest", "api_rate"}


def route_of(entry: URLPattern) -> str:
    """A route without the old root and without its form."""
    text = str(entry.pattern).removesuffix(".json").removesuffix(".plain")
    if isinstance(entry.pattern, RegexPattern):
        return text.partition("(?P<label>")[0]
    return text if text == "clweb/xmlrpc" else text.removeprefix("clweb/")


def named(route: str) -> str:
    """A route of v2 as it was declared."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route) if "api/v2" in route else route


def everything() -> dict[str, str]:
    """A digest of every table but for what counts requests."""
    with connection.cursor() as cursor:
        tables = [
            name
            for name in connection.introspection.table_names(cursor)
            if name not in COUNTERS and not name.startswith(("procrastinate", "django_", "auth"))
        ]
        digests = ", ".join(
            f"(SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t)"
            for name in tables
        )
        cursor.execute(f"SELECT {digests}")
        return dict(zip(tables, cursor.fetchone(), strict=True))


@pytest.fixture(autouse=True)
def patient(settings: Settings) -> None:
    """No limit of tries stands in the way of what is asked here."""
    settings.CLN_API_RATE = settings.CLN_API_STRANGERS_RATE = 10_000_000


def test_every_door_is_open_or_of_a_secret_or_of_a_tenant() -> None:
    routes = {route_of(entry) for entry in urls.urlpatterns}

    classes = [OPEN, SIGNED_BY_GATEWAYS, OF_A_SECRET.keys(), OF_A_TENANT]
    assert {named(route) for route in routes} == set().union(*classes)
    assert sum(map(len, classes)) == len(set().union(*classes)), "a door has one class"


# -- bad input ------------------------------------------------------------------------------------


def doors() -> dict[str, URLPattern]:
    """One route of each door, by its name: roots and forms share the view (see below)."""
    return {route_of(entry): entry for entry in reversed(urls.urlpatterns)}


def address_of(entry: URLPattern, part: str) -> str:
    if isinstance(entry.pattern, RegexPattern):
        return f"/XMLRPC/GET-REQ/{part}/{part}"
    return "/" + re.sub(r"<[^>]+>", part, str(entry.pattern))


def test_roots_and_forms_share_the_view() -> None:
    views: dict[str, set[object]] = {}
    for entry in urls.urlpatterns:
        views.setdefault(route_of(entry), set()).add(entry.callback)

    assert {name for name, found in views.items() if len(found) > 1} == {"api/status"}


def test_whatever_is_sent_to_a_door_it_answers_in_its_form_and_nothing_changes() -> None:
    acme, _ = a_world("acme", 1)
    secrets = {
        "token": acme.token,
        "api_token": with_token(acme).token,
        "server": registered(bought(acme.account, "cloudlinux", 1), "web1").secret,
    }
    published_keys(now=clock.now())  # the first one is made when it is first asked for
    before = everything()

    for turn, (name, entry) in enumerate(doors().items()):
        for what, answer in _attacks(name, entry, secrets, turn=turn):
            assert answer.status_code < 500, (name, what)
            if name != "api/v2/docs" and (answer.status_code != 404 or name.startswith("api/")):
                assert b"<html" not in b"".join(answer)[:500].lower(), (name, what)
        if name != "api/v2/agent/check-in":  # a body with nothing in it is a good one there
            assert everything() == before, name
        before = everything()


def test_what_can_be_got_can_be_asked_for_its_head_and_a_head_changes_nothing() -> None:
    """Old clients get even what changes something (V1-6); a HEAD of that is refused."""
    acme, _ = a_world("acme", 1)
    headers = {"Authorization": f"Bearer {with_token(acme).token}"}
    published_keys(now=clock.now())
    before, refused = everything(), set()

    for name, entry in doors().items():
        where = f"{address_of(entry, 'x')}?{urlencode({'token': acme.token})}"
        head = Client().head(where, headers=headers)
        if head.status_code == 405:
            refused.add(name)
            continue
        got = Client().get(where, headers=headers)
        assert (head.status_code, head["Content-Type"]) == (got.status_code, got["Content-Type"])
        assert b"".join(head) == b"", name

    assert everything() == before
    reading = {name for name in doors() if name.startswith("api/") and name not in refused}
    assert {name for name in reading if "/v2/" not in name} == READING
    gets = {one.path.strip("/") for one in DECLARED if one.method == "GET"}
    declared = {named(name).removeprefix("api/v2/") for name in reading if "/v2/" in name}
    assert declared == gets | {"agent/lease", "docs", "leases/incident", "leases/keys", "openapi"}


READING: Final = {
    "api/ab/list", "api/cl/awp", "api/els/key/list", "api/els/srv/list", "api/group/list",
    "api/group/servers/list", "api/im/key/list", "api/im/srv/list", "api/ipl/availability",
    "api/ipl/check", "api/ipl/list", "api/ipl/server", "api/kcare/check", "api/kcare/key/list",
    "api/kcare/key/servers", "api/kcare/nagios-res/<str:login>/<str:token>",
    "api/kcare/nagios/<str:key>", "api/kcare/patchset", "api/kcare/patchset/<str:key>",
    "api/kcare/sticky_patch",
    "api/kcare/trial", "api/status",
}  # fmt: skip


# They need nothing but the credential.
COMPLETE: Final = {"api/v2/agent/unregister", "api/kcare/key/create"}
METHODS: Final = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")


def _attacks(
    name: str, entry: URLPattern, secrets: Mapping[str, str], *, turn: int
) -> Iterator[tuple[object, HttpResponse]]:
    """Requests that no client sends, with credentials that are good where the door takes some.

    Neighbours share the bodies and the methods among them; the deep profile gives all to all.
    """
    share = slice(None) if DEEP else slice(turn % 2, None, 2)
    secret = secrets["server" if name.startswith("api/v2/agent/") else "api_token"]
    headers = {} if name in COMPLETE else {"Authorization": f"Bearer {secret}"}
    token = "" if name in COMPLETE else urlencode({"token": secrets["token"]})
    browser, where = Client(), address_of(entry, "x")
    for part in ("%00", "..%2F..%2Fx", "%ED%A0%80"):
        yield part, browser.get(address_of(entry, part), headers=headers)
    for query in QUERIES:
        yield query[:20], browser.get(f"{where}?{query}&{token}", headers=headers)
    for method in METHODS[share]:
        yield method, browser.generic(method, where, b"{", "application/json", headers=headers)
    for body, kind in (*BODIES[share], HUGE_BODIES[turn % len(HUGE_BODIES)]):
        yield body[:20], browser.post(f"{where}?{token}", body, kind, headers=headers)


NASTY: Final[tuple[Any, ...]] = (
    "", " ", "\x00", "\ud800", "../../x", "' OR 1=1", "٣٣", "-1", "9" * 40, "x" * 100_000,
    0, True, 1.5, None, [], {}, [["x"]],
)  # fmt: skip


def test_each_argument_of_an_agents_door_is_refused_or_harmless() -> None:
    """The arguments are those of the OpenAPI document, which has every door (below)."""
    key = bought(a_client().account, "cloudlinux", 100)
    server = registered(key, "web1")
    good = {"register": {"key": reveal(key)}, "usage": {"product": "AWP_PREMIUM", "uses": []}}

    refused: list[tuple[str, str, object]] = []

    def status_of(path: str, argument: str, value: object) -> int:
        limits.servers.clear()
        name = path.rpartition("/")[2]
        secret = "" if name == "register" else server.secret
        body = json.dumps({**good.get(name, {}), argument: value})
        answer = Client().post(
            path, body, "application/json", headers={"Authorization": f"Bearer {secret}"}
        )
        assert "json" in answer["Content-Type"]
        return answer.status_code

    for path, methods in agent_paths().items():
        for argument in _arguments(methods):
            for value in NASTY:
                status = status_of(path, argument, value)
                assert status in {200, 201, 400, 403, 404, 409, 429}, (path, argument, value)
                refused += [(path, argument, value)] if status >= 400 else []

    before = everything()
    assert {status_of(*one) >= 400 for one in refused} == {True}
    assert everything() == before
    assert len(refused) > 100


def _arguments(methods: Mapping[str, Any]) -> list[str]:
    content = methods.get("post", {}).get("requestBody", {}).get("content", {})
    return list(content["application/json"]["schema"]["properties"]) if content else []


def test_the_document_has_every_agents_door() -> None:
    agents = {f"/{name}" for name in doors() if name.startswith(("api/v2/agent", "api/v2/leases"))}

    assert set(agent_paths()) == agents


# Not the two that XML cannot carry, nor None, which needs an extension of it.
TEXTS: Final = (
    *(value for value in NASTY if value not in ("\x00", "\ud800", None)),
    "\x7f", "x" * 5_000, [{}] * 50, {"": ""}, -(2**31), 2**31 - 1,
)  # fmt: skip


def test_each_argument_of_a_partners_method_is_refused_or_harmless() -> None:
    acme, mine = a_world("acme", 1)
    good: list[Any] = [acme.token, mine["ip"], 16]
    before = everything()

    for method, (_, counts) in PARTNER_METHODS.items():
        for position in range(max(counts) + 1):
            for value in TEXTS:
                arguments = [*good[:position], value, *good[position + 1 : max(counts) + 1]]
                if (method, arguments[2:]) == ("registration.remove_license", [0]):
                    continue  # which is good, and means all of them
                answer = xml("/clweb/xmlrpc", method, arguments)
                assert re.search(rb"<i4>(10|30|40|-1|0|16)</i4>|<data>", answer), (method, value)
            assert everything() == before, (method, position)


def test_each_argument_of_an_rhn_method_is_refused_or_harmless() -> None:
    key = bought(a_client().account, "cloudlinux", 100)
    systemid = str(rhn_call("registration.new_system", machine(key)))

    refused: list[tuple[str, str, list[Any]]] = []

    def is_refused(path: str, method: str, arguments: list[Any]) -> bool:
        answer = xml(path, method, arguments)
        assert re.search(rb"<i4>-(2|9|21|49|60|106)</i4>|<params>", answer), (method, arguments)
        return b"<fault>" in answer

    asked = [
        ("/XMLRPC", method, arguments)
        for turn, method in enumerate(RHN_METHODS)
        for value in TEXTS[turn % 3 :: 3]
        for arguments in ([value], [systemid, value], [systemid, 2, value], [systemid, 1, 2, value])
    ]
    asked += [
        ("/RPC2", "registration.new_system", [machine(key) | {field: value}])
        for turn, field in enumerate(machine(key))
        for value in TEXTS[turn % 2 :: 2]
    ]
    for one in asked:
        refused += [one] if is_refused(*one) else []

    before = everything()
    assert {is_refused(*one) for one in refused[::2]} == {True}
    assert everything() == before
    assert len(refused) > 100


def xml(path: str, method: str, arguments: list[Any]) -> bytes:
    body = dumps(tuple(arguments), method, allow_none=True)
    answer = Client().post(path, body, content_type="text/xml")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/xml"), (method, arguments)
    return bytes(answer.content)


@pytest.mark.parametrize("gateway", ["stripe", "paypal", "sandbox", "nobody"])
def test_what_no_gateway_sends_is_refused_and_kept_nowhere(vendor: Vendor, gateway: str) -> None:
    before = everything()
    big = b'{"a":"' + b"x" * 3_000_000 + b'"}'

    names = ("Transmission-Id", "Transmission-Time", "Transmission-Sig", "Cert-Url", "Auth-Algo")
    signed = {f"Paypal-{name}": "x" for name in names} | {"Stripe-Signature": "t=1,v1=0"}
    utf_16 = '{"id":"x"}'.encode("utf-16")

    for body in (
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"id":"\\u0000"}',
        utf_16,
        big,
    ):
        for headers in ({}, signed):
            answer = Client().post(
                f"/webhooks/{gateway}", body, "application/json", headers=headers
            )
            assert answer.status_code in {400, 404, 413}, (body[:20], answer.content)
            assert answer.json()["status"] == "refused"

    assert everything() == before
    assert Client().get(f"/webhooks/{gateway}").status_code == 405


@pytest.mark.parametrize(
    ("path", "kind", "statuses"),
    [
        ("/api/ipl/list.json", "application/x-www-form-urlencoded", {200}),
        ("/api/kcare/register_server.plain", "application/json", {200}),
        ("/api/v2/agent/register", "application/json", {400}),
        ("/api/v2/agent/usage", "application/json", {401}),
        ("/api/v2/keys", "application/json", {413}),
        ("/cln/api/els/token/register", "application/json", {400}),
        ("/clweb/xmlrpc", "text/xml", {200}),
        ("/XMLRPC", "text/xml", {200}),
        ("/webhooks/sandbox", "application/json", {400}),
    ],
)
def test_ten_megabytes_are_refused(path: str, kind: str, statuses: set[int]) -> None:
    answer = Client().post(path, b"x" * 10_000_000, kind)

    assert answer.status_code in statuses
    assert b"<html" not in answer.content
