"""Every argument of every signed call: missing, empty, repeated, of the wrong kind, far too long,
somebody else's. Always an envelope, never a 500, and nothing is changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from pytest_django import Settings

from cln.accounts.models import AuditEntry
from cln.api.v1 import urls
from cln.licensing import groups
from cln.licensing.ip_licenses import add_ip_license
from cln.licensing.models import ActivationKey, Entitlement, IpLicense, Server, ServerGroup
from cln.licensing.services import create_key, reveal
from tests.backups import a_backup
from tests.licensing import NOW, bought, registered
from tests.v1 import ENVELOPE, ApiClient, a_client

pytestmark = pytest.mark.django_db

CHANGED: tuple[type[Model], ...] = (
    ActivationKey, AuditEntry, Entitlement, IpLicense, Server, ServerGroup,
)  # fmt: skip
TYPES = {"kc": "kernelcare", "im": "imunify360_250", "els": "els_centos6"}
LONG, HUGE = "1" * 100_000, "1" * 10_000_000

# Each call with arguments that are good, as fields of the caller's world. `?` marks arguments that
# may be left out or empty: the call then means something else, and may succeed.
CALLS: Mapping[str, Mapping[str, str]] = {
    "ipl/availability": {"ip": "free"},
    "ipl/check": {"ip": "ip"},
    "ipl/register": {"ip": "free", "type": "16", "els_allowed?": "1"},
    "ipl/convert": {"ip": "imunify_ip", "type": "41", "type_to": "42"},
    "ipl/remove": {"ip": "ip", "type?": "16"},
    "ipl/list": {},
    "ipl/server": {"ip?": "ip"},
    "ipl/update": {"ip": "ip", "els_allowed": "1", "type?": "16"},
    "kcare/key/create": {"limit?": "1", "note?": "shop"},
    "kcare/key/delete": {"key": "kc_key"},
    "kcare/key/list": {},
    "kcare/key/servers": {"key": "kc_key"},
    "kcare/key/set_cidr": {"key": "kc_key", "cidr": "192.0.2.0/24"},
    "kcare/srv/remove": {"server_id": "kc_server"},
    "im/key/create": {"code": "360_250", "limit?": "1", "note?": "shop"},
    "im/key/update": {"key": "im_key", "limit?": "5", "note?": "shop"},
    "im/key/remove": {"key": "im_key"},
    "im/key/list": {},
    "im/srv/list": {"key?": "im_key"},
    "im/srv/remove": {"id": "im_server"},
    "im/srv/convert": {"id": "im_server", "key": "im_key"},
    "els/key/create": {"productType": "CELS", "limit?": "1", "note?": "shop"},
    "els/key/update": {"key": "els_key", "limit?": "5", "note?": "shop"},
    "els/key/remove": {"key": "els_key"},
    "els/key/list": {"productType?": "CELS"},
    "els/srv/list": {"productType?": "CELS", "key?": "els_key"},
    "els/srv/remove": {"id": "els_server"},
    "group/create": {"name?": "fresh", "description?": "shops"},
    "group/list": {},
    "group/servers/list": {"name": "group"},
    "group/servers/put": {"name": "group", "server_ids": "kc_server"},
    "group/servers/remove": {"name": "group", "server_ids": "kc_server"},
    "cl/awp": {"products": "AWP_PREMIUM,AWP_CDN", "yearMonth": "2026-03"},
    "ab/list": {},
    "ab/im/create": {"server_id": "im_server", "size": "10", "datacenter": "EU1"},
    # Any number is a good delta, so a spoilt one may succeed.
    "ab/resize": {"backup_id": "backup", "delta?": "5"},
    "ab/remove": {"backup_id": "backup"},
}
AWP = "cl/awp"  # the one call without an ending
WRONG = [
    "-1",
    "1.5",
    "1e3",
    "0x10",
    "٣",
    "\x00",
    "\ud800",
    "null",
    "' OR 1=1",
    "../../x",
    "[]",
    "{}",
]


def a_world(login: str, host: int) -> tuple[ApiClient, dict[str, str]]:
    """An account that has one of everything, and what its things are called."""
    client = a_client(login)
    mine = {
        "ip": f"192.0.2.{host}",
        "imunify_ip": f"192.0.2.10{host}",
        "free": f"198.51.100.{host}",
        "group": f"{login} group",
    }
    who: dict[str, Any] = {"account_id": client.account.pk, "actor": login, "now": NOW}
    for short, license_type in TYPES.items():
        bought(client.account, license_type, 5)
        key = create_key(license_type=license_type, **who)
        server = registered(key, f"{login}-{short}", f"203.0.113.{host}").server
        mine |= {f"{short}_key": reveal(key), f"{short}_server": server.public_id}
    add_ip_license(license_type="kernelcare", address=mine["ip"], **who)
    add_ip_license(license_type="imunify360_1", address=mine["imunify_ip"], **who)
    groups.create_group(name=mine["group"], **who)
    mine["backup"] = str(a_backup(client.account.pk, mine["kc_server"]).pk)
    return client, mine


def everything() -> tuple[Any, ...]:
    """A digest of every row of each table, in one question: it is put after every call."""
    digests = ", ".join(
        f"(SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM {model._meta.db_table} t)"
        for model in CHANGED
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {digests}")
        return tuple(cursor.fetchone())


def envelope_of(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    envelope = json.loads(answer.content)
    assert list(envelope) == ENVELOPE
    assert type(envelope["success"]) is bool
    if not envelope["success"]:
        assert envelope["message"]
    return dict(envelope)


def spoilt(
    good: Mapping[str, str], name: str, foreign: str | None, *, turn: int
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What was done to one argument, and the arguments with it.

    The arguments of a call share the wrong values among them: each takes every third, and the
    deep profile gives all to all.
    """
    is_deep = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
    others = [(other, value) for other, value in good.items() if other != name]
    yield "missing", others
    yield "empty", [*others, (name, "")]
    yield "blank", [*others, (name, " \t")]
    yield "far too long", [*others, (name, LONG)]
    for wrong in WRONG if is_deep else WRONG[turn % 3 :: 3]:
        yield repr(wrong), [*others, (name, wrong)]
    if foreign is not None:
        yield "somebody else's", [*others, (name, foreign)]
        # The last one counts, as with every form.
        yield "repeated, theirs last", [*others, (name, good[name]), (name, foreign)]


def test_every_signed_call_is_on_this_list() -> None:
    assert set(CALLS) == {*urls.CALLS, AWP}


@pytest.mark.parametrize("call", CALLS)
def test_a_spoilt_call_changes_nothing_and_the_same_call_unspoilt_succeeds(
    call: str, settings: Settings
) -> None:
    settings.CLN_BACKUP_CREATION = True
    acme, mine = a_world("acme", 1)
    _, theirs = a_world("zenith", 2)
    words = {name.rstrip("?"): word for name, word in CALLS[call].items()}
    good = {name: mine.get(word, word) for name, word in words.items()}
    optional = {name.rstrip("?") for name in CALLS[call] if name.endswith("?")}
    before = everything()

    for turn, name in enumerate(sorted(good, key=lambda one: one in optional)):
        foreign = theirs.get(words[name]) if words[name] != "free" else None
        for what, arguments in spoilt(good, name, foreign, turn=turn):
            envelope = envelope_of(_sent(call, acme, arguments))
            if name in optional and envelope["success"]:
                before = everything()
            else:
                assert everything() == before, (name, what)

    if optional:
        acme, mine = a_world("fresh", 3)  # some of it may be gone by now
        good = {name: mine.get(word, word) for name, word in words.items()}
    envelope = envelope_of(_sent(call, acme, list(good.items())))
    assert envelope["success"] is True


@pytest.mark.parametrize("call", ["kcare/key/delete", "im/key/create", "group/create", "ipl/list"])
def test_a_body_that_is_no_body_changes_nothing(call: str) -> None:
    acme, _ = a_world("acme", 1)
    before = everything()

    for body, kind in (
        (b"{", "application/json"),
        (b"[1]", "application/json"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"&".join(b"a%d=1" % n for n in range(1001)), "application/x-www-form-urlencoded"),
        (b"note=" + b"x" * 3_000_000, "application/x-www-form-urlencoded"),
    ):
        for method in ("POST", "GET"):
            path = f"/api/{call}.json?token={quote(acme.token)}"
            envelope_of(Client().generic(method, path, body, kind))

    assert everything() == before


@pytest.mark.parametrize(
    "path",
    ["status.json", "status.plain", "kcare/patchset.json", "kcare/check.json", "kcare/nagios/x"],
)
def test_unsigned_calls_survive_any_argument(path: str) -> None:
    for name, longest in (("key", HUGE), ("token", LONG), ("ip", LONG), ("server_id", LONG)):
        for wrong in ("", longest, *WRONG):
            query = urlencode([(name, wrong), ("x", "1")], errors="surrogatepass")
            assert Client().get(f"/api/{path}?{query}").status_code == 200


@pytest.mark.parametrize("call", ["ipl/server", "kcare/key/create", "im/key/update"])
def test_ten_megabytes_in_any_argument_change_nothing(call: str) -> None:
    acme, mine = a_world("acme", 1)
    good = {name.rstrip("?"): mine.get(word, word) for name, word in CALLS[call].items()}
    before = everything()

    for name in [*good, "token", "unheard-of"]:
        envelope = envelope_of(_sent(call, acme, [*{**good, name: HUGE}.items()]))
        assert envelope["success"] is (name == "token")  # ours comes last, and is good
        assert (everything() == before) is (name != "token" or call == "ipl/server")
        before = everything()


def test_a_thousand_and_one_arguments_are_none() -> None:
    query = "&".join(f"a{n}=1" for n in range(1001))

    assert envelope_of(Client().get(f"/api/ipl/list.json?{query}"))["success"] is False


def _sent(call: str, client: ApiClient, arguments: list[tuple[str, str]]) -> Any:
    query = urlencode([*arguments, ("token", client.token)], errors="surrogatepass")
    return Client().get(f"/api/{call}{'' if call == AWP else '.json'}?{query}")
