"""The audit log is searched by what people know: names, addresses, ends of keys, what it says."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cln.accounts.audit import record
from cln.accounts.models import Account
from cln.accounts.people import AuditFilter, count_audit
from cln.console.words import verbs_called
from cln.licensing.groups import create_group
from cln.licensing.keys import create_key, remove_key, reveal, update_key
from cln.licensing.models import ActivationKey
from cln.licensing.removal import remove_server
from cln.notifications import webhooks
from tests.backups import a_backup
from tests.customers import START, a_customer
from tests.licensing import bought, registered
from tests.visitors import a_login, a_visitor, signed_in

pytestmark = pytest.mark.django_db

AUDIT = "/console/profile/audit"
BUDGET = 14
"""Statements of a search: five more than the page alone, whatever is found."""

MANY = """
INSERT INTO accounts_auditentry (account_id, at, actor, verb, subject, details)
SELECT %s, now(), 'large', 'remove_server', 'srv_many' || n, '{}' FROM generate_series(1, 5000) n;
SELECT gin_clean_pending_list('audit_words');
ANALYZE accounts_auditentry
"""


@pytest.fixture
def told() -> tuple[Account, Client, ActivationKey]:
    """A log: two servers removed, a backup of one, a key made and removed, a group, a webhook."""
    account, client = a_visitor()
    who = {"account_id": account.pk, "now": START}
    default = bought(account, "cloudlinux", 5)
    for name, address in (("web1.acme.example", "192.0.2.1"), ("", "2001:db8::7")):
        server = registered(default, name, address, now=START).server
        if name:
            a_backup(account.pk, server.public_id, now=START)
        remove_server(server=server.public_id, why="sold", actor="otto", **who)
    note = "Müller & Söhne"
    key = create_key(license_type="cloudlinux", note=note, actor="anna", **who)
    remove_key(key=key.public_id, actor="anna", **who)
    create_group(name="Rack 4", actor="anna", **who)
    endpoint, _ = webhooks.create_endpoint(
        url="https://hooks.acme.example/in", events=["key.created"], actor="anna", **who
    )
    webhooks.remove_endpoint(endpoint=endpoint.public_id, actor="anna", **who)
    return account, client, key


Told = tuple[Account, Client, ActivationKey]


def found(client: Client, text: str) -> list[tuple[str, str]]:
    """(what, to what) of the entries that a search finds, the oldest first."""
    file = client.get(AUDIT, {"q": text, "format": "csv", "sort": "at"})
    rows = csv.reader(file.getvalue().decode().splitlines())
    return [(row[2], row[3]) for row in rows][1:]


GONE = [("removed a server", "web1.acme.example"), ("removed a server", "2001:db8::7")]
WEB1 = [("backup created", "backup of web1.acme.example"), GONE[0]]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("web1.acme.example", WEB1),
        ("WEB1", WEB1),
        ("192.0.2.1", WEB1),
        ("2001:DB8:0::7", GONE[1:]),
        ("removed a server", GONE),
        ("server_removed", GONE),
        ("backup created", WEB1[:1]),
        ("size gb", WEB1[:1]),
        ("hostname: web1.acme.example", WEB1[1:]),
        ("rack 4", [("server group created", "Rack 4")]),
        ("webhook to nobody", []),
        ("100%", []),
        ("a_m", []),
        ("\\", []),
    ],
)  # fmt: skip
def test_entries_are_found_by_what_people_know_of_them(
    told: Told, text: str, entries: list[tuple[str, str]]
) -> None:
    assert found(told[1], text) == entries


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("hooks.acme", ["added a webhook", "removed a webhook"]),
        ("added a web", ["added a webhook"]),
        ("host: hooks.acme.example; events: key.created", ["added a webhook"]),
        ("enabled: true", ["added a webhook"]),
    ],
)
def test_a_webhook_is_found_by_its_host_and_by_details_as_the_page_shows_them(
    told: Told, text: str, entries: list[str]
) -> None:
    assert [what for what, _ in found(told[1], text)] == entries


@pytest.mark.parametrize(
    "by",
    [
        lambda key: key.last4,
        lambda key: f"…{key.last4}",
        lambda key: "Söhne",
        lambda key: "müller & s",
    ],
)
def test_a_key_is_found_by_its_end_and_its_note_after_its_removal(
    told: Told, by: Callable[[ActivationKey], str]
) -> None:
    name = f"{told[2].public_id} …{told[2].last4}"

    assert found(told[1], by(told[2])) == [("key created", name), ("key removed", name)]


def test_a_license_type_is_found_by_its_name(told: Told) -> None:
    for subject in ("cloudlinux", "cloudlinux 192.0.2.77", "kernelcare"):
        record(account_id=told[0].pk, actor="anna", verb="buy", subject=subject, now=START)

    assert found(told[1], "cloudlinux os") == [
        ("bought licenses", "cloudlinux"),
        ("bought licenses", "cloudlinux 192.0.2.77"),
    ]
    assert found(told[1], "CloudLinux OS Shared Pro") == []


def test_a_live_key_is_found_by_all_of_it(told: Told) -> None:
    live = ActivationKey.objects.get(account=told[0], removed_at=None)
    update_key(account_id=told[0].pk, key=live.public_id, limit=3, actor="anna", now=START)

    assert ("key changed", f"{live.public_id} …{live.last4}") in found(told[1], reveal(live))


def test_a_login_is_found_and_of_two_letters_what_begins_so(told: Told) -> None:
    assert [what for what, _ in found(told[1], "otto")] == ["removed a server"] * 2
    assert found(told[1], "ot") == found(told[1], "otto")
    assert found(told[1], "tt") == []


def test_what_another_account_calls_so_is_not_found(told: Told) -> None:
    """Neither its entries, nor by its names."""
    zenith = a_customer("Zenith")
    stranger = signed_in(a_login(zenith, name="zoe"))
    server = registered(bought(zenith, "cloudlinux", 1), "web1.zenith.example", now=START).server
    remove_server(account_id=zenith.pk, server=server.public_id, why="sold", actor="z", now=START)

    assert found(stranger, "192.0.2.1") == []
    assert found(stranger, told[2].last4) == []
    assert found(stranger, "web1") == [("removed a server", "web1.zenith.example")]
    assert found(told[1], "web1") == WEB1


def test_a_search_asks_few_questions_and_reads_no_whole_log(told: Told) -> None:
    with CaptureQueriesContext(connection) as statements:
        answer = told[1].get(AUDIT, {"q": "web1"})
    with connection.cursor() as cursor:
        cursor.execute(MANY, [told[0].pk])
    filters = AuditFilter(search="web1", verbs=verbs_called("web1"), subjects=["srv_1", "srv_2"])
    with CaptureQueriesContext(connection) as counted:
        count_audit(told[0].pk, filters)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + counted[0]["sql"].replace("%", "%%"), [])
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert answer.status_code == 200
    assert len(statements) <= BUDGET
    assert "Bitmap Index Scan on audit_words" in plan
    assert "Seq Scan" not in plan


def test_a_verb_is_one_of_its_own_and_no_word_of_details(told: Told) -> None:
    """“removed a webhook” is not everything that says webhook."""
    filters = AuditFilter(search="removed a webhook", verbs=verbs_called("removed a webhook"))

    assert count_audit(told[0].pk, filters) == 1
