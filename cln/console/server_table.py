"""The table of servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from django.urls import reverse

from cln.catalog.queries import ProductRow, products
from cln.console.tables import (
    SELECTED_MAX,
    Bulk,
    Column,
    Empty,
    Filter,
    Query,
    Selection,
    Table,
)
from cln.console.words import feature_names
from cln.licensing.groups import groups_of
from cln.licensing.queries import (
    SERVER_SORTS,
    ServerFilter,
    ServerRow,
    Standing,
    count_servers,
    servers_of,
)

REMOVED: Final = "removed"
STATUSES: Final = (
    (Standing.UP.value, "up"),
    (Standing.LATE.value, "late"),
    (Standing.SILENT.value, "silent"),
    (REMOVED, "removed"),
)


class GroupOf(Protocol):
    """The group whose servers are listed."""

    pk: int
    name: str


def status_of(row: ServerRow, now: datetime) -> str:
    """The word for how a server stands."""
    standing = row.standing_at(now)
    if standing is None:
        return row.status
    return "new" if standing is Standing.UP and row.last_check_in_at is None else standing.value


def server_table(
    account_id: int, *, may_edit: bool, now: datetime, key: str = "", group: GroupOf | None = None
) -> Table[ServerRow]:
    """The servers of an account, newest registration first; of one key or group where given."""
    narrowed = Narrowed(key=key, group=group.name if group else "", now=now)

    def read(query: Query, limit: int, offset: int) -> Sequence[ServerRow]:
        return servers_of(
            account_id,
            narrowed.by(query),
            sort=query.sort,
            descending=query.descending,
            limit=limit,
            offset=offset,
            with_features=True,
        )

    return Table(
        name="servers",
        noun="server",
        columns=_columns(lambda row: status_of(row, now)),
        read=read,
        count=lambda query: count_servers(account_id, narrowed.by(query)),
        row="servers/row.html",
        row_id=lambda row: row.public_id,
        row_name=lambda row: f"{row.hostname or row.address}, {row.license_name}",
        sorts=SERVER_SORTS.keys(),
        sort="-registered",
        search="Name, address or key",
        filters=_filters(account_id, products(), narrowed),
        bulk=_bulk(group) if may_edit else (),
        empty=_empty(narrowed),
    )


def chosen(
    account_id: int, selection: Selection, *, now: datetime, key: str = "", group: str = ""
) -> tuple[ServerRow, ...]:
    """The running servers a bulk action is meant for; at most as many as can be ticked."""
    narrowed = Narrowed(key=key, group=group, now=now)
    filters = narrowed.by(selection.query) if selection.query else ServerFilter(ids=selection.ids)
    rows = servers_of(account_id, filters, limit=SELECTED_MAX)
    return tuple(row for row in rows if row.status == "active")


class Narrowed:
    """How a list is narrowed before anybody filters it."""

    def __init__(self, *, key: str = "", group: str = "", now: datetime) -> None:
        """`key` by public id, `group` by name; "" does not narrow."""
        self.key, self.group, self.now = key, group, now

    def by(self, query: Query) -> ServerFilter:
        """What the URL asks for, as licensing takes it."""
        asked, status = query.filters, query.filters["status"]
        standing = Standing(status) if status in set(Standing) else None
        return ServerFilter(
            product=asked.get("product", ""),
            key=self.key,
            group=self.group or asked.get("group", ""),
            search=query.search,
            registered_from=query.day("from"),
            registered_until=query.day("until"),
            standing=standing,
            at=self.now,
            removed_only=status == REMOVED,
        )


def _columns(status: Callable[[ServerRow], str]) -> Sequence[Column[ServerRow]]:
    return (
        Column("name", "Server", lambda row: row.hostname),
        Column("address", "IP", lambda row: row.address),
        Column("license", "Product", lambda row: row.license_name),
        Column("", "Add-ons", lambda row: feature_names(row.features)),
        Column("group", "Group", lambda row: row.group),
        Column("status", "Status", status),
        Column("last_check_in", "Last check-in", lambda row: row.last_check_in_at),
        Column("registered", "Registered", lambda row: row.registered_at),
    )


def _filters(account_id: int, sold: Sequence[ProductRow], narrowed: Narrowed) -> tuple[Filter, ...]:
    names = [] if narrowed.group else groups_of(account_id)
    return (
        *(
            ()
            if narrowed.key
            else (Filter("product", "Product", [(p.code, p.name) for p in sold]),)
        ),
        *((Filter("group", "Group", [(name, name) for name, _ in names]),) if names else ()),
        Filter("status", "Status", STATUSES),
        Filter("from", "Registered from", is_date=True),
        Filter("until", "Until", is_date=True),
    )


def _bulk(group: GroupOf | None) -> tuple[Bulk, ...]:
    return (
        Bulk("Add to group", reverse("group_servers"), "folder-plus"),
        *(
            (Bulk("Take out", reverse("ungroup_servers", args=[group.pk]), "folder-minus"),)
            if group
            else ()
        ),
        Bulk("Remove", reverse("remove_servers"), is_danger=True),
    )


def _empty(narrowed: Narrowed) -> Empty:
    if narrowed.group:
        return Empty("No server in this group", "Tick servers in the list and add them.", "folder")
    if narrowed.key:
        return Empty("No server uses this key", "Run the command above on one.", "server-stack")
    return Empty(
        "No server yet",
        "Run the install command of a product on a server: the dashboard has it with your key.",
        "server-stack",
        "Go to the dashboard",
        reverse("dashboard"),
    )
