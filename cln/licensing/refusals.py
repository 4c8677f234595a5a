"""Registrations that were refused, kept for the page of their key."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from cln.accounts.audit import record
from cln.domain.addresses import BadAddress, canonical_address
from cln.domain.errors import Refusal
from cln.licensing.access import LICENSING
from cln.licensing.models import ActivationKey, RefusedRegistration

SAME_REFUSAL = timedelta(hours=1)
"""An agent that retries all the time is one refusal an hour, not a thousand rows."""


def remember(
    *, key: ActivationKey, refusal: Refusal, hostname: str, address: str, now: datetime
) -> None:
    """Note why a server was not let in; opens its own transaction, after the rollback."""
    seen = _canonical_or_none(address)
    with transaction.atomic():
        again = RefusedRegistration.objects.filter(
            key=key.pk,
            code=refusal.code,
            hostname=hostname,
            address=seen,
            at__gt=now - SAME_REFUSAL,
            at__lte=now,
        ).update(at=now, message=refusal.message, fix=refusal.fix)
        if again:
            return
        RefusedRegistration.objects.create(
            account_id=key.account_id,
            key=key,
            at=now,
            code=refusal.code,
            message=refusal.message,
            fix=refusal.fix,
            hostname=hostname,
            address=seen,
        )
        record(
            account_id=key.account_id,
            actor=LICENSING,
            verb="registration_refused",
            subject=f"{key.public_id} …{key.last4}",
            details={"code": refusal.code, "hostname": hostname},
            address=seen,
            now=now,
        )


def _canonical_or_none(address: str) -> str | None:
    try:
        return canonical_address(address)
    except BadAddress:
        return None
