"""Outbox rows for screens."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import OuterRef, Q, QuerySet, Subquery

from cln.enums import MessageKind
from cln.listing import count_up_to
from cln.notifications.mails import write
from cln.notifications.models import Message, WebhookEndpoint
from cln.notifications.webhook_rows import DeliveryRow, delivery_shown

DELIVERY_STATES: Final[Mapping[str, Q]] = {
    "arrived": Q(sent_at__isnull=False),
    "waiting": Q(sent_at=None, send_after__isnull=False),
    "ended": Q(sent_at=None, send_after=None),
}
"""What a list of deliveries may be narrowed to; "ended" = given up, or called off."""


@dataclass(frozen=True, slots=True)
class MailRow:
    """A mail as the sandbox shows it."""

    id: int
    to: str
    subject: str
    body: str
    created_at: datetime
    sent_at: datetime | None
    attempts: int
    last_error: str


def latest_mails(*, to: str = "", limit: int = 100) -> tuple[MailRow, ...]:
    """The newest mails of the whole outbox, of one address where `to` is given."""
    rows = Message.objects.filter(kind=MessageKind.EMAIL)
    rows = rows.filter(to__icontains=to) if to else rows
    return tuple(_row(message) for message in rows.order_by("-id")[:limit])


def mail(message_id: int) -> MailRow | None:
    """One mail, or None."""
    message = Message.objects.filter(pk=message_id, kind=MessageKind.EMAIL).first()
    return _row(message) if message else None


def oldest_mail_due(*, now: datetime) -> datetime | None:
    """Since when the mail waits that has waited longest to leave; None where none does."""
    due = Message.objects.filter(kind=MessageKind.EMAIL, send_after__lte=now)
    return due.order_by("send_after").values_list("send_after", flat=True).first()


def latest_deliveries(account_id: int) -> Mapping[str, DeliveryRow]:
    """The newest delivery of each endpoint of the account that has one, by the endpoint's id."""
    newest = Message.objects.filter(endpoint=OuterRef("pk")).order_by("-id").values("pk")[:1]
    endpoints = WebhookEndpoint.objects.filter(account=account_id, removed_at=None)
    ids = dict(endpoints.annotate(newest=Subquery(newest)).values_list("public_id", "newest"))
    rows = Message.objects.in_bulk([pk for pk in ids.values() if pk])
    return {endpoint: delivery_shown(rows[pk]) for endpoint, pk in ids.items() if pk in rows}


def deliveries_of(
    account_id: int, endpoint: str, *, state: str = "", limit: int, offset: int = 0
) -> tuple[DeliveryRow, ...]:
    """Deliveries to an endpoint, the newest first; none where the account has no such endpoint."""
    rows = _deliveries(account_id, endpoint, state).order_by("-id")
    return tuple(map(delivery_shown, rows[offset : offset + limit]))


def count_deliveries(account_id: int, endpoint: str, *, state: str = "") -> int:
    """How many there are, up to one more than lists count."""
    return count_up_to(_deliveries(account_id, endpoint, state))


def _deliveries(account_id: int, endpoint: str, state: str) -> QuerySet[Message]:
    # Not a join: with the endpoint's number the index gives the order, too.
    found = WebhookEndpoint.objects.filter(account=account_id, public_id=endpoint, removed_at=None)
    rows = Message.objects.filter(endpoint=found.values("pk")[:1])
    return rows.filter(DELIVERY_STATES[state]) if state else rows


def written(message: Message) -> tuple[str, str]:
    """Subject and body: as they left, or as they would leave now."""
    if message.subject:
        return message.subject, message.body
    return write(message.template, message.context)


def _row(message: Message) -> MailRow:
    subject, body = written(message)
    return MailRow(
        id=message.pk,
        to=message.to,
        subject=subject,
        body=body,
        created_at=message.created_at,
        sent_at=message.sent_at,
        attempts=message.attempts,
        last_error=message.last_error,
    )
