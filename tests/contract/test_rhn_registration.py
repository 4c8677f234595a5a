"""Registrations of stock RHN clients, with keys and with passwords (rhn.md; facts §10.4)."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any
from xmlrpc.client import dumps, loads

import pytest
from pytest_django import Settings

from cln import clock
from cln.accounts.models import Account
from cln.enums import Role
from cln.licensing.models import ActivationKey, Server, System
from cln.licensing.services import create_key, reveal
from tests.licensing import NOW, bought, on_trial, used
from tests.rhn import (
    INVALID_SYSTEM,
    PATHS,
    STATUS,
    UUID,
    call,
    fault_of,
    laid_out,
    machine,
)
from tests.visitors import PASSWORD, a_login

pytestmark = pytest.mark.django_db

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

    assert fault_of("registration.new_system", machine(key)) == (
        -110,
        laid_out(
            110,
            "The account is blocked because of an overdue invoice. "
            "Pay the overdue invoices: the account is unblocked at once.",
            "The account is blocked.",
        ),
    )
    assert used(acme, "cloudlinux") == (0, 0)


def test_an_ended_trial_is_fault_106_with_the_way_out(acme: Account) -> None:
    key = on_trial(acme, "cloudlinux", 1, until=clock.now() - timedelta(days=1))

    code, text = fault_of("registration.new_system", machine(key))

    assert code == -106
    assert "The trial of CloudLinux OS" in text
    assert "Buy a license: the key stays valid" in text


@pytest.mark.parametrize(
    ("edition", "version", "name"),
    [
        ("cloudlinux_solo", "7.9", "CloudLinux OS Solo"),
        ("cloudlinux_admin", "6", "CloudLinux OS Admin"),
    ],
)
def test_an_edition_that_an_old_system_cannot_run_is_fault_106_ar_39(
    acme: Account, edition: str, version: str, name: str
) -> None:
    key = bought(acme, edition, 1)

    refused = fault_of("registration.new_system", machine(key, os_release=version))

    runs = version.partition(".")[0]
    assert refused == (
        -106,
        laid_out(
            106,
            f"{name} needs version 8 or newer; this machine runs {runs}. "
            "Use a license of CloudLinux OS Shared, or upgrade the system.",
            "This system cannot be registered.",
        ),
    )
    assert used(acme, edition) == (0, 0)
    call("registration.new_system", machine(key, os_release="8.10"))
    assert used(acme, edition) == (1, 1)


def test_every_edition_but_solo_and_admin_runs_on_version_7_p6(acme: Account) -> None:
    for edition in ("cloudlinux", "cloudlinux_pro"):
        key = bought(acme, edition, 1)
        call("registration.new_system", machine(key, edition, os_release="7.9"))
        assert used(acme, edition) == (1, 1)


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

    assert (code, "The account has no default key of CloudLinux OS." in text) == (-106, True)


def test_guessing_passwords_ends_in_fault_49(acme: Account, key: ActivationKey) -> None:
    login = a_login(acme)
    codes = [
        fault_of("registration.new_system", by_password(login.username, f"guess {n}"))[0]
        for n in range(11)
    ]

    assert (codes[0], codes[-1]) == (-2, -49)
    assert fault_of("registration.new_system", by_password(login.username, PASSWORD)) == (
        -49,
        laid_out(49, "Wait a few minutes and try again.", "Too many tries."),
    )


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
