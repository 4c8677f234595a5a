"""Backups: a retired product whose data some accounts still have (BK-1, BK-2)."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission
from cln.backups.services import backups_of, get_backup, row_of
from cln.console.backup_table import backup_table
from cln.console.forms.backups import BackupForm, RelinkForm, ResizeForm
from cln.domain.errors import Refusal
from cln.flows import backups as flows
from cln.licensing.access import get_server
from cln.web import Request, page, posted, redirect

SECTION = "dashboard"


@page("GET", permission=Permission.VIEW_SERVERS)
def backups(request: Request) -> HttpResponse:
    """`/console/backups`: the list, or why there is none."""
    rows = backups_of(request.account.pk)
    table = backup_table(rows, is_offered=flows.is_offered())
    context = {"section": SECTION, "places": flows.data_centers()}
    return table.answer(request, "backups/list.html", context)


@page("GET", permission=Permission.VIEW_SERVERS)
def backup(request: Request, backup: str) -> HttpResponse:
    """The way to the provider's own pages, which open in a new tab."""
    found = get_backup(account_id=request.account.pk, public_id=backup)
    context = {"row": row_of(found), "url": flows.management_url(backup)}
    return render(request, "backups/manage.html", {"section": SECTION, **context})


@page("GET", "POST", permission=Permission.ORDER_LICENSES)
def create(request: Request, server: str) -> HttpResponse:
    """Room for a server, where the operator offers that."""
    flows.check_offered()
    found = get_server(account_id=request.account.pk, public_id=server)
    form = BackupForm(posted(request), data_centers=flows.data_centers())
    if form.is_valid():
        try:
            flows.create_backup(
                server=found,
                size_gb=form.cleaned_data["size"],
                data_center=form.cleaned_data["data_center"],
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error(None, f"{refusal.message} {refusal.fix}".strip())
        else:
            messages.success(request, f"{found.hostname or found.address} has a backup now.")
            return redirect("backups")
    return _answer(request, "backups/create.html", form, server=found)


@page("GET", "POST", permission=Permission.ORDER_LICENSES)
def resize(request: Request, backup: str) -> HttpResponse:
    """More room, or less."""
    row = row_of(get_backup(account_id=request.account.pk, public_id=backup))
    form = ResizeForm(posted(request))
    if form.is_valid():
        try:
            changed = flows.resize_backup(
                account_id=request.account.pk,
                public_id=backup,
                delta_gb=form.cleaned_data["delta"],
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error("delta", refusal.message)
        else:
            messages.success(request, f"The backup has {changed.size_gb} GB now.")
            return redirect("backups")
    return _answer(request, "backups/resize.html", form, row=row)


@page("GET", "POST", permission=Permission.ORDER_LICENSES)
def remove(request: Request, backup: str) -> HttpResponse:
    """Deactivate it; the page says that its files are gone then."""
    row = row_of(get_backup(account_id=request.account.pk, public_id=backup))
    if request.method == "POST":
        flows.remove_backup(
            account_id=request.account.pk,
            public_id=backup,
            actor=request.login.username,
            now=request.now,
        )
        messages.success(request, "The backup is deactivated.")
        return redirect("backups")
    return render(request, "backups/remove.html", {"section": SECTION, "row": row})


@page("GET", "POST", permission=Permission.EDIT_SERVERS)
def relink(request: Request, backup: str) -> HttpResponse:
    """Give a backup to another server."""
    row = row_of(get_backup(account_id=request.account.pk, public_id=backup))
    form = RelinkForm(posted(request))
    if form.is_valid():
        try:
            changed = flows.relink_backup(
                account_id=request.account.pk,
                public_id=backup,
                server=form.cleaned_data["server"],
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error("server", f"{refusal.message} {refusal.fix}")
        else:
            messages.success(
                request, f"The backup belongs to {changed.hostname or changed.address} now."
            )
            return redirect("backups")
    return _answer(request, "backups/relink.html", form, row=row)


def _answer(request: Request, template: str, form: forms.Form, **more: object) -> HttpResponse:
    context = {"section": SECTION, "form": form, **more}
    return render(request, template, context, status=422 if form.errors else 200)
