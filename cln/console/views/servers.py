"""Registered servers: the list, one of them, and taking one off."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from cln.accounts.access import Permission, may
from cln.accounts.audit import AuditRow, entries_about
from cln.billing.queries import subscriptions_of
from cln.catalog.queries import license_types
from cln.console.forms.licenses import RemoveServerForm
from cln.console.forms.servers import LicenseTypeForm, ServerGroupForm, WatchForm
from cln.console.instructions import install_command
from cln.console.server_table import server_table
from cln.console.words import ids_in, with_names
from cln.domain.clones import Side
from cln.domain.errors import Refusal
from cln.domain.silence import Standing
from cln.flows import subscriptions
from cln.flows.alerts import check_in_command
from cln.flows.conversion import convert_server
from cln.flows.conversion_preview import preview_conversion
from cln.flows.features import switches_of
from cln.flows.subjects import subject_names
from cln.flows.upcoming import savings_of
from cln.licensing import queries
from cln.licensing import services as licensing
from cln.licensing.features import Spot
from cln.licensing.groups import groups_of, move_to_group
from cln.licensing.restoring import put_back
from cln.licensing.watch_rules import set_period
from cln.web import Request, page, posted, redirect

HISTORY_SHOWN = 50


@page("GET", permission=Permission.VIEW_SERVERS)
def servers(request: Request) -> HttpResponse:
    """`/console/servers`: all products in one list; filters live in the URL."""
    may_edit = may(request.login.role, Permission.EDIT_SERVERS)
    table = server_table(request.account.pk, may_edit=may_edit, now=request.now)
    context = {
        "section": "dashboard",
        "clones": licensing.clone_cases_of(request.account.pk),
        "reinstalls": queries.reinstalls_of(request.account.pk, now=request.now),
    }
    return table.answer(request, "servers/list.html", context)


@page("GET", permission=Permission.VIEW_SERVERS)
def details(request: Request, server: str) -> HttpResponse:
    """`/console/servers/<server>`: the server, what may be set, and what happened to it."""
    account_id = request.account.pk
    found = queries.server_details(account_id=account_id, public_id=server)
    row = found.server
    names = [name for name, _ in groups_of(account_id)]
    context = {
        "section": "dashboard",
        "details": found,
        "trial_until": queries.trial_until(account_id, row),
        "key": _key(request, row),
        "command": _command(request, row),
        "heard_by": _heard_by(found, request.now),
        "has_other_types": bool(_can_become(row)),
        "happened": _happened(account_id, row.public_id),
        "group_form": ServerGroupForm(names=names, initial={"group": row.group}),
        "switches": switches_of(account_id=account_id, spot=Spot(server=server), now=request.now),
        "settable": reverse("server_feature", args=[server]),
        "watch_form": WatchForm(initial={"period": row.period}),
        "now": request.now,
    }
    return render(request, "servers/details.html", context)


def _happened(account_id: int, server: str) -> list[AuditRow]:
    """What was done to the server, with names for what else was part of it."""
    entries = entries_about(account_id, server, limit=HISTORY_SHOWN)
    ids = {one for entry in entries for one in ids_in(entry.details)}
    names = subject_names(account_id=account_id, subjects=ids)
    return [replace(entry, details=with_names(entry.details, names)) for entry in entries]


def _heard_by(found: queries.ServerDetails, now: datetime) -> str:
    """What to run on a silent server, as the mail about it says; "" while it is heard."""
    if found.server.standing_at(now) is not Standing.SILENT:
        return ""
    return check_in_command(found.server.product, speaks_rhn=found.system is not None)


@page("GET", "POST", permission=Permission.EDIT_SERVERS)
def remove(request: Request, server: str) -> HttpResponse:
    """Remove a server; asks once what should become of its license (C-13)."""
    found = queries.server_details(account_id=request.account.pk, public_id=server).server
    saving = _saving(request, found)
    asks = saving is not None
    form = RemoveServerForm(posted(request))
    if request.method == "POST" and (not asks or form.is_valid()):
        cancel = asks and form.cleaned_data["license"] == form.CANCEL
        _removed(request, found, cancel=cancel)
        license_too = " Its license is cancelled." if cancel else ""
        messages.success(request, f"{_name(found)} is removed.{license_too}")
        return redirect("server", server)
    context = {
        "section": "dashboard",
        "server": found,
        "form": form if asks else None,
        "saving_cents": saving,
    }
    return render(request, "servers/remove.html", context, status=422 if form.errors else 200)


@page("GET", "POST", permission=Permission.EDIT_SERVERS)
def move(request: Request, server: str) -> HttpResponse:
    """Free a server's license for another machine, and show what to run there (pain 11)."""
    found = queries.server_details(account_id=request.account.pk, public_id=server).server
    if request.method == "POST":
        _removed(request, found, cancel=False)
        messages.success(request, f"The license of {_name(found)} is free for the new machine.")
        return redirect("server", server)
    context = {"section": "dashboard", "server": found, "command": _command(request, found)}
    return render(request, "servers/move.html", context)


@page("GET", "POST", permission=Permission.ORDER_LICENSES)
def license_type(request: Request, server: str) -> HttpResponse:
    """Give a server another license type; says first what each would cost (U-32, Q14)."""
    account_id = request.account.pk
    found = queries.server_details(account_id=account_id, public_id=server).server
    preview = preview_conversion(account_id=account_id, server=server, now=request.now)
    form = LicenseTypeForm(
        posted(request), options=preview.options, initial={"once": request.request_id}
    )
    if form.is_valid():
        try:
            done = convert_server(
                account_id=account_id,
                server=server,
                license_type=form.cleaned_data["license_type"],
                cancel_old=form.cleaned_data["old"] == "cancel",
                actor=request.login.username,
                request_key=f"convert:{server}:{form.cleaned_data['once'] or request.request_id}",
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error(None, f"{refusal.message} {refusal.fix}".strip())
        else:
            added = " One license was added." if done.bought else " It uses a free license."
            messages.success(request, f"{_name(found)} has its new license type.{added}")
            return redirect("server", server)
    context = {"section": "dashboard", "server": found, "preview": preview, "form": form}
    status = 422 if form.errors else 200
    return render(request, "servers/license_type.html", context, status=status)


@page("POST", permission=Permission.EDIT_SERVERS)
def group(request: Request, server: str) -> HttpResponse:
    """Put one server into a group, or out of its own (G-5)."""
    name = request.POST.get("group", "")
    move_to_group(
        account_id=request.account.pk,
        server=server,
        name=name or None,
        actor=request.login.username,
        now=request.now,
    )
    messages.success(request, f"It is in “{name}” now." if name else "It is in no group now.")
    return redirect("server", server)


@page("POST", permission=Permission.EDIT_SERVERS)
def watch(request: Request, server: str) -> HttpResponse:
    """Say how often one server is expected."""
    form = WatchForm(posted(request))
    queries.get_server(account_id=request.account.pk, public_id=server)
    if form.is_valid():
        set_period(
            account_id=request.account.pk,
            server=server,
            period=form.cleaned_data["period"],
            actor=request.login.username,
            now=request.now,
        )
        messages.success(request, "From now on it is expected so often.")
    else:
        messages.error(request, "Choose one of the times of the list. Nothing was changed.")
    return redirect("server", server)


@page("POST", permission=Permission.EDIT_SERVERS)
def undo_removal(request: Request, server: str) -> HttpResponse:
    """Put a removed server back on its seat."""
    row = put_back(
        account_id=request.account.pk,
        server=server,
        actor=request.login.username,
        now=request.now,
    )
    messages.success(request, f"{row.hostname or row.address} is back, with a license.")
    return redirect("server", server)


@page("POST", permission=Permission.EDIT_SERVERS)
def identity(request: Request, server: str) -> HttpResponse:
    """Say who a server is: undo a mistaken reinstall, accept a copy, or keep one of two."""
    found = queries.server_details(account_id=request.account.pk, public_id=server).server
    account_id, actor, now = request.account.pk, request.login.username, request.now
    name, choice = _name(found), request.POST.get("choice", "")
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


def _can_become(server: queries.ServerRow) -> list[str]:
    """The other license types of the server's product that have keys."""
    types = license_types(product=server.product)
    return [row.code for row in types if row.has_keys and row.code != server.license_type]


def _removed(request: Request, server: queries.ServerRow, *, cancel: bool) -> None:
    subscriptions.remove_server(
        account_id=request.account.pk,
        server=server.public_id,
        cancel_license=cancel,
        actor=request.login.username,
        now=request.now,
    )


def _name(server: queries.ServerRow) -> str:
    return server.hostname or server.address


def _key(request: Request, server: queries.ServerRow) -> queries.KeyRow | None:
    """The key of a server; None where it has none, or the key is gone."""
    if not server.key_id:
        return None
    try:
        key = queries.get_key(account_id=request.account.pk, public_id=server.key_id)
    except licensing.KeyNotFound:
        return None
    return queries.key_row(key)


def _command(request: Request, server: queries.ServerRow) -> str:
    """What registers another machine with the same key; "" where there is none."""
    key = _key(request, server)
    return install_command(key.text) if key else ""


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
