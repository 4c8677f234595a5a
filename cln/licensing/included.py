"""KernelCare comes with Imunify360: a machine with a paid one takes no seat of the other (S3)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from django.db.models import F

from cln.catalog.models import LicenseType
from cln.domain.addresses import AddressNotPublic, check_public_address
from cln.domain.machines import usable_hostname
from cln.enums import EntitlementKind, ServerStatus
from cln.licensing.access import active_servers, holds_a_license, lock_pool
from cln.licensing.events import servers_removed
from cln.licensing.models import ActivationKey, Entitlement, Server
from cln.licensing.seats import begin_anew

INCLUDED_PRODUCT = "kernelcare"
INCLUDED_WITH = "imunify360"
COVER_ENDED = "The Imunify360 license that included KernelCare here ended and no license was free"


class Machine(Protocol):
    """What tells whether two registrations run on one machine."""

    hostname: str
    address: str


def covering_license(
    *, account_id: int, product: str, hostname: str, address: str, now: datetime
) -> str | None:
    """Name the paid license of the same machine that includes `product`; None if there is none."""
    if product != INCLUDED_PRODUCT:
        return None
    spot = _spot(hostname, address)
    for server in _covering_servers(account_id=account_id, now=now):
        if _overlap(spot, _spot(server.hostname, server.address)):
            return server.license_type.name
    return None


def may_have_keys(*, account_id: int, product: str, now: datetime) -> bool:
    """Whether the account may have keys of `product` because another product includes it."""
    return product == INCLUDED_PRODUCT and _paid_covers(account_id=account_id, now=now)


def settle(*, account_id: int, machines: Iterable[Machine], now: datetime) -> None:
    """Count the included servers of these machines anew, after their covering license changed.

    One that is covered now gives its seat back. One that is no longer covered takes a free seat,
    or is removed where none is free. Locks the included product's pools, so callers hold at most
    locks of the covering product.
    """
    spots = [_spot(machine.hostname, machine.address) for machine in machines]
    running = (
        active_servers(account_id=account_id)
        .select_related("license_type__product")
        .order_by("registered_at", "pk")  # where seats are short, the oldest stay
    )
    included = [
        server
        for server in running.filter(license_type__product__code=INCLUDED_PRODUCT, by_address=False)
        if any(_overlap(_spot(server.hostname, server.address), spot) for spot in spots)
    ]
    for license_type_id in sorted({server.license_type_id for server in included}):
        lock_pool(account_id=account_id, license_type_id=license_type_id)
        for server in included:
            if server.license_type_id == license_type_id:
                _settle_one(server, now=now)


def settle_account(*, account_id: int, license_type: LicenseType, now: datetime) -> None:
    """`settle` for every server of a covering license type whose right has just changed."""
    if license_type.product.code == INCLUDED_WITH:
        covering = active_servers(account_id=account_id).filter(license_type=license_type)
        settle(account_id=account_id, machines=list(covering), now=now)


def _settle_one(server: Server, *, now: datetime) -> None:
    server.refresh_from_db(fields=["status", "takes_seat"])
    covered = covering_license(
        account_id=server.account_id,
        product=INCLUDED_PRODUCT,
        hostname=server.hostname,
        address=server.address,
        now=now,
    )
    if server.status != ServerStatus.ACTIVE or server.takes_seat == (covered is None):
        return
    if covered is not None:
        _count(server, change=-1)
    elif _seat_is_free(server, now=now):
        _count(server, change=1)
    else:
        Server.objects.filter(pk=server.pk).update(
            status=ServerStatus.REMOVED, removed_at=now, removed_why=COVER_ENDED, alert_after=None
        )
        servers_removed([server], why=COVER_ENDED, now=now)
        return
    begin_anew([server], now=now)
    Server.objects.filter(pk=server.pk).update(takes_seat=covered is None)


def _count(server: Server, *, change: int) -> None:
    ActivationKey.objects.filter(servers=server.pk).update(used=F("used") + change)
    Entitlement.objects.filter(
        account=server.account_id, license_type=server.license_type_id
    ).update(used=F("used") + change)


def _seat_is_free(server: Server, *, now: datetime) -> bool:
    right = Entitlement.objects.filter(
        holds_a_license(now), account=server.account_id, license_type=server.license_type_id
    ).first()
    if right is None or (right.quantity is not None and right.used >= right.quantity):
        return False
    key = ActivationKey.objects.filter(servers=server.pk).first()
    return key is None or key.limit == 0 or key.used < key.limit


def _covering_servers(*, account_id: int, now: datetime) -> list[Server]:
    if not _paid_covers(account_id=account_id, now=now):
        return []
    paid = Entitlement.objects.filter(
        holds_a_license(now), account=account_id, kind=EntitlementKind.PAID
    )
    return list(
        active_servers(account_id=account_id)
        .filter(
            license_type__product__code=INCLUDED_WITH,
            license_type__in=paid.values("license_type"),
        )
        .select_related("license_type")
    )


def _paid_covers(*, account_id: int, now: datetime) -> bool:
    return Entitlement.objects.filter(
        holds_a_license(now),
        account=account_id,
        kind=EntitlementKind.PAID,
        license_type__product__code=INCLUDED_WITH,
    ).exists()


def _spot(hostname: str, address: str) -> frozenset[str]:
    """The names under which a machine can be recognised; a private address names nobody."""
    names = {usable_hostname(hostname)}
    with suppress(AddressNotPublic):
        names.add(check_public_address(address))
    return frozenset(name for name in names if name is not None)


def _overlap(one: frozenset[str], other: frozenset[str]) -> bool:
    return not one.isdisjoint(other)
