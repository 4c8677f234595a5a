"""Licenses bound to an address: nothing to register, the server is known by where it calls from."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import IntegrityError, transaction

from cln.accounts.audit import record
from cln.catalog.models import LicenseType
from cln.catalog.queries import get_license_type
from cln.domain.addresses import canonical_address, check_public_address
from cln.domain.errors import Refusal
from cln.ids import public_id
from cln.licensing.models import IpLicense


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
    `address_taken` (held by another account, or another band of the product).
    """
    row = get_license_type(license_type)
    if row.ip_type is None:
        raise NotSoldByAddress(f"{row.name} is not sold by IP address.", "Use an activation key.")
    at = check_public_address(canonical_address(address))
    with transaction.atomic():
        held = IpLicense.objects.filter(
            account_id=account_id, license_type=row, address=at, removed_at=None
        ).first()
        if held is not None:
            return held
        try:
            with transaction.atomic():
                added = IpLicense.objects.create(
                    public_id=public_id("ipl"),
                    account_id=account_id,
                    license_type=row,
                    product=row.product,
                    address=at,
                    added_at=now,
                    added_on=now.date(),
                )
        except IntegrityError:
            raise _taken(row, at) from None
        record(
            account_id=account_id,
            actor=actor,
            verb="ip_license_added",
            subject=f"{row.code} {at}",
            now=now,
        )
    return added


def remove_ip_license(
    *, account_id: int, license_type: str, address: str, actor: str, now: datetime
) -> None:
    """Give a license at an address back; it is counted up to today, not with it (R2).

    Refusals: `unknown_license_type`, `bad_address`, `unknown_ip_license` (absent or foreign).
    """
    row = get_license_type(license_type)
    at = canonical_address(address)
    with transaction.atomic():
        removed = IpLicense.objects.filter(
            account_id=account_id, license_type=row, address=at, removed_at=None
        ).update(removed_at=now, removed_on=now.date())
        if not removed:
            raise IpLicenseNotFound(f"There is no {row.name} license at {at} in this account.")
        record(
            account_id=account_id,
            actor=actor,
            verb="ip_license_removed",
            subject=f"{row.code} {at}",
            now=now,
        )


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


def _taken(license_type: LicenseType, address: str) -> AddressTaken:
    return AddressTaken(
        f"{address} has a license of {license_type.product.name} already.",
        "Remove that one first, or convert it to the license type you need.",
    )
