"""Mails, the clock and the backups of a sandbox; none of this exists in production."""

import datetime as dt

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render

from cln.backups.sandbox import kept
from cln.console.forms.sandbox import AdvanceForm
from cln.console.tables import Bulk, Column, Filter, Query, Table
from cln.console.templatetags.design import STATES
from cln.flows.time_travel import travel_to
from cln.notifications import queries
from cln.web import Request, page, posted, redirect


@page("GET", permission=None, sandbox_only=True)
def mails(request: Request) -> HttpResponse:
    """`/sandbox/mail`: everything that was written to anybody, newest first."""
    to = request.GET.get("to", "").strip()
    rows = queries.latest_mails(to=to)
    return render(request, "sandbox/mails.html", {"mails": rows, "to": to})


@page("GET", permission=None, sandbox_only=True)
def mail(request: Request, message_id: int) -> HttpResponse:
    """One mail, with its links to click."""
    row = queries.mail(message_id)
    if row is None:
        raise Http404
    return render(request, "sandbox/mail.html", {"mail": row})


@page("GET", "POST", permission=None, sandbox_only=True)
def clock(request: Request) -> HttpResponse:
    """`/sandbox/clock`: move time forward; all work that falls due on the way is done."""
    form = AdvanceForm(posted(request))
    if request.method == "POST" and form.is_valid():
        until = request.now + dt.timedelta(days=form.cleaned_data["days"])
        travel_to(until)
        messages.success(request, f"It is now {until:%Y-%m-%d}. Everything due has been done.")
        return redirect("sandbox_clock")
    return render(request, "sandbox/clock.html", {"form": form}, status=422 if form.errors else 200)


@page("GET", permission=None, sandbox_only=True)
def backup(request: Request, reference: str) -> HttpResponse:
    """Where a provider's own pages would be: what the sandbox provider keeps."""
    row = kept(reference)
    if row is None:
        raise Http404
    return render(request, "sandbox/backup.html", {"kept": row})


@page("GET", "POST", permission=None, sandbox_only=True)
def design(request: Request) -> HttpResponse:
    """`/sandbox/design`: the pieces of which every page is made, for whoever builds one."""
    if request.method == "POST":
        messages.success(request, "Done.")
        messages.error(request, "A refusal stays until it is closed.")
        return redirect("sandbox_design")
    form = AdvanceForm({"days": "many"})
    return NUMBERS.answer(request, "sandbox/design.html", {"states": STATES, "form": form})


def _numbers(query: Query) -> list[int]:
    odd = {"odd": 1, "even": 0}.get(query.filters["which"])
    found = [n for n in range(1, 215) if query.search in str(n) and odd in (None, n % 2)]
    return found[::-1] if query.descending else found


NUMBERS: Table[int] = Table(
    name="numbers",
    noun="number",
    columns=(
        Column("number", "Number", lambda row: row, numeric=True),
        Column("words", "In words", lambda row: f"row number {row}"),
        Column("state", "State"),
    ),
    read=lambda query, limit, offset: _numbers(query)[offset : offset + limit],
    count=lambda query: len(_numbers(query)),
    row="sandbox/design_row.html",
    row_id=str,
    row_name=str,
    sorts=("number",),
    sort="number",
    search="Digits",
    filters=(Filter("which", "Which", (("odd", "Odd"), ("even", "Even"))),),
    bulk=(Bulk("Do it", "/sandbox/design", "check"), Bulk("Remove", "/sandbox/design", "trash")),
)
