"""Sends webhooks that are due: claimed first, signed, tried again, and in the end given up.

`CLN-Signature: t=<unix time>,v1=<hex>`: HMAC-SHA256 with the endpoint's secret over
`<unix time>.<body>`; one more `v1` with the secret before, for a while after it was changed. A
receiver rejects old times, so a delivery that was overheard cannot be sent again by somebody else;
our own repetitions carry the same event id.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from django.db import transaction

from cln.domain.errors import Refusal
from cln.enums import MessageKind
from cln.notifications.models import Message, WebhookEndpoint
from cln.notifications.outbound import Undelivered, post
from cln.notifications.services import BACKOFF, queue_mail
from cln.notifications.webhook_secrets import signing_secrets
from cln.notifications.webhooks import call_off

BATCH: Final = 16
THREADS: Final = 8
# Longer than a batch in which nobody answers: 16 tries by 8 threads of 10 seconds and some DNS.
LEASE: Final = timedelta(minutes=5)
# An endpoint that has taken nothing for so long is disabled when a delivery is given up.
DISABLED_AFTER: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try: an HTTP status, or why there was none."""

    status: int | None
    error: str = ""

    @property
    def is_taken(self) -> bool:
        """Only a 2xx says that the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def deliver_due(*, now: datetime, sent_at: datetime, limit: int = 100) -> int:
    """Send up to `limit` webhooks that are due at `now`; how many were taken.

    `sent_at` is the system's instant, which the signature names: receivers compare their own.
    """
    taken = 0
    while limit > 0 and (claimed := _claim(now, min(limit, BATCH))):
        with ThreadPoolExecutor(THREADS) as threads:
            outcomes = list(threads.map(lambda one: _try(one, now, sent_at), claimed))
        for message, outcome in zip(claimed, outcomes, strict=True):
            _keep(message, outcome, now)
            taken += outcome.is_taken
        limit -= len(claimed)
    return taken


def signature(secrets: Sequence[str], body: bytes, *, at: datetime) -> str:
    """The value of `CLN-Signature`, with a `v1` of each secret in their order."""
    seconds = int(at.timestamp())
    signed = f"{seconds}.".encode() + body
    digests = [hmac.digest(secret.encode(), signed, hashlib.sha256) for secret in secrets]
    return ",".join([f"t={seconds}", *(f"v1={digest.hex()}" for digest in digests)])


def _claim(now: datetime, limit: int) -> list[Message]:
    with transaction.atomic():
        due = Message.objects.filter(
            send_after__lte=now, kind=MessageKind.WEBHOOK, endpoint__disabled_at=None
        ).select_related("endpoint")
        rows = due.select_for_update(skip_locked=True, of=("self",)).order_by("send_after", "id")
        claimed = list(rows[:limit])
        for message in claimed:
            message.attempts += 1
            message.send_after = now + LEASE
        Message.objects.bulk_update(claimed, ["attempts", "send_after"])
        return claimed


def _try(message: Message, now: datetime, sent_at: datetime) -> Outcome:
    """Send one, in a thread of its own: nothing in here asks the database."""
    endpoint = message.endpoint
    assert endpoint is not None, "a webhook has an endpoint"
    body, secrets = message.body.encode(), signing_secrets(endpoint, now=now)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "CLN-Webhooks/1",
        "CLN-Event": message.template,
        "CLN-Event-Id": message.subject,
        "CLN-Signature": signature(secrets, body, at=sent_at),
    }
    try:
        status = post(endpoint.url, body=body, headers=headers)
    except Undelivered as error:
        return Outcome(None, str(error))
    except Refusal as refusal:
        return Outcome(None, refusal.message)
    return Outcome(status, "" if 200 <= status < 300 else f"The answer was HTTP {status}.")


def _keep(message: Message, outcome: Outcome, now: datetime) -> None:
    """Record what came of a try; the endpoint learns of it too."""
    endpoint = message.endpoint
    assert endpoint is not None, "a webhook has an endpoint"
    tries_left = message.attempts <= len(BACKOFF)
    again = now + BACKOFF[message.attempts - 1] if tries_left else None
    with transaction.atomic():
        Message.objects.filter(pk=message.pk).update(
            sent_at=now if outcome.is_taken else None,
            send_after=None if outcome.is_taken else again,
            response_status=outcome.status,
            last_error=outcome.error[:300],
        )
        if outcome.is_taken:
            failing = WebhookEndpoint.objects.filter(pk=endpoint.pk, failing_since__isnull=False)
            failing.update(failing_since=None)
        else:
            _note_failure(endpoint, is_given_up=again is None, outcome=outcome, now=now)


def _note_failure(
    endpoint: WebhookEndpoint, *, is_given_up: bool, outcome: Outcome, now: datetime
) -> None:
    row = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    row.failing_since = row.failing_since or now
    if is_given_up and row.disabled_at is None and now - row.failing_since >= DISABLED_AFTER:
        row.disabled_at, row.disabled_why = now, f"nothing arrived: {outcome.error}"[:200]
        call_off(row)
        queue_mail(
            account_id=row.account_id,
            template="webhook_disabled",
            context={
                "host": urlsplit(row.url).hostname,
                "webhook": row.public_id,
                "since": row.failing_since.date(),
                "cause": outcome.error,
            },
            dedupe=f"webhook_disabled:{row.public_id}:{now.isoformat()}",
            now=now,
        )
    row.save(update_fields=["failing_since", "disabled_at", "disabled_why"])
    # Whoever does not answer now is asked about the rest of his events a little later, so that
    # nobody else waits for him.
    Message.objects.filter(endpoint=row, send_after__lte=now).update(send_after=now + BACKOFF[0])
