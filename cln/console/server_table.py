"""The table of servers."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

from cln.catalog.queries import ProductRow
from cln.console.tables import Column, Empty, Filter, Query, Table
from cln.licensing.queries import (
    SERVER_SORTS,
    ServerFilter,
    ServerRow,
    count_servers,
    servers_of,
)

COLUMNS: Sequence[Column[ServerRow]] = (
    Column("name", "Server", lambda row: row.hostname),
    Column("address", "Address", lambda row: row.address),
    Column("license", "License", lambda row: row.license_name),
    Column("status", "Status", lambda row: row.status),
    Column("last_check_in", "Last check-in", lambda row: row.last_check_in_at),
    Column("registered", "Registered", lambda row: row.registered_at),
    Column("", ""),
)


def server_table(account_id: int, *, products: Sequence[ProductRow]) -> Table[ServerRow]:
    """The servers of an account, newest registration first."""

    def read(query: Query, limit: int, offset: int) -> Sequence[ServerRow]:
        return servers_of(
            account_id,
            _filter(query),
            sort=query.sort,
            descending=query.descending,
            limit=limit,
            offset=offset,
        )

    return Table(
        name="servers",
        noun="server",
        columns=COLUMNS,
        read=read,
        count=lambda query: count_servers(account_id, _filter(query)),
        row="servers/row.html",
        row_id=lambda row: row.public_id,
        sorts=SERVER_SORTS.keys(),
        sort="-registered",
        search="Name or address",
        filters=(Filter("product", "Product", [(one.code, one.name) for one in products]),),
        empty=Empty(
            "No server yet",
            "Run the install command of a product on a server: it stands on the dashboard.",
            "server-stack",
            "Go to the dashboard",
            reverse("dashboard"),
        ),
    )


def _filter(query: Query) -> ServerFilter:
    return ServerFilter(product=query.filters["product"], search=query.search)
