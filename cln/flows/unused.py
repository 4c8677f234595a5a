"""The weekly notice of licenses that no server uses (pain 15): what they cost, and how to stop it.

It goes where a product's reports go, and not where they are switched off. A subscription younger
than a week is left alone: somebody is still setting servers up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing.models import Subscription
from cln.domain.dunning import DunningState
from cln.domain.money import money_text
from cln.enums import EntitlementKind, SubscriptionStatus
from cln.flows.each import each
from cln.flows.upcoming import savings_of
from cln.licensing.models import Entitlement
from cln.notifications.reports import report_addresses
from cln.notifications.services import Mail, queue_mails

EVERY: Final = timedelta(days=7)


def tell_due(*, now: datetime) -> int:
    """Tell each account that pays for licenses it does not use, at most once in seven days."""
    return each(due_accounts(now=now), lambda pk: tell(account_id=pk, now=now))


def due_accounts(*, now: datetime) -> Sequence[int]:
    """The ids of accounts with unused licenses that were not told in the last seven days."""
    paid = Subscription.objects.filter(
        account=OuterRef("account"),
        license_type=OuterRef("license_type"),
        status=SubscriptionStatus.ACTIVE,
        ends_on=None,
        created_at__lte=now - EVERY,
    )
    unused = Entitlement.objects.filter(Exists(paid), used__lt=F("quantity"))
    late = Q(unused_told_on=None) | Q(unused_told_on__lte=(now - EVERY).date())
    accounts = Account.objects.filter(late, parked_at=None, dunning_state=DunningState.CURRENT)
    return list(
        accounts.filter(pk__in=unused.values("account")).order_by("pk").values_list("pk", flat=True)
    )


@transaction.atomic(durable=True)
def tell(*, account_id: int, now: datetime) -> None:
    """Write one mail to each reader, and remember the day; one that was faster is left alone."""
    account = lock_account(account_id)
    if account.unused_told_on is not None and account.unused_told_on > (now - EVERY).date():
        return
    account.unused_told_on = now.date()
    account.save(update_fields=["unused_told_on"])
    addresses = report_addresses(account_id)
    readers: dict[str, list[dict[str, object]]] = defaultdict(list)
    for product, line in _lines(account, now=now):
        for address in addresses.get(product, ()):
            readers[address].append(line)
    queue_mails(
        [
            Mail(
                account_id=account_id,
                template="unused_licenses",
                context={"licenses": lines},
                to=address,
                dedupe=f"unused_licenses:{account_id}:{now.date()}:{address}",
            )
            for address, lines in readers.items()
        ],
        now=now,
    )


def _lines(account: Account, *, now: datetime) -> list[tuple[str, dict[str, object]]]:
    """(product, what is unused of a license type and what the next bill falls by without it)."""
    held = Entitlement.objects.filter(
        account=account, kind=EntitlementKind.PAID, used__lt=F("quantity")
    ).select_related("license_type__product")
    rows = list(held.order_by("license_type__product__position", "license_type__position", "pk"))
    keep = {row.license_type.code: row.used for row in rows}
    savings = savings_of(account_id=account.pk, keep=keep, now=now)
    intervals = dict(
        Subscription.objects.filter(
            account=account, status=SubscriptionStatus.ACTIVE, ends_on=None
        ).values_list("license_type__code", "interval")
    )
    lines = []
    for row in rows:
        code, saving = row.license_type.code, savings.get(row.license_type.code, 0)
        if saving <= 0 or code not in intervals or row.quantity is None:
            continue
        line: dict[str, object] = {
            "name": row.license_type.name,
            "unused": row.quantity - row.used,
            "quantity": row.quantity,
            "saving": f"{money_text(saving, account.currency)} a {intervals[code]}",
            "url": f"{settings.CLN_BASE_URL}/console/licenses/{code}/remove-unused",
        }
        lines.append((row.license_type.product.code, line))
    return lines
