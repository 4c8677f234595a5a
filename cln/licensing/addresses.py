"""What is held at addresses, for everybody who asks by address: read, marked, given back whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import transaction

from cln.accounts.audit import record
from cln.accounts.models import Account
from cln.catalog.models import LicenseType
from cln.catalog.queries import sold_by_address
from cln.database.prepared import fetch_tuples
from cln.domain.addresses import AddressNotPublic, canonical_address, check_public_address
from cln.licensing.feature_list import FEATURE_PRODUCT
from cln.licensing.models import FeatureSetting, IpLicense

REGISTERS = "cloudlinux"
"""The product whose servers register by address; others are known by where they call from."""


@dataclass(frozen=True, slots=True)
class AddressLicense:
    """A license at an address by its number on the wires. `registered` is CloudLinux OS only;
    `features`: those its product has, and what is set on it, where that was asked for.
    """

    address: str
    ip_type: int
    registered: bool
    added_at: datetime
    last_check_in_at: datetime | None
    hostname: str = ""
    els_allowed: bool = False
    public_id: str = ""
    features: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Availability:
    """IP types an account could hold at an address, and those it holds; ascending."""

    available: tuple[int, ...]
    owned: tuple[int, ...]


def licenses_at(
    *, account_id: int, addresses: Sequence[str] | None = None, with_features: bool = False
) -> tuple[AddressLicense, ...]:
    """The account's licenses at these addresses, or at all of them, in the order they were added.

    Refuses `bad_address`.
    """
    features = _features_at(account_id) if with_features else {}
    held = IpLicense.objects.filter(account=account_id, removed_at=None)
    if addresses is not None:
        held = held.filter(address__in={canonical_address(text) for text in addresses})
    rows = held.order_by("pk").values_list(
        "address",
        "license_type__ip_type",
        "product__code",
        "registered_at",
        "added_at",
        "last_check_in_at",
        "hostname",
        "els_allowed",
        "public_id",
    )
    return tuple(
        AddressLicense(
            address=address,
            ip_type=ip_type or 0,
            registered=bool(since and product == REGISTERS),
            added_at=added,
            last_check_in_at=seen,
            hostname=hostname,
            els_allowed=els_allowed,
            public_id=public_id,
            features={
                feature: features.get((public_id, feature))
                for feature, of_product in FEATURE_PRODUCT.items()
                if with_features and of_product == product
            },
        )
        for address, ip_type, product, since, added, seen, hostname, els_allowed, public_id in rows
    )


def _features_at(account_id: int) -> dict[tuple[str, str], bool]:
    """What is set on IP licenses, by their public ids and the features."""
    rows = FeatureSetting.objects.filter(account=account_id, ip_license__removed_at=None)
    return {
        (public_id, feature): enabled
        for public_id, feature, enabled in rows.exclude(ip_license=None).values_list(
            "ip_license__public_id", "feature", "enabled"
        )
    }


def types_held_at(address: str) -> tuple[int, ...]:
    """IP types anybody holds a license of at an address, ascending. Refuses `bad_address`."""
    [types] = types_held_at_each([canonical_address(address)])
    return types


def types_held_at_each(addresses: Sequence[str]) -> list[tuple[int, ...]]:
    """The same for canonical addresses, in the same order, in one question."""
    found: dict[str, list[int]] = {address: [] for address in addresses}
    for address, ip_type in fetch_tuples(_TYPES_HELD, [list(found)]):
        found[address].append(ip_type)
    return [tuple(found[address]) for address in addresses]


_TYPES_HELD: Final = """
SELECT host(i.address), t.ip_type FROM licensing_iplicense i
JOIN catalog_licensetype t ON t.id = i.license_type_id AND t.ip_type IS NOT NULL
WHERE i.address = ANY(%s::inet[]) AND i.removed_at IS NULL ORDER BY t.ip_type"""


def codes_held_at(*, account_id: int, address: str) -> tuple[str, ...]:
    """Codes of the license types the account holds at an address. Refuses `bad_address`."""
    held = IpLicense.objects.filter(
        account=account_id, address=canonical_address(address), removed_at=None
    )
    return tuple(held.order_by("pk").values_list("license_type__code", flat=True))


def types_for(*, account_id: int, now: datetime) -> tuple[LicenseType, ...]:
    """The license types the account could hold at addresses today, with their products."""
    currency = Account.objects.values_list("currency", flat=True).get(pk=account_id)
    return sold_by_address(account_id=account_id, currency=currency, on=now.date())


def availability(*, account_id: int, address: str, now: datetime) -> Availability:
    """What the account could hold at an address today, one band of a product each (IPL-2); nothing
    at one that is not public. Refuses `bad_address`.
    """
    at = canonical_address(address)
    try:
        check_public_address(at)
    except AddressNotPublic:
        return Availability((), ())
    held = list(
        IpLicense.objects.filter(address=at, removed_at=None)
        .order_by("license_type__ip_type")
        .values_list("account_id", "license_type__ip_type", "product_id")
    )
    taken = {product for _, _, product in held}
    sold = types_for(account_id=account_id, now=now)
    return Availability(
        available=tuple(row.ip_type for row in sold if row.ip_type and row.product_id not in taken),
        owned=tuple(ip_type for holder, ip_type, _ in held if ip_type and holder == account_id),
    )


def allow_els(
    *,
    account_id: int,
    address: str,
    license_type: str | None = None,
    allowed: bool,
    actor: str,
    now: datetime,
) -> int:
    """Let the servers at an address use the repositories of CloudLinux OS 6 and 7, or not (F-6).

    How many of the account's licenses there were meant. Refuses `bad_address`.
    """
    at = canonical_address(address)
    meant = IpLicense.objects.filter(account=account_id, address=at, removed_at=None)
    if license_type is not None:
        meant = meant.filter(license_type__code=license_type)
    with transaction.atomic():
        before = list(meant.select_for_update().values_list("els_allowed", flat=True))
        count = meant.update(els_allowed=allowed)
        if count:
            was = allowed if all(one is allowed for one in before) else not allowed
            record(
                account_id=account_id,
                actor=actor,
                verb="ip_license_changed",
                subject=at,
                details={"els_allowed": [was, allowed], "license_type": license_type or "all"},
                now=now,
            )
    return count
