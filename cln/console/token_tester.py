"""Why a signed token of the account fails, for whoever writes the program that signs it."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from cln import vault
from cln.accounts.models import Account, ApiSecret
from cln.accounts.people import people_of
from cln.domain.signed_token import TokenWindow, Verdict, explain


def try_token(*, account_id: int, text: str, now: datetime) -> Verdict:
    """What the API would say to this token and why; `now` is the system's time."""
    secret = ApiSecret.objects.filter(account_id=account_id).first()
    if secret is None:
        return Verdict(False, "The account has no API secret yet.", "Make one above.")
    if not Account.objects.get(pk=account_id).api_enabled:
        return Verdict(False, "The API is switched off for this account.", "Write to support.")
    people = people_of(account_id)
    return explain(
        text,
        secret=vault.unseal(secret.cipher),
        logins={row.username.lower() for row in people} | {row.email.lower() for row in people},
        window=TokenWindow(settings.CLN_TOKEN_MAX_AGE, settings.CLN_TOKEN_MAX_AHEAD),
        now=now,
    )
