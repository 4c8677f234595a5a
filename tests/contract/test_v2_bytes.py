"""Every partners' door of REST v2, byte for byte (facts §8).

Python's `==` takes 1 for true; a client that decodes into types does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from django.db import transaction
from django.test import Client

from cln.accounts.models import ServerAccount
from cln.licensing.ip_licenses import add_ip_license
from cln.licensing.models import IpLicense, Server, System
from cln.licensing.services import create_key, reveal
from tests.licensing import NOW, registered
from tests.v1 import ApiClient, a_client, fits

pytestmark = pytest.mark.django_db

SEEN = datetime(2026, 3, 12, 14, 22, 23, 781372, tzinfo=UTC)
SERVER = '"key":"…","ip":"192.0.2.1","hostname":"web1"'


def held(ip_type: int, created: str = "2026-03-10T12:00:00Z") -> str:
    return (
        f'{{"ip":"192.0.2.7","type":{ip_type},"registered":false,"created":"{created}",'
        '"last_checkin":"2026-03-12T14:22:23Z","hostname":"","els_allowed":false,'
        '"permissions":{"4600":"UNSET"}}'
    )


def key(product_type: str, limit: int, note: str = "", more: str = "") -> str:
    return (
        f'{{"key":"…","product_type":"{product_type}","usage_limit":{limit},'
        f'"description":"{note}"{more}}}'
    )


def family(root: str, code: str, shown: str) -> dict[str, str]:
    """The doors that mirror `cl`; their servers go by texts (§8.4)."""
    key_text, row = f"{{{root} key}}", f'{{"id":"…",{SERVER}}}'
    return {
        f"POST {root}/keys?limit=2&productType={code}": key(shown, 2),
        f"PATCH {root}/keys?key={key_text}&limit=2&note=x": key(shown, 2, "x", EMAIL.get(root, "")),
        f"DELETE {root}/keys?key={key_text}": '{"key":"…"}',
        f"GET {root}/keys": f"[{key(shown, 0)}]",
        f"GET {root}/servers": f"[{row}]",
        f"DELETE {root}/servers?id={{{root} server}}": row,
    }


EMAIL = {"imunify": ',"permissions":{"4600":"UNSET"}'}
ON = '"permissions":{"4600":"ENABLED"}'
# Verb, path and body, and what `data` is then. Braces stand for what is in the world.
DATA: Mapping[str, str] = {
    "POST cl/keys?limit=2&productType=CL&note=shop": key("cl", 2, "shop"),
    "PATCH cl/keys?key={cl key}&limit=2&note=shop": key("cl", 2, "shop"),
    "DELETE cl/keys?key={cl key}": '{"key":"…"}',
    "GET cl/keys?productType=CL": f"[{key('cl', 0)}]",
    "GET cl/servers?productType=CL": f'[{{"id":{{number}},{SERVER}}}]',
    "DELETE cl/servers?id={number}": f'{{"id":{{number}},{SERVER}}}',
    "GET cl/sub-account/servers": (
        '[{"sub_account_login":"sub1","sub_account_email":"sub1@example.com",'
        '"server_id":{number},"server_key":"…","version":8,"ip":"192.0.2.1"}]'
    ),
    'PATCH cl/server {"id":{number},"permissions":{"1102":"ENABLED"}}': (
        '{"id":{number},"permissions":{"1101":"UNSET","1102":"ENABLED"}}'
    ),
    "GET features": (
        '[{"feature_id":1101,"applicable_product_ids":[1,4,5,1002]},'
        '{"feature_id":1102,"applicable_product_ids":[1,4,5,1002]},'
        '{"feature_id":4600,"applicable_product_ids":[41,42,43,44,49]}]'
    ),
    "GET features/account": '{"1101":"UNSET","1102":"UNSET","4600":"UNSET"}',
    'PATCH features/account {"4600":"ENABLED"}': (
        '{"1101":"UNSET","1102":"UNSET","4600":"ENABLED"}'
    ),
    f'PATCH imunify/keys {{"key":"{{imunify key}}",{ON}}}': key("360_250", 0, more=f",{ON}"),
    f'PATCH imunify/server {{"id":"{{imunify server}}",{ON}}}': f'{{"id":"…",{ON}}}',
    f"PATCH imunify/server?id={{imunify server}} {{{ON}}}": f'{{"id":"…",{ON}}}',
    'PATCH cl/server?id={number} {"permissions":{"1101":"DISABLED"}}': (
        '{"id":{number},"permissions":{"1101":"DISABLED","1102":"UNSET"}}'
    ),
    "GET ip-license/licenses/types": (
        '[{"id":1,"name":"CloudLinux OS Legacy","code":"cloudlinux","family":"cloudlinux"},'
        '{"id":3,"name":"ELS for CentOS 6","code":"els_centos6","family":"els"},'
        '{"id":16,"name":"KernelCare","code":"kernelcare","family":"kernelcare"},'
        '{"id":41,"name":"Imunify for single user","code":"imunify360_1","family":"imunify360"},'
        '{"id":42,"name":"Imunify360, up to 30 users","code":"imunify360_30",'
        '"family":"imunify360"},'
        '{"id":43,"name":"Imunify360, up to 250 users","code":"imunify360_250",'
        '"family":"imunify360"},'
        '{"id":49,"name":"Imunify360, unlimited users","code":"imunify360_unlimited",'
        '"family":"imunify360"}]'
    ),
    "GET ip-license/licenses": f"[{held(41)}]",
    "POST ip-license/licenses?ip=192.0.2.9&type=16": (
        '{"ip":"192.0.2.9","type":16,"registered":false,"created":"…","last_checkin":null,'
        '"hostname":"","els_allowed":false,"permissions":{}}'
    ),
    "POST ip-license/licenses?ip=192.0.2.7&type=41": held(41),
    "PATCH ip-license/licenses?ip=192.0.2.7&type=41&type_to=42": held(42, "…"),
    "DELETE ip-license/licenses?ip=192.0.2.7&type=41": held(41),
    **family("kernelcare", "KC", "kernelcare"),
    **family("imunify", "360_250", "360_250"),
    **family("els", "CELS", "cels"),
}


def a_world() -> tuple[ApiClient, dict[str, str]]:
    """A reseller with a key and a server of each family, and what they are called."""
    program = a_client()
    who = {"account_id": program.account.pk, "actor": "acme", "now": NOW}
    codes = {
        "cl": "cloudlinux",
        "imunify": "imunify360_250",
        "kernelcare": "kernelcare",
        "els": "els_centos6",
    }
    known = {}
    for root, code in codes.items():
        one = create_key(license_type=code, **who)
        server = registered(one, "web1", "192.0.2.1").server
        known |= {f"{root} key": reveal(one), f"{root} server": server.public_id}
    server = Server.objects.get(license_type__code="cloudlinux")
    ServerAccount.objects.create(
        account=program.account, login="sub1", email="sub1@example.com", created_at=NOW
    )
    System.objects.create(
        server=server, profile_name="x", os_release="8.10", architecture="x", username="sub1"
    )
    add_ip_license(license_type="imunify360_1", address="192.0.2.7", **who)
    IpLicense.objects.update(last_check_in_at=SEEN)
    return program, known | {"number": str(server.pk)}


def filled(text: str, known: Mapping[str, str]) -> str:
    """A row with what is called so in the world."""
    return re.sub(r"{([a-z]+(?: key| server)?)}", lambda found: known[found[1]], text)


def parts(request: str) -> list[str]:
    """Verb, path and, where there is one, body of a row."""
    line, *body = re.split(r" (?={\")", request)
    return [*line.split(" ", 1), *body]


def test_every_partners_door_is_in_the_table() -> None:
    document = json.loads(Client().get("/api/v2/openapi.json").content)
    doors = {
        (verb.upper(), path.removeprefix("/api/v2/"))
        for path, verbs in document["paths"].items()
        for verb, door in verbs.items()
        if {"ClnToken": []} in door["security"]
    }

    assert {(verb, path.partition("?")[0]) for verb, path, *_ in map(parts, DATA)} == doors


def test_each_call_byte_for_byte() -> None:
    """With the token in the query or as a bearer, in the envelope or bare (V2-3, V2-5)."""
    program, known = a_world()
    bearer = {"Authorization": f"Bearer {program.token}"}
    different = {}

    for request, data in DATA.items():
        verb, path, *body = parts(request)
        joint = "&" if "?" in path else "?"
        head = '{"success":true,"message":null,"type":null,"data":'
        for query, headers, printed in (
            (f"token={program.token}", {}, f"{head}{data}}}"),
            (f"&token={program.token.replace('|', '%7C')}&", {}, f"{head}{data}}}"),
            ("envelope=0", bearer, data),
        ):
            before = transaction.savepoint()
            answer = Client().generic(
                verb,
                f"/api/v2/{filled(path, known)}{joint}{query}",
                *(filled(one, known) for one in body),
                content_type="application/json",
                headers=headers,
            )
            transaction.savepoint_rollback(before)
            assert answer.status_code == 200, (request, answer.content)
            assert answer["Content-Type"] == "application/json"
            if not fits(filled(printed, known), answer.content.decode()):
                different[request, query[:8]] = answer.content.decode()

    assert different == {}


def test_each_call_answers_the_same_when_its_arguments_come_in_a_json_body_v2_2() -> None:
    program, known = a_world()
    bearer = {"Authorization": f"Bearer {program.token}"}
    different, asked = {}, 0

    for request, data in DATA.items():
        verb, path, *more = parts(filled(request, known))
        path, _, query = path.partition("?")
        if verb == "GET" or not query:
            continue
        asked += 1
        body = {name: int(text) if text.isdecimal() else text for name, text in parse_qsl(query)}
        for one in more:
            body |= json.loads(one)
        before = transaction.savepoint()
        answer = Client().generic(
            verb,
            f"/api/v2/{path}?envelope=0",
            json.dumps(body),
            content_type="application/json",
            headers=bearer,
        )
        transaction.savepoint_rollback(before)
        if not fits(filled(data, known), answer.content.decode()):
            different[request] = answer.content.decode()

    assert different == {}
    assert asked > 20
