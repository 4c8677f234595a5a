"""Who gives way when all threads are busy, and how each protocol says it (security §6)."""

from __future__ import annotations

import contextlib
import xmlrpc.client
from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from cln import shedding
from cln.licensing.services import reveal
from cln.shedding import DoorClass, class_of, limits, passing
from tests.licensing import an_account, bought

PATHS = {
    DoorClass.CHECK_IN: (
        "/api/v2/agent/check-in",
        "/XMLRPC",
        "/XMLRPC/",
        "/RPC2",
        "/api/kcare/check.plain",
        "/clweb/api/kcare/check.json",
    ),
    DoorClass.VALIDATION: (
        "/api/ipl/check.json",
        "/api/v2/agent/register",
        "/api/kcare/register_server.plain",
        "/clweb/xmlrpc",
        "/clweb/api/im/key/create.json",
    ),
    DoorClass.PUBLIC: ("/console/check-license",),
    DoorClass.PAGE: ("/", "/console/dashboard", "/console/servers"),
    DoorClass.LIST: (
        "/api/ipl/list.json",
        "/clweb/api/kcare/key/servers.json",
        "/api/group/servers/list.json",
        "/api/kcare/nagios/KEY",
        "/api/v2/cl/servers",
    ),
}


@contextlib.contextmanager
def full(path: str) -> Iterator[None]:
    """Let in as many as there is room for at the door behind this path."""
    with contextlib.ExitStack() as inside:
        for _ in range(limits(64)[class_of(path)]):
            inside.enter_context(passing(path))
        yield


@pytest.mark.parametrize(
    ("door", "path"), [(door, path) for door, paths in PATHS.items() for path in paths]
)
def test_each_door_has_its_class(door: DoorClass, path: str) -> None:
    assert class_of(path) is door


def test_all_classes_together_leave_threads_for_check_ins() -> None:
    for threads in (16, 64, 200):
        assert sum(limits(threads).values()) <= threads * 56 // 64


def test_lists_give_way_while_validation_goes_on() -> None:
    with full("/api/ipl/list.json"), full("/console/dashboard"):
        with pytest.raises(shedding.Overloaded), passing("/api/ipl/list.json"):
            pass
        with passing("/api/ipl/check.json"), passing("/api/v2/agent/check-in"):
            pass
    with passing("/api/ipl/list.json"):
        pass


def test_a_check_in_is_let_in_whatever_is_full() -> None:
    with contextlib.ExitStack() as busy:
        for paths in (PATHS[door] for door in limits(64)):
            busy.enter_context(full(paths[0]))
        for _ in range(200):
            busy.enter_context(passing("/api/v2/agent/check-in"))


def test_the_gates_follow_the_threads_of_the_process(settings: Settings) -> None:
    settings.CLN_WEB_THREADS = 16

    assert limits(16)[DoorClass.LIST] == 1
    with passing("/api/ipl/list.json"), pytest.raises(shedding.Overloaded):  # noqa: SIM117
        with passing("/api/ipl/list.json"):
            pass


@pytest.mark.parametrize(
    ("method", "path", "kind", "says"),
    [
        ("get", "/api/ipl/list.json", "application/json", b'"success":false'),
        ("get", "/api/kcare/register_server.plain", "text/plain", b"success:false"),
        ("get", "/api/kcare/nagios/KEY", "text/plain", b"Unexpected server error"),
        ("get", "/api/kcare/patchset.json", "text/plain", b"Unexpected server error"),
        ("post", "/api/v2/agent/register", "application/problem+json", b'"code":"try_again"'),
        ("get", "/api/v2/cl/servers", "application/problem+json", b'"try_again"'),
        ("get", "/", "text/html", b"Very busy at the moment"),
    ],
)
def test_who_is_not_let_in_hears_it_in_his_own_protocol_and_when_to_come_again(
    method: str, path: str, kind: str, says: bytes
) -> None:
    with full(path):
        answer = getattr(Client(), method)(path)

    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (503, kind)
    assert int(answer["Retry-After"]) > 0
    assert says in answer.content


def test_xml_rpc_is_told_by_a_fault() -> None:
    call = xmlrpc.client.dumps(("1.1.1.1", "token"), "registration.is_licensed")

    with full("/clweb/xmlrpc"):
        answer = Client().post("/clweb/xmlrpc", call, "text/xml")

    with pytest.raises(xmlrpc.client.Fault):
        xmlrpc.client.loads(answer.content)


@pytest.mark.django_db
def test_a_refused_registration_changes_nothing_and_is_let_in_later() -> None:
    key = bought(an_account(), "cloudlinux", 1)
    body = {"key": reveal(key), "hostname": "web1"}

    with full("/api/v2/agent/register"):
        refused = Client().post("/api/v2/agent/register", body)
    key.refresh_from_db()
    used = key.used
    done = Client().post("/api/v2/agent/register", body)

    assert (refused.status_code, used, done.status_code) == (503, 0, 201)
