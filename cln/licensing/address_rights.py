"""Servers without a key live by the IP license of the address they call from."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from cln.catalog.models import LicenseType
from cln.enums import ServerStatus
from cln.licensing.events import servers_removed
from cln.licensing.models import IpLicense, Server

GIVEN_BACK = "The IP license of the address was removed"


def told_at(*, account_id: int, addresses: Collection[str]) -> dict[tuple[str, int], str]:
    """What the servers at these addresses say of their system, by address and IP type: release,
    version and kernel, as in `cloudlinux-release-8 (4.18.0-553)`.
    """
    rows = (
        Server.objects.filter(
            account=account_id,
            address__in=addresses,
            by_address=True,
            status=ServerStatus.ACTIVE,
        )
        .order_by("pk")
        .values_list(
            "address", "license_type__ip_type", "system__release_name", "os_version", "kernel"
        )
    )
    told = {}
    for address, ip_type, release, version, kernel in rows:
        system = "-".join(filter(None, (release, version)))
        if system and ip_type is not None:
            told[address, ip_type] = f"{system} ({kernel})" if kernel else system
    return told


def leave(*, account_id: int, license_type: LicenseType, address: str, now: datetime) -> None:
    """Joins: the license was given back, and its server is unregistered with it (facts X-4)."""
    running = Server.objects.filter(
        account_id=account_id,
        license_type=license_type,
        address=address,
        by_address=True,
        status=ServerStatus.ACTIVE,
    )
    gone = list(running.select_for_update(of=("self",)).select_related("license_type"))
    Server.objects.filter(pk__in=[server.pk for server in gone]).update(
        status=ServerStatus.REMOVED, removed_at=now, removed_why=GIVEN_BACK, alert_after=None
    )
    servers_removed(gone, why=GIVEN_BACK, now=now)


def follow(old: IpLicense, *, license_type: LicenseType) -> None:
    """Joins: the license became another one, and the machine registers nothing anew (C-6)."""
    Server.objects.filter(
        account_id=old.account_id,
        license_type=old.license_type_id,
        address=old.address,
        by_address=True,
        status=ServerStatus.ACTIVE,
    ).update(license_type=license_type)
