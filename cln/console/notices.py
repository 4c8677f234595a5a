"""Mails that tell a person what was done to their login: whoever did not do it should know."""

from __future__ import annotations

from django.db import transaction

from cln.notifications.services import queue_mail
from cln.web import Request, client_address


def tell_login(request: Request, what: str) -> None:
    """Mail the login of this request what has just happened to it, and from where."""
    login = request.login
    with transaction.atomic():
        queue_mail(
            account_id=login.account_id,
            template="security_notice",
            to=login.email,
            context={
                "login": login.username,
                "what": what,
                "at": f"{request.now:%Y-%m-%d %H:%M} UTC",
                "address": client_address(request),
            },
            dedupe=f"security_notice:{login.pk}:{request.now.isoformat()}",
            now=request.now,
        )
