"""REST v1 in lines (V1-12): every call that answers an envelope answers it in lines too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import get_resolver

from cln.api.v1 import urls
from cln.licensing import queries
from cln.licensing.services import reveal
from tests.contract.test_v1_bad_input import AWP, CALLS, a_world
from tests.customers import clock_at
from tests.licensing import NOW, an_account, bought, on_trial
from tests.v1 import ApiClient, fits

pytestmark = pytest.mark.django_db

RETIRED = "success:false\nmessage:CloudLinux Backup was retired on 2023-10-01.\n"
CREATED = "2026-03-10T12:00+0000"
# What each call of `test_v1_bad_input.CALLS` answers, asked as it is good; `…` is a key or an id.
PLAIN: Mapping[str, str] = {
    "ipl/availability": "success:true\navailable:1,3,16,41,42,43,49\nowned:\n",
    "ipl/check": "success:true\ndata:16\n",
    "ipl/register": "success:true\nip:198.51.100.1\ntype:16\nregistered:false\ncreated:…\n",
    "ipl/convert": "success:true\n",
    "ipl/remove": "success:true\n",
    "ipl/list": (
        f"success:true\nip:192.0.2.1\ntype:16\nregistered:false\ncreated:{CREATED}\n"
        f"ip:192.0.2.101\ntype:41\nregistered:false\ncreated:{CREATED}\n"
    ),
    "ipl/server": (
        "success:true\nserver_info:\nip:192.0.2.1\ntype:16\nregistered:false\n"
        f"created:{CREATED}\nlast_checkin:\n"
    ),
    "ipl/update": "success:true\n",
    "kcare/key/create": "success:true\ndata:…\n",
    "kcare/key/delete": "success:true\n",
    "kcare/key/list": (
        f"success:true\nkey:…\nenabled:true\ncreated:{CREATED}\nlimit:0\nnote:\n"
        f"key:…\nenabled:true\ncreated:{CREATED}\nlimit:0\nnote:\n"
    ),
    "kcare/key/servers": (
        f"success:true\nserver_id:…\nip:203.0.113.1\ncreated:{CREATED}\nlast_checkin:\n"
    ),
    "kcare/key/set_cidr": "success:true\ncode:0\n",
    "kcare/srv/remove": "success:true\nserver_id:…\nkey:…\n",
    "im/key/create": "success:true\nkey:…\nlimit:1\ncode:360_250\n",
    "im/key/update": "success:true\nkey:…\nlimit:5\ncode:360_250\nservers:1\n",
    "im/key/remove": "success:true\nid:…\nkey:…\n",
    "im/key/list": (
        "success:true\n"
        f"key:…\nlimit:0\ncode:360_250\nservers:0\ntype:43\nnote:\ncreated:{CREATED}\nenabled:true\n"
        f"key:…\nlimit:0\ncode:360_250\nservers:1\ntype:43\nnote:\ncreated:{CREATED}\nenabled:true\n"
    ),
    "im/srv/list": (
        f"success:true\nid:…\nip:203.0.113.1\nkey:…\nlast_checkin:\ncreated:{CREATED}\n"
    ),
    "im/srv/remove": "success:true\nid:…\nkey:…\n",
    "im/srv/convert": "success:true\nid:…\nkey:…\n",
    "els/key/create": "success:true\nkey:…\nproductCode:CELS\nusageLimit:1\ndescription:shop\n",
    "els/key/update": "success:true\nkey:…\nproductCode:CELS\nusageLimit:5\ndescription:shop\n",
    "els/key/remove": "success:true\nkey:…\n",
    "els/key/list": (
        "success:true\nkey:…\nproductCode:CELS\nusageLimit:0\ndescription:\n"
        "key:…\nproductCode:CELS\nusageLimit:0\ndescription:\n"
    ),
    "els/srv/list": "success:true\nid:…\nkey:…\nip:203.0.113.1\nhostname:acme-els\nlastCheckin:\n",
    "els/srv/remove": (
        "success:true\nid:…\nkey:…\nip:203.0.113.1\nhostname:acme-els\nlastCheckin:\n"
    ),
    "group/create": "success:true\nname:fresh\ndescription:shops\n",
    "group/list": "success:true\nname:acme group\ndescription:\n",
    "group/servers/list": "success:true\n",
    "group/servers/put": "success:true\nid:…\nhostName:acme-kc\nip:203.0.113.1\ntype:KERNELCARE\n",
    "group/servers/remove": "success:true\n",
    "ab/list": "success:true\nserverId:…\nsize:50\nbackupId:…\ndatacenter:EU1\n",
    "ab/im/create": RETIRED,
    "ab/resize": "success:true\nserverId:…\nsize:55\nbackupId:…\ndatacenter:EU1\n",
    "ab/remove": "success:true\nserverId:…\nsize:50\nbackupId:…\ndatacenter:EU1\n",
}


def lines(path: str, **extra: Any) -> str:
    answer = Client().get(path, **extra)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert answer["Cache-Control"] == "no-store"
    return answer.content.decode()


def test_every_call_of_v1_that_answers_an_envelope_has_a_twin_in_lines() -> None:
    """But for `status`, whose lines papers print, and the bare list of `patchset`."""
    routes = {
        str(entry.pattern)
        for resolver in get_resolver().url_patterns
        for entry in getattr(resolver, "url_patterns", [])
    }
    names = {
        form: {one.removesuffix(f".{form}") for one in routes if one.endswith(f".{form}")}
        for form in ("json", "plain")
    }
    roots = ("", "clweb/")

    bare = {f"{root}api/kcare/patchset" for root in roots} | {"api/v2/openapi"}
    assert names["json"] - bare == names["plain"]
    assert {f"{root}api/{call}" for root in roots for call in PLAIN} <= names["plain"]
    assert set(PLAIN) == set(urls.CALLS)


def test_each_call_in_lines_byte_for_byte() -> None:
    acme, mine = a_world("acme", 1)
    said = {}

    for call, arguments in CALLS.items():
        if call == AWP:
            continue
        words = {name.rstrip("?"): mine.get(word, word) for name, word in arguments.items()}
        before = transaction.savepoint()
        said[call] = acme.body(f"{call}.plain", **words)
        transaction.savepoint_rollback(before)

    assert {call: text for call, text in said.items() if not fits(PLAIN[call], text)} == {}


def test_a_refusal_in_lines_says_its_sentence() -> None:
    acme, mine = a_world("acme", 1)

    assert acme.body("kcare/key/delete.plain") == "success:false\nmessage:Key is required\n"
    assert acme.body("kcare/key/delete.plain", key="nope") == "success:false\n"
    assert acme.body("im/key/remove.plain", key="nope") == "success:true\nmessage:Key not found\n"
    assert acme.body("ipl/check.plain", ip=mine["free"]) == "success:true\n"
    assert lines("/clweb/api/ipl/list.plain") == "success:false\nmessage:Authorization failed\n"


def test_a_note_of_several_lines_stays_one_line(world: ApiClient) -> None:
    world.data("kcare/key/create.json", note="a\nsuccess:false\r\u2028b")

    said = world.body("kcare/key/list.plain")

    assert "note:a success:false b\n" in said
    assert said.splitlines()[0] == "success:true"
    assert all(re.match(r"\w+:", line) for line in said.splitlines())


@pytest.fixture
def world() -> ApiClient:
    return a_world("acme", 1)[0]


# -- KernelCare's agents ---------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["/api", "/clweb/api"])
def test_a_machine_tags_itself_ak_6(root: str) -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 1)
    said = lines(f"{root}/kcare/register_server.plain?key={reveal(key)}&hostname=web1")
    server_id = said.split("server_id:")[1].split("\n")[0]
    path = f"{root}/kcare/tag_server.plain"
    [row] = queries.servers_of(acme.pk)

    def tag() -> str:
        return queries.server_details(account_id=acme.pk, public_id=row.public_id).tag

    assert lines(f"{path}?server_id={server_id}&tag=shop%0A1") == "success:true\ncode:0\n"
    assert tag() == "shop1"
    assert lines(f"{path}?server_id=s096slnkaAtoiAsd&tag=x") == "success:true\ncode:1\n"
    assert lines(f"{path}?server_id={server_id}") == "success:false\nmessage:Tag is required\n"
    assert tag() == "shop1"
    assert lines(f"{path}?server_id={server_id}&tag=") == "success:true\ncode:0\n"
    assert tag() == ""
    assert Client().get(f"{root}/kcare/tag_server.json?server_id=x&tag=x").content == (
        b'{"success":true,"message":"","type":null,"data":{"code":1}}'
    )


@pytest.mark.parametrize("root", ["/api", "/clweb/api"])
def test_a_trial_is_told_by_address_and_started_in_the_account_ak_8(root: str) -> None:
    clock_at(NOW)
    path, at = f"{root}/kcare/trial.plain", {"REMOTE_ADDR": "203.0.113.9"}
    none = (
        "success:true\ncode:3\nip:203.0.113.9\nexpire_date:\n"
        "message:Start the trial in your CLN account, then register with its key.\n"
    )
    assert lines(path, **at) == none
    key = on_trial(an_account(), "kernelcare", None, NOW.replace(month=4))
    lines(f"{root}/kcare/register_server.plain?key={reveal(key)}", **at)

    assert lines(path, **at) == "success:true\ncode:1\nip:203.0.113.9\nexpire_date:2026-04-10\n"
    assert lines(path, REMOTE_ADDR="203.0.113.10") == none.replace("113.9", "113.10")
    clock_at(NOW.replace(month=5))
    assert lines(path, **at) == "success:true\ncode:2\nip:203.0.113.9\nexpire_date:2026-04-10\n"
