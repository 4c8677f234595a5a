"""Webhook endpoints and their deliveries, `/api/v2/webhooks…`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from ninja import Body, Field, Query, Router, Schema

from cln.accounts.access import Permission
from cln.api.v2 import cursors
from cln.api.v2.body import Sent
from cln.api.v2.callers import V2Request
from cln.api.v2.cursors import PageWish
from cln.api.v2.operation import Door
from cln.notifications import webhook_secrets, webhooks
from cln.notifications.events import EventType
from cln.notifications.webhook_rows import DeliveryRow, EndpointRow
from cln.notifications.webhook_secrets import OVERLAP_MOST

router = Router(tags=["webhooks"])
door = Door(router=router, root="webhooks")
NEEDS = Permission.EDIT_ACCOUNT
HOUR: Final = timedelta(hours=1)
Url = Annotated[str, Field(max_length=500, description="Begins with https://.")]
Events = Annotated[
    list[Annotated[str, Field(max_length=60)]],
    Field(max_length=100, description=f"Of {', '.join(EventType)}."),
]


class EndpointOut(Schema):
    """An endpoint. `failing_since`: since when nothing has arrived there; `old_secret_until`: until
    when deliveries are signed with the secret before, too.
    """

    id: str
    url: str
    secret_last4: str
    old_secret_last4: str
    old_secret_until: datetime | None
    events: list[str]
    enabled: bool
    disabled_why: str
    created_at: datetime
    failing_since: datetime | None


class NewEndpointOut(EndpointOut):
    """A new endpoint; the secret that signs its deliveries is shown this once."""

    secret: str


class EndpointsOut(Schema):
    """All endpoints of the account."""

    data: list[EndpointOut]


class DeliveryOut(Schema):
    """What became of an event. `next_try_at` null = sent, given up or called off."""

    event: str
    type: str
    created_at: datetime
    attempts: int
    sent_at: datetime | None
    next_try_at: datetime | None
    response_status: int | None
    last_error: str
    body: str


class DeliveryPage(Schema):
    """A page of deliveries, the newest first."""

    data: list[DeliveryOut]
    next_cursor: str | None


class NewEndpoint(Sent):
    """Where to send which events."""

    url: Url
    events: Events


class ChangedEndpoint(Sent):
    """What changes; what is absent stays."""

    url: Url | None = None
    events: Events | None = None
    enabled: bool | None = Field(None, strict=True)


class Rotation(Sent):
    """How long the present secret goes on signing beside the new one."""

    overlap_hours: Annotated[int, Field(ge=0, le=OVERLAP_MOST // HOUR, strict=True)] = 24


@door.operation("GET", "", needs=NEEDS, answers=EndpointsOut)
def list_endpoints(request: V2Request) -> object:
    """The account's endpoints."""
    return {"data": [_shown(row) for row in webhooks.endpoints_of(request.caller.account_id)]}


@door.operation("POST", "", needs=NEEDS, answers=NewEndpointOut, status=201, joins=True)
def create_endpoint(request: V2Request, new: Body[NewEndpoint]) -> object:
    """Listen for events; answers the secret that signs them, this once."""
    row, secret = webhooks.create_endpoint(
        account_id=request.caller.account_id,
        url=new.url,
        events=new.events,
        actor=request.caller.login,
        now=request.now,
    )
    return {**_shown(row), "secret": secret}


@door.operation("GET", "/{webhook}", needs=NEEDS, answers=EndpointOut)
def show_endpoint(request: V2Request, webhook: str) -> object:
    """One endpoint."""
    row = webhooks.endpoint_row(account_id=request.caller.account_id, endpoint=webhook)
    return _shown(row)


@door.operation("PATCH", "/{webhook}", needs=NEEDS, answers=EndpointOut, joins=True)
def update_endpoint(request: V2Request, webhook: str, changed: Body[ChangedEndpoint]) -> object:
    """Change an endpoint, disable it, or enable it again."""
    row = webhooks.update_endpoint(
        account_id=request.caller.account_id,
        endpoint=webhook,
        url=changed.url,
        events=changed.events,
        enabled=changed.enabled,
        actor=request.caller.login,
        now=request.now,
    )
    return _shown(row)


@door.operation("DELETE", "/{webhook}", needs=NEEDS, answers=EndpointOut, joins=True)
def remove_endpoint(request: V2Request, webhook: str) -> object:
    """Stop listening; what waits is not sent any more."""
    row = webhooks.remove_endpoint(
        account_id=request.caller.account_id,
        endpoint=webhook,
        actor=request.caller.login,
        now=request.now,
    )
    return _shown(row)


@door.operation("POST", "/{webhook}/rotate-secret", needs=NEEDS, answers=NewEndpointOut, joins=True)
def rotate_secret(
    request: V2Request, webhook: str, rotation: Body[Rotation | None] = None
) -> object:
    """Sign with a new secret, answered this once, and for a while with the present one, too."""
    row, secret = webhook_secrets.rotate_secret(
        account_id=request.caller.account_id,
        endpoint=webhook,
        overlap=(rotation or Rotation()).overlap_hours * HOUR,
        actor=request.caller.login,
        now=request.now,
    )
    return {**_shown(row), "secret": secret}


@door.operation("POST", "/{webhook}/ping", needs=NEEDS, answers=DeliveryOut, status=202, joins=True)
def ping(request: V2Request, webhook: str) -> object:
    """Send a test event; what became of it stands in the deliveries a moment later."""
    row = webhooks.ping(account_id=request.caller.account_id, endpoint=webhook, now=request.now)
    return _delivery(row)


@door.operation("GET", "/{webhook}/deliveries", needs=NEEDS, answers=DeliveryPage)
def list_deliveries(request: V2Request, webhook: str, wish: Query[PageWish]) -> object:
    """What was sent to an endpoint or waits for it."""
    kind = f"deliveries:{webhook}"
    rows = webhooks.deliveries_after(
        account_id=request.caller.account_id,
        endpoint=webhook,
        after=cursors.after(request, wish, kind),
        limit=wish.limit + 1,
    )
    return cursors.page(
        request, wish, kind, rows=rows, id_of=lambda row: row.event, shown=_delivery
    )


@door.operation(
    "POST",
    "/{webhook}/deliveries/{event}/replay",
    needs=NEEDS,
    answers=DeliveryOut,
    status=202,
    joins=True,
)
def replay(request: V2Request, webhook: str, event: str) -> object:
    """Send an event once more, with the same id and body."""
    row = webhooks.replay(
        account_id=request.caller.account_id, endpoint=webhook, event=event, now=request.now
    )
    return _delivery(row)


def _shown(row: EndpointRow) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "url": row.url,
        "secret_last4": row.last4,
        "old_secret_last4": row.old_last4,
        "old_secret_until": row.old_until,
        "events": list(row.events),
        "enabled": row.disabled_at is None,
        "disabled_why": row.disabled_why,
        "created_at": row.created_at,
        "failing_since": row.failing_since,
    }


def _delivery(row: DeliveryRow) -> dict[str, Any]:
    return {
        "event": row.event,
        "type": row.type,
        "created_at": row.created_at,
        "attempts": row.attempts,
        "sent_at": row.sent_at,
        "next_try_at": row.next_try_at,
        "response_status": row.response_status,
        "last_error": row.last_error,
        "body": row.body,
    }
