"""What is done with many servers at once."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission, may
from cln.console.forms.servers import PutIntoGroupForm, RemoveServersForm
from cln.console.server_table import chosen, server_table
from cln.domain.errors import Refusal
from cln.domain.words import counted
from cln.flows.server_removal import remove_servers as take_off
from cln.flows.server_removal import saving_of_removal
from cln.licensing.groups import add_to_group, groups_of
from cln.licensing.queries import ServerRow
from cln.web import Request, page, redirect

SECTION = "dashboard"
NOTHING = "Nothing was chosen. Tick the servers first."


@page("POST", permission=Permission.EDIT_SERVERS)
def put(request: Request) -> HttpResponse:
    """Put servers into a group: asks which, opens one where its name is new (G-3)."""
    rows = _chosen(request)
    if not rows:
        messages.error(request, NOTHING)
        return redirect("servers")
    form = PutIntoGroupForm(request.POST if "confirmed" in request.POST else None)
    if form.is_valid():
        name = form.cleaned_data["group"]
        try:
            count = add_to_group(
                account_id=request.account.pk,
                name=name,
                servers=[row.public_id for row in rows],
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error("group", f"{refusal.message} {refusal.fix}".strip())
        else:
            some = counted(count, "server is", "servers are")
            messages.success(request, f"{some} in “{name}” now.")
            return redirect("servers")
    names = [name for name, _ in groups_of(request.account.pk)]
    context = {"section": SECTION, "rows": rows, "form": form, "names": names}
    return render(request, "servers/put.html", context, status=422 if form.errors else 200)


@page("POST", permission=Permission.EDIT_SERVERS)
def remove_servers(request: Request) -> HttpResponse:
    """Remove many servers: names them, and asks once what becomes of their licenses (C-13)."""
    rows = _chosen(request)
    if not rows:
        messages.error(request, NOTHING)
        return redirect("servers")
    orders = may(request.login.role, Permission.ORDER_LICENSES)
    saving = saving_of_removal(account_id=request.account.pk, rows=rows, now=request.now)
    asks = orders and saving is not None
    form = RemoveServersForm(request.POST if "confirmed" in request.POST else None)
    if "confirmed" in request.POST and (not asks or form.is_valid()):
        done = take_off(
            account_id=request.account.pk,
            servers=[row.public_id for row in rows],
            cancel_licenses=asks and form.cleaned_data["license"] == form.CANCEL,
            actor=request.login.username,
            now=request.now,
        )
        said = f"{counted(done.servers, 'server is', 'servers are')} removed."
        if done.licenses:
            said += f" {counted(done.licenses, 'license is', 'licenses are')} cancelled."
        messages.success(request, said)
        return redirect("servers")
    context = {"section": SECTION, "rows": rows, "form": form, "asks": asks, "saving_cents": saving}
    return render(request, "servers/remove_many.html", context, status=422 if form.errors else 200)


def _chosen(request: Request) -> tuple[ServerRow, ...]:
    table = server_table(request.account.pk, may_edit=True, now=request.now)
    return chosen(request.account.pk, table.selection(request.POST), now=request.now)
