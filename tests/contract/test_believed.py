"""What machines say of themselves is believed within bounds, and of themselves alone.

Odd values that a door accepts: what is kept is one printable line of a known length, or a document
of a known size; no other machine, and no table that has nothing to do with it, changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final
from xmlrpc.client import dumps

import pytest
from django.db import connection
from django.test import Client

from cln import clock
from cln.licensing.models import Server, System, SystemAction
from cln.licensing.services import reveal
from cln.licensing.system_actions import schedule_action
from cln.licensing.systems import HARDWARE_LENGTH_MAX
from tests.contract.test_every_door import everything
from tests.licensing import an_account, bought, registered
from tests.rhn import PACKAGE, STATUS, call, fault_of, machine

pytestmark = pytest.mark.django_db

LONG: Final = "x" * 10_000
ODD: Final[tuple[Any, ...]] = (
    LONG, "\x00\x01a\r\nSet-Cookie: b\x7f", "<b>\u202ee\u2028", "-7", "9" * 40,
    "2999-12-31T23:59:59Z", -7, 2**31 - 1, 1e30, True, "=1+1",
)  # fmt: skip
ROW_MOST: Final = 4_000
"""Letters of any row that a machine can write, but for what it tells of its hardware."""
OF_A_MACHINE: Final = {
    "licensing_server", "licensing_machinetrace", "licensing_clonecase", "licensing_patchreport",
    "licensing_servertag", "licensing_system", "licensing_systemaction", "licensing_leasekey",
    "licensing_checkintally",
}  # fmt: skip
OF_A_REGISTRATION: Final = OF_A_MACHINE | {
    "licensing_activationkey", "licensing_entitlement", "licensing_seatspan",
    "licensing_refusedregistration", "accounts_auditentry", "notifications_message",
}  # fmt: skip
NAMES: Final = ("hostname", "machine_uuid", "os_version", "fingerprint", "boot_id", "copy")
AGENTS: Final = {
    "/api/v2/agent/register": ("cloudlinux", NAMES),
    "/api/v2/agent/check-in": ("cloudlinux", (
        "hostname", "os_version", "kernel", "users", "patch_level", "fingerprint", "boot_id",
        "lease_tag",
    )),
    "/api/kcare/register_server.json": ("kernelcare", ("hostname",)),
    "/api/kcare/checkin.json": ("kernelcare", ("hostname", "kernel_id", "patch_level")),
    "/api/kcare/tag_server.json": ("kernelcare", ("tag",)),
    "/cln/api/els/token/register": ("els_centos6", ("host_name",)),
}  # fmt: skip


def rows_of_others(mine: int) -> list[str]:
    """Every server but the one that speaks, and those that came after it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM licensing_server t WHERE id < %s ORDER BY id", [mine])
        return [text for (text,) in cursor.fetchall()]


def oddly_kept(most: int = ROW_MOST) -> dict[str, tuple[int, bool]]:
    """The tables with a row that is too long, or whose columns hold what cannot be printed; two
    documents are kept as they were sent.
    """
    odd = r"\\([bfnrt]|u00)|[\x7f\u202e\u2028]"  # as jsonb writes it
    questions = [
        f"SELECT '{name}', coalesce(max(length(t::text)), 0),"
        f" coalesce(bool_or((to_jsonb(t) - 'data' - 'hardware')::text ~ '{odd}'), false)"
        f" FROM {name} t"
        for name in sorted(OF_A_REGISTRATION & set(connection.introspection.table_names()))
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(questions))
        rows = cursor.fetchall()
    return {name: (length, odd) for name, length, odd in rows if length > most or odd}


def changed(before: dict[str, str]) -> set[str]:
    return {name for name, digest in everything().items() if digest != before[name]}


@pytest.mark.parametrize("path", AGENTS)
def test_an_accepted_oddity_is_kept_within_bounds_and_changes_nothing_else(path: str) -> None:
    product, arguments = AGENTS[path]
    account = an_account()
    key = bought(account, product, 100)
    registered(key, "neighbour", "192.0.2.77")
    server = registered(key, "web1", "192.0.2.1")
    registers = "register" in path
    good = {"key": reveal(key)} if registers else {"server_id": server.secret, "kernel": "5.14"}
    good |= {"kernel_id": "5.14"} if "kcare" in path else {}
    secret = "" if registers else server.secret
    accepted = 0

    for argument in arguments:
        for value in ODD:
            before, others = everything(), rows_of_others(server.server.pk)
            body = json.dumps({**good, argument: value})
            answer = Client().post(
                path, body, "application/json", headers={"Authorization": f"Bearer {secret}"}
            )
            assert answer.status_code < 500, (argument, value)
            touched = changed(before)
            assert touched <= (OF_A_REGISTRATION if registers else OF_A_MACHINE), (argument, value)
            assert rows_of_others(server.server.pk) == others, (argument, value)
            accepted += answer.status_code < 400 and bool(touched)
    assert accepted > 3, "most of it is taken, and so this test has seen something"
    assert oddly_kept() == {}
    latest = Server.objects.exclude(last_check_in_at=None).order_by("-last_check_in_at").first()
    assert latest is None or (latest.last_check_in_at or clock.now()) <= clock.now()


def documents(systemid: str, action: int) -> Iterator[tuple[str, list[Any]]]:
    """Calls of RHN's clients that are taken, each with something odd."""
    texts = [value for value in ODD if isinstance(value, str) and value.isprintable()]
    for value in ODD:
        if value == ODD[1]:
            continue  # which XML cannot carry
        for status in ({"uname": [value] * 5}, {"uptime": [value, value]}, {"uptime": value}):
            yield "queue.get", [systemid, 2, STATUS | status]
        yield "registration.refresh_hw_profile", [systemid, [{"class": "CPU", "speed": value}]]
        yield "registration.add_packages", [systemid, [PACKAGE | {"version": value}]]
        yield "queue.submit", [systemid, action, 0, str(value), {"name": value}]
    for value in texts:
        yield "registration.upgrade_version", [systemid, value]


def test_what_an_rhn_client_tells_is_kept_within_bounds_and_of_itself_alone() -> None:
    account = an_account()
    key = bought(account, "cloudlinux", 100)
    registered(key, "neighbour", "192.0.2.77")
    systemid = str(call("registration.new_system", machine(key)))
    mine = Server.objects.get(hostname="web1")
    who: dict[str, Any] = {"account_id": account.pk, "server": mine.public_id, "actor": "acme"}
    for method, arguments in documents(systemid, 0):
        if method == "queue.submit":
            wish = schedule_action(**who, method="hardware.refresh_list", now=clock.now())
            arguments[1] = wish.pk
        before, others = everything(), rows_of_others(mine.pk)
        body = dumps(tuple(arguments), method, allow_none=True)
        answer = Client().post("/XMLRPC", body, content_type="text/xml")
        assert answer.status_code == 200
        assert changed(before) <= OF_A_MACHINE, (method, arguments[1:])
        assert rows_of_others(mine.pk) == others, (method, arguments[1:])
    assert oddly_kept(most=25_000) == {}  # ten thousand letters of one device, and its action's
    assert (System.objects.get().uptime_seconds or 0) <= 2**31 - 1


@pytest.mark.parametrize("field", ["profile_name", "os_release", "release_name", "architecture"])
def test_a_machine_whose_name_is_odd_is_kept_as_a_line(acme: Any, field: str) -> None:
    key = bought(acme, "cloudlinux", 100)

    for value in ("x" * 900, "<b>\u202ee\u2028", "-7", "9" * 40, "2999-12-31T23:59:59Z"):
        call("registration.new_system", machine(key) | {field: value})
    assert oddly_kept() == {}
    if field != "release_name":
        unprintable = machine(key) | {field: "\u202e\u2028"}
        before = everything()
        assert fault_of("registration.new_system", unprintable)[0] == -21
        assert everything() == before


def far_too_much(systemid: str, action: int) -> dict[str, tuple[list[Any], Callable[[], object]]]:
    """Much more than a machine has to tell, and what is left of it."""
    system, done = System.objects, SystemAction.objects
    return {
        "registration.add_hw_profile": (
            [systemid, [{"class": "CPU", "model": "x" * 400_000}] * 3],
            lambda: len(system.get().hardware),
        ),
        "queue.submit": (
            [systemid, action, 0, "y" * 9_000, {"log": "x" * 20_000}],
            lambda: (len(done.get().message), done.get().data),
        ),
    }


@pytest.mark.parametrize(
    ("method", "left"), [("registration.add_hw_profile", 2), ("queue.submit", (500, {}))]
)
def test_what_is_far_too_much_is_cut(acme: Any, systemid: str, method: str, left: object) -> None:
    server = Server.objects.get()
    action = schedule_action(
        account_id=acme.pk, server=server.public_id, method="hardware.refresh_list", actor="acme",
        now=clock.now(),
    )  # fmt: skip
    arguments, kept = far_too_much(systemid, action.pk)[method]

    assert call(method, *arguments) == 0

    assert kept() == left
    assert 2 * 400_000 < HARDWARE_LENGTH_MAX < 3 * 400_000


def test_a_thousand_names_of_smbios_are_a_hundred(key: Any) -> None:
    smbios = {f"smbios.{number}": "x" * 1_000 for number in range(1_000)}

    call("registration.new_system", machine(key, smbios=smbios))

    kept = System.objects.get().smbios
    assert len(kept) == 100
    assert {len(value) for value in kept.values()} == {200}


def test_a_number_that_no_column_holds_is_fault_21(acme: Any, systemid: str) -> None:
    server = Server.objects.get()
    action = schedule_action(
        account_id=acme.pk, server=server.public_id, method="hardware.refresh_list", actor="acme",
        now=clock.now(),
    )  # fmt: skip

    for number in ("99999999999", "2147483648"):
        assert fault_of("queue.submit", systemid, action.pk, number, "", {})[0] == -21
    assert SystemAction.objects.get().finished_at is None


def test_a_long_list_of_packages_is_exchanged_for_another_one(systemid: str) -> None:
    """The time this takes grows with the list, not with its square."""
    first, second = ([["a" * 8, str(n), letter] for n in range(4_000)] for letter in "ab")
    call("registration.add_packages", systemid, first)

    assert call("registration.delta_packages", systemid, {"added": second, "deleted": first}) == 0

    kept = System.objects.get().packages
    assert (len(kept), {package["release"] for package in kept}) == (4_000, {"b"})


def test_the_eye_of_these_tests_sees_what_is_odd(systemid: str) -> None:
    assert oddly_kept() == {}
    for odd in ("a\nb", "a\x7f", "\u202e", "x" * 90 + "\u2028"):
        System.objects.update(release_name=odd)
        assert oddly_kept() == {"licensing_system": (oddly_kept()["licensing_system"][0], True)}
