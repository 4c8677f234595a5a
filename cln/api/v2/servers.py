"""Servers of every product by our own ids, `/api/v2/servers`, and their groups."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Body, Field, Query, Router, Schema

from cln.accounts.access import Permission
from cln.api.v2 import cursors
from cln.api.v2.body import Sent
from cln.api.v2.callers import V2Request
from cln.api.v2.cursors import PageWish
from cln.api.v2.operation import Door
from cln.flows import subscriptions
from cln.flows.conversion import convert_to_key
from cln.licensing import groups, queries
from cln.licensing.rows import ServerRow

router = Router(tags=["servers"])
door = Door(router=router, root="")
VIEW, EDIT = Permission.VIEW_SERVERS, Permission.EDIT_SERVERS


class ServerOut(Schema):
    """A server; `last_check_in_at` null = never since it was registered. `users` may be more than
    `user_limit`, what its license type allows (null = any number).
    """

    id: str
    hostname: str
    address: str
    license_type: str
    product: str
    key: str
    group: str
    status: str
    os_version: str
    kernel: str
    users: int | None
    user_limit: int | None
    registered_at: datetime
    last_check_in_at: datetime | None
    removed_at: datetime | None
    removed_why: str


class ServerPage(Schema):
    """A page of servers, the newest registration first."""

    data: list[ServerOut]
    next_cursor: str | None


class ServerGone(ServerOut):
    """A server that was removed; how many licenses are cancelled, and how many are left."""

    licenses_cancelled: int
    licenses_left: int


class ServerWish(PageWish):
    """Which servers are asked for; what is empty does not narrow."""

    product: str = Field("", max_length=40)
    license_type: str = Field("", max_length=40)
    key: str = Field("", max_length=40, description="The id of a key.")
    group: str = Field("", max_length=100)
    search: str = Field("", max_length=253, description="Part of a host name or an address.")
    with_removed: bool = False


class Removal(Schema):
    """What becomes of the license of a server that is removed."""

    cancel_license: bool = Field(False, description="Stop paying for it too.")


class Move(Sent):
    """Where a server moves to."""

    key: str = Field(max_length=40, description="The id of another key of the same product.")


class IntoGroup(Sent):
    """The group a server belongs to; null = none."""

    group: str | None = Field(max_length=100)


class GroupOut(Schema):
    """A group of servers."""

    name: str
    description: str


class GroupsOut(Schema):
    """All groups of the account, by name."""

    data: list[GroupOut]


class NewGroup(Sent):
    """What a group is made of."""

    name: str = Field(max_length=200)
    description: str = Field("", max_length=400)


@door.operation("GET", "/servers", needs=VIEW, answers=ServerPage)
def list_servers(request: V2Request, wish: Query[ServerWish]) -> object:
    """The account's servers."""
    narrowed = wish.model_dump(exclude={"limit", "cursor"})
    kind = f"servers:{sorted(narrowed.items())}"
    rows = queries.servers_after(
        request.caller.account_id,
        queries.ServerFilter(**narrowed),
        after=cursors.after(request, wish, kind),
        limit=wish.limit + 1,
    )
    return cursors.page(
        request, wish, kind, rows=rows, id_of=lambda row: row.public_id, shown=_shown
    )


@door.operation("GET", "/servers/{server}", needs=VIEW, answers=ServerOut)
def show_server(request: V2Request, server: str) -> object:
    """One server, also a removed one."""
    return _one(request, server)


@door.operation("DELETE", "/servers/{server}", needs=EDIT, answers=ServerGone)
def remove_server(request: V2Request, server: str, removal: Query[Removal]) -> object:
    """Remove a server; its license is free for another one, or cancelled in the same step."""
    if removal.cancel_license:
        request.caller.check(Permission.ORDER_LICENSES)
    done = subscriptions.remove_server(
        account_id=request.caller.account_id,
        server=server,
        cancel_license=removal.cancel_license,
        actor=request.caller.login,
        now=request.now,
    )
    left = {"licenses_cancelled": done.units, "licenses_left": done.left}
    return _one(request, server) | left


@door.operation("POST", "/servers/{server}/move", needs=EDIT, answers=ServerOut)
def move_server(request: V2Request, server: str, move: Body[Move]) -> object:
    """Let a server use another key, and with it that key's license type; nothing is bought."""
    convert_to_key(
        account_id=request.caller.account_id,
        server=server,
        key=move.key,
        actor=request.caller.login,
        now=request.now,
    )
    return _one(request, server)


@door.operation("PUT", "/servers/{server}/group", needs=EDIT, answers=ServerOut, joins=True)
def group_server(request: V2Request, server: str, into: Body[IntoGroup]) -> object:
    """Put a server into a group, out of the one it was in; null takes it out."""
    groups.move_to_group(
        account_id=request.caller.account_id,
        server=server,
        name=into.group,
        actor=request.caller.login,
        now=request.now,
    )
    return _one(request, server)


@door.operation("GET", "/groups", needs=VIEW, answers=GroupsOut)
def list_groups(request: V2Request) -> object:
    """The account's server groups."""
    rows = groups.groups_of(request.caller.account_id)
    return {"data": [{"name": name, "description": text} for name, text in rows]}


@door.operation("POST", "/groups", needs=EDIT, answers=GroupOut, status=201, joins=True)
def create_group(request: V2Request, new: Body[NewGroup]) -> object:
    """Open a group; its name is its identity."""
    group = groups.create_group(
        account_id=request.caller.account_id,
        name=new.name,
        description=new.description,
        actor=request.caller.login,
        now=request.now,
    )
    return {"name": group.name, "description": group.description}


def _one(request: V2Request, server: str) -> dict[str, Any]:
    """One server of the account. Refuses `unknown_server`."""
    row = queries.get_server(account_id=request.caller.account_id, public_id=server)
    return _shown(queries.server_row(row))


def _shown(row: ServerRow) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "hostname": row.hostname,
        "address": row.address,
        "license_type": row.license_type,
        "product": row.product,
        "key": row.key_id,
        "group": row.group,
        "status": row.status,
        "os_version": row.os_version,
        "kernel": row.kernel,
        "users": row.users,
        "user_limit": row.user_limit,
        "registered_at": row.registered_at,
        "last_check_in_at": row.last_check_in_at,
        "removed_at": row.removed_at,
        "removed_why": row.removed_why,
    }
