"""The table of IP licenses."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

from cln.catalog.queries import ProductRow
from cln.console.tables import Bulk, Column, Empty, Filter, Query, Selection, Table
from cln.console.templatetags.design import feature_name
from cln.licensing.address_lists import (
    IP_LICENSE_SORTS,
    LISTED_MAX,
    AddressFilter,
    AddressRow,
    count_ip_licenses,
    ip_licenses,
)

COLUMNS: Sequence[Column[AddressRow]] = (
    Column("address", "IP", lambda row: row.address),
    Column("hostname", "Hostname", lambda row: row.hostname),
    Column("added", "Added", lambda row: row.added_at),
    Column("last_check_in", "Last check-in", lambda row: row.last_check_in_at),
    Column("type", "Type", lambda row: row.license_name),
    Column("features", "Features", lambda row: ", ".join(_features(row))),
    Column("", ""),
)


def address_table(
    account_id: int,
    *,
    products: Sequence[ProductRow],
    types: Sequence[tuple[str, str]],
    may_edit: bool,
) -> Table[AddressRow]:
    """The IP licenses of an account, the newest first."""

    def read(query: Query, limit: int, offset: int) -> Sequence[AddressRow]:
        return ip_licenses(
            account_id,
            _filter(query),
            sort=query.sort,
            descending=query.descending,
            limit=limit,
            offset=offset,
        )

    removal = Bulk("Remove", reverse("remove_ip_licenses"), is_danger=True)
    return Table(
        name="ip-licenses",
        noun="IP license",
        columns=COLUMNS,
        read=read,
        count=lambda query: count_ip_licenses(account_id, _filter(query)),
        row="reseller/ip_license_row.html",
        row_id=lambda row: row.public_id,
        row_name=lambda row: f"{row.address}, {row.license_name}",
        sorts=IP_LICENSE_SORTS.keys(),
        sort="-added",
        search="Address or hostname",
        filters=(
            Filter("product", "Product", [(one.code, one.name) for one in products]),
            Filter("type", "Type", types),
        ),
        bulk=(removal,) if may_edit else (),
        empty=Empty(
            "No IP license yet",
            "A server at a licensed address needs no key: it registers by where it calls from.",
            "globe-alt",
            "Add IP licenses" if may_edit else "",
            reverse("add_ip_licenses") if may_edit else "",
        ),
    )


def chosen(account_id: int, selection: Selection) -> tuple[AddressRow, ...]:
    """The rows a bulk action is meant for; at most as many as can be worked off at once."""
    filters = _filter(selection.query) if selection.query else AddressFilter(ids=selection.ids)
    return ip_licenses(account_id, filters, limit=LISTED_MAX)


def _features(row: AddressRow) -> list[str]:
    return [*map(feature_name, row.features), *(["ELS repositories"] if row.els_allowed else [])]


def _filter(query: Query) -> AddressFilter:
    return AddressFilter(
        product=query.filters["product"],
        license_type=query.filters["type"],
        search=query.search,
    )
