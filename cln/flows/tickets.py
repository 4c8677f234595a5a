"""A message to our own support, by mail: the people who answer it work in their mailbox."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from django.conf import settings
from django.db import transaction

from cln.accounts.audit import record
from cln.accounts.models import Login
from cln.domain.errors import Refusal
from cln.notifications.services import queue_mail

_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class NoSupport(Refusal):
    """Nobody has said where tickets go."""

    code: ClassVar[str] = "no_support"


def submit_ticket(
    *, login: Login, subject: str, text: str, context: Mapping[str, str], now: datetime
) -> str:
    """Mail the message to support and a copy to who wrote it; returns its reference.

    `context` is what support would ask first, line by line: account, role, page. The mails leave
    through the outbox, in the transaction that records the ticket. Refusals: `no_support`.
    """
    if not settings.CLN_SUPPORT_EMAIL:
        raise NoSupport("This CLN has no address for support.", "Write to whoever runs it for you.")
    reference = "T-" + "".join(secrets.choice(_ALPHABET) for _ in range(8))
    about = {"reference": reference, "subject": subject, "text": text}
    lines = "\n".join(f"{name}: {value}" for name, value in context.items())
    with transaction.atomic(durable=True):
        queue_mail(
            account_id=login.account_id,
            template="support_ticket",
            to=settings.CLN_SUPPORT_EMAIL,
            context={**about, "sender": f"{login.username} <{login.email}>", "context": lines},
            dedupe=f"support_ticket:{reference}",
            now=now,
        )
        queue_mail(
            account_id=login.account_id,
            template="support_receipt",
            to=login.email,
            context=about,
            dedupe=f"support_receipt:{reference}",
            now=now,
        )
        record(
            account_id=login.account_id,
            actor=login.username,
            verb="ticket.submitted",
            subject=reference,
            details={"subject": subject},
            now=now,
        )
    return reference
