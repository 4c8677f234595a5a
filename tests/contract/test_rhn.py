"""The protocol of stock RHN clients, call by call (rhn.md; facts §10.4)."""

from __future__ import annotations

import logging
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from xmlrpc.client import Fault, dumps, loads

import pytest
from django.test import Client
from pytest_django import Settings

from cln import clock
from cln.accounts.models import Account
from cln.api.rhn.door import METHODS
from cln.api.rhn.faults import EXPLANATION
from cln.enums import Role
from cln.licensing.models import ActivationKey, Server, System, SystemAction
from cln.licensing.services import create_key, remove_server, reveal, suspend
from cln.licensing.system_actions import schedule_action
from tests.licensing import NOW, an_account, bought, on_trial, refusal_of, used
from tests.visitors import PASSWORD, a_login

pytestmark = pytest.mark.django_db

PATHS = ["/XMLRPC", "/XMLRPC/", "/RPC2"]
UUID = "4c4c4544-0051-3010-8052-b4c04f4a3132"
PACKAGE = {"name": "bash", "version": "4.4", "release": "20.el8", "epoch": "", "arch": "x86_64"}
STATUS = {"uname": ["Linux", "web1", "4.18.0-553.el8", "#1 SMP", "x86_64"], "uptime": [3600, 7000]}


def call(method: str, *arguments: Any, path: str = PATHS[0], **extra: str) -> Any:
    """Call as the clients do; the result, or a Fault raised. The status is always 200."""
    answer = Client().post(path, dumps(arguments, method), content_type="text/xml", **extra)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/xml"
    assert "registration.smbios(1)=1" in answer["X-RHN-Server-Capability"]
    (result,), _ = loads(answer.content)
    return result


def fault_of(method: str, *arguments: Any, **extra: str) -> tuple[int, str]:
    """Code and text of the fault that a call is answered with."""
    with pytest.raises(Fault) as raised:
        call(method, *arguments, **extra)
    return raised.value.faultCode, raised.value.faultString


def machine(key: ActivationKey | str, hostname: str = "web1", **more: Any) -> dict[str, Any]:
    """What rhnreg_ks sends of a machine."""
    return {
        "profile_name": hostname,
        "os_release": "8",
        "release_name": "cloudlinux-release",
        "architecture": "x86_64",
        "token": key if isinstance(key, str) else reveal(key),
        "smbios": {},
    } | more


def laid_out(code: int, text: str, info: str) -> str:
    return (
        f"\nError Message:\n    {text}\nError Class Code: {code}\n"
        f"Error Class Info: {info}\nExplanation: {EXPLANATION}"
    )


INVALID_SYSTEM = (
    -9,
    laid_out(9, "Please run rhn_register as root on this client", "Invalid System Credentials."),
)


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def key(acme: Account) -> ActivationKey:
    return bought(acme, "cloudlinux", 2)


@pytest.fixture
def systemid(key: ActivationKey) -> str:
    """The document of a machine that has registered."""
    return str(call("registration.new_system", machine(key)))


# -- registration --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_the_welcome_carries_what_the_server_can_do(path: str) -> None:
    assert call("registration.welcome_message", path=path) == "Welcome to CLN"


def test_a_registration_answers_the_systemid_as_pythons_library_writes_it(
    acme: Account, key: ActivationKey
) -> None:
    document = call("registration.new_system", machine(key, "Web1.Example.com"))

    server = Server.objects.get()
    ((content,), method) = loads(document)
    assert method is None
    assert content == {
        "username": acme.public_id,
        "os_release": "8",
        "operating_system": "cloudlinux",
        "architecture": "x86_64",
        "system_id": f"ID-{1_000_000_000 + server.pk}",
        "type": "REAL",
        "profile_name": "Web1.Example.com",
        "description": "cloudlinux 8",
        "checksum": content["checksum"],
        "fields": [
            "system_id",
            "os_release",
            "operating_system",
            "architecture",
            "username",
            "type",
        ],
    }
    assert document == '<?xml version="1.0"?>\n' + dumps((content,))
    assert re.search(r"<value><string>ID-\d{10}</string></value>", document)
    assert re.fullmatch("[0-9a-f]{64}", content["checksum"])
    assert (server.hostname, server.address, server.os_version) == (
        "web1.example.com",
        "127.0.0.1",
        "8",
    )
    assert used(acme, "cloudlinux") == (1, 1)


def test_the_client_and_its_smbios_are_kept(key: ActivationKey) -> None:
    told = machine(key, smbios={"smbios.system.uuid": UUID.upper(), "smbios.bios.vendor": "X"})

    call(
        "registration.new_system",
        told,
        HTTP_X_UP2DATE_VERSION="2.11.0",
        HTTP_X_RHN_CLIENT_CAPABILITY="reboot.reboot(1)=1,a(1)=1,reboot.reboot(1)=1",
    )

    system = System.objects.get()
    assert system.client_version == "2.11.0"
    assert system.capabilities == ["a(1)=1", "reboot.reboot(1)=1"]
    assert system.smbios == {"smbios.system.uuid": UUID.upper(), "smbios.bios.vendor": "X"}
    assert system.server.machine_uuid == UUID


def test_force_on_the_same_machine_takes_no_second_seat(acme: Account, key: ActivationKey) -> None:
    told = machine(key, smbios={"smbios.system.uuid": UUID})
    first = call("registration.new_system", told)
    second = call("registration.new_system", {**told, "profile_name": "renamed"})

    assert used(acme, "cloudlinux") == (1, 1)
    assert call("queue.get", second, 2, STATUS) == ""
    assert fault_of("queue.get", first, 2, STATUS) == INVALID_SYSTEM


def test_the_first_of_several_keys_is_the_license(acme: Account, key: ActivationKey) -> None:
    call("registration.new_system", machine(f" {reveal(key)} ,other"))

    assert used(acme, "cloudlinux") == (1, 1)


def test_an_unknown_key_is_fault_60_to_the_letter_ar_20() -> None:
    assert fault_of("registration.new_system", machine("mistyped")) == (
        -60,
        laid_out(
            60,
            "Could not find token 'mistyped'",
            "The activation token specified could not be found on the server. "
            "Please retry with a valid key.",
        ),
    )


def test_a_key_of_another_product_is_fault_60(acme: Account) -> None:
    key = bought(acme, "kernelcare", 1)

    code, text = fault_of("registration.new_system", machine(key))

    assert (code, f"Could not find token '{reveal(key)}'" in text) == (-60, True)
    assert used(acme, "kernelcare") == (0, 0)


FULL = laid_out(
    61,
    "Maximum usage count of 1 reached",
    "Too many systems registered using this registration token",
)


def test_a_full_key_is_fault_61_to_the_letter_tv_3(acme: Account) -> None:
    bought(acme, "cloudlinux", 5)
    key = create_key(account_id=acme.pk, license_type="cloudlinux", limit=1, actor="acme", now=NOW)
    call("registration.new_system", machine(key))

    assert fault_of("registration.new_system", machine(key, "web2")) == (-61, FULL)
    assert used(acme, "cloudlinux") == (1, 1)


def test_an_exhausted_pool_is_fault_61_with_its_quantity(acme: Account) -> None:
    key = bought(acme, "cloudlinux", 1)
    call("registration.new_system", machine(key))

    assert fault_of("registration.new_system", machine(key, "web2")) == (-61, FULL)
    assert used(acme, "cloudlinux") == (1, 1)


def test_a_blocked_account_is_fault_110_ar_21(acme: Account, key: ActivationKey) -> None:
    Account.objects.filter(pk=acme.pk).update(blocked_on=date(2026, 3, 1))

    code, text = fault_of("registration.new_system", machine(key))

    assert (code, "blocked because of an overdue invoice" in text) == (-110, True)
    assert used(acme, "cloudlinux") == (0, 0)


def test_an_ended_trial_is_fault_106_with_the_way_out(acme: Account) -> None:
    key = on_trial(acme, "cloudlinux", 1, until=clock.now() - timedelta(days=1))

    code, text = fault_of("registration.new_system", machine(key))

    assert code == -106
    assert "The trial of CloudLinux OS" in text
    assert "Buy a license: the key stays valid" in text


def test_a_private_address_is_fault_106_in_production(
    acme: Account, key: ActivationKey, settings: Settings
) -> None:
    settings.CLN_ALLOW_PRIVATE_ADDRESSES = False

    code, text = fault_of("registration.new_system", machine(key), REMOTE_ADDR="10.0.0.1")

    assert (code, "10.0.0.1" in text) == (-106, True)
    assert used(acme, "cloudlinux") == (0, 0)


@pytest.mark.parametrize("missing", ["profile_name", "os_release", "architecture"])
def test_what_is_required_and_missing_is_fault_21_ar_1(
    acme: Account, key: ActivationKey, missing: str
) -> None:
    told = machine(key)
    del told[missing]

    assert fault_of("registration.new_system", told) == (
        -21,
        laid_out(21, "Required data missing", "Invalid arguments."),
    )
    assert used(acme, "cloudlinux") == (0, 0)


def test_neither_key_nor_password_is_fault_21_ar_1() -> None:
    code, text = fault_of("registration.new_system", machine(""))

    assert (code, "Required members missing" in text) == (-21, True)


# -- login and password --------------------------------------------------------------------------


def by_password(username: str, password: str) -> dict[str, Any]:
    return machine("", username=username, password=password)


def test_a_login_registers_with_the_default_key_of_its_account(
    acme: Account, key: ActivationKey
) -> None:
    login = a_login(acme)

    ((content,), _) = loads(call("registration.new_system", by_password(login.username, PASSWORD)))

    assert content["username"] == login.username
    assert used(acme, "cloudlinux") == (1, 1)


@pytest.mark.parametrize("password", ["wrong", "x" * 900])
def test_a_wrong_password_is_fault_2_like_an_unknown_login(
    acme: Account, key: ActivationKey, password: str
) -> None:
    login = a_login(acme)
    expected = (
        -2,
        laid_out(
            2,
            "Invalid username and password combination",
            "Invalid username and password combination.",
        ),
    )

    assert fault_of("registration.new_system", by_password(login.username, password)) == expected
    assert fault_of("registration.new_system", by_password("nobody", password)) == expected
    assert used(acme, "cloudlinux") == (0, 0)


def test_a_login_that_may_only_read_registers_nothing(acme: Account, key: ActivationKey) -> None:
    login = a_login(acme, role=Role.READ_SERVERS)

    code, text = fault_of("registration.new_system", by_password(login.username, PASSWORD))

    assert (code, "This login may not register servers" in text) == (-2, True)
    assert used(acme, "cloudlinux") == (0, 0)


def test_an_unconfirmed_login_registers_nothing(acme: Account, key: ActivationKey) -> None:
    login = a_login(acme)
    login.emailaddress_set.update(verified=False)

    assert fault_of("registration.new_system", by_password(login.username, PASSWORD))[0] == -2
    assert used(acme, "cloudlinux") == (0, 0)


def test_a_login_without_a_cloudlinux_license_is_fault_106(acme: Account) -> None:
    login = a_login(acme)

    code, text = fault_of("registration.new_system", by_password(login.username, PASSWORD))

    assert (code, "The account has no CloudLinux license." in text) == (-106, True)


def test_guessing_passwords_ends_in_fault_49(acme: Account, key: ActivationKey) -> None:
    login = a_login(acme)
    codes = [
        fault_of("registration.new_system", by_password(login.username, f"guess {n}"))[0]
        for n in range(11)
    ]

    assert (codes[0], codes[-1]) == (-2, -49)
    assert fault_of("registration.new_system", by_password(login.username, PASSWORD))[0] == -49


# -- the newer registrations ---------------------------------------------------------------------

NEWER = {
    "channels": [],
    "failed_channels": [],
    "failed_options": [],
    "system_slots": [],
    "failed_system_slots": [],
    "universal_activation_key": [],
}


def test_registering_with_a_key_in_positional_arguments_ar_2(key: ActivationKey) -> None:
    answer = call(
        "registration.new_system_activation_key",
        *("web1", "cloudlinux-release", "8", "x86_64", reveal(key)),
        {"smbios": {"smbios.system.uuid": UUID}},
    )

    assert {name: value for name, value in answer.items() if name != "system_id"} == NEWER
    assert call("queue.get", answer["system_id"], 2, {}) == ""
    assert Server.objects.get().machine_uuid == UUID


def test_registering_with_a_password_in_positional_arguments_ar_2(
    acme: Account, key: ActivationKey
) -> None:
    login = a_login(acme)

    answer = call(
        "registration.new_system_user_pass",
        *("web1", "cloudlinux-release", "8", "x86_64", login.username, PASSWORD, {}),
    )

    assert answer["system_id"].startswith('<?xml version="1.0"?>')


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
    free = {name for name in METHODS if re.search("new_system|welcome|remaining|privacy", name)}
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
        code, text = fault_of("registration.register_ip\n", "secret")

    assert (code, "Unknown method" in text) == (-1, True)
    assert caplog.messages == ["unknown RHN method registration.register_ip"]


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("arguments", [(), (1,), ({},), ([],), ("x", "x", "x", "x"), ("",) * 9])
def test_arguments_of_another_kind_are_a_fault_or_an_answer(
    name: str, arguments: tuple[object, ...]
) -> None:
    try:
        call(name, *arguments)
    except Fault as fault:
        assert fault.faultCode in {-9, -21, -60}


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
    _, text = fault_of("registration.new_system", by_password("acme", "a secret of mine"))

    assert "a secret of mine" not in text
