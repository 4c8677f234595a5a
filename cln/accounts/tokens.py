"""API tokens of REST v2 (security §3): made, listed, revoked, and asked whom they speak for.

`now` is the system's instant in all of them (`clock.system_now()`), as ADR 49 says of tokens.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.db import transaction
from django.db.models import Q

from cln import vault
from cln.accounts.access import PERMISSIONS, ROLE_NAMES, Permission
from cln.accounts.audit import record
from cln.accounts.models import ApiToken, Login
from cln.domain.errors import Refusal
from cln.enums import Role
from cln.ids import public_id

PREFIX: Final = "cln_"
PURPOSE: Final = "api-token"
DAYS_MOST: Final = 366
DAYS: Final = 90
NAME_LENGTH: Final = 60
# How stale `last_used_at` may be: a busy token costs one write a minute.
USED_AGAIN: Final = timedelta(minutes=1)


class BadTokenName(Refusal):
    """A token needs a name by which its owner knows it again."""

    code: ClassVar[str] = "bad_token_name"


class BadTokenDays(Refusal):
    """A token lives from one day to about a year."""

    code: ClassVar[str] = "bad_token_days"


class BadScope(Refusal):
    """There is no such scope, or none at all was asked for."""

    code: ClassVar[str] = "bad_scope"


class ScopeNotYours(Refusal):
    """Nobody hands on a right that he, or the token's owner, does not have."""

    code: ClassVar[str] = "scope_not_yours"


class UnknownLogin(Refusal):
    """There is no such login in this account."""

    code: ClassVar[str] = "unknown_login"


class UnknownToken(Refusal):
    """There is no such API token in this account."""

    code: ClassVar[str] = "unknown_token"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token in a list; the token itself is never shown again."""

    public_id: str
    name: str
    login: str
    last4: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenCaller:
    """Whom a good token speaks for, and what it may do; `shown` is its prefix and last 4."""

    account_id: int
    login: str
    rights: frozenset[Permission]
    shown: str


def create_token(
    *,
    account_id: int,
    login: str,
    name: str,
    scopes: Collection[str],
    days: int = DAYS,
    granted: Collection[Permission],
    actor: str,
    now: datetime,
) -> tuple[TokenRow, str]:
    """Make a token for a login of the account; its text is returned this once.

    `granted` is what whoever asks may do: a right he lacks cannot be handed on. Refusals:
    `bad_token_name`, `bad_token_days`, `bad_scope`, `unknown_login`, `scope_not_yours`.
    """
    name = _checked_name(name)
    if type(days) is not int or not 1 <= days <= DAYS_MOST:
        raise BadTokenDays(f"A token lives for 1 to {DAYS_MOST} days.", "Choose fewer days.")
    wanted = _checked_scopes(scopes)
    with transaction.atomic():
        owner = Login.objects.filter(
            account=account_id, username__iexact=login.strip(), is_active=True
        ).first()
        if owner is None:
            raise UnknownLogin("There is no such login.", "Choose one from your list of logins.")
        _check_owns(owner, wanted, granted)
        text = PREFIX + secrets.token_urlsafe(32)
        token = ApiToken.objects.create(
            public_id=public_id("tok"),
            account_id=account_id,
            login=owner,
            name=name,
            token_hash=vault.lookup_hash(PURPOSE, text),
            last4=text[-4:],
            scopes=wanted,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        _record(
            token, "api_token_created", actor=actor, now=now, scopes=", ".join(wanted), days=days
        )
    return _row(token), text


def tokens_of(account_id: int) -> tuple[TokenRow, ...]:
    """Every token of the account, the newest first; revoked and expired ones too."""
    rows = ApiToken.objects.filter(account=account_id).select_related("login")
    return tuple(map(_row, rows.order_by("-id")))


def revoke_token(*, account_id: int, token: str, actor: str, now: datetime) -> TokenRow:
    """End a token at once; again is the same. Refusals: `unknown_token`."""
    with transaction.atomic():
        rows = ApiToken.objects.select_for_update(of=("self",)).select_related("login")
        row = rows.filter(account=account_id, public_id=token).first()
        if row is None:
            raise UnknownToken("There is no such token.", "Choose one from your list of tokens.")
        if row.revoked_at is None:
            row.revoked_at = now
            row.save(update_fields=["revoked_at"])
            _record(row, "api_token_revoked", actor=actor, now=now)
    return _row(row)


def token_caller(text: str, *, now: datetime) -> TokenCaller | None:
    """Whom a token speaks for; None for every token that is not good, whatever the reason.

    Its rights are its scopes cut to its owner's role. Notes the use, once a minute at most.
    """
    if not text.startswith(PREFIX) or len(text) > 100:
        return None
    found = (
        ApiToken.objects.filter(
            token_hash=vault.lookup_hash(PURPOSE, text),
            revoked_at=None,
            expires_at__gt=now,
            login__is_active=True,
            account__api_enabled=True,
        )
        .values_list("pk", "account_id", "login__username", "login__role", "scopes", "last_used_at")
        .first()
    )
    if found is None:
        return None
    pk, account_id, login, role, scopes, last_used_at = found
    if last_used_at is None or now - last_used_at >= USED_AGAIN:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_AGAIN)
        ApiToken.objects.filter(stale, pk=pk).update(last_used_at=now)
    rights = PERMISSIONS[Role(role)].intersection(map(Permission, scopes))
    return TokenCaller(account_id, login, rights, f"{PREFIX}…{text[-4:]}")


def _checked_name(name: str) -> str:
    text = "".join(letter for letter in name if letter.isprintable()).strip()
    if not 1 <= len(text) <= NAME_LENGTH:
        raise BadTokenName(
            f"A token has a name of 1 to {NAME_LENGTH} characters.", "Say what it is used for."
        )
    return text


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = sorted(set(scopes))
    known = {permission.value for permission in Permission}
    unknown = [scope for scope in wanted if scope not in known]
    if unknown or not wanted:
        raise BadScope(
            f"There is no scope {unknown[0][:40]!r}." if unknown else "A token needs a scope.",
            f"Known: {', '.join(sorted(known))}.",
        )
    return wanted


def _check_owns(owner: Login, wanted: Iterable[str], granted: Collection[Permission]) -> None:
    role = Role(owner.role)
    for scope in map(Permission, wanted):
        if scope not in granted:
            raise ScopeNotYours(
                f"You may not do “{scope}” yourself.", "Ask the owner of the account for it."
            )
        if scope not in PERMISSIONS[role]:
            raise ScopeNotYours(
                f"The role of {owner.username} is “{ROLE_NAMES[role]}”, without “{scope}”.",
                "Leave the scope out, or choose another login.",
            )


def _row(token: ApiToken) -> TokenRow:
    return TokenRow(
        public_id=token.public_id,
        name=token.name,
        login=token.login.username,
        last4=token.last4,
        scopes=tuple(token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        revoked_at=token.revoked_at,
    )


def _record(token: ApiToken, verb: str, *, actor: str, now: datetime, **details: object) -> None:
    record(
        account_id=token.account_id,
        actor=actor,
        verb=verb,
        subject=f"{token.public_id} …{token.last4}",
        details={"name": token.name, "login": token.login.username, **details},
        now=now,
    )
