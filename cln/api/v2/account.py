"""The account and its API tokens, `/api/v2/me`, `/api/v2/tokens`, `/api/v2/audit`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Body, Field, Query, Router, Schema

from cln import clock
from cln.accounts import tokens
from cln.accounts.access import Permission
from cln.accounts.audit import AuditRow, entries_after
from cln.accounts.queries import account_row
from cln.api.v2 import cursors
from cln.api.v2.body import Sent
from cln.api.v2.callers import V2Request
from cln.api.v2.cursors import PageWish
from cln.api.v2.operation import Door
from cln.billing.queries import amount_due_cents, balance_cents

router = Router(tags=["account"])
door = Door(router=router, root="")
MANAGE = Permission.MANAGE_LOGINS


class MeOut(Schema):
    """The account a token speaks for; money in cents, None where the token may not see it."""

    account: str
    kind: str
    company: str
    currency: str
    state: str
    login: str
    rights: list[str]
    balance_cents: int | None
    due_cents: int | None


class TokenOut(Schema):
    """A token, without its text."""

    id: str
    name: str
    login: str
    last4: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewTokenOut(TokenOut):
    """A new token; its text is shown this once."""

    token: str


class NewToken(Sent):
    """What a token is made of; `login`: whose role bounds it, the caller's own unless given."""

    name: str = Field(max_length=200)
    scopes: list[str] = Field(max_length=50)
    days: int = Field(tokens.DAYS, ge=1, le=tokens.DAYS_MOST, strict=True)
    login: str | None = Field(None, max_length=150)


class TokensOut(Schema):
    """All tokens of the account, newest first."""

    data: list[TokenOut]


class AuditOut(Schema):
    """Who did what."""

    id: int
    at: datetime
    actor: str
    address: str | None
    token: str
    verb: str
    subject: str
    details: dict[str, Any]


class AuditPage(Schema):
    """A page of the audit log."""

    data: list[AuditOut]
    next_cursor: str | None


class AuditWish(PageWish):
    """What of the audit log is asked for."""

    verb: str = Field("", max_length=60)


@door.operation("GET", "/me", needs=Permission.VIEW_PRODUCTS, answers=MeOut)
def me(request: V2Request) -> object:
    """The account, the login and the rights of the token."""
    caller = request.caller
    row = account_row(caller.account_id)
    sees_money = Permission.VIEW_BILLING in caller.rights
    return {
        "account": row.public_id,
        "kind": row.kind,
        "company": row.company,
        "currency": row.currency,
        "state": row.state,
        "login": caller.login,
        "rights": sorted(caller.rights),
        "balance_cents": balance_cents(caller.account_id) if sees_money else None,
        "due_cents": amount_due_cents(caller.account_id) if sees_money else None,
    }


@door.operation("GET", "/tokens", needs=MANAGE, answers=TokensOut)
def list_tokens(request: V2Request) -> object:
    """Every token of the account, revoked and expired ones too."""
    return {"data": [_token(row) for row in tokens.tokens_of(request.caller.account_id)]}


@door.operation("POST", "/tokens", needs=MANAGE, answers=NewTokenOut, status=201, joins=True)
def create_token(request: V2Request, new: Body[NewToken]) -> object:
    """Make a token with rights the calling token has itself; its text is shown this once."""
    row, text = tokens.create_token(
        account_id=request.caller.account_id,
        login=request.caller.login if new.login is None else new.login,
        name=new.name,
        scopes=new.scopes,
        days=new.days,
        granted=request.caller.rights,
        actor=request.caller.login,
        now=clock.system_now(),
    )
    return {**_token(row), "token": text}


@door.operation("DELETE", "/tokens/{token}", needs=MANAGE, answers=TokenOut, joins=True)
def revoke_token(request: V2Request, token: str) -> object:
    """End a token at once."""
    row = tokens.revoke_token(
        account_id=request.caller.account_id,
        token=token,
        actor=request.caller.login,
        now=clock.system_now(),
    )
    return _token(row)


@door.operation("GET", "/audit", needs=Permission.VIEW_ACCOUNT, answers=AuditPage)
def list_audit(request: V2Request, wish: Query[AuditWish]) -> object:
    """What was done in the account, the newest first."""
    kind = f"audit:{wish.verb}"
    after = cursors.after(request, wish, kind)
    rows = entries_after(
        request.caller.account_id,
        verb=wish.verb,
        after=int(after) if after else None,
        limit=wish.limit + 1,
    )
    return cursors.page(request, wish, kind, rows=rows, id_of=lambda row: row.id, shown=_entry)


def _token(row: tokens.TokenRow) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "name": row.name,
        "login": row.login,
        "last4": row.last4,
        "scopes": list(row.scopes),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "last_used_at": row.last_used_at,
        "revoked_at": row.revoked_at,
    }


def _entry(row: AuditRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "actor": row.actor,
        "address": row.address,
        "token": row.token,
        "verb": row.verb,
        "subject": row.subject,
        "details": row.details,
    }
