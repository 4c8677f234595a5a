"""The secrets that sign an endpoint's deliveries, and their change without a gap.

For a while after a change a delivery is signed with both, so that the receiver may learn the new
secret at any moment of that while.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.db import transaction

from cln import vault
from cln.domain.errors import Refusal
from cln.notifications.models import WebhookEndpoint
from cln.notifications.webhook_rows import EndpointRow, endpoint_shown
from cln.notifications.webhooks import locked_endpoint, new_secret, record_endpoint

OVERLAP_MOST: Final = timedelta(hours=168)


class WebhookRotating(Refusal):
    """The secret before is still signing beside the present one."""

    code: ClassVar[str] = "webhook_rotating"


def rotate_secret(
    *, account_id: int, endpoint: str, overlap: timedelta, actor: str, now: datetime
) -> tuple[EndpointRow, str]:
    """Sign with a new secret, which is returned this once, and for `overlap` (at most
    OVERLAP_MOST) with the present one beside it; with an overlap of nothing every old one ends.

    Refusals: `unknown_webhook`, `webhook_rotating`.
    """
    assert timedelta(0) <= overlap <= OVERLAP_MOST, "a door has checked how long"
    secret = new_secret()
    with transaction.atomic():
        row = locked_endpoint(account_id, endpoint)
        if overlap and row.old_until is not None and row.old_until > now:
            raise WebhookRotating(
                f"The secret before (…{row.old_last4}) is still signing, until "
                f"{row.old_until:%Y-%m-%d %H:%M} UTC.",
                "Wait until then, or end both with an overlap of 0 hours.",
            )
        _keep_old(row, until=now + overlap if overlap else None)
        row.cipher, row.last4 = vault.seal(secret), secret[-4:]
        row.save(update_fields=["cipher", "last4", "old_cipher", "old_last4", "old_until"])
        record_endpoint(
            row,
            "webhook_secret_rotated",
            actor=actor,
            now=now,
            last4=row.last4,
            overlap_hours=overlap // timedelta(hours=1),
        )
    return endpoint_shown(row), secret


def signing_secrets(endpoint: WebhookEndpoint, *, now: datetime) -> list[str]:
    """What deliveries are signed with at `now`: the present secret, and the old one while it
    counts.
    """
    ciphers = [endpoint.cipher]
    if endpoint.old_until is not None and endpoint.old_until > now:
        assert endpoint.old_cipher is not None, "the database keeps both or neither"
        ciphers.append(endpoint.old_cipher)
    return [vault.unseal(cipher) for cipher in ciphers]


def forget_old_secrets(*, now: datetime) -> int:
    """Drop secrets that do not sign any more; how many."""
    ended = WebhookEndpoint.objects.filter(old_until__lte=now)
    return ended.update(old_cipher=None, old_last4="", old_until=None)


def _keep_old(row: WebhookEndpoint, *, until: datetime | None) -> None:
    """Let the present secret go on until then, or not at all."""
    row.old_until = until
    row.old_cipher = row.cipher if until else None
    row.old_last4 = row.last4 if until else ""
