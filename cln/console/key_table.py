"""The table of activation keys of a product."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

from cln.catalog.queries import LicenseTypeRow
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
from cln.licensing.key_lists import KEY_SORTS, KeyFilter, count_keys, list_keys
from cln.licensing.queries import KeyRow

LIMITS = (("limited", "with a limit"), ("unlimited", "unlimited"))
COLUMNS: Sequence[Column[KeyRow]] = (
    Column("default", "Activation key", lambda row: row.text),
    Column("type", "License type", lambda row: row.license_name),
    Column("ranges", "IP range", lambda row: " ".join(row.cidrs) or "any"),
    Column("note", "Note", lambda row: row.note),
    Column("servers", "Servers", lambda row: f"{row.used}/{row.limit or 'unlimited'}"),
    Column("", "Add-ons", lambda row: feature_names(row.features)),
    Column("last_used", "Last used", lambda row: row.last_used_at),
)


def key_table(
    account_id: int, *, product: str, types: Sequence[LicenseTypeRow], may_edit: bool
) -> Table[KeyRow]:
    """The live keys of a product, the default ones first."""

    def narrowed(query: Query) -> KeyFilter:
        limits = query.filters["limits"]
        return KeyFilter(
            product=product,
            license_type=query.filters.get("type", ""),
            limited={"limited": True, "unlimited": False}.get(limits),
            search=query.search,
        )

    def read(query: Query, limit: int, offset: int) -> Sequence[KeyRow]:
        return list_keys(
            account_id,
            narrowed(query),
            sort=query.sort,
            descending=query.descending,
            limit=limit,
            offset=offset,
        )

    kinds = [(row.code, row.name) for row in types if row.has_keys]
    return Table(
        name="keys",
        noun="activation key",
        columns=COLUMNS,
        read=read,
        count=lambda query: count_keys(account_id, narrowed(query)),
        row="keys/row.html",
        row_id=lambda row: row.public_id,
        row_name=lambda row: row.text,
        sorts=KEY_SORTS.keys(),
        sort="-default",
        search="Note, or the end of a key",
        filters=(
            *((Filter("type", "License type", kinds),) if len(kinds) > 1 else ()),
            Filter("limits", "Server limits", LIMITS),
        ),
        bulk=(Bulk("Remove", reverse("remove_keys", args=[product]), is_danger=True),)
        if may_edit
        else (),
        empty=Empty("No activation key yet", "Generate one for each part of your servers.", "key"),
    )


def chosen_keys(table: Table[KeyRow], account_id: int, selection: Selection) -> Sequence[KeyRow]:
    """The keys a bulk action is meant for; at most as many as can be ticked."""
    if selection.query is not None:
        return table.read(selection.query, SELECTED_MAX, 0)
    return list_keys(account_id, KeyFilter(ids=selection.ids), limit=SELECTED_MAX)
