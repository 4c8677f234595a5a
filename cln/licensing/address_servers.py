"""Registering without a key: the address a server calls from holds its license (AR-30, AR-32)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import transaction

from cln import ids
from cln.domain.addresses import canonical_address
from cln.domain.errors import Refusal
from cln.domain.licensing import AccountBlocked
from cln.domain.silence import PERIOD
from cln.enums import ServerStatus
from cln.licensing.door import Hints
from cln.licensing.editions import check_edition
from cln.licensing.events import server_registered
from cln.licensing.ip_licenses import IpLicenseNotFound
from cln.licensing.models import IpLicense, Server
from cln.licensing.partners import LICENSED
from cln.licensing.registration import (
    REPLACED,
    WATCH_COLUMNS,
    Registration,
    cleaned,
    secret_hash,
    watch_anew,
)
from cln.licensing.surcharges import OLD_VERSION, major_version

OLD_PRODUCT = "cloudlinux"
"""The product whose old version is an extra, to be allowed for an address."""


class ElsNotAllowed(Refusal):
    """The IP license does not cover version 6 of CloudLinux OS (AR-33)."""

    code: ClassVar[str] = "els_not_allowed"


def register_at_address(
    *, address: str, hints: Hints, product: str = "", now: datetime
) -> Registration:
    """Register the machine at an address that holds an IP license; it takes no seat.

    The address is the identity: who registers there again replaces the earlier registration,
    unless it shows that one's secret. Without `product`, one license only must be held there.
    Opens its own transaction. Refusals: `bad_address`, `unknown_ip_license`, `account_blocked`,
    `els_not_allowed`, `edition_needs_newer_system`.
    """
    at, hints = canonical_address(address), cleaned(hints)
    with transaction.atomic():
        held = _the_license(at, product)
        running = _running_at(held)
        if running is None and held.account.blocked_on is not None:
            raise AccountBlocked.because_of_debt()
        _check_version(held, hints)
        IpLicense.objects.filter(pk=held.pk).update(
            registered_at=held.registered_at or now, hostname=hints.hostname or held.hostname
        )
        if running is not None and bytes(running.secret_hash) == secret_hash(hints.secret):
            _refresh(running, hints, now=now)
            return Registration(running, hints.secret, reinstalled=False)
        if running is not None:
            Server.objects.filter(pk=running.pk).update(
                status=ServerStatus.SUPERSEDED,
                removed_at=now,
                removed_why=REPLACED,
                alert_after=None,
            )
        server, secret = _insert(held, hints, supersedes=running, now=now)
        server_registered(server, reinstalled=running is not None, now=now)
    return Registration(server, secret, reinstalled=running is not None)


def _check_version(held: IpLicense, hints: Hints) -> None:
    check_edition(held.license_type, os_version=hints.os_version)
    is_old = held.product.code == OLD_PRODUCT and major_version(hints.os_version) == OLD_VERSION
    if is_old and not held.els_allowed:
        raise ElsNotAllowed(
            f"The license at {held.address} does not cover version {OLD_VERSION}.",
            "Allow its repositories for this IP license (els_allowed), or upgrade the system.",
        )


def _the_license(address: str, product: str) -> IpLicense:
    """The license that is meant, locked."""
    rows = (
        IpLicense.objects.select_for_update(of=("self",))
        .select_related("account", "product", "license_type__product")
        .filter(address=address, removed_at=None)
        .order_by("pk")
    )
    fitting = [row for row in rows if product in ("", row.product.code)]
    if len(fitting) == 1 and fitting[0].account.dunning_state in LICENSED:
        return fitting[0]
    if len(fitting) > 1:
        names = ", ".join(row.product.code for row in fitting)
        raise IpLicenseNotFound(
            f"Several licenses are held at {address}: {names}.", "Say which product is meant."
        )
    raise IpLicenseNotFound(
        f"No license is held at {address}.",
        "Ask for an IP license of this address, or register with an activation key.",
    )


def _running_at(held: IpLicense) -> Server | None:
    return (
        Server.objects.select_for_update(of=("self",))
        .select_related("license_type__product")
        .filter(
            account=held.account_id,
            license_type=held.license_type_id,
            address=held.address,
            by_address=True,
            status=ServerStatus.ACTIVE,
        )
        .order_by("-pk")
        .first()
    )


def _refresh(server: Server, hints: Hints, *, now: datetime) -> None:
    server.hostname = hints.hostname or server.hostname
    server.machine_uuid = hints.machine_uuid or server.machine_uuid
    server.os_version = hints.os_version or server.os_version
    watch_anew(server, now=now)
    server.save(update_fields=["hostname", "machine_uuid", "os_version", *WATCH_COLUMNS])


def _insert(
    held: IpLicense, hints: Hints, *, supersedes: Server | None, now: datetime
) -> tuple[Server, str]:
    secret = ids.server_secret()
    server = Server.objects.create(
        public_id=ids.public_id("srv"),
        account_id=held.account_id,
        license_type=held.license_type,
        secret_hash=secret_hash(secret),
        takes_seat=False,
        by_address=True,
        hostname=hints.hostname,
        address=held.address,
        machine_uuid=hints.machine_uuid,
        os_version=hints.os_version,
        group_id=None if supersedes is None else supersedes.group_id,
        registered_at=now,
        alert_after=now + PERIOD,
        supersedes=supersedes,
    )
    return server, secret
