"""While the database is away every protocol says 503 in its own words, and then it goes on."""

from __future__ import annotations

import json
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from cln import clock
from cln.flows import alerts
from cln.licensing.models import Outage, Server
from tests.licensing import an_account, bought, registered

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a|1500000000|" + "0" * 40
CHECK_IN = "/api/v2/agent/check-in"


@contextmanager
def database_away() -> Iterator[None]:
    """Nobody listens where the database was."""
    host = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nonexistent"
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["HOST"] = host


def checks_in(secret: str) -> HttpResponse:
    return Client().post(
        CHECK_IN, "{}", "application/json", headers={"authorization": f"Bearer {secret}"}
    )


@pytest.mark.parametrize(
    ("method", "path", "kind", "says"),
    [
        ("post", CHECK_IN, "application/problem+json", '"code":"try_again"'),
        ("get", "/api/v2/cl/servers", "application/problem+json", '"try_again"'),
        ("get", "/api/kcare/check.json?server_id=abcdefgh12345678", "application/json", "success"),
        ("get", "/api/kcare/check.plain", "text/plain", "success:false"),
        ("get", f"/api/ipl/check.json?ip=1.1.1.1&token={TOKEN}", "application/json", '"success":'),
        ("get", "/clweb/api/kcare/nagios/KEYKEYKEYKEYKEYK", "text/plain", "Unexpected server"),
        ("get", "/console/dashboard", "text/html", "The database cannot be reached"),
    ],
)
def test_a_door_says_when_to_come_again(method: str, path: str, kind: str, says: str) -> None:
    client = Client(raise_request_exception=False, headers={"authorization": "Bearer " + "x" * 20})
    client.cookies["sessionid"] = "x" * 32
    with database_away():
        answer = getattr(client, method)(path)

    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (503, kind)
    assert int(answer["Retry-After"]) > 0
    assert says in answer.content.decode()


@pytest.mark.parametrize(
    ("path", "method"),
    [("/clweb/xmlrpc", "registration.is_licensed"), ("/XMLRPC", "registration.new_system")],
)
def test_xml_rpc_says_it_by_a_fault(path: str, method: str) -> None:
    call = xmlrpc.client.dumps(
        ("1.1.1.1", TOKEN)
        if "clweb" in path
        else ({"token": "KEYKEYKEYKEYKEYK", "profile_name": "web1", "os_release": "8"},),
        method,
    )
    with database_away():
        answer = Client().post(path, call, "text/xml")

    with pytest.raises(xmlrpc.client.Fault):
        xmlrpc.client.loads(answer.content)


def test_check_ins_go_on_by_themselves_and_the_outage_alarms_nobody() -> None:
    """Nobody restarts anything; who would have checked in meanwhile gets his grace afterwards."""
    done = registered(bought(an_account(), "cloudlinux", 2), "web1")
    other = registered(bought(an_account("Zenith"), "cloudlinux", 1), "db1", "192.0.2.99")
    with database_away():
        first = checks_in(done.secret)
        deadline = clock.system_now()
        second = checks_in(done.secret)
    fell_silent = deadline - timedelta(hours=25)
    for one in (done, other):
        Server.objects.filter(pk=one.server.pk).update(
            registered_at=fell_silent, alert_after=fell_silent
        )
    taken = checks_in(done.secret)
    alerts.scan(now=clock.now())

    assert (first.status_code, second.status_code) == (503, 503)
    assert (taken.status_code, json.loads(taken.content)["state"]) == (200, "active")
    outage = Outage.objects.get()
    assert outage.began_at < deadline < outage.ended_at
    assert Server.objects.filter(alerted_at=None).count() == 2
    assert Server.objects.get(pk=other.server.pk).alert_after == outage.ended_at + timedelta(
        hours=1
    )
