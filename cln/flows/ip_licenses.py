"""A reseller's licenses by IP: held from today, given back, turned into another type (R2, R3)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import transaction

from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.accounts.services import first_of_next_month
from cln.billing.queries import balance_cents
from cln.catalog import queries as catalog
from cln.domain.errors import Refusal
from cln.domain.money import money_text
from cln.flows.usage_run import month_before
from cln.flows.usage_so_far import expected_cents
from cln.licensing import ip_licenses as licensing
from cln.licensing.models import IpLicense


@dataclass(frozen=True, slots=True)
class BillPreview:
    """The bill of the running month and of a whole month, before and after; cents, net."""

    month_before: int
    whole_before: int
    month_after: int
    whole_after: int


class DepositExhausted(Refusal):
    """The deposit is below the floor that was agreed with the reseller."""

    code: ClassVar[str] = "deposit_exhausted"


def add_ip_license(
    *, account_id: int, license_type: str, address: str, actor: str, now: datetime
) -> IpLicense:
    """Hold a license at an address from today on; billed on the 1st by its days (R2).

    Refusals: `deposit_exhausted` and those of `licensing.ip_licenses.add_ip_license`.
    """
    with transaction.atomic(durable=True):
        check_floor(lock_account(account_id))
        return licensing.add_ip_license(
            account_id=account_id,
            license_type=license_type,
            address=address,
            actor=actor,
            now=now,
        )


def remove_ip_license(
    *, account_id: int, license_type: str, address: str, actor: str, now: datetime
) -> None:
    """Give a license back: today is not billed any more. Refusals: `unknown_license_type`,
    `bad_address`, `unknown_ip_license`.
    """
    with transaction.atomic(durable=True):
        lock_account(account_id)
        licensing.remove_ip_license(
            account_id=account_id,
            license_type=license_type,
            address=address,
            actor=actor,
            now=now,
        )


def convert_ip_license(
    *, account_id: int, address: str, license_type: str, actor: str, now: datetime
) -> IpLicense:
    """Another license type at the same address from today on (C-6).

    Refusals: `deposit_exhausted` and those of `licensing.ip_licenses.convert_ip_license`.
    """
    with transaction.atomic(durable=True):
        check_floor(lock_account(account_id))
        return licensing.convert_ip_license(
            account_id=account_id,
            address=address,
            license_type=license_type,
            actor=actor,
            now=now,
        )


def preview_conversion(
    *, account_id: int, address: str, license_type: str, now: datetime
) -> BillPreview:
    """What `convert_ip_license` would do to the next bills. Refusals: those of the verb."""

    def convert(account: Account) -> None:
        check_floor(account)
        licensing.convert_ip_license(
            account_id=account_id, address=address, license_type=license_type, actor="", now=now
        )

    return _previewed(account_id, convert, now=now)


def preview_addition(
    *, account_id: int, license_type: str, addresses: Collection[str], now: datetime
) -> BillPreview:
    """What holding these (canonical) addresses from today on would do to the next bills.

    Refusals: `deposit_exhausted`, `unknown_license_type`, `not_sold_by_address`.
    """

    def add(account: Account) -> None:
        check_floor(account)
        licensing.imagine_added(
            account_id=account_id, license_type=license_type, addresses=addresses, now=now
        )

    return _previewed(account_id, add, now=now)


def preview_removal(*, account_id: int, licenses: Collection[str], now: datetime) -> BillPreview:
    """What giving these licenses (public ids) back today would do to the next bills."""

    def remove(_account: Account) -> None:
        licensing.imagine_removed(account_id=account_id, licenses=licenses, now=now)

    return _previewed(account_id, remove, now=now)


def _previewed(
    account_id: int, change: Callable[[Account], object], *, now: datetime
) -> BillPreview:
    """What a change would do to the next bills, to the cent (Q12): it is made, the bills are asked,
    and it is taken back.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        before = _bills(account, now)
        change(account)
        after = _bills(account, now)
        transaction.set_rollback(True)
    return BillPreview(*before, *after)


def _bills(account: Account, now: datetime) -> tuple[int, int]:
    """What the running month and the whole one after it come to if nothing changes; cents, net."""
    end = first_of_next_month(now.date())
    rules = catalog.rules()
    this, following = (
        expected_cents(account, month=month_before(day), rules=rules)
        for day in (end, first_of_next_month(end))
    )
    return this, following


def check_floor(account: Account) -> None:
    """Nothing new is given below the floor; what is held is billed all the same (R3).

    Refusals: `deposit_exhausted`.
    """
    if account.floor_cents is None:
        return
    balance = balance_cents(account.pk)
    if balance < -account.floor_cents:
        raise DepositExhausted(
            f"Your balance is {money_text(balance, account.currency)}; new licenses need "
            f"{money_text(-account.floor_cents, account.currency)} or more.",
            "Top up your deposit.",
        )
