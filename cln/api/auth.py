"""REST v1 tokens, to the letter (security §3); their grammar is `cln.domain.signed_token`."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.conf import settings
from django.http import HttpRequest

from cln.accounts.queries import ApiCaller
from cln.api.arguments import bearer
from cln.api.questions import caller_named
from cln.domain.errors import Refusal
from cln.domain.signed_token import SIGNED_TOKEN, digest_of


class AuthFailed(Refusal):
    """The token is not one of ours, has run out, or names nobody: the answer is the same."""

    code: ClassVar[str] = "auth_failed"


NOBODYS: Final = "0" * 40
"""A secret that no account has."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token speaks for; `shown` tells the last 4 of the secret that signed it."""

    account_id: int
    login: str
    role: str
    shown: str


def caller_of(request: HttpRequest, arguments: Mapping[str, str], *, now: datetime) -> Caller:
    """The account behind the argument `token`, or behind `Authorization: Bearer`.

    `now` is the system's time, also in a sandbox whose clock was moved: callers sign with theirs.
    Refuses `auth_failed`.
    """
    return check_token(arguments.get("token") or bearer(request), now=now)


def check_token(text: str, *, now: datetime) -> Caller:
    """The account that a signed token speaks for. Refuses `auth_failed`."""
    parts = SIGNED_TOKEN.fullmatch(text)
    if parts is None:
        raise _failed()
    known = caller_named(parts["login"]) if _may_be_stored(parts["login"]) else None
    signed = _digest(known, parts["at"])
    age = now.timestamp() - int(parts["at"])
    in_time = -settings.CLN_TOKEN_MAX_AHEAD <= age <= settings.CLN_TOKEN_MAX_AGE
    if not hmac.compare_digest(signed, parts["hash"]) or known is None or not in_time:
        raise _failed()
    return _caller(known)


def check_secret(*, login: str, secret: str) -> Caller:
    """The account whose API secret itself was shown, as monitors do. Refuses `auth_failed`."""
    known = caller_named(login) if _may_be_stored(login) and len(login) <= 254 else None
    expected = NOBODYS if known is None else known.secret
    if not hmac.compare_digest(expected.encode(), _encoded(secret)) or known is None:
        raise _failed()
    return _caller(known)


def _caller(known: ApiCaller) -> Caller:
    return Caller(known.account_id, known.username, known.role, f"signed …{known.secret[-4:]}")


def _digest(known: ApiCaller | None, at: str) -> str:
    """What the hash should be; an unknown login costs the same work. Secrets of known ones are
    opened once per process (`accounts.queries`), so nothing is opened here either.
    """
    return digest_of(NOBODYS if known is None else known.secret, at)


def _may_be_stored(text: str) -> bool:
    return text == text.strip() and text.isprintable()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _failed() -> AuthFailed:
    return AuthFailed("Authorization failed")
