"""Licenses bound to an address: nothing to register, the server is known by where it calls from."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import IntegrityError, transaction
from django.db.models import Count

from cln.accounts.audit import record
from cln.catalog.models import LicenseType, Product
from cln.catalog.queries import get_license_type, license_types_by_id
from cln.domain.addresses import canonical_address, check_public_address
from cln.domain.errors import Refusal
from cln.domain.licensing import AccountBlocked
from cln.ids import public_id
from cln.licensing import address_rights, partners
from cln.licensing.events import ip_license_event
from cln.licensing.feature_rows import copy_features
from cln.licensing.models import IpLicense
from cln.licensing.moves import SameLicenseType
from cln.licensing.registration import plain_text
from cln.notifications.events import EventType

BECOMES = {"imunify360": ("imunify360", "imunify")}
"""From which products an address comes to another: ImunifyAV+ grows into Imunify360 (IPL-6)."""


class NotSoldByAddress(Refusal):
    """The license type has no IP licenses."""

    code: ClassVar[str] = "not_sold_by_address"


class AddressTaken(Refusal):
    """Somebody holds a license of the product at that address."""

    code: ClassVar[str] = "address_taken"


class IpLicenseNotFound(Refusal):
    """The account holds no such license at that address."""

    code: ClassVar[str] = "unknown_ip_license"


@dataclass(frozen=True, slots=True)
class IpLicenseRow:
    """An IP license as its holder sees it."""

    address: str
    hostname: str
    license_type: str
    license_type_name: str
    added_at: datetime
    removed_at: datetime | None
    last_check_in_at: datetime | None


def add_ip_license(
    *, account_id: int, license_type: str, address: str, actor: str, now: datetime
) -> IpLicense:
    """Hold a license at a public address from now on; asked again it is the same license.

    Refusals: `unknown_license_type`, `not_sold_by_address`, `bad_address`, `address_not_public`,
    `not_a_reseller`, `account_blocked`, `price_unknown`, `address_taken` (held by another account,
    or another band of the product).
    """
    row = _sold_by_address(license_type)
    at = check_public_address(canonical_address(address))
    with transaction.atomic():
        held = IpLicense.objects.filter(
            account_id=account_id, license_type=row, address=at, removed_at=None
        ).first()
        if held is not None:
            return held
        partners.check_may_hold(account_id=account_id, license_type=row, now=now)
        added = _insert(IpLicense(account_id=account_id, license_type=row, address=at), now=now)
        record(
            account_id=account_id,
            actor=actor,
            verb="ip_license_added",
            subject=f"{row.code} {at}",
            now=now,
        )
    return added


def imagine_added(
    *, account_id: int, license_type: str, addresses: Collection[str], now: datetime
) -> None:
    """Joins: hold licenses at canonical addresses and tell nobody, for a preview that is taken
    back; what is taken is passed over. Refusals: `unknown_license_type`, `not_sold_by_address`.
    """
    row = _sold_by_address(license_type)
    rows = [
        _new(IpLicense(account_id=account_id, license_type=row, address=at), now=now)
        for at in addresses
    ]
    IpLicense.objects.bulk_create(rows, ignore_conflicts=True)


def imagine_removed(*, account_id: int, licenses: Collection[str], now: datetime) -> None:
    """Joins: give licenses (public ids) back and tell nobody, for a preview that is taken back."""
    live = IpLicense.objects.filter(account=account_id, removed_at=None)
    live.filter(public_id__in=licenses).update(removed_at=now, removed_on=now.date())


def remove_ip_license(
    *, account_id: int, license_type: str, address: str, actor: str, now: datetime
) -> None:
    """Give a license at an address back; it is counted up to today, not with it (R2).

    Refusals: `unknown_license_type`, `bad_address`, `unknown_ip_license` (absent or foreign).
    """
    row = get_license_type(license_type)
    at = canonical_address(address)
    with transaction.atomic():
        rows = IpLicense.objects.select_for_update(of=("self",)).select_related("license_type")
        held = rows.filter(account_id=account_id, license_type=row, address=at, removed_at=None)
        removed = held.first()
        if removed is None:
            raise _not_found(row.name, at)
        _end(removed, now=now)
        address_rights.leave(account_id=account_id, license_type=row, address=at, now=now)
        record(
            account_id=account_id,
            actor=actor,
            verb="ip_license_removed",
            subject=f"{row.code} {at}",
            now=now,
        )


def convert_ip_license(
    *, account_id: int, address: str, license_type: str, actor: str, now: datetime
) -> IpLicense:
    """Give an address another license type of the same product: the old one is counted up to today,
    the new one from today on (R2); the machine registers nothing anew (C-6).

    Refusals: those of `add_ip_license`, `same_license_type`, `unknown_ip_license` (no license of
    the product at that address in this account).
    """
    row = _sold_by_address(license_type)
    at = canonical_address(address)
    with transaction.atomic():
        old = _to_convert(account_id, row, at)
        if old.license_type_id == row.pk:
            raise SameLicenseType(f"{at} has {row.name} already.")
        partners.check_may_hold(account_id=account_id, license_type=row, now=now)
        before = old.license_type.code
        _end(old, now=now)
        added = _insert(
            IpLicense(
                account_id=account_id,
                license_type=row,
                address=at,
                hostname=old.hostname,
                els_allowed=old.els_allowed,
                registered_at=old.registered_at,
                last_check_in_at=old.last_check_in_at,
            ),
            now=now,
        )
        address_rights.follow(old, license_type=row)
        copy_features(old, added)
        record(
            account_id=account_id,
            actor=actor,
            verb="ip_license_converted",
            subject=f"{row.code} {at}",
            details={"from": before},
            now=now,
        )
    return added


def register_by_address(
    *, address: str, license_type: str = "", hostname: str = "", now: datetime
) -> IpLicense:
    """Note that the machine at an address uses the IP license held there; again is the same.

    Without `license_type` there must be one license only at the address. Refusals: `bad_address`,
    `unknown_ip_license`, `account_blocked`.
    """
    at = canonical_address(address)
    with transaction.atomic():
        held = IpLicense.objects.select_for_update(of=("self",)).select_related(
            "account", "license_type"
        )
        rows = list(held.filter(address=at, removed_at=None))
        fitting = [row for row in rows if license_type in ("", row.license_type.code)]
        if len(fitting) != 1:
            raise _not_found(license_type or "just one", at)
        [row] = fitting
        if row.registered_at is None and row.account.blocked_on is not None:
            raise AccountBlocked.because_of_debt()
        row.registered_at = row.registered_at or now
        row.hostname = plain_text(hostname, 253).rstrip(".").lower() or row.hostname
        row.last_check_in_at = now
        row.save(update_fields=["registered_at", "hostname", "last_check_in_at"])
    return row


def get_ip_license(*, account_id: int, public_id: str) -> IpLicense:
    """A license that the account holds. Refuses `unknown_ip_license` (absent, removed, foreign)."""
    rows = IpLicense.objects.select_related("product", "license_type")
    row = rows.filter(account=account_id, public_id=public_id, removed_at=None).first()
    if row is None:
        raise IpLicenseNotFound("There is no such IP license.", "Choose one from the list.")
    return row


def held_at(*, account_id: int, address: str) -> str:
    """The code of the one license type that the account holds at an address.

    Refusals: `bad_address`, `unknown_ip_license` (none, or more than one).
    """
    at = canonical_address(address)
    rows = IpLicense.objects.filter(account_id=account_id, address=at, removed_at=None)
    codes = list(rows.values_list("license_type__code", flat=True))
    if len(codes) != 1:
        raise _not_found("just one", at)
    return codes[0]


def ip_licenses_of(account_id: int) -> tuple[IpLicenseRow, ...]:
    """The licenses the account holds at addresses, in the order they were added."""
    rows = IpLicense.objects.filter(account_id=account_id, removed_at=None)
    return tuple(
        IpLicenseRow(
            address=row.address,
            hostname=row.hostname,
            license_type=row.license_type.code,
            license_type_name=row.license_type.name,
            added_at=row.added_at,
            removed_at=row.removed_at,
            last_check_in_at=row.last_check_in_at,
        )
        for row in rows.select_related("license_type").order_by("id")
    )


@dataclass(frozen=True, slots=True)
class IpLicenseCount:
    """How many licenses of a product are held at addresses, and by how many of them a machine was
    heard: its registration is the first time.
    """

    product: str
    product_name: str
    held: int
    heard: int


def count_ip_licenses(account_id: int) -> tuple[IpLicenseCount, ...]:
    """What the account holds at addresses, by product in the order of the catalog."""
    types = license_types_by_id()
    live = IpLicense.objects.filter(account=account_id, removed_on=None)
    held, unheard = Counter[Product](), Counter[Product]()
    # Each by an index of its own: there may be 100,000.
    for counted, rows in ((held, live), (unheard, live.filter(registered_at=None))):
        for license_type_id, count in rows.values_list("license_type_id").annotate(n=Count("*")):
            counted[types[license_type_id].product] += count
    return tuple(
        IpLicenseCount(product.code, product.name, count, count - unheard[product])
        for product, count in sorted(held.items(), key=lambda one: one[0].position)
    )


def _taken(license_type: LicenseType, address: str) -> AddressTaken:
    return AddressTaken(
        f"{address} has a license of {license_type.product.name} already.",
        "Remove that one first, or convert it to the license type you need.",
    )


def _to_convert(account_id: int, to: LicenseType, address: str) -> IpLicense:
    held = IpLicense.objects.select_for_update(of=("self",)).select_related("license_type")
    products = BECOMES.get(to.product.code, (to.product.code,))
    rows = held.filter(account_id=account_id, product__code__in=products, address=address)
    found = {row.product_id: row for row in rows.filter(removed_at=None)}
    if not found:
        raise _not_found(to.product.name, address)
    return found.get(to.product_id) or next(iter(found.values()))


def _not_found(name: str, address: str) -> IpLicenseNotFound:
    return IpLicenseNotFound(
        f"There is no {name} license at {address}.", "Add one, or look at your list of IP licenses."
    )


def _sold_by_address(license_type: str) -> LicenseType:
    row = get_license_type(license_type)
    if row.ip_type is None:
        raise NotSoldByAddress(f"{row.name} is not sold by IP address.", "Use an activation key.")
    return row


def _end(row: IpLicense, *, now: datetime) -> None:
    IpLicense.objects.filter(pk=row.pk).update(removed_at=now, removed_on=now.date())
    ip_license_event(EventType.IP_LICENSE_REMOVED, row, now=now)


def _new(row: IpLicense, *, now: datetime) -> IpLicense:
    row.public_id, row.product = public_id("ipl"), row.license_type.product
    row.added_at, row.added_on = now, now.date()
    return row


def _insert(row: IpLicense, *, now: datetime) -> IpLicense:
    _new(row, now=now)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise _taken(row.license_type, row.address) from None
    ip_license_event(EventType.IP_LICENSE_ADDED, row, now=now)
    return row
