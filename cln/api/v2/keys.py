"""Activation keys of every product by our own ids, `/api/v2/keys`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from ninja import Body, Field, Query, Router, Schema

from cln.accounts.access import Permission
from cln.api.v2 import cursors
from cln.api.v2.body import Sent
from cln.api.v2.callers import V2Request
from cln.api.v2.cursors import PageWish
from cln.api.v2.operation import Door
from cln.domain.addresses import CIDR_LIMIT
from cln.licensing import queries
from cln.licensing import services as licensing
from cln.licensing.keys import LIMIT_MAX
from cln.licensing.rows import KeyRow
from cln.licensing.sticky import update_key_and_sticky

router = Router(tags=["keys"])
door = Door(router=router, root="keys")
EDIT = Permission.CREATE_KEYS
Limit = Annotated[int, Field(ge=0, le=LIMIT_MAX, strict=True, description="0 = unlimited.")]
Cidrs = Annotated[
    list[Annotated[str, Field(max_length=64)]],
    Field(max_length=CIDR_LIMIT, description="Where servers may register from; none = anywhere."),
]


class KeyOut(Schema):
    """An activation key; `limit` 0 = unlimited. `sticky_on`: its sticky tag, of KernelCare only."""

    id: str
    key: str
    license_type: str
    limit: int
    used: int
    note: str
    cidrs: list[str]
    sticky_on: date | None
    is_default: bool
    created_at: datetime
    last_used_at: datetime | None


class KeyPage(Schema):
    """A page of keys, the newest first."""

    data: list[KeyOut]
    next_cursor: str | None


class KeyGone(Schema):
    """A key that was removed, and how many servers went with it."""

    id: str
    servers_removed: int


class NewKey(Sent):
    """What a key is made of."""

    license_type: str = Field(max_length=40)
    limit: Limit = 0
    note: str = Field("", max_length=200)
    cidrs: Cidrs = Field(default_factory=list)


class ChangedKey(Sent):
    """What changes of a key; what is absent stays. `sticky_on` null takes the sticky tag away."""

    limit: Limit | None = None
    note: str | None = Field(None, max_length=200)
    cidrs: Cidrs | None = None
    sticky_on: date | None = Field(None, description="A day from 2018-05-28 up to yesterday.")


class KeyWish(PageWish):
    """Which keys are asked for."""

    license_type: str = Field("", max_length=40)


@door.operation("GET", "", needs=Permission.VIEW_SERVERS, answers=KeyPage)
def list_keys(request: V2Request, wish: Query[KeyWish]) -> object:
    """The account's live keys."""
    kind = f"keys:{wish.license_type}"
    rows = queries.keys_after(
        request.caller.account_id,
        wish.license_type,
        after=cursors.after(request, wish, kind),
        limit=wish.limit + 1,
    )
    return cursors.page(
        request, wish, kind, rows=rows, id_of=lambda row: row.public_id, shown=_shown
    )


@door.operation("POST", "", needs=EDIT, answers=KeyOut, status=201, joins=True)
def create_key(request: V2Request, new: Body[NewKey]) -> object:
    """Create a key."""
    key = licensing.create_key(
        account_id=request.caller.account_id,
        license_type=new.license_type,
        limit=new.limit,
        note=new.note,
        cidrs=new.cidrs,
        actor=request.caller.login,
        now=request.now,
    )
    return _shown(queries.key_row(key))


@door.operation("GET", "/{key}", needs=Permission.VIEW_SERVERS, answers=KeyOut)
def show_key(request: V2Request, key: str) -> object:
    """One key."""
    row = queries.get_key(account_id=request.caller.account_id, public_id=key)
    return _shown(queries.key_row(row))


@door.operation("PATCH", "/{key}", needs=EDIT, answers=KeyOut, joins=True)
def update_key(request: V2Request, key: str, changed: Body[ChangedKey]) -> object:
    """Change limit, note, ranges and sticky tag of a key; what is absent stays."""
    wish: dict[str, Any] = {
        "account_id": request.caller.account_id,
        "key": key,
        "limit": changed.limit,
        "note": changed.note,
        "cidrs": changed.cidrs,
        "actor": request.caller.login,
        "now": request.now,
    }
    if "sticky_on" in changed.model_fields_set:
        row = update_key_and_sticky(**wish, sticky_on=changed.sticky_on)
    else:
        row = licensing.update_key(**wish)
    return _shown(queries.key_row(row))


@door.operation("DELETE", "/{key}", needs=EDIT, answers=KeyGone, joins=True)
def remove_key(request: V2Request, key: str) -> object:
    """Remove a key, and the registrations of its servers with it."""
    removed = licensing.remove_key(
        account_id=request.caller.account_id,
        key=key,
        actor=request.caller.login,
        now=request.now,
    )
    return {"id": key, "servers_removed": removed}


@door.operation("POST", "/{key}/default", needs=EDIT, answers=KeyOut, joins=True)
def make_default(request: V2Request, key: str) -> object:
    """Make it the default key of its license type."""
    row = licensing.make_default(
        account_id=request.caller.account_id,
        key=key,
        actor=request.caller.login,
        now=request.now,
    )
    return _shown(queries.key_row(row))


def _shown(row: KeyRow) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "key": row.text,
        "license_type": row.license_type,
        "limit": row.limit,
        "used": row.used,
        "note": row.note,
        "cidrs": list(row.cidrs),
        "sticky_on": row.sticky_on,
        "is_default": row.is_default,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
    }
