"""Removing many servers at once, with one answer about their licenses (C-13, pain 14)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing.queries import NotSubscribed, paid_subscription, subscriptions_of
from cln.flows.billing_run import bring_current
from cln.flows.subscriptions import cut
from cln.flows.upcoming import savings_of
from cln.licensing import entitlements, removal
from cln.licensing.rows import ServerRow


@dataclass(frozen=True, slots=True)
class RemovedMany:
    """How many servers went, and how many licenses with them."""

    servers: int
    licenses: int


def remove_servers(
    *, account_id: int, servers: Collection[str], cancel_licenses: bool, actor: str, now: datetime
) -> RemovedMany:
    """Remove servers (by public id) and, if asked, the licenses they free; all or nothing.

    Servers that are gone, and licenses that nothing is paid for (trials), are passed over.
    Refusals: `order_pending`.
    """
    with transaction.atomic(durable=True):
        account = lock_account(account_id)
        bring_current(account=account, now=now)
        gone = removal.remove_servers(
            account_id=account_id,
            servers=servers,
            why=f"{removal.BY_A_PERSON}{actor}",
            actor=actor,
            now=now,
        )
        licenses = 0
        if cancel_licenses:
            freed = Counter(row.license_type.code for row in gone if row.takes_seat)
            for license_type, units in freed.items():
                licenses += _cancel(account, license_type, units, actor=actor, now=now)
    return RemovedMany(len(gone), licenses)


def saving_of_removal(*, account_id: int, rows: Sequence[ServerRow], now: datetime) -> int | None:
    """By how many cents the next invoices fall if the licenses of these servers go as well;
    negative where the rest is dearer, None where nothing is paid for them.
    """
    freed = Counter(row.license_type for row in rows if row.takes_seat)
    held = {row.license_type: row.quantity for row in subscriptions_of(account_id)}
    keep = {code: held[code] - units for code, units in freed.items() if code in held}
    savings = savings_of(account_id=account_id, keep=keep, now=now)
    return sum(savings.values()) if savings else None


def _cancel(account: Account, license_type: str, units: int, *, actor: str, now: datetime) -> int:
    try:
        subscription = paid_subscription(account_id=account.pk, license_type=license_type)
    except NotSubscribed:
        return 0
    used = entitlements.seats_in_use(account_id=account.pk, license_type=license_type)
    keep = max(subscription.quantity - units, used)
    return cut(account, subscription, keep=keep, actor=actor, now=now).units
