"""Servers that speak RHN: their registration, what proves them, their profile, their check-in.

A systemid is signed with a secret that is derived from the server's own and from the key of this
installation: nothing more is stored, and a stolen dump of the database signs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, islice
from typing import Any

from cln import vault
from cln.accounts.models import Login
from cln.domain.systemid import SYSTEM_ID, SystemId, agrees, checksum
from cln.enums import ServerStatus
from cln.licensing import removal, servers
from cln.licensing.access import UnknownServer
from cln.licensing.address_servers import register_at_address
from cln.licensing.door import Hints
from cln.licensing.models import Server, System
from cln.licensing.queries import default_keys_of
from cln.licensing.registration import plain_text, register_server

PRODUCT = "cloudlinux"
OPERATING_SYSTEM = "cloudlinux"
TYPE = "REAL"
FIRST_NUMBER = 1_000_000_000
"""System numbers have ten digits; a client takes a number apart by its length."""
PURPOSE = "rhn-systemid"
PACKAGES_MAX = 20_000
DEVICES_MAX = 2_000
HARDWARE_LENGTH_MAX = 1_000_000
"""Letters of JSON: a large machine tells some 50,000."""
SMBIOS_MAX = 100
CAPABILITIES_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a client says of its machine when it registers."""

    profile_name: str
    os_release: str
    architecture: str
    release_name: str = ""
    smbios: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a client says of itself with every call."""

    version: str = ""
    capabilities: Sequence[str] = ()


def register_system(
    *, key_text: str, address: str, machine: Machine, client: Client, now: datetime
) -> System:
    """Register a machine by activation key and keep what its systemid will sign.

    Two transactions: where the second fails, the client has no systemid, registers again and is
    recognised. Refuses what `register_server` refuses; keys of other products are `unknown_key`.
    """
    done = register_server(
        key_text=key_text, address=address, hints=_hints(machine), product=PRODUCT, now=now
    )
    return _kept(done.server, machine, client)


def register_system_at_address(
    *, address: str, machine: Machine, client: Client, now: datetime
) -> System:
    """The same without a key, where the address holds an IP license of CloudLinux OS.

    Refuses what `register_at_address` refuses.
    """
    done = register_at_address(address=address, hints=_hints(machine), product=PRODUCT, now=now)
    return _kept(done.server, machine, client)


def _hints(machine: Machine) -> Hints:
    return Hints(
        hostname=machine.profile_name,
        machine_uuid=machine.smbios.get("smbios.system.uuid", ""),
        os_version=machine.os_release,
    )


def _kept(server: Server, machine: Machine, client: Client) -> System:
    return System.objects.create(
        server=server,
        profile_name=plain_text(machine.profile_name, 253),
        os_release=plain_text(machine.os_release, 40),
        release_name=plain_text(machine.release_name, 100),
        architecture=plain_text(machine.architecture, 100),
        username=_owner(server),
        smbios={
            plain_text(name, 60): plain_text(value, 200)
            for name, value in islice(machine.smbios.items(), SMBIOS_MAX)
        },
        **_about(client),
    )


def default_key_text(account_id: int) -> str | None:
    """The key that a registration with login and password uses; None without a license."""
    keys = default_keys_of(account_id).values()
    return next((row.text for row in keys if row.product == PRODUCT), None)


def number_of(system: System) -> int:
    """The number in the system's `ID-…`; it fits into 32 bits, as clients need."""
    return FIRST_NUMBER + system.server_id


def system_numbered(number: int) -> System | None:
    """The running system with this number in its `ID-…`."""
    return _found(number, server__status=ServerStatus.ACTIVE)


def identity_of(system: System) -> SystemId:
    """The values that the systemid of this system signs."""
    return SystemId(
        system_id=f"ID-{number_of(system)}",
        os_release=system.os_release,
        operating_system=OPERATING_SYSTEM,
        architecture=system.architecture,
        username=system.username,
        type=TYPE,
    )


def checksum_of(system: System) -> str:
    """The checksum of the systemid of this system, in hex."""
    return checksum(_secret(system.server), identity_of(system))


def proven_system(*, presented: SystemId, given: str) -> System:
    """The running system that shows its systemid.

    Refuses `unknown_server` (also a forged document), `server_removed`.
    """
    number = SYSTEM_ID.fullmatch(presented.system_id)
    system = _found(int(number[1]) if number else 0)
    if system is None or not agrees(
        presented, given=given, known=identity_of(system), secret=_secret(system.server)
    ):
        raise UnknownServer("There is no such system.", "Register it again.")
    if system.server.status != ServerStatus.ACTIVE:
        raise removal.ServerGone("This system is not registered any more.", "Register it again.")
    return system


def check_in_system(
    *,
    system: System,
    address: str,
    kernel: str,
    uptime_seconds: int | None,
    client: Client,
    now: datetime,
) -> servers.CheckIn:
    """Note that a system lives; what its license is worth. Refuses what `check_in` refuses."""
    answer = servers.check_in_proven(
        server_id=system.server_id,
        address=address,
        report=servers.Report(kernel=kernel),
        now=now,
    )
    changes = {**_about(client), "uptime_seconds": uptime_seconds}
    if any(getattr(system, name) != value for name, value in changes.items()):
        System.objects.filter(pk=system.pk).update(**changes)
    return answer


def upgrade_system(*, system: System, os_release: str) -> System:
    """The machine runs another version of its system now; its older systemid stays good."""
    system.os_release = plain_text(os_release, 40)
    system.save(update_fields=["os_release"])
    Server.objects.filter(pk=system.server_id).update(os_version=system.os_release)
    return system


def store_hardware(*, system: System, devices: Sequence[object], now: datetime) -> None:
    """Keep the hardware profile, as the client sent it: at most 2,000 devices, and of them as many
    as fit into a million letters.
    """
    lengths = accumulate(len(json.dumps(device)) for device in devices[:DEVICES_MAX])
    fitting = sum(length <= HARDWARE_LENGTH_MAX for length in lengths)
    System.objects.filter(pk=system.pk).update(hardware=list(devices[:fitting]), hardware_at=now)


def store_packages(*, system: System, packages: Sequence[Mapping[str, str]], now: datetime) -> None:
    """Replace the list of installed packages; at most 20,000."""
    System.objects.filter(pk=system.pk).update(
        packages=list(packages[:PACKAGES_MAX]), packages_at=now
    )


def change_packages(
    *,
    system: System,
    added: Sequence[Mapping[str, str]],
    deleted: Sequence[Mapping[str, str]],
    now: datetime,
) -> None:
    """Add and delete some of the installed packages."""
    known: list[Any] = System.objects.values_list("packages", flat=True).get(pk=system.pk) or []
    gone = {tuple(sorted(package.items())) for package in (*deleted, *added)}
    kept = [package for package in known if tuple(sorted(package.items())) not in gone]
    store_packages(system=system, packages=[*kept, *added], now=now)


def _found(number: int, **only: object) -> System | None:
    light = System.objects.select_related("server").defer("hardware", "packages", "smbios")
    return light.filter(server=number - FIRST_NUMBER, **only).first()


def _about(client: Client) -> dict[str, Any]:
    capabilities = (plain_text(text, 100) for text in client.capabilities)
    return {
        "client_version": plain_text(client.version, 40),
        # rhn_check sends the list twice over (rhn.md §1).
        "capabilities": sorted({text for text in capabilities if text})[:CAPABILITIES_MAX],
    }


def _owner(server: Server) -> str:
    owner = Login.objects.filter(account=server.account_id, is_primary=True).first()
    return server.account.public_id if owner is None else owner.username


def _secret(server: Server) -> str:
    """64 hex digits; another one after every registration."""
    return vault.lookup_hash(PURPOSE, bytes(server.secret_hash).hex()).hex()
