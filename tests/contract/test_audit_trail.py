"""Who, when, with which token, from where and what: the audit log of what programs change.

Every changing call of every partners' wire is made once; each leaves an entry that says all of it
(security §5, 18). That the log only grows is the database's promise, proven in `tests/db`; that an
operator says why, in `tests/stories`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from xmlrpc.client import dumps

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from cln import clock
from cln.accounts.models import AuditEntry
from cln.accounts.tokens import PREFIX
from cln.licensing.models import ActivationKey
from cln.licensing.services import reveal
from tests.contract import test_v1_bad_input as v1_calls
from tests.contract import test_v2_bytes as v2_calls
from tests.customers import clock_at
from tests.licensing import NOW
from tests.v1 import a_client
from tests.v2 import a_v2_client, with_token
from tests.visitors import a_login, signed_in

pytestmark = pytest.mark.django_db

AT = "198.51.100.77"
ASKING = {"availability", "check", "list", "server", "servers", "awp"}  # their last words


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is forgotten."""
    before = transaction.savepoint()
    yield
    transaction.savepoint_rollback(before)


def new_entries(call: Callable[[], object]) -> list[AuditEntry]:
    last = AuditEntry.objects.order_by("pk").last()
    call()
    return [*AuditEntry.objects.filter(pk__gt=last.pk if last else 0).order_by("pk")]


def who(entry: AuditEntry) -> tuple[Any, ...]:
    return entry.account_id, entry.actor, entry.token, entry.address


def test_every_changing_call_of_v1_tells_who_with_which_token_and_from_where(
    settings: Settings,
) -> None:
    settings.CLN_BACKUP_CREATION = True
    acme, mine = v1_calls.a_world("acme", 1)
    expected = (acme.account.pk, "acme", f"signed …{acme.secret[-4:]}", AT)
    silent, wrong = [], {}

    for call, words in v1_calls.CALLS.items():
        if call.rsplit("/", 1)[1] in ASKING:
            continue
        good = {name.rstrip("?"): mine.get(word, word) for name, word in words.items()}
        path, started = f"/api/{call}.json", clock.now()
        if call == "im/srv/convert":
            good["key"] = reveal(
                ActivationKey.objects.get(license_type__code="imunify360_250", is_default=True)
            )
        if call == "group/servers/remove":
            put = {"name": mine["group"], "server_ids": mine["kc_server"], "token": acme.token}
            Client().get("/api/group/servers/put.json", put)
        with undone():
            entries = new_entries(
                lambda path=path, good=good: Client().get(
                    path, {**good, "token": acme.token}, REMOTE_ADDR=AT
                )
            )
            if not entries:
                silent.append(call)
            if {who(entry) for entry in entries} - {expected}:
                wrong[call] = [who(entry) for entry in entries]
            assert all(started <= entry.at <= clock.now() for entry in entries)

    assert (silent, wrong) == ([], {})


@pytest.mark.parametrize("kind", ["signed", "ours"])
def test_every_changing_call_of_partners_in_v2_tells_who_with_which_token_and_from_where(
    kind: str,
) -> None:
    program, known = v2_calls.a_world()
    token = program.token if kind == "signed" else with_token(program).token
    shown = f"signed …{program.secret[-4:]}" if kind == "signed" else f"{PREFIX}…{token[-4:]}"
    expected = (program.account.pk, "acme", shown, AT)
    silent, wrong = [], {}

    for request in v2_calls.DATA:
        verb, path, *body = v2_calls.parts(v2_calls.filled(request, known))
        if verb == "GET" or path.startswith("ip-license/licenses?ip=192.0.2.7&type=41"):
            continue  # the one that holds the license already changes nothing
        with undone():
            entries = new_entries(
                lambda verb=verb, path=path, body=body: Client().generic(
                    verb,
                    f"/api/v2/{path}",
                    *body,
                    content_type="application/json",
                    headers={"Authorization": f"Bearer {token}"},
                    REMOTE_ADDR=AT,
                )
            )
            if not entries:
                silent.append(request)
            if {who(entry) for entry in entries} - {expected}:
                wrong[request] = [who(entry) for entry in entries]

    assert (silent, wrong) == ([], {})


def test_both_changing_calls_of_xml_rpc_tell_who_with_which_token_and_from_where() -> None:
    acme = a_client()
    verbs = []

    for method, rest in (("license", [16]), ("remove_license", [16])):
        body = dumps((acme.token, "192.0.2.1", *rest), f"registration.{method}")
        entries = new_entries(
            lambda body=body: Client().post(
                "/clweb/xmlrpc", body, content_type="text/xml", REMOTE_ADDR=AT
            )
        )
        assert {who(one) for one in entries} == {
            (acme.account.pk, "acme", f"signed …{acme.secret[-4:]}", AT)
        }
        verbs += [one.verb for one in entries]

    assert verbs == ["ip_license_added", "ip_license_removed"]


def test_a_token_is_told_for_its_own_request_only_and_never_whole() -> None:
    zenith = a_v2_client("zenith")
    acme = a_client()
    zenith.ask("POST", "keys", {"license_type": "kernelcare", "limit": 1})
    acme.data("kcare/key/create.json", limit="1")
    Client().post("/clweb/xmlrpc", dumps((acme.token,), "registration.reconcile"), "text/xml")
    owner = signed_in(a_login(acme.account, name="owner"), address=AT)
    owner.post("/console/keys/new/kernelcare", {"limit": "2", "note": "by hand"})

    made = AuditEntry.objects.filter(verb="key_created").order_by("pk")
    told = [(one.account_id, one.token) for one in made]
    assert told[0] == (zenith.account.pk, f"{PREFIX}…{zenith.token[-4:]}")
    assert told[1] == (acme.account.pk, f"signed …{acme.secret[-4:]}")
    assert [token for _, token in told[2:]] == [""]
    written = str([*AuditEntry.objects.values_list()])
    assert zenith.token not in written
    assert acme.secret not in written
    assert acme.token.rsplit("|", 1)[1] not in written


def test_an_entry_has_its_instant_and_its_change_before_and_after() -> None:
    acme = a_v2_client()
    clock_at(NOW)
    made = acme.ask("POST", "keys", {"license_type": "kernelcare", "limit": 1})

    [entry] = new_entries(
        lambda: acme.browser.patch(
            f"/api/v2/keys/{made['id']}",
            '{"limit":3,"note":"shop"}',
            content_type="application/json",
            headers={"Authorization": f"Bearer {acme.token}"},
            REMOTE_ADDR=AT,
        )
    )

    assert NOW <= entry.at < NOW + timedelta(minutes=1)
    assert who(entry) == (acme.account.pk, "acme", f"{PREFIX}…{acme.token[-4:]}", AT)
    assert entry.details == {"limit": [1, 3], "note": ["", "shop"]}
    [told] = acme.ask("GET", "audit?limit=1")["data"]
    assert told == {
        "id": entry.pk,
        "at": f"{entry.at:%Y-%m-%dT%H:%M:%SZ}",
        "actor": "acme",
        "address": AT,
        "token": f"{PREFIX}…{acme.token[-4:]}",
        "verb": entry.verb,
        "subject": f"{made['id']} …{made['key'][-4:]}",
        "details": {"limit": [1, 3], "note": ["", "shop"]},
    }
