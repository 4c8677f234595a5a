"""Two tenants: what belongs to another one answers at every door like what never was.

The classes of doors, and the test that each has one, are in `test_every_door`; REST v2, whose ids
stand in its own table, is walked in `test_v2_doors`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern
from pytest_django import Settings

from cln.api.rhn.door import METHODS as RHN_METHODS
from cln.api.v2.urls import DECLARED
from cln.api.xmlrpc.partner import IP_REGISTRATION
from cln.api.xmlrpc.partner import METHODS as PARTNER_METHODS
from tests.contract.test_every_door import OF_A_SECRET, address_of, doors, everything, patient, xml
from tests.contract.test_v1_bad_input import CALLS, a_world
from tests.licensing import bought, registered
from tests.rhn import INVALID_SYSTEM, STATUS, fault_of, machine
from tests.rhn import call as rhn_call
from tests.v1 import a_client
from tests.v2 import with_token

__all__ = ["patient"]
pytestmark = pytest.mark.django_db

# What these tell of an address is everybody's (IPL-2, IPL-3, X-6).
OF_ANYBODY: Final = {"ipl/availability", "ipl/check"}
OWN_TEXTS: Final = {"ip", "imunify_ip", "group", "kc_key", "kc_server", "im_key", "im_server"} | {
    "els_key", "els_server", "backup"
}  # fmt: skip
ABSENT: Final = {
    "backup": "1999999999",
    "ip": "192.0.2.200",
    "imunify_ip": "192.0.2.201",
    "group": "never",
    "kc_key": "WsTs821nSAtiastD",
    "im_key": "IM250ABCDEFGHIJKLMNO",
    "els_key": "CELS-ABCDEFGHIJKLMNOPQRSTUVWX",
    "kc_server": "srv_ABCDEFGHIJKLMNOPQRST",
    "im_server": "srv_ABCDEFGHIJKLMNOPQRST",
    "els_server": "srv_ABCDEFGHIJKLMNOPQRST",
}


def test_another_tenants_ids_at_v1_answer_like_those_that_never_were(settings: Settings) -> None:
    settings.CLN_BACKUP_CREATION = True
    acme, _ = a_world("acme", 1)
    _, theirs = a_world("zenith", 2)
    before, tried = everything(), 0

    for call, arguments in CALLS.items():
        words = {name.rstrip("?"): word for name, word in arguments.items()}
        if call in OF_ANYBODY or OWN_TEXTS.isdisjoint(words.values()):
            continue
        tried += 1
        for ending in ("json", "plain"):
            said = []
            for ids in (theirs, ABSENT):
                sent = {name: ids.get(word, word) for name, word in words.items()}
                body = acme.body(f"{call}.{ending}", **sent)
                for name, word in words.items():
                    body = body.replace(sent[name], "ID") if word in OWN_TEXTS else body
                said.append(body)
            assert said[0] == said[1], call
    assert tried >= 20
    assert everything() == before


def test_lists_show_nothing_of_another_tenants() -> None:
    acme = a_client()
    _, theirs = a_world("zenith", 2)
    token = with_token(acme)

    shown = [acme.body(f"{call}.json") for call in CALLS if call.endswith("list")]
    shown += [token.send("GET", f"{path}").content.decode() for path in _v2_lists()]
    shown.append(xml("/clweb/xmlrpc", "registration.reconcile", [acme.token]).decode())

    assert len(shown) > 25
    for text in shown:
        # A backup's short number may stand in any text; `test_v1_backups` has its lists.
        assert not any(theirs[name] in text for name in OWN_TEXTS - {"backup"})


def _v2_lists() -> list[str]:
    return [one.path.strip("/") for one in DECLARED if one.method == "GET" and "{" not in one.path]


def test_another_tenants_address_at_the_partners_xml_rpc_is_like_a_free_one() -> None:
    acme, _ = a_world("acme", 1)
    _, theirs = a_world("zenith", 2)
    before = everything()

    for rest in ([], [0], [16]):
        said = [
            xml("/clweb/xmlrpc", "registration.remove_license", [acme.token, ip, *rest])
            for ip in (theirs["ip"], ABSENT["ip"])
        ]
        assert said[0] == said[1], rest
    assert everything() == before
    assert {*PARTNER_METHODS, IP_REGISTRATION} == {
        "registration.license",  # who holds it is told by a refusal alone
        "registration.is_licensed",  # of anybody
        "registration.reconcile",  # names nothing
        "registration.remove_license",
        IP_REGISTRATION,  # of the caller's address
    }


SECOND: Final = {"version": "9", "hw_profile": [], "delta_packages": {}, "packages": []}
"""What a method wants after the systemid, by the end of its name; else a number."""
# They take no systemid: a key, a login or an address, or nothing at all.
WITHOUT_A_SYSTEM: Final = re.compile(r"new_system|register_ip|welcome|remaining|privacy|_user$")


def test_a_systemid_with_another_tenants_number_opens_no_method_of_rhn() -> None:
    mine, theirs = (
        str(rhn_call("registration.new_system", machine(bought(a_client(name).account, *LICENSE))))
        for name in ("acme", "zenith")
    )
    mixed = re.sub(r"ID-[0-9]+", str(re.search(r"ID-[0-9]+", theirs)[0]), mine)  # type: ignore[index]
    before, tried = everything(), 0

    for method in RHN_METHODS:
        if WITHOUT_A_SYSTEM.search(method) is None:
            tried += 1
            known = [kind for end, kind in SECOND.items() if method.endswith(end)]
            second = known[0] if known else 2
            assert fault_of(method, mixed, second, STATUS, "", {}) == INVALID_SYSTEM, method
    assert tried >= 12
    login = rhn_call("up2date.login", mine)
    other = rhn_call("up2date.login", theirs)
    headers = {name: str(value) for name, value in login.items() if "Channels" not in name}
    headers["X-RHN-Server-Id"] = str(other["X-RHN-Server-Id"])
    assert Client().get("/XMLRPC/GET-REQ/any/x", headers=headers).status_code == 401
    assert everything() == before


LICENSE: Final = ("cloudlinux", 1)


def test_what_lists_show_of_a_server_or_a_key_opens_no_door_of_a_secret() -> None:
    """ADR 48."""
    account = a_client().account
    key = bought(account, "kernelcare", 3)
    server = registered(key, "web1").server
    shown = {"key": key.public_id, "server": server.public_id}
    absent = {"key": "key_ABCDEFGHIJKLMNOPQRST", "server": "srv_ABCDEFGHIJKLMNOPQRST"}
    before = everything()

    for name, entry in doors().items():
        if name in OF_A_SECRET:
            method, where, what = OF_A_SECRET[name]
            said = [
                _presented(entry, method, where, ids[what]).replace(ids[what], "ID")
                for ids in (shown, absent)
            ]
            assert said[0] == said[1], name
    assert everything() == before


def _presented(entry: URLPattern, method: str, where: str, text: str) -> str:
    """The answer to somebody who shows this text where a secret is wanted, but for the request."""
    headers = {"Authorization": f"Bearer {text}"} if where == "bearer" else {}
    arguments = {} if where in ("bearer", "path") else {where: text}
    data: Any = json.dumps(arguments) if method == "POST" else arguments
    send: Callable[..., HttpResponse] = getattr(Client(), method.lower())
    answer = send(address_of(entry, text), data, content_type="application/json", headers=headers)
    assert answer.status_code < 500
    return re.sub(r'"request_id":"\w+"', "", answer.content.decode())
