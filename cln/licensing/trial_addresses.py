"""Which addresses have run a trial of a product, under any account (T3)."""

from __future__ import annotations

from datetime import datetime

from cln.domain.addresses import AddressNotPublic, check_public_address
from cln.licensing.models import TrialAddress


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


def clear_trial_address(*, product_id: int, address: str) -> bool:
    """Forget an address, as operators may; whether there was one."""
    return TrialAddress.objects.filter(product=product_id, address=address).delete()[0] > 0
