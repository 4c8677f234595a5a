"""Outbox rows for screens."""

from dataclasses import dataclass
from datetime import datetime

from cln.enums import MessageKind
from cln.notifications.mails import write
from cln.notifications.models import Message


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
