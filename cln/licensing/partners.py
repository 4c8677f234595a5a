"""What resellers hold without having bought it: unlimited keys and licenses by IP (R2, R8)."""

from datetime import datetime
from typing import ClassVar

from cln.accounts.models import Account
from cln.accounts.standing import refuse_if_blocked
from cln.catalog.models import LicenseType
from cln.catalog.queries import price_lists_for
from cln.domain.calendar import Interval
from cln.domain.dunning import DunningState
from cln.domain.errors import Refusal
from cln.domain.pricing import list_in_force
from cln.enums import AccountKind, EntitlementKind
from cln.licensing.access import holds_a_license, lock_pool
from cln.licensing.events import ip_license_event
from cln.licensing.models import Entitlement, IpLicense, Trial
from cln.notifications.events import EventType

LICENSED = (DunningState.CURRENT, DunningState.PAST_DUE, DunningState.BLOCKED)
"""States of an account in which what runs keeps its license (P7)."""


class NotAReseller(Refusal):
    """Only resellers have a deposit, and licenses that are paid afterwards."""

    code: ClassVar[str] = "not_a_reseller"


class PaidAfterwards(Refusal):
    """Resellers pay for what they used, and buy nothing in advance (R2, R8)."""

    code: ClassVar[str] = "paid_afterwards"


def not_a_reseller() -> NotAReseller:
    """The one wording of this refusal."""
    return NotAReseller("This is for resellers only.", "Become a reseller with a first deposit.")


def check_may_hold(*, account_id: int, license_type: LicenseType, now: datetime) -> None:
    """Whether the account may take one more license that is paid afterwards.

    Refusals: `not_a_reseller`, `account_blocked`, `price_unknown` (nobody could bill it).
    """
    account = Account.objects.get(pk=account_id)
    if account.kind != AccountKind.RESELLER:
        raise not_a_reseller()
    refuse_if_blocked(account)
    prices = price_lists_for(
        license_type=license_type.code,
        interval=Interval.MONTH,
        currency=account.currency,
        account_id=account_id,
    )
    list_in_force(prices, now.date())


def is_reseller(account_id: int) -> bool:
    """Whether the account pays afterwards."""
    return Account.objects.filter(pk=account_id, kind=AccountKind.RESELLER).exists()


def ensure_right(*, account_id: int, license_type: LicenseType, now: datetime) -> None:
    """Joins: give a reseller the unlimited right that its first key of a type comes with (R8).

    Does nothing to customers, and nothing where a paid right is held already; a trial becomes
    paid with its servers (T4). Refusals: `account_blocked`, `price_unknown`.
    """
    if may_open(account_id=account_id, license_type=license_type, now=now):
        check_may_hold(account_id=account_id, license_type=license_type, now=now)
        grant_unlimited(account_id=account_id, license_type=license_type, now=now)


def may_open(*, account_id: int, license_type: LicenseType, now: datetime) -> bool:
    """Whether the account is a reseller that has no paid right to the type yet (R8)."""
    held = Entitlement.objects.filter(
        holds_a_license(now),
        account=account_id,
        license_type=license_type,
        kind=EntitlementKind.PAID,
    )
    return is_reseller(account_id) and not held.exists()


def grant_unlimited(*, account_id: int, license_type: LicenseType, now: datetime) -> None:
    """Joins: any number of servers from now on; each is billed by its days (R8)."""
    Entitlement.objects.bulk_create(
        [
            Entitlement(
                account_id=account_id,
                license_type=license_type,
                kind=EntitlementKind.PAID,
                quantity=0,
            )
        ],
        ignore_conflicts=True,
    )
    pool = lock_pool(account_id=account_id, license_type_id=license_type.pk)
    assert pool.entitlement is not None, "just inserted"
    Entitlement.objects.filter(pk=pool.entitlement.pk).update(
        kind=EntitlementKind.PAID, quantity=None, valid_until=None
    )
    Trial.objects.filter(
        account=account_id, license_type=license_type, ended_at=None, converted_at=None
    ).update(converted_at=now, next_step_at=None)


def unlimited_types(account_id: int) -> list[str]:
    """Codes of the license types the account has an unlimited paid right to."""
    rows = Entitlement.objects.filter(
        account=account_id, kind=EntitlementKind.PAID, quantity=None, valid_until=None
    )
    return list(rows.order_by("id").values_list("license_type__code", flat=True))


def give_up_addresses(*, account_id: int, now: datetime) -> int:
    """Joins: end all licenses by IP of an account whose debt ended them (P7); how many."""
    held = IpLicense.objects.filter(account=account_id, removed_at=None)
    rows = list(held.select_for_update(of=("self",)).select_related("license_type"))
    ids = [row.pk for row in rows]
    IpLicense.objects.filter(pk__in=ids).update(removed_at=now, removed_on=now.date())
    for row in rows:
        ip_license_event(EventType.IP_LICENSE_REMOVED, row, now=now)
    return len(rows)
