"""Events that customers' programs may hear of: outbox rows in the transaction that causes them.

An account without an endpoint costs one question of a partial index, and writes nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cln.database.prepared import fetch_tuples
from cln.database.rows import among
from cln.enums import MessageKind
from cln.ids import public_id
from cln.notifications.models import Message, WebhookEndpoint


class EventType(StrEnum):
    """What can be subscribed to; values are what deliveries say in `type`."""

    INVOICE_ISSUED = "invoice.issued"
    INVOICE_PAID = "invoice.paid"
    SERVER_REGISTERED = "server.registered"
    SERVER_REMOVED = "server.removed"
    KEY_CREATED = "key.created"
    KEY_CHANGED = "key.changed"
    KEY_REMOVED = "key.removed"
    IP_LICENSE_ADDED = "ip_license.added"
    IP_LICENSE_REMOVED = "ip_license.removed"
    SUBSCRIPTION_CHANGED = "subscription.changed"
    SUBSCRIPTION_ENDED = "subscription.ended"
    ACCOUNT_BLOCKED = "account.blocked"
    ACCOUNT_UNBLOCKED = "account.unblocked"


PING = "ping"
"""What an endpoint is tested with; sent only when asked for."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in an account; `data` is asked for JSON without secrets, and only
    where somebody listens.
    """

    account_id: int
    type: EventType
    data: Callable[[], Mapping[str, object]]


def emit(event: Event, *, now: datetime) -> None:
    """Tell the endpoints of the account that listen for it. Joins."""
    emit_all([event], now=now)


def emit_all(events: Sequence[Event], *, now: datetime) -> None:
    """The same for many events, of any accounts, in three statements at most. Joins."""
    if not events or not fetch_tuples(_LISTENS, [[event.account_id for event in events]]):
        return
    listening: defaultdict[tuple[int, str], list[WebhookEndpoint]] = defaultdict(list)
    endpoints = WebhookEndpoint.objects.filter(
        account__in=among({event.account_id for event in events}), removed_at=None, disabled_at=None
    )
    for endpoint in endpoints.select_related("account"):
        for name in endpoint.events:
            listening[endpoint.account_id, name].append(endpoint)
    rows = []
    for event in events:
        if ears := listening.get((event.account_id, event.type), ()):
            data, event_id = event.data(), public_id("evt")
            rows += [delivery_of(ear, event.type, data, event_id=event_id, now=now) for ear in ears]
    Message.objects.bulk_create(rows)


_LISTENS: Final = """
SELECT FROM notifications_webhookendpoint
WHERE account_id = ANY(%s) AND removed_at IS NULL AND disabled_at IS NULL LIMIT 1"""


def delivery_of(
    endpoint: WebhookEndpoint,
    name: str,
    data: Mapping[str, object],
    *,
    event_id: str,
    now: datetime,
) -> Message:
    """The outbox row of an event for one endpoint, not saved."""
    payload = {
        "id": event_id,
        "type": name,
        "created_at": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "account": endpoint.account.public_id,
        "data": data,
    }
    return Message(
        account_id=endpoint.account_id,
        kind=MessageKind.WEBHOOK,
        template=name,
        to=endpoint.url,
        subject=event_id,
        body=json.dumps(payload, separators=(",", ":"), default=str),
        endpoint=endpoint,
        dedupe=f"{event_id}:{endpoint.public_id}",
        created_at=now,
        send_after=now,
    )
