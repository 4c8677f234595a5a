"""Stock RHN clients after their registration, call by call (rhn.md; facts §10.4)."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from xmlrpc.client import Fault, dumps, loads

import pytest
from django.test import Client

from cln import clock
from cln.accounts.models import Account
from cln.api.rhn.door import METHODS
from cln.enums import Role
from cln.licensing.models import ActivationKey, Server, System, SystemAction
from cln.licensing.services import remove_server, suspend
from cln.licensing.system_actions import schedule_action
from tests.licensing import NOW, an_account, locked_by_somebody_else, refusal_of, used
from tests.rhn import (
    INVALID_SYSTEM,
    PACKAGE,
    PATHS,
    STATUS,
    call,
    fault_of,
    laid_out,
    machine,
)
from tests.visitors import a_login, signed_in, text_of

pytestmark = pytest.mark.django_db

# -- the systemid --------------------------------------------------------------------------------


def forged(document: str, **changes: object) -> str:
    """The document with other values and its old checksum."""
    ((content,), _) = loads(document)
    return '<?xml version="1.0"?>\n' + dumps(({**content, **changes},))


@pytest.mark.parametrize(
    "changes",
    [
        {"system_id": "ID-1999999999"},
        {"system_id": "ID-1"},
        {"system_id": 7},
        {"os_release": "9"},
        {"os_release": "8cloudlinux", "operating_system": ""},
        {"type": "VIRTUAL"},
        {"checksum": "0" * 64},
        {"checksum": ""},
        {"fields": ["system_id"]},
        {"fields": "system_id"},
        {"fields": []},
    ],
)
def test_a_forged_systemid_is_fault_9_and_no_check_in(
    systemid: str, changes: dict[str, object]
) -> None:
    assert fault_of("queue.get", forged(systemid, **changes), 2, STATUS) == INVALID_SYSTEM
    assert Server.objects.get().last_check_in_at is None


@pytest.mark.parametrize(
    "document",
    [
        "",
        "nonsense",
        7,
        ["x"],
        "<params/>",
        dumps(("x",)),
        dumps(({},)),
        "<!DOCTYPE params [<!ENTITY a 'b'>]><params><param><value>&a;</value></param></params>",
        "<params>" * 5_000,
        "x" * 100_000,
    ],
    ids=range(10),
)
def test_what_is_no_systemid_is_fault_9(document: object) -> None:
    assert fault_of("queue.get", document, 2, STATUS) == INVALID_SYSTEM


def test_the_systemid_of_another_server_does_not_fit(key: ActivationKey) -> None:
    first = call("registration.new_system", machine(key, "web1"))
    second = call("registration.new_system", machine(key, "web2"))
    ((other,), _) = loads(second)

    mixed = forged(first, system_id=other["system_id"])

    assert fault_of("queue.get", mixed, 2, STATUS) == INVALID_SYSTEM


def test_every_method_that_needs_a_system_refuses_without_one() -> None:
    open_to_all = "new_system|register_ip|welcome|remaining|privacy|user$"
    free = {name for name in METHODS if re.search(open_to_all, name)}
    codes = {
        fault_of(name, "x", 1, 2, "", {})[0]
        for name in METHODS
        if name.startswith(("queue", "up2date")) or name not in free
        if "profile" not in name and "packages" not in name and "upgrade" not in name
    }

    assert codes == {-9}


def test_an_upgrade_answers_a_new_systemid_and_the_old_one_stays_good(systemid: str) -> None:
    newer = call("registration.upgrade_version", systemid, "9")

    assert loads(newer)[0][0]["os_release"] == "9"
    assert call("queue.get", newer, 2, STATUS) == ""
    assert call("queue.get", systemid, 2, STATUS) == ""
    assert call("registration.update_systemid", systemid) == newer
    assert Server.objects.get().os_version == "9"


# -- profiles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["add_hw_profile", "refresh_hw_profile"])
def test_the_hardware_is_kept_as_it_was_sent(systemid: str, method: str) -> None:
    devices = [{"class": "CPU", "count": 4, "speed": 2400.5}, {"class": "MEMORY", "ram": "24105"}]

    assert call(f"registration.{method}", systemid, devices) == 0

    system = System.objects.get()
    assert system.hardware == devices
    assert system.hardware_at is not None


@pytest.mark.parametrize("method", ["add_packages", "update_packages"])
def test_packages_come_as_structs_or_as_lists(systemid: str, method: str) -> None:
    listed = ["bash", "4.4", "20.el8", "", "x86_64"]

    for packages in ([PACKAGE | {"installtime": 1700000000}], [listed]):
        assert call(f"registration.{method}", systemid, packages) == 0
        assert System.objects.get().packages == [PACKAGE]


def test_changes_of_packages_are_applied(systemid: str) -> None:
    old, new = PACKAGE, PACKAGE | {"release": "21.el8"}
    zsh = PACKAGE | {"name": "zsh"}
    call("registration.add_packages", systemid, [old, zsh])

    delta = {"added": [new, zsh], "deleted": [old]}
    assert call("registration.delta_packages", systemid, delta) == 0
    assert System.objects.get().packages == [new, zsh]
    assert call("registration.delete_packages", systemid, [zsh]) == 0
    assert System.objects.get().packages == [new]


@pytest.mark.parametrize("items", ["x", 1, {}, ["x"], [1], [{}], [[]], [{"name": ""}]])
def test_packages_of_another_shape_are_fault_21_and_change_nothing(
    systemid: str, items: object
) -> None:
    assert fault_of("registration.add_packages", systemid, items)[0] == -21
    assert System.objects.get().packages is None


@pytest.mark.parametrize("items", ["x", 1, {}, ["x"], [[]]])
def test_hardware_of_another_shape_is_fault_21_and_changes_nothing(
    systemid: str, items: object
) -> None:
    assert fault_of("registration.add_hw_profile", systemid, items)[0] == -21
    assert System.objects.get().hardware is None


# -- check-in and actions ------------------------------------------------------------------------


def test_a_check_in_with_nothing_to_do_answers_an_empty_string_tv_9(systemid: str) -> None:
    body = dumps((systemid, 2, STATUS), "queue.get")

    answer = Client().post("/XMLRPC", body, content_type="text/xml")

    assert b"<value><string></string></value>" in answer.content
    server = Server.objects.get()
    assert (server.last_check_in_at, server.kernel) != (None, "")
    assert server.kernel == "4.18.0-553.el8"
    assert System.objects.get().uptime_seconds == 3600


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"uname": "Linux", "uptime": "x"},
        {"uname": [], "uptime": []},
        {"uname": [1, 2, 3], "uptime": [{}]},
        {"uptime": ["1e999"]},
        {"uptime": [-1]},
    ],
)
def test_a_check_in_needs_no_status(systemid: str, status: dict[str, object]) -> None:
    assert call("queue.get", systemid, 2, status) == ""
    assert Server.objects.get().last_check_in_at is not None
    assert System.objects.get().uptime_seconds is None


def test_a_removed_server_is_fault_9(acme: Account, systemid: str) -> None:
    server = Server.objects.get()
    remove_server(account_id=acme.pk, server=server.public_id, why="test", now=NOW)

    assert fault_of("queue.get", systemid, 2, STATUS) == INVALID_SYSTEM
    assert fault_of("up2date.login", systemid) == INVALID_SYSTEM


@pytest.mark.parametrize("method", ["queue.get", "up2date.login", "up2date.listChannels"])
def test_a_suspended_license_is_fault_31_with_an_explanation_p7(
    acme: Account, systemid: str, method: str
) -> None:
    suspend(account_id=acme.pk, now=NOW)

    assert fault_of(method, systemid) == (
        -31,
        laid_out(
            31,
            'Service not enabled for system profile: "web1"',
            "The account has no valid license for this system.",
        ),
    )


def test_an_action_is_handed_out_until_its_outcome_is_reported(
    acme: Account, systemid: str
) -> None:
    server = Server.objects.get().public_id
    for _ in range(2):
        schedule_action(
            account_id=acme.pk,
            server=server,
            method="hardware.refresh_list",
            actor="acme",
            now=NOW,
        )
    action = SystemAction.objects.get()

    for _ in range(2):
        answer = call("queue.get", systemid, 2, STATUS)
        assert (answer["id"], answer["version"]) == (action.pk, 2)
        assert loads(answer["action"]) == ((), "hardware.refresh_list")
    assert call("queue.submit", systemid, action.pk, 0, "hardware list refreshed", {}) == 0

    action.refresh_from_db()
    assert (action.status, action.message, action.deliveries) == (0, "hardware list refreshed", 2)
    assert call("queue.get", systemid, 2, STATUS) == ""


def test_the_page_of_a_system_shows_what_it_told_and_asks_it_anew(
    acme: Account, systemid: str
) -> None:
    client = signed_in(a_login(acme, Role.FULL))
    page = f"/console/servers/{Server.objects.get().public_id}"
    assert "It has never told its packages. It has never told its hardware." in text_of(
        client.get(page)
    )
    call("registration.add_packages", systemid, [PACKAGE])

    for method in ("packages.refresh_list", "hardware.refresh_list"):
        client.post(f"{page}/ask", {"method": method})
    first = call("queue.get", systemid, 2, STATUS)
    call("queue.submit", systemid, first["id"], 0, "done", {})
    second = call("queue.get", systemid, 2, STATUS)
    assert loads(second["action"])[1] == "hardware.refresh_list"
    call("queue.submit", systemid, second["id"], 6, "Invalid function call attempted", {})

    shown = text_of(client.get(page))
    assert "cloudlinux-release 8, x86_64. 1 package, told" in shown
    assert "asked for its packages: done" in shown
    assert "asked for its hardware: failed Invalid function call attempted" in shown
    assert "asked a machine to tell itself anew" in shown
    wrong = client.post(f"{page}/ask", {"method": "reboot.reboot"})
    assert "This server cannot be asked to do that." in text_of(wrong)
    assert SystemAction.objects.count() == 2


def test_an_action_that_is_never_reported_is_given_up(acme: Account, systemid: str) -> None:
    schedule_action(
        account_id=acme.pk,
        server=Server.objects.get().public_id,
        method="packages.refresh_list",
        actor="acme",
        now=NOW,
    )
    answers = [call("queue.get", systemid, 2, STATUS) for _ in range(6)]

    assert [bool(answer) for answer in answers] == [True] * 5 + [False]
    assert SystemAction.objects.get().status == -1


def test_the_outcome_of_another_systems_action_changes_nothing(
    acme: Account, key: ActivationKey, systemid: str
) -> None:
    schedule_action(
        account_id=acme.pk,
        server=Server.objects.get().public_id,
        method="hardware.refresh_list",
        actor="acme",
        now=NOW,
    )
    other = call("registration.new_system", machine(key, "web2"))
    action = SystemAction.objects.get()

    assert call("queue.submit", other, action.pk, 0, "done", {}) == 0

    action.refresh_from_db()
    assert (action.finished_at, action.status) == (None, None)


@pytest.mark.parametrize("method", ["script.run", ""])
def test_only_harmless_actions_are_offered(acme: Account, systemid: str, method: str) -> None:
    refused = refusal_of(
        schedule_action,
        account_id=acme.pk,
        server=Server.objects.get().public_id,
        method=method,
        actor="acme",
        now=NOW,
    )

    assert refused.code == "action_not_offered"
    assert not SystemAction.objects.exists()


def test_no_action_is_planned_for_a_foreign_server(systemid: str) -> None:
    refused = refusal_of(
        schedule_action,
        account_id=an_account("Zenith").pk,
        server=Server.objects.get().public_id,
        method="hardware.refresh_list",
        actor="zenith",
        now=NOW,
    )

    assert refused.code == "unknown_server"


def test_a_login_answers_every_key_the_client_needs_ar_12(systemid: str) -> None:
    answer = Client().post("/XMLRPC", dumps((systemid,), "up2date.login"), content_type="text/xml")

    ((ticket,), _) = loads(answer.content)
    number = int(loads(systemid)[0][0]["system_id"].removeprefix("ID-"))
    assert ticket == {
        "X-RHN-Server-Id": number,
        "X-RHN-Auth-User-Id": "",
        "X-RHN-Auth": ticket["X-RHN-Auth"],
        "X-RHN-Auth-Server-Time": ticket["X-RHN-Auth-Server-Time"],
        "X-RHN-Auth-Expire-Offset": "600.0",
        "X-RHN-Auth-Channels": [],
    }
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", ticket["X-RHN-Auth"])
    told = datetime.fromtimestamp(float(ticket["X-RHN-Auth-Server-Time"]), UTC)
    assert abs(told - clock.now()) < timedelta(minutes=1)
    assert answer["X-RHN-Server-Id"] == str(number)
    assert answer["X-RHN-Auth"] == ticket["X-RHN-Auth"]
    assert Server.objects.get().last_check_in_at is None


def test_there_are_no_channels_and_no_future_actions(systemid: str) -> None:
    assert call("up2date.listChannels", systemid) == []
    assert call("queue.get_future_actions", systemid, 24) == []


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("registration.finish_message", [0, "", ""]),
        ("registration.update_contact_info", 0),
        ("registration.virt_notify", 0),
        ("registration.remaining_subscriptions", 1),
        ("registration.privacy_statement", ""),
        ("registration.reserve_user", 0),
        ("registration.new_user", 0),
    ],
)
def test_the_methods_of_older_clients_answer_and_change_nothing_ar_3(
    systemid: str, method: str, result: object
) -> None:
    before = System.objects.values().get()

    assert call(method, systemid, {}) == result
    assert System.objects.values().get() == before


# -- never a 500 ---------------------------------------------------------------------------------


def test_an_unknown_method_is_fault_1_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        code, text = fault_of("registration.migrate\n", "secret")

    assert (code, "Unknown method" in text) == (-1, True)
    assert caplog.messages == ["unknown RHN method registration.migrate"]


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("arguments", [(), (1,), ({},), ([],), ("x", "x", "x", "x"), ("",) * 9])
def test_arguments_of_another_kind_are_a_fault_or_an_answer(
    name: str, arguments: tuple[object, ...]
) -> None:
    answer = Client().post("/RPC2", dumps(arguments, name), content_type="text/xml")

    assert answer.status_code == 200
    assert re.search(rb"<i4>-(9|21)</i4>|<params>", answer.content)


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"<!DOCTYPE x><methodCall/>", b"<a>" * 100_000, b" " * (8 * 2**20 + 1)],
    ids=["empty", "text", "doctype", "deep", "huge"],
)
@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_no_call_is_fault_21(path: str, body: bytes) -> None:
    answer = Client().post(path, body, content_type="text/xml")

    assert answer.status_code == 200
    with pytest.raises(Fault) as raised:
        loads(answer.content)
    assert raised.value.faultCode == -21


@pytest.mark.parametrize("path", PATHS)
def test_only_post_is_answered(path: str) -> None:
    answer = Client().get(path)

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_a_password_is_never_repeated_in_a_fault() -> None:
    _, text = fault_of(
        "registration.new_system", machine("", username="acme", password="a secret of mine")
    )

    assert "a secret of mine" not in text


@pytest.mark.django_db(transaction=True)
def test_a_busy_database_is_fault_99_and_nothing_is_registered(
    acme: Account, key: ActivationKey
) -> None:
    with locked_by_somebody_else(key):
        code, text = fault_of("registration.new_system", machine(key))

    assert (code, text) == (99, "The service is busy. Try again in a few minutes.")
    assert used(acme, "cloudlinux") == (0, 0)
