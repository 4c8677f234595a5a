"""The right to run servers: written by flows when money settles, a trial starts or a debt grows.

Every verb here joins the transaction of the flow that calls it.
"""

from __future__ import annotations

from datetime import datetime

from cln.accounts.audit import record
from cln.catalog.models import LicenseType
from cln.catalog.queries import get_license_type
from cln.domain.quantities import KeepBelowUsed
from cln.domain.words import counted
from cln.enums import EntitlementKind
from cln.licensing import included, keys, removal
from cln.licensing.access import LICENSING, lock_pool
from cln.licensing.models import Entitlement


def grant(
    *,
    account_id: int,
    license_type: str,
    kind: EntitlementKind,
    quantity: int | None,
    valid_until: datetime | None,
    now: datetime,
) -> Entitlement:
    """Give the account the right to run `quantity` servers (None = unlimited) of a license type.

    The first grant of a type with keys creates the default key (K-2, B-7). A grant never fails
    for servers already running, because its money has settled: where fewer are granted than are
    registered (an unlimited trial turned into a smaller purchase), the newest registrations
    beyond the quantity are removed. Refuses `unknown_license_type`.
    """
    row = get_license_type(license_type)
    Entitlement.objects.bulk_create(
        [Entitlement(account_id=account_id, license_type=row, kind=kind, quantity=0)],
        ignore_conflicts=True,
    )
    pool = lock_pool(account_id=account_id, license_type_id=row.pk)
    assert pool.entitlement is not None, "just inserted"
    if quantity is not None:
        removal.remove_beyond(pool, quantity=quantity, now=now)
    entitlement = pool.entitlement
    entitlement.kind = kind
    entitlement.quantity = quantity
    entitlement.valid_until = valid_until
    entitlement.save(update_fields=["kind", "quantity", "valid_until"])
    included.settle_account(account_id=account_id, license_type=row, now=now)
    if row.has_keys and not any(key.is_default for key in pool.keys.values()):
        keys.create_default(account_id=account_id, license_type=row, now=now)
    return entitlement


def set_quantity(
    *, account_id: int, license_type: str, quantity: int, now: datetime
) -> Entitlement:
    """Change how many servers may run, down to those in use; 0 ends the license.

    Refuses `unknown_license_type`, `no_license`, `keep_below_used`.
    """
    row = get_license_type(license_type)
    entitlement = _locked(account_id=account_id, license_type=row)
    if entitlement.used > quantity:
        raise KeepBelowUsed(
            f"{counted(entitlement.used, 'server uses', 'servers use')} a {row.name} license, so "
            f"{counted(quantity, 'is', 'are')} not enough.",
            "Remove servers first.",
            used=entitlement.used,
        )
    entitlement.quantity = quantity
    if quantity == 0:
        entitlement.valid_until = now
    entitlement.save(update_fields=["quantity", "valid_until"])
    return entitlement


def seats_in_use(*, account_id: int, license_type: str) -> int:
    """How many servers take a seat; 0 without a license."""
    found = Entitlement.objects.filter(account=account_id, license_type__code=license_type)
    return found.values_list("used", flat=True).first() or 0


def suspend(*, account_id: int, now: datetime) -> int:
    """Take the license from all running servers of an account in debt (P7); how many rights."""
    rights = Entitlement.objects.filter(account=account_id, suspended_at=None)
    count = rights.update(suspended_at=now)
    _record(account_id, "licenses_suspended", now=now, rights=count)
    return count


def restore(*, account_id: int, now: datetime) -> int:
    """Give back what `suspend` took (P8); how many rights. What ended meanwhile stays ended."""
    rights = Entitlement.objects.filter(account=account_id, suspended_at__isnull=False)
    count = rights.update(suspended_at=None)
    _record(account_id, "licenses_restored", now=now, rights=count)
    return count


def end_entitlement(*, account_id: int, license_type: str, now: datetime, why: str) -> int:
    """End a license: its servers are removed with `why`, its keys stay but register nothing.

    Returns how many servers were removed. Refuses `unknown_license_type`, `no_license`.
    """
    row = get_license_type(license_type)
    pool = lock_pool(account_id=account_id, license_type_id=row.pk)
    if pool.entitlement is None:
        raise keys.no_license(row)
    removed = removal.remove_all(pool, why=why, now=now)
    Entitlement.objects.filter(pk=pool.entitlement.pk).update(quantity=0, valid_until=now)
    _record(account_id, "license_ended", now=now, subject=row.code, servers=removed, why=why)
    return removed


def _record(
    account_id: int, verb: str, *, now: datetime, subject: str = "", **details: object
) -> None:
    record(
        account_id=account_id,
        actor=LICENSING,
        verb=verb,
        subject=subject,
        details=details,
        now=now,
    )


def _locked(*, account_id: int, license_type: LicenseType) -> Entitlement:
    pool = lock_pool(account_id=account_id, license_type_id=license_type.pk)
    if pool.entitlement is None:
        raise keys.no_license(license_type)
    return pool.entitlement
