"""The outbox: mails are written with the change that causes them and leave afterwards.

`queue_mail` joins the caller's transaction, so there is a mail exactly when there is the change.
`send_due` claims each row in a transaction of its own *before* it speaks to the mail server, so
two workers never send the same one. Only a crash between the server's "accepted" and our commit
can repeat a mail; it then carries the same Message-ID, by which mailboxes drop the copy.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Final

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import connection
from django.template import TemplateDoesNotExist, TemplateSyntaxError

from cln import faults
from cln.accounts.queries import notice_addresses
from cln.notifications.backends import KeptInOutbox
from cln.notifications.mails import as_json, checked
from cln.notifications.models import Message
from cln.notifications.queries import written

# How long claimed mails are nobody else's. It must outlast the slowest batch, or a second worker
# would send the rest of it again; a mail whose sender died waits this long.
LEASE: Final = timedelta(minutes=30)
BATCH: Final = 10
BACKOFF: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=24),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail to be written: see `queue_mail`."""

    account_id: int | None
    template: str
    context: Mapping[str, object]
    dedupe: str
    to: str = ""


def queue_mail(
    *,
    account_id: int | None,
    template: str,
    context: Mapping[str, object],
    dedupe: str,
    to: str = "",
    now: datetime,
) -> None:
    """Write a mail into the outbox, once per `dedupe`. Joins.

    Without `to` it goes to the account's billing e-mail, else to its primary login. No address:
    nothing is written, the facts are in the console (A-14). Templates and their context:
    `cln.notifications.mails.MAILS`.
    """
    mail = Mail(account_id=account_id, template=template, context=context, dedupe=dedupe, to=to)
    queue_mails([mail], now=now)


def queue_mails(mails: Sequence[Mail], *, now: datetime) -> None:
    """Write many mails into the outbox, in one statement. Joins."""
    unknown = {mail.account_id for mail in mails if not mail.to and mail.account_id is not None}
    addresses = notice_addresses(sorted(unknown))
    waiting = [
        {
            "account_id": mail.account_id,
            "template": mail.template,
            "to": to,
            "context": checked(mail.template, mail.context),
            "dedupe": mail.dedupe,
        }
        for mail in mails
        if (to := mail.to or addresses.get(mail.account_id or 0, ""))
    ]
    if waiting:
        with connection.cursor() as cursor:
            cursor.execute(_QUEUE, {"mails": json.dumps(waiting, default=as_json), "now": now})


# ON CONFLICT DO NOTHING: the same event never writes a second mail (billing §9).
_QUEUE = """
INSERT INTO notifications_message (account_id, kind, template, "to", context, subject, body,
                                   dedupe, created_at, send_after, attempts, last_error)
SELECT account_id, 'email', template, "to", context, '', '', dedupe, %(now)s, %(now)s, 0, ''
FROM json_to_recordset(%(mails)s) AS mails
    (account_id bigint, template text, "to" text, context jsonb, dedupe text)
ON CONFLICT DO NOTHING
"""


def send_due(*, now: datetime, limit: int = 100) -> int:
    """Send up to `limit` mails that are due; return how many the mail server took.

    A failure is tried again after 1 min, 5 min, 30 min, 2 h, 6 h and 24 h, then given up;
    an address the server refuses for good is given up at once.
    """
    mailer = get_connection()
    if isinstance(mailer, KeptInOutbox):
        return _keep(_claim(now, limit), now)
    sent = 0
    while limit > 0 and (claimed := _claim(now, min(limit, BATCH))):
        sent += sum(_send(message, now) for message in claimed)
        limit -= len(claimed)
    return sent


def _claim(now: datetime, limit: int) -> list[Message]:
    """Take mails off the list of what is due, for as long as the lease lasts."""
    found = Message.objects.raw(_CLAIM, {"now": now, "limit": limit, "until": now + LEASE})
    return sorted(found, key=lambda message: message.pk)


# First found, then claimed: a plan may look into a subselect again, and claim more than the limit.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id FROM notifications_message WHERE send_after <= %(now)s AND kind = 'email'
    ORDER BY send_after, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE notifications_message AS message
SET attempts = attempts + 1, send_after = %(until)s
FROM due WHERE message.id = due.id
RETURNING message.*
"""


def _keep(claimed: Sequence[Message], now: datetime) -> int:
    """Let claimed mails be as good as sent: nobody is spoken to, readers get them written."""
    if not claimed:
        return 0
    faults.reach("before_mail")
    faults.reach("after_mail")
    kept = Message.objects.filter(pk__in=[message.pk for message in claimed])
    return kept.update(sent_at=now, send_after=None, last_error="")


def _send(message: Message, now: datetime) -> bool:
    """Send a claimed mail, and record at once what came of it."""
    try:
        message.subject, message.body = written(message)
        faults.reach("before_mail")
        # One connection per mail: a dead one fails a single mail, not the batch.
        _email(message).send()
        faults.reach("after_mail")
    except (SMTPException, OSError, ValueError, TemplateSyntaxError, TemplateDoesNotExist) as error:
        message.last_error = f"{type(error).__name__}: {error}"[:300]
        gives_up = _is_final(error) or message.attempts > len(BACKOFF)
        message.send_after = None if gives_up else now + BACKOFF[message.attempts - 1]
    else:
        message.sent_at, message.send_after, message.last_error = now, None, ""
    Message.objects.filter(pk=message.pk).update(
        subject=message.subject,
        body=message.body,
        sent_at=message.sent_at,
        send_after=message.send_after,
        last_error=message.last_error,
    )
    return message.sent_at is not None


def _email(message: Message) -> EmailMessage:
    stable = hashlib.sha256(message.dedupe.encode()).hexdigest()[:32]
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip("> ")
    return EmailMessage(
        subject=message.subject,
        body=message.body,
        to=[message.to],
        headers={"Message-ID": f"<{stable}@{domain}>", "Auto-Submitted": "auto-generated"},
        connection=get_connection(),
    )


def _is_final(error: Exception) -> bool:
    """5xx is the server's last word, and what is no address (ValueError) never becomes one; 4xx
    and broken connections may be different next time.
    """
    if isinstance(error, ValueError):
        return True
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, SMTPResponseException) and error.smtp_code >= 500
