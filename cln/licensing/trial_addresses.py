"""Which addresses have run a trial of a product, under any account (T3)."""

from __future__ import annotations

from datetime import date, datetime

from cln.domain.addresses import AddressNotPublic, check_public_address
from cln.enums import EntitlementKind
from cln.licensing.models import Entitlement, TrialAddress


def record_trial_address(*, account_id: int, product_id: int, address: str, now: datetime) -> bool:
    """Claim a canonical address for this account's trial of the product; joins.

    False where another account's trial has run there. Two accounts at once: the second waits for
    the first and gets False. A private address (sandbox only) names no machine and is not kept.
    """
    try:
        check_public_address(address)
    except AddressNotPublic:
        return True
    TrialAddress.objects.bulk_create(
        [TrialAddress(product_id=product_id, address=address, account_id=account_id, first_at=now)],
        ignore_conflicts=True,
    )
    return TrialAddress.objects.filter(
        product=product_id, address=address, account=account_id
    ).exists()


def trial_at(*, product: str, address: str, now: datetime) -> tuple[bool, date | None] | None:
    """Whether the trial that has run at an address still runs, and its last day; None = never any.

    `address` is canonical. A trial that became a purchase runs no more, and has no last day.
    """
    claim = TrialAddress.objects.filter(product__code=product, address=address).first()
    if claim is None:
        return None
    right = Entitlement.objects.filter(
        account=claim.account_id, license_type__product=claim.product_id, kind=EntitlementKind.TRIAL
    ).first()
    if right is None or right.valid_until is None:
        return False, None
    return now < right.valid_until, right.valid_until.date()


def clear_trial_address(*, product_id: int, address: str) -> bool:
    """Forget an address, as operators may; whether there was one."""
    return TrialAddress.objects.filter(product=product_id, address=address).delete()[0] > 0
