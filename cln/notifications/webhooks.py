"""Endpoints of customers' programs: made, changed, tested; what was sent to them, sent again."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from django.db import transaction

from cln import vault
from cln.accounts.audit import record
from cln.accounts.locks import lock_account
from cln.domain.errors import Refusal
from cln.ids import public_id
from cln.notifications.events import PING, EventType, delivery_of
from cln.notifications.models import Message, WebhookEndpoint
from cln.notifications.outbound import check_url
from cln.notifications.webhook_rows import (
    DeliveryRow,
    EndpointRow,
    delivery_shown,
    endpoint_shown,
)

ENDPOINTS_MOST: Final = 20


class UnknownWebhook(Refusal):
    """There is no such webhook endpoint in this account."""

    code: ClassVar[str] = "unknown_webhook"


class UnknownDelivery(Refusal):
    """There is no such delivery to this endpoint."""

    code: ClassVar[str] = "unknown_delivery"


class BadWebhookEvents(Refusal):
    """An endpoint listens for at least one event, and only for those that exist."""

    code: ClassVar[str] = "bad_webhook_events"


class TooManyWebhooks(Refusal):
    """The account has as many endpoints as it may."""

    code: ClassVar[str] = "too_many_webhooks"


class WebhookDisabled(Refusal):
    """Nothing is sent to an endpoint that is disabled."""

    code: ClassVar[str] = "webhook_disabled"


def create_endpoint(
    *, account_id: int, url: str, events: Collection[str], actor: str, now: datetime
) -> tuple[EndpointRow, str]:
    """Listen at a URL; the signing secret is returned this once.

    Refusals: `bad_webhook_url`, `webhook_address`, `bad_webhook_events`, `too_many_webhooks`.
    """
    url, wanted = check_url(url), _checked_events(events)
    secret = new_secret()
    with transaction.atomic():
        account = lock_account(account_id)
        if _live(account_id).count() >= ENDPOINTS_MOST:
            raise TooManyWebhooks(
                f"An account has at most {ENDPOINTS_MOST} endpoints.", "Remove one first."
            )
        endpoint = WebhookEndpoint.objects.create(
            public_id=public_id("whk"),
            account=account,
            url=url,
            cipher=vault.seal(secret),
            last4=secret[-4:],
            events=wanted,
            created_at=now,
        )
        record_endpoint(endpoint, "webhook_created", actor=actor, now=now, **_told(endpoint))
    return endpoint_shown(endpoint), secret


def update_endpoint(
    *,
    account_id: int,
    endpoint: str,
    url: str | None = None,
    events: Collection[str] | None = None,
    enabled: bool | None = None,
    actor: str,
    now: datetime,
) -> EndpointRow:
    """Change what is given; None leaves it. What waits goes to the URL that is valid by then.

    Disabling calls off what waits; enabling begins with what happens from now on. Refusals:
    `unknown_webhook`, `bad_webhook_url`, `webhook_address`, `bad_webhook_events`.
    """
    changes: dict[str, Any] = {}
    if url is not None:
        changes["url"] = check_url(url)
    if events is not None:
        changes["events"] = _checked_events(events)
    with transaction.atomic():
        row = locked_endpoint(account_id, endpoint)
        before = _told(row)
        if enabled is not None and enabled is (row.disabled_at is not None):
            changes |= {
                "disabled_at": None if enabled else now,
                "disabled_why": "" if enabled else f"by {actor}",
                "failing_since": None,
            }
            if not enabled:
                call_off(row)
        changes = {name: value for name, value in changes.items() if getattr(row, name) != value}
        if changes:
            for name, value in changes.items():
                setattr(row, name, value)
            row.save(update_fields=list(changes))
            details = _changed(before, _told(row)) or {"changed": sorted(changes)}
            record_endpoint(row, "webhook_changed", actor=actor, now=now, **details)
    return endpoint_shown(row)


def remove_endpoint(*, account_id: int, endpoint: str, actor: str, now: datetime) -> EndpointRow:
    """Stop listening; what waits is not sent any more. Refusals: `unknown_webhook`."""
    with transaction.atomic():
        row = locked_endpoint(account_id, endpoint)
        row.removed_at = now
        row.save(update_fields=["removed_at"])
        call_off(row)
        record_endpoint(row, "webhook_removed", actor=actor, now=now)
    return endpoint_shown(row)


def endpoints_of(account_id: int) -> tuple[EndpointRow, ...]:
    """The account's endpoints, disabled ones too, by age."""
    return tuple(map(endpoint_shown, _live(account_id).order_by("pk")))


def endpoint_row(*, account_id: int, endpoint: str) -> EndpointRow:
    """One endpoint of the account. Refusals: `unknown_webhook`."""
    return endpoint_shown(_get(account_id, endpoint))


def ping(*, account_id: int, endpoint: str, now: datetime) -> DeliveryRow:
    """Queue a test for an endpoint. Refusals: `unknown_webhook`, `webhook_disabled`."""
    row = _enabled(_get(account_id, endpoint))
    message = delivery_of(row, PING, {}, event_id=public_id("evt"), now=now)
    message.save()
    return delivery_shown(message)


def replay(*, account_id: int, endpoint: str, event: str, now: datetime) -> DeliveryRow:
    """Send an event once more, with the same id and body, whatever became of it before.

    Refusals: `unknown_webhook`, `unknown_delivery`, `webhook_disabled`.
    """
    row = _enabled(_get(account_id, endpoint))
    with transaction.atomic():
        message = Message.objects.select_for_update().filter(endpoint=row, subject=event).first()
        if message is None:
            raise UnknownDelivery("There is no such delivery.", "Choose one from the list.")
        message.send_after, message.sent_at, message.attempts = now, None, 0
        message.save(update_fields=["send_after", "sent_at", "attempts"])
    return delivery_shown(message)


def deliveries_after(
    *, account_id: int, endpoint: str, after: str, limit: int
) -> tuple[DeliveryRow, ...]:
    """Deliveries to an endpoint, the newest first, beginning after the event `after` ("" = with
    the newest). Refusals: `unknown_webhook`.
    """
    rows = Message.objects.filter(endpoint=_get(account_id, endpoint))
    if after:
        rows = rows.filter(pk__lt=rows.filter(subject=after).values("pk"))
    return tuple(map(delivery_shown, rows.order_by("-pk")[:limit]))


def call_off(endpoint: WebhookEndpoint) -> None:
    """Joins: send nothing of what waits for the endpoint."""
    Message.objects.filter(endpoint=endpoint, send_after__isnull=False).update(send_after=None)


def new_secret() -> str:
    """A secret that nobody has had before."""
    return f"whsec_{secrets.token_urlsafe(32)}"


def locked_endpoint(account_id: int, endpoint: str) -> WebhookEndpoint:
    """Joins: one endpoint of the account, locked. Refusals: `unknown_webhook`."""
    rows = _live(account_id).select_for_update(no_key=True)
    return _known(rows.filter(public_id=endpoint).first())


def record_endpoint(
    endpoint: WebhookEndpoint, verb: str, *, actor: str, now: datetime, **details: object
) -> None:
    """Joins: append to the audit log what was done to an endpoint, known by its host."""
    record(
        account_id=endpoint.account_id,
        actor=actor,
        verb=verb,
        subject=endpoint.public_id,
        details={"host": _host(endpoint)} | details,
        now=now,
    )


def _live(account_id: int) -> Any:
    return WebhookEndpoint.objects.filter(account=account_id, removed_at=None)


def _get(account_id: int, endpoint: str) -> WebhookEndpoint:
    row: WebhookEndpoint | None = (
        _live(account_id).select_related("account").filter(public_id=endpoint).first()
    )
    return _known(row)


def _known(row: WebhookEndpoint | None) -> WebhookEndpoint:
    if row is None:
        raise UnknownWebhook("There is no such endpoint.", "Choose one from your list of webhooks.")
    return row


def _enabled(row: WebhookEndpoint) -> WebhookEndpoint:
    if row.disabled_at is not None:
        raise WebhookDisabled("This endpoint is disabled.", "Enable it first.")
    return row


def _checked_events(events: Collection[str]) -> list[str]:
    wanted, known = sorted(set(events)), sorted(EventType)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise BadWebhookEvents(
            f"There is no event {unknown[0][:40]!r}." if unknown else "Listen for an event.",
            f"Known: {', '.join(known)}.",
        )
    return wanted


def _told(row: WebhookEndpoint) -> dict[str, object]:
    """What may be told of an endpoint: the path and query of its URL may be a password of the
    receiver's, and more people read the audit log than the endpoints. A list of two would read as
    a change.
    """
    return {"host": _host(row), "events": ", ".join(row.events), "enabled": row.disabled_at is None}


def _host(row: WebhookEndpoint) -> str | None:
    return urlsplit(row.url).hostname


def _changed(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    return {name: [was, after[name]] for name, was in before.items() if was != after[name]}
