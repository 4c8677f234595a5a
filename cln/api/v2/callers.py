"""Who calls REST v2 and what he may do: API tokens of ours, and signed CLN tokens at facts §8."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.http import HttpRequest

from cln import clock
from cln.accounts.access import PERMISSIONS, Permission
from cln.accounts.audit import opened_by
from cln.accounts.tokens import PREFIX, token_caller
from cln.api import auth
from cln.api.arguments import bearer
from cln.api.auth import AuthFailed
from cln.api.limits import check, count_stranger
from cln.api.v2 import limits
from cln.domain.errors import Refusal
from cln.enums import Role
from cln.rates import Rate


class NotAllowed(Refusal):
    """The token's scopes, or its owner's role, do not include this."""

    code: ClassVar[str] = "not_allowed"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a call speaks for; `login` is the actor of the audit, `shown` its token there."""

    account_id: int
    login: str
    rights: frozenset[Permission]
    shown: str

    def check(self, needed: Permission) -> None:
        """Refuse `not_allowed` where the caller may not do this."""
        if needed not in self.rights:
            raise NotAllowed(
                f"This call needs the right “{needed}”, which the token does not have.",
                "Use a token with that scope, whose owner's role includes it.",
            )


class V2Request(HttpRequest):
    """What an operation gets: who calls, and the one instant of the call."""

    caller: Caller
    now: datetime
    rate: Rate
    request_id: str


class ApiToken:
    """`Authorization: Bearer cln_…`."""

    openapi_security_schema: ClassVar[dict[str, Any]] = {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token, `cln_…`. At partners' doors also a signed CLN token.",
    }

    def __init__(self, needs: Permission) -> None:
        """Let callers through who may do this: asked before their arguments are looked at."""
        self.needs = needs

    def __call__(self, request: V2Request) -> Caller:
        """The caller, counted. Refuses `auth_failed`, `too_many_requests`, `not_allowed`."""
        text = bearer(request) or self.in_query(request)
        caller = _token(text) if text.startswith(PREFIX) else self.signed(text)
        if caller is None:
            request.rate = count_stranger(request)
            check(request.rate)
            raise AuthFailed(
                "The token is missing, wrong, revoked or has run out.",
                "Send `Authorization: Bearer` with a good one.",
            )
        request.caller = caller
        opened_by(caller.shown)
        request.rate = limits.count_account(caller.account_id)
        check(request.rate)
        caller.check(self.needs)
        return caller

    def in_query(self, request: V2Request) -> str:
        """Nothing: an API token is never sent in an address, where logs would keep it."""
        return ""

    def signed(self, text: str) -> Caller | None:
        """Nobody: signed tokens belong to partners' doors."""
        return None


class ClnToken(ApiToken):
    """`?token=login|timestamp|sha1` or the same as a bearer (V2-3); API tokens as well."""

    openapi_security_schema: ClassVar[dict[str, Any]] = {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "A signed CLN token, `login|timestamp|sha1(secret + timestamp)`.",
    }

    def in_query(self, request: V2Request) -> str:
        """The argument `token`; an API token in it does not count."""
        text = request.GET.get("token", "")
        return "" if text.startswith(PREFIX) else text

    def signed(self, text: str) -> Caller | None:
        """The login a signed token names, with the rights of its role."""
        try:
            known = auth.check_token(text, now=clock.system_now())
        except AuthFailed:
            return None
        return Caller(known.account_id, known.login, PERMISSIONS[Role(known.role)], known.shown)


def _token(text: str) -> Caller | None:
    known = token_caller(text, now=clock.system_now())
    if known is None:
        return None
    return Caller(known.account_id, known.login, known.rights, known.shown)
