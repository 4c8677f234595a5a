"""The frozen rows that interfaces get of webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cln.notifications.models import Message, WebhookEndpoint


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint in a list; the secret is never shown again."""

    public_id: str
    url: str
    last4: str
    events: tuple[str, ...]
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_why: str
    # The secret before, while it signs beside the present one.
    old_last4: str
    old_until: datetime | None

    @property
    def host(self) -> str:
        """Whom it is: what follows in the URL may be a password of the receiver's."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """What became of an event; `next_try_at` None = sent, given up or called off."""

    event: str
    type: str
    body: str
    created_at: datetime
    attempts: int
    sent_at: datetime | None
    next_try_at: datetime | None
    response_status: int | None
    last_error: str


def endpoint_shown(endpoint: WebhookEndpoint) -> EndpointRow:
    """The endpoint as lists show it."""
    return EndpointRow(
        public_id=endpoint.public_id,
        url=endpoint.url,
        last4=endpoint.last4,
        events=tuple(endpoint.events),
        created_at=endpoint.created_at,
        failing_since=endpoint.failing_since,
        disabled_at=endpoint.disabled_at,
        disabled_why=endpoint.disabled_why,
        old_last4=endpoint.old_last4,
        old_until=endpoint.old_until,
    )


def delivery_shown(message: Message) -> DeliveryRow:
    """The delivery as lists show it."""
    return DeliveryRow(
        event=message.subject,
        type=message.template,
        body=message.body,
        created_at=message.created_at,
        attempts=message.attempts,
        sent_at=message.sent_at,
        next_try_at=message.send_after,
        response_status=message.response_status,
        last_error=message.last_error,
    )
