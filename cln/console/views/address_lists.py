"""Long lists of IP licenses: how far they are, and what became of each line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, cast

from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission
from cln.console.csv_files import csv_answer
from cln.console.tables import Column, Empty, Table
from cln.enums import AddressResult
from cln.licensing.long_lists import ListRow, count_lists, list_row, lists_of, results_of
from cln.web import Request, page

SECTION: Final = "dashboard"
REFUSED_SHOWN: Final = 100
COLUMNS: Sequence[Column[ListRow]] = (
    Column("list", "List", lambda row: row.public_id),
    Column("begun", "Begun", lambda row: row.created_at),
    Column("by", "By", lambda row: row.actor),
    Column("state", "State", lambda row: "finished" if row.finished_at else "in work"),
    Column("done", "Done", lambda row: row.done, numeric=True),
    Column("refused", "Refused", lambda row: row.refused, numeric=True),
    Column("left_out", "Left out", lambda row: row.left_out, numeric=True),
)


@page("GET", permission=Permission.VIEW_SERVERS, resellers_only=True)
def address_lists(request: Request) -> HttpResponse:
    """`/console/ip-licenses/lists`: the lists of the last 90 days, the newest first."""
    account_id = request.account.pk
    table = Table(
        name="lists",
        noun="list",
        columns=COLUMNS,
        read=lambda _query, limit, offset: lists_of(account_id, limit=limit, offset=offset),
        count=lambda _query: count_lists(account_id),
        row="reseller/address_list_row.html",
        row_id=lambda row: row.public_id,
        empty=Empty("No long list yet", "Paste up to 5,000 addresses where you add IP licenses."),
    )
    return table.answer(request, "reseller/address_lists.html", {"section": SECTION})


@page("GET", permission=Permission.VIEW_SERVERS, resellers_only=True)
def address_list(request: Request, address_list: str) -> HttpResponse:
    """How far one list is; with `format=csv` the result of every line."""
    mine: dict[str, Any] = {"account_id": request.account.pk, "public_id": address_list}
    row = list_row(**mine)
    if request.GET.get("format") == "csv":
        cells = ([line.address, line.result, line.why] for line in results_of(**mine))
        name = f"ip-licenses-{row.action}-{row.created_at:%Y-%m-%d-%H%M}"
        return cast(HttpResponse, csv_answer(name, ["Address", "Result", "Reason"], cells))
    refused = list(islice(results_of(**mine, only=AddressResult.REFUSED), REFUSED_SHOWN))
    template = "reseller/address_list.html"
    return render(
        request,
        f"{template}#standing" if request.htmx else template,
        {"section": SECTION, "row": row, "refused": refused},
    )
