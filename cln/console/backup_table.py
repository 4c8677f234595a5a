"""The table of backups (BK-1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from django.urls import reverse

from cln.backups.services import BackupRow
from cln.console.tables import Column, Empty, Query, Table

SORTS: dict[str, Callable[[BackupRow], object]] = {
    "hostname": lambda row: row.hostname.lower(),
    "region": lambda row: row.data_center,
    "used": lambda row: row.used_gb,
    "total": lambda row: row.size_gb,
}
COLUMNS: Sequence[Column[BackupRow]] = (
    Column("hostname", "Server name", lambda row: row.hostname),
    Column("address", "Server IP", lambda row: row.address),
    Column("region", "Region", lambda row: row.data_center),
    Column("used", "Used GB", lambda row: row.used_gb, numeric=True),
    Column("total", "Total GB", lambda row: row.size_gb, numeric=True),
    Column("", ""),
)
RETIRED = Empty(
    "CloudLinux Backup is retired",
    "It was sold until June 2023 and ended on 1 October 2023. This account has no backup left, and "
    "new ones are not made.",
    "archive-box",
)
OFFERED = Empty(
    "No backup yet",
    "A backup is room in a data center for the data of one server. Open a server and create one.",
    "archive-box",
    "To the servers",
)


def backup_table(rows: Sequence[BackupRow], *, is_offered: bool) -> Table[BackupRow]:
    """All of them; a retired product grows no long list."""

    def found(query: Query) -> list[BackupRow]:
        words = query.search.lower()
        hits = [row for row in rows if words in f"{row.hostname.lower()} {row.address}"]
        return sorted(hits, key=SORTS[query.sort], reverse=query.descending)  # type: ignore[arg-type]

    return Table(
        name="backups",
        noun="backup",
        columns=COLUMNS,
        read=lambda query, limit, offset: found(query)[offset : offset + limit],
        count=lambda query: len(found(query)),
        row="backups/row.html",
        row_id=lambda row: row.public_id,
        sorts=SORTS.keys(),
        sort="hostname",
        search="Server name or IP" if rows else "",
        empty=replace(OFFERED, url=reverse("servers")) if is_offered else RETIRED,
    )
