"""Another e-mail address for a login: confirmed where it leads to, undone from where it came.

The address opens the login by "forgotten password", so whoever holds the new one must say yes, and
whoever holds the old one is told and may take it back: with the address they get the login, and
who changed it without leave is out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core import signing
from django.db import models, transaction
from django.urls import reverse

from cln.accounts.audit import record
from cln.accounts.models import EmailChange, Login
from cln.accounts.queries import login_of_email
from cln.accounts.services import EmailTaken, checked_email, well_formed
from cln.accounts.two_factor import forget_factors_since
from cln.domain.errors import Refusal
from cln.notifications.services import queue_mail

CONFIRM_DAYS: Final = 3
UNDO_DAYS: Final = 7
_CONFIRM, _UNDO = "email-change", "email-change-undo"


class EmailUnchanged(Refusal):
    """This is the login's address already."""

    code: ClassVar[str] = "email_unchanged"


class EmailLinkExpired(Refusal):
    """The link was used, taken back, overtaken by a later one, or is too old."""

    code: ClassVar[str] = "email_link_expired"


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What a link is about."""

    username: str
    old: str
    new: str


def ask(*, login: Login, email: str, now: datetime) -> str:
    """Mail the new address a link; nothing is changed before it is followed. Returns the address.

    An address that belongs to another login is mailed as well, so the asker learns nothing about
    it; its link leads nowhere new. A second request overtakes the first. Refusals: `bad_email`,
    `email_unchanged`.
    """
    new = well_formed(email)
    if new == login.email.lower():
        raise EmailUnchanged("This is your address already.", "Type another one.")
    with transaction.atomic(durable=True):
        _locked(login.pk)
        _close(EmailChange.objects.filter(login=login, confirmed_at=None), now=now)
        change = EmailChange.objects.create(login=login, old=login.email, new=new, asked_at=now)
        _record(change, "login.email_change_asked", {"email": [change.old, new]}, now)
        _mail_new_address(change, now=now)
    return new


def read(*, token: str, undo: bool, now: datetime) -> ChangeRow:
    """What a link would do. Refusals: `email_link_expired`."""
    change = _change_of(token, undo=undo, now=now)
    return ChangeRow(change.login.username, change.old, change.new)


def confirm(*, token: str, now: datetime) -> str:
    """Change the address, tell the old one, and return the new one.

    Refusals: `email_link_expired`, `email_taken` (somebody took it meanwhile).
    """
    with transaction.atomic(durable=True):
        change = _change_of(token, undo=False, now=now)
        login = _locked(change.login_id)
        change = _change_of(token, undo=False, now=now)  # nobody was faster
        checked_email(change.new)
        _set(login, change.new)
        change.confirmed_at = now
        change.save(update_fields=["confirmed_at"])
        _record(change, "login.email_changed", {"email": [change.old, change.new]}, now)
        _mail(
            "email_changed",
            change,
            to=change.old,
            new=change.new,
            at=f"{now:%Y-%m-%d %H:%M} UTC",
            url=_link("undo_new_email", change, _UNDO),
            days=UNDO_DAYS,
            now=now,
        )
    return change.new


def undo(*, token: str, now: datetime) -> None:
    """Put the old address back and shut out who changed it.

    The password no longer works, which ends every session; so do second factors added since, and
    later changes of the address. A link for a new password goes to the old address. Refusals:
    `email_link_expired`, `email_taken` (another login has the old address by now).
    """
    with transaction.atomic(durable=True):
        change = _change_of(token, undo=True, now=now)
        login = _locked(change.login_id)
        change = _change_of(token, undo=True, now=now)
        if login.email != change.old:
            checked_email(change.old)
        _set(login, change.old)
        login.set_unusable_password()
        login.save(update_fields=["password"])
        forget_factors_since(login=login, since=change.asked_at)
        _close(EmailChange.objects.filter(login=login, pk__gte=change.pk), now=now)
        _record(change, "login.email_change_undone", {"email": [change.new, change.old]}, now)
        url = _new_password_link(login)
        _mail("email_change_undone", change, to=change.old, url=url, now=now)


def _change_of(token: str, *, undo: bool, now: datetime) -> EmailChange:
    """The change behind a link that still works."""
    gone = EmailLinkExpired(
        "This link was used, taken back or overtaken by a later one, or it is too old.",
        "Sign in and look at the account details; ask for the change again there if it is missing.",
    )
    try:
        pk = signing.loads(token, salt=_UNDO if undo else _CONFIRM)
    except signing.BadSignature:
        raise gone from None
    found = EmailChange.objects.select_related("login").filter(pk=pk, closed_at=None)
    change = found.filter(confirmed_at__isnull=not undo, login__is_active=True).first()
    if change is None:
        raise gone
    since = change.confirmed_at if undo else change.asked_at
    if since is None or now >= since + timedelta(days=UNDO_DAYS if undo else CONFIRM_DAYS):
        raise gone
    return change


def _locked(login_id: int) -> Login:
    return Login.objects.select_for_update().get(pk=login_id)


def _close(changes: models.QuerySet[EmailChange], *, now: datetime) -> None:
    changes.filter(closed_at=None).update(closed_at=now)


def _set(login: Login, email: str) -> None:
    """Joins: where the login's mails go, and what it signs in with."""
    login.email = email
    login.save(update_fields=["email"])
    EmailAddress.objects.filter(user=login).delete()
    EmailAddress.objects.create(user=login, email=email, primary=True, verified=True)


def _mail_new_address(change: EmailChange, *, now: datetime) -> None:
    try:
        checked_email(change.new)
    except EmailTaken:
        owner = login_of_email(change.new)
        if owner is not None:
            url = f"{settings.CLN_BASE_URL}{reverse('account_reset_password')}"
            _mail("email_change_known", change, to=owner.email, of=owner, url=url, now=now)
    else:
        url = _link("confirm_new_email", change, _CONFIRM)
        _mail("email_change_confirm", change, to=change.new, url=url, days=CONFIRM_DAYS, now=now)


def _mail(
    template: str,
    change: EmailChange,
    *,
    to: str,
    of: Login | None = None,
    now: datetime,
    **context: object,
) -> None:
    login = of or change.login
    queue_mail(
        account_id=login.account_id,
        template=template,
        to=to,
        context={"login": login.username, **context},
        dedupe=f"{template}:{change.pk}",
        now=now,
    )


def _link(page: str, change: EmailChange, salt: str) -> str:
    return f"{settings.CLN_BASE_URL}{reverse(page, args=[signing.dumps(change.pk, salt=salt)])}"


def _new_password_link(login: Login) -> str:
    key = default_token_generator.make_token(login)
    path = reverse("account_reset_password_from_key", args=[user_pk_to_url_str(login), key])
    return f"{settings.CLN_BASE_URL}{path}"


def _record(change: EmailChange, verb: str, details: Mapping[str, object], now: datetime) -> None:
    record(
        account_id=change.login.account_id,
        actor=change.login.username,
        verb=verb,
        subject=change.login.username,
        details=details,
        now=now,
    )
