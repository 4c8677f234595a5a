"""Every call of REST v1 in JSON, byte for byte (facts §7.4 to §7.11).

The table is complete by a test: a call that is not in it fails. Types are therefore proven where
they are written: a text in quotes, a number without, `[]` where clients iterate, `null` where they
may not, and each endpoint's own date.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from cln.licensing.models import IpLicense, Server
from tests.contract.test_v1_bad_input import AWP, CALLS, a_world, everything
from tests.v1 import ApiClient, fits

pytestmark = pytest.mark.django_db

SEEN = datetime(2026, 3, 12, 14, 22, 23, 781372, tzinfo=UTC)
AT = '"created":"2026-03-10T12:00+0000"'
SEEN_AT = '"last_checkin":"2026-03-12T14:22+0000"'
ELS_SERVER = (
    '{"id":"…","key":"…","ip":"203.0.113.1","hostname":"acme-els",'
    '"lastCheckin":"2026-03-12 14:22:23.781372"}'
)
IM_KEY = f'"type":43,"note":"",{AT},"enabled":true'

# What `data` is when each call of `test_v1_bad_input.CALLS` is asked as it is good.
DATA: Mapping[str, str] = {
    "ipl/availability": '{"available":[1,3,16,41,42,43,49],"owned":[]}',
    "ipl/check": "[16]",
    "ipl/register": '{"ip":"198.51.100.1","type":16,"registered":false,"created":"…"}',
    "ipl/convert": "true",
    "ipl/remove": "true",
    "ipl/list": (
        f'[{{"ip":"192.0.2.1","type":16,"registered":false,{AT}}},'
        f'{{"ip":"192.0.2.101","type":41,"registered":false,{AT}}}]'
    ),
    "ipl/server": (
        f'[{{"server_info":null,"ip":"192.0.2.1","type":16,"registered":false,{AT},{SEEN_AT}}}]'
    ),
    "ipl/update": "true",
    "kcare/key/create": '"…"',
    "kcare/key/delete": "true",
    "kcare/key/list": (
        f'[{{"key":"…","enabled":true,{AT},"limit":0,"note":""}},'
        f'{{"key":"…","enabled":true,{AT},"limit":0,"note":""}}]'
    ),
    "kcare/key/servers": f'[{{"server_id":"…","ip":"203.0.113.1",{AT},{SEEN_AT}}}]',
    "kcare/key/set_cidr": '{"code":0}',
    "kcare/srv/remove": '{"server_id":"…","key":"…"}',
    "im/key/create": '{"key":"…","limit":"1","code":"360_250"}',
    "im/key/update": '{"key":"…","limit":"5","code":"360_250","servers":"1"}',
    "im/key/remove": '[{"id":"…","key":"…"}]',
    "im/key/list": (
        f'[{{"key":"…","limit":0,"code":"360_250","servers":0,{IM_KEY}}},'
        f'{{"key":"…","limit":0,"code":"360_250","servers":1,{IM_KEY}}}]'
    ),
    "im/srv/list": f'[{{"id":"…","ip":"203.0.113.1","key":"…",{SEEN_AT},{AT}}}]',
    "im/srv/remove": '{"id":"…","key":"…"}',
    "im/srv/convert": '{"id":"…","key":"…"}',
    "els/key/create": '{"key":"…","productCode":"CELS","usageLimit":"1","description":"shop"}',
    "els/key/update": '{"key":"…","productCode":"CELS","usageLimit":"5","description":"shop"}',
    "els/key/remove": '{"key":"…"}',  # a list by any verb but GET (E-4)
    "els/key/list": (
        '[{"key":"…","productCode":"CELS","usageLimit":"0","description":null},'
        '{"key":"…","productCode":"CELS","usageLimit":"0","description":null}]'
    ),
    "els/srv/list": f"[{ELS_SERVER}]",
    "els/srv/remove": ELS_SERVER,
    "group/create": '{"name":"fresh","description":"shops"}',
    "group/list": '[{"name":"acme group","description":""}]',
    "group/servers/list": '[{"id":"…","hostName":"acme-im","ip":"203.0.113.1","type":"IMUNIFY"}]',
    "group/servers/put": '[{"id":"…","hostName":"acme-kc","ip":"203.0.113.1","type":"KERNELCARE"}]',
    "group/servers/remove": "[]",
    "cl/awp": "[]",
    "ab/list": '[{"serverId":"…","size":50,"backupId":…,"datacenter":"EU1"}]',
    "ab/im/create": '[{"serverId":"…","size":10,"backupId":…,"datacenter":"EU1"}]',
    "ab/resize": '[{"serverId":"…","size":55,"backupId":…,"datacenter":"EU1"}]',
    "ab/remove": '[{"serverId":"…","size":50,"backupId":…,"datacenter":"EU1"}]',
}
# The verb that papers print; GET is taken beside each (V1-6). All others are GET there.
VERBS: Mapping[str, str] = {
    "els/key/create": "post",
    "els/key/update": "put",
    "els/key/remove": "delete",
    "els/srv/remove": "delete",
    "group/create": "post",
    "group/servers/put": "put",
    "group/servers/remove": "delete",
}
# Calls that list answer a list, and calls that say yes or no answer `false`, also when they
# refuse: clients iterate and decode without asking `success` (M-3, IPL-9).
LISTS = {
    *("ipl/check", "ipl/list", "ipl/server", "kcare/key/list", "kcare/key/servers"),
    *("im/key/remove", "im/key/list", "im/srv/list", "els/key/list", "els/srv/list"),
    *("group/list", "group/servers/list", "group/servers/put", "group/servers/remove"),
    *("cl/awp", "ab/list", "ab/im/create", "ab/resize", "ab/remove"),
}
BOOLEANS = {"ipl/convert", "ipl/remove", "ipl/update"}
FAILED = '{"success":false,"message":"Authorization failed","type":null,"data":null}'


@pytest.fixture
def world(settings: Settings) -> tuple[ApiClient, dict[str, str]]:
    """An account that has one of everything, each seen at an instant with microseconds."""
    settings.CLN_BACKUP_CREATION = True
    acme, mine = a_world("acme", 1)
    Server.objects.update(last_check_in_at=SEEN)
    IpLicense.objects.filter(address=mine["ip"]).update(last_check_in_at=SEEN)
    grouped = {"name": mine["group"], "server_ids": mine["im_server"]}
    acme.data("group/servers/put.json", **grouped)
    return acme, mine


def door(call: str) -> str:
    return call if call == AWP else f"{call}.json"


def asked(call: str, mine: Mapping[str, str]) -> dict[str, str]:
    """The call's good arguments, filled in."""
    return {name.rstrip("?"): mine.get(word, word) for name, word in CALLS[call].items()}


def test_each_call_byte_for_byte(world: tuple[ApiClient, dict[str, str]]) -> None:
    acme, mine = world
    said = {}

    for call in CALLS:
        before = transaction.savepoint()
        said[call] = acme.body(door(call), **asked(call, mine))
        transaction.savepoint_rollback(before)

    head = '{"success":true,"message":"","type":null,"data":'
    assert set(said) == set(DATA)
    assert {
        call: body for call, body in said.items() if not fits(f"{head}{DATA[call]}}}", body)
    } == {}


def test_each_call_of_the_papers_verb_answers_the_same_by_query_form_and_json_v1_6(
    world: tuple[ApiClient, dict[str, str]],
) -> None:
    acme, mine = world
    different = {}

    for call, verb in VERBS.items():
        arguments = {**asked(call, mine), "token": acme.token}
        expected = f"[{DATA[call]}]" if call == "els/key/remove" else DATA[call]
        path = f"/clweb/api/{call}.json"
        for kind in ("query", "application/x-www-form-urlencoded", "application/json"):
            before = transaction.savepoint()
            send = getattr(Client(), verb)
            if kind == "query":
                answer = send(f"{path}?{urlencode(arguments)}")
            else:
                is_json = kind == "application/json"
                body = json.dumps(arguments) if is_json else urlencode(arguments)
                answer = send(path, body, content_type=kind)
            transaction.savepoint_rollback(before)
            body = answer.content.decode()
            printed = f'{{"success":true,"message":"","type":null,"data":{expected}}}'
            if not fits(printed, body):
                different[call, kind] = body

    assert different == {}


def test_each_call_without_a_good_token_says_so_in_the_papers_bytes_and_changes_nothing_v1_9(
    world: tuple[ApiClient, dict[str, str]],
) -> None:
    _, mine = world
    before = everything()

    for n, call in enumerate(CALLS):
        for token in ({}, {"token": "acme|1401189361|" + "0" * 40}):
            arguments = {**asked(call, mine), **token}
            for root in ("/api", "/clweb/api"):
                path = f"{root}/{door(call)}"
                answer = Client().get(path, arguments, REMOTE_ADDR=f"198.51.{n}.1")
                assert answer.status_code == 200
                assert answer["Content-Type"] == "application/json"
                assert answer.content.decode() == FAILED, call

    assert everything() == before


def test_a_refused_call_keeps_the_kind_of_data_its_clients_decode_m_3(
    world: tuple[ApiClient, dict[str, str]],
) -> None:
    acme, mine = world
    before = everything()
    said = {}

    for call in CALLS:
        envelope = acme.ask(door(call), **dict.fromkeys(asked(call, mine), "\0"), other="\0")
        said[call] = envelope["success"], envelope["type"], envelope["data"]

    assert everything() == before
    assert said == {
        call: (
            False,
            "bad_argument",
            [] if call in LISTS else False if call in BOOLEANS else None,
        )
        for call in CALLS
    }
    assert all(said[call][2] is False for call in BOOLEANS)
