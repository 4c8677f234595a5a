"""Registered servers."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission, may
from cln.billing.queries import subscriptions_of
from cln.catalog.queries import products
from cln.console.forms.licenses import RemoveServerForm
from cln.console.server_table import server_table
from cln.domain.clones import Side
from cln.flows import subscriptions
from cln.flows.upcoming import savings_of
from cln.licensing import queries
from cln.licensing import services as licensing
from cln.web import Request, page, posted, redirect


@page("GET", permission=Permission.VIEW_SERVERS)
def servers(request: Request) -> HttpResponse:
    """`/console/servers`: all products in one list; filters live in the URL."""
    table = server_table(request.account.pk, products=products())
    context = {
        "section": "dashboard",
        "clones": licensing.clone_cases_of(request.account.pk),
        "reinstalls": queries.reinstalls_of(request.account.pk, now=request.now),
    }
    return table.answer(request, "servers/list.html", context)


@page("GET", permission=Permission.VIEW_SERVERS)
def details(request: Request, server: str) -> HttpResponse:
    """`/console/servers/<server>`: the server and what it was before."""
    found = queries.server_details(account_id=request.account.pk, public_id=server)
    context = {"section": "dashboard", "details": found, "now": request.now}
    return render(request, "servers/details.html", context)


@page("GET", "POST", permission=Permission.EDIT_SERVERS)
def remove(request: Request, server: str) -> HttpResponse:
    """Remove a server; asks once what should become of its license (C-13)."""
    found = queries.server_details(account_id=request.account.pk, public_id=server).server
    saving = _saving(request, found)
    asks = saving is not None
    form = RemoveServerForm(posted(request))
    if request.method == "POST" and (not asks or form.is_valid()):
        cancel = asks and form.cleaned_data["license"] == form.CANCEL
        subscriptions.remove_server(
            account_id=request.account.pk,
            server=server,
            cancel_license=cancel,
            actor=request.login.username,
            now=request.now,
        )
        license_too = " Its license is cancelled." if cancel else ""
        messages.success(request, f"{found.hostname or found.address} is removed.{license_too}")
        return redirect("servers")
    context = {
        "section": "dashboard",
        "server": found,
        "form": form if asks else None,
        "saving_cents": saving,
    }
    return render(request, "servers/remove.html", context, status=422 if form.errors else 200)


@page("POST", permission=Permission.EDIT_SERVERS)
def identity(request: Request, server: str) -> HttpResponse:
    """Say who a server is: undo a mistaken reinstall, accept a copy, or keep one of two."""
    found = queries.server_details(account_id=request.account.pk, public_id=server).server
    account_id, actor, now = request.account.pk, request.login.username, request.now
    name, choice = found.hostname or found.address, request.POST.get("choice", "")
    if choice == "undo":
        licensing.undo_reinstall(account_id=account_id, server=server, actor=actor, now=now)
        messages.success(request, f"The registration before {name} has its license back.")
        return redirect("servers")
    if choice == "accept":
        done = licensing.accept_clone(account_id=account_id, server=server, actor=actor, now=now)
        messages.success(request, f"The copy of {name} has a license of its own.")
        return redirect("server", done.server.public_id)
    if choice in set(Side):
        keep = Side(choice)
        licensing.keep_one(account_id=account_id, server=server, keep=keep, actor=actor, now=now)
        messages.success(request, f"{name} is one machine; the other one is refused.")
    return redirect("server", server)


def _saving(request: Request, server: queries.ServerRow) -> int | None:
    """By how much the next invoice falls with the server's license; None: there is none to ask of.

    A role that may not order licenses is not asked: the license stays.
    """
    if not (server.takes_seat and may(request.login.role, Permission.ORDER_LICENSES)):
        return None
    code = server.license_type
    held = [row for row in subscriptions_of(request.account.pk) if row.license_type == code]
    keep = {row.license_type: row.quantity - 1 for row in held}
    return savings_of(account_id=request.account.pk, keep=keep, now=request.now).get(code)
