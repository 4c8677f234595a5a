"""Sub-logins: more people who sign in for an account, each with a role (facts §3.3, §3.4)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from cln.accounts.access import ROLE_NAMES
from cln.accounts.audit import record
from cln.accounts.models import Account, Login
from cln.accounts.services import create_login
from cln.accounts.tokens import UnknownLogin
from cln.domain.errors import Refusal
from cln.enums import Role
from cln.notifications.services import queue_mail

INVITATION_DAYS: Final = settings.PASSWORD_RESET_TIMEOUT // 86_400


class LoginIsPrimary(Refusal):
    """The primary login keeps full access and cannot be removed."""

    code: ClassVar[str] = "login_is_primary"


class OwnLogin(Refusal):
    """Nobody changes the role of, or removes, the login they are signed in with."""

    code: ClassVar[str] = "own_login"


def invite(*, account: Account, email: str, role: Role, inviter: Login, now: datetime) -> Login:
    """Make a login for somebody's e-mail address and mail them a link to choose a password.

    Until they do, nobody can sign in with it. Refusals: `bad_email`, `email_taken`.
    """
    with transaction.atomic(durable=True):
        login = create_login(
            account_id=account.pk,
            email=email,
            # Nobody knows it, and the link replaces it.
            password=secrets.token_urlsafe(40),
            role=role,
            is_confirmed=True,  # only who reads the mail can choose a password
            now=now,
        )
        login.set_unusable_password()
        login.save(update_fields=["password"])
        _mail_invitation(login, account=account, inviter=inviter, now=now)
        _record(login, "login.invited", inviter, {"role": str(role)}, now)
    return login


def invite_again(*, account: Account, login_id: int, inviter: Login, now: datetime) -> Login:
    """Mail the link once more, to somebody who has not chosen a password yet.

    Refusals: `unknown_login` (also where a password was chosen).
    """
    with transaction.atomic(durable=True):
        login = _get(account, login_id)
        if login.has_usable_password():
            raise UnknownLogin("This login has a password already.", "It can be reset by its owner")
        _mail_invitation(login, account=account, inviter=inviter, now=now)
        _record(login, "login.invited_again", inviter, {}, now)
    return login


def change_role(
    *, account: Account, login_id: int, role: Role, changer: Login, now: datetime
) -> Login:
    """Give a sub-login another role; it counts from its next click on.

    Refusals: `unknown_login`, `login_is_primary`, `own_login`.
    """
    with transaction.atomic(durable=True):
        login = _get(account, login_id)
        _refuse_primary_and_own(login, changer)
        details = {"role": [login.role, str(role)]}
        login.role = role
        login.save(update_fields=["role"])
        _record(login, "login.role_changed", changer, details, now)
    return login


def remove(*, account: Account, login_id: int, remover: Login, now: datetime) -> str:
    """Take a sub-login away at once and return its name; its sessions end, its history stays.

    The row stays for what points at it, under an address that is nobody's: the person can be
    invited again. Refusals: `unknown_login`, `login_is_primary`, `own_login`.
    """
    with transaction.atomic(durable=True):
        login = _get(account, login_id)
        _refuse_primary_and_own(login, remover)
        _record(login, "login.removed", remover, {"email": login.email, "role": login.role}, now)
        EmailAddress.objects.filter(user=login).delete()
        login.is_active = False
        login.email = f"removed-{login.pk}@removed.invalid"
        login.set_unusable_password()
        login.save(update_fields=["is_active", "email", "password"])
    return login.username


def _get(account: Account, login_id: int) -> Login:
    found = Login.objects.select_for_update().filter(
        pk=login_id, account_id=account.pk, is_active=True
    )
    login = found.first()
    if login is None:
        raise UnknownLogin("There is no such login.", "Look at the list of logins.")
    return login


def _refuse_primary_and_own(login: Login, actor: Login) -> None:
    if login.is_primary:
        raise LoginIsPrimary(
            "The primary login keeps full access and cannot be removed.",
            "Write to support to make another login the primary one.",
        )
    if login.pk == actor.pk:
        raise OwnLogin(
            "Nobody changes the login they are signed in with.",
            "Another login with full access can do it.",
        )


def _mail_invitation(login: Login, *, account: Account, inviter: Login, now: datetime) -> None:
    key = default_token_generator.make_token(login)
    path = reverse("account_reset_password_from_key", args=[user_pk_to_url_str(login), key])
    queue_mail(
        account_id=account.pk,
        template="invitation",
        to=login.email,
        context={
            "login": login.username,
            "inviter": inviter.email,
            "company": account.company or account.public_id,
            "role": ROLE_NAMES[Role(login.role)],
            "url": f"{settings.CLN_BASE_URL}{path}",
            "days": INVITATION_DAYS,
        },
        dedupe=f"invitation:{login.pk}:{now.isoformat()}",
        now=now,
    )


def _record(
    login: Login, verb: str, actor: Login, details: Mapping[str, object], now: datetime
) -> None:
    record(
        account_id=login.account_id,
        actor=actor.username,
        verb=verb,
        subject=login.username,
        details=details,
        now=now,
    )
