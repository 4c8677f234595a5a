"""Server groups, and what is done with many servers at once."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission, may
from cln.console.forms.servers import (
    GraceForm,
    GroupForm,
    PutIntoGroupForm,
    RemoveServersForm,
    WindowForm,
)
from cln.console.server_table import chosen, server_table
from cln.domain.errors import Refusal
from cln.flows.server_removal import remove_servers as take_off
from cln.flows.server_removal import saving_of_removal
from cln.licensing.groups import (
    add_to_group,
    create_group,
    group_of_id,
    group_rows,
    groups_of,
    remove_group,
    take_out_of_group,
    update_group,
)
from cln.licensing.models import ServerGroup
from cln.licensing.queries import (
    ServerFilter,
    ServerRow,
    Standing,
    count_silent,
    servers_of,
)
from cln.licensing.watch_rules import add_window, remove_window, set_grace, windows_of
from cln.notifications.report_settings import reports_of
from cln.web import Request, forbidden, page, posted, redirect

SECTION = "dashboard"
SILENT_SHOWN = 100
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
            some = "1 server is" if count == 1 else f"{count} servers are"
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
        too = f" {done.licenses} licenses are cancelled." if done.licenses else ""
        messages.success(request, f"{done.servers} servers are removed.{too}")
        return redirect("servers")
    context = {"section": SECTION, "rows": rows, "form": form, "asks": asks, "saving_cents": saving}
    return render(request, "servers/remove_many.html", context, status=422 if form.errors else 200)


def _chosen(request: Request) -> tuple[ServerRow, ...]:
    table = server_table(request.account.pk, may_edit=True, now=request.now)
    return chosen(request.account.pk, table.selection(request.POST), now=request.now)


@page("GET", "POST", permission=Permission.VIEW_SERVERS)
def groups(request: Request) -> HttpResponse:
    """`/console/groups`: the groups, and opening another one (G-1)."""
    form = GroupForm(posted(request))
    if request.method == "POST" and not may(request.login.role, Permission.EDIT_SERVERS):
        return forbidden(request, "Your role may not open groups.")
    if form.is_valid():
        try:
            made = create_group(
                account_id=request.account.pk,
                **form.cleaned_data,
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error("name", f"{refusal.message} {refusal.fix}".strip())
        else:
            messages.success(request, f"The group “{made.name}” is there. Put servers into it.")
            return redirect("server_groups")
    context = {"section": SECTION, "rows": group_rows(request.account.pk), "form": form}
    return render(request, "groups/list.html", context, status=422 if form.errors else 200)


@page("GET", permission=Permission.VIEW_SERVERS)
def group(request: Request, group: int) -> HttpResponse:
    """One group: its servers, its grace and its maintenance windows."""
    row = group_of_id(account_id=request.account.pk, group=group)
    may_edit = may(request.login.role, Permission.EDIT_SERVERS)
    table = server_table(request.account.pk, may_edit=may_edit, now=request.now, group=row)
    return table.answer(request, "groups/details.html", _context(request, row))


@page("GET", "POST", permission=Permission.EDIT_SERVERS)
def edit(request: Request, group: int) -> HttpResponse:
    """Rename and describe a group."""
    row = group_of_id(account_id=request.account.pk, group=group)
    was = {"name": row.name, "description": row.description}
    form = GroupForm(posted(request), initial=was)
    if form.is_valid():
        try:
            update_group(
                account_id=request.account.pk,
                group=group,
                **form.cleaned_data,
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error("name", f"{refusal.message} {refusal.fix}".strip())
        else:
            return redirect("group", group)
    context = {"section": SECTION, "form": form, "group": row}
    return render(request, "groups/edit.html", context, status=422 if form.errors else 200)


@page("GET", "POST", permission=Permission.EDIT_SERVERS)
def remove(request: Request, group: int) -> HttpResponse:
    """Remove a group; its servers stay (G-2)."""
    row = group_of_id(account_id=request.account.pk, group=group)
    if request.method == "POST":
        remove_group(
            account_id=request.account.pk,
            group=group,
            actor=request.login.username,
            now=request.now,
        )
        messages.success(request, f"The group “{row.name}” is gone. Its servers stay.")
        return redirect("server_groups")
    return render(request, "groups/remove.html", {"section": SECTION, "group": row})


@page("POST", permission=Permission.EDIT_SERVERS)
def take_out(request: Request, group: int) -> HttpResponse:
    """Take ticked servers out of a group (G-4)."""
    row = group_of_id(account_id=request.account.pk, group=group)
    table = server_table(request.account.pk, may_edit=True, now=request.now, group=row)
    rows = chosen(
        request.account.pk, table.selection(request.POST), now=request.now, group=row.name
    )
    count = take_out_of_group(
        account_id=request.account.pk,
        name=row.name,
        servers=[one.public_id for one in rows],
        actor=request.login.username,
        now=request.now,
    )
    messages.success(request, f"{count} taken out of “{row.name}”.")
    return redirect("group", group)


@page("POST", permission=Permission.EDIT_SERVERS)
def grace(request: Request, group: int) -> HttpResponse:
    """Say how long the servers of a group are excused when overdue."""
    row = group_of_id(account_id=request.account.pk, group=group)
    form = GraceForm(posted(request))
    if not form.is_valid():
        messages.error(request, "Choose one of the times of the list. Nothing was changed.")
        return redirect("group", group)
    set_grace(
        account_id=request.account.pk,
        group=row.name,
        grace=form.cleaned_data["grace"],
        actor=request.login.username,
        now=request.now,
    )
    messages.success(request, "That is how long its servers are excused now.")
    return redirect("group", group)


@page("POST", permission=Permission.EDIT_SERVERS)
def plan(request: Request, group: int) -> HttpResponse:
    """Plan a maintenance window of a group."""
    row = group_of_id(account_id=request.account.pk, group=group)
    form = WindowForm(posted(request))
    if form.is_valid():
        try:
            add_window(
                account_id=request.account.pk,
                group=row.name,
                **form.cleaned_data,
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error(None, f"{refusal.message} {refusal.fix}".strip())
        else:
            messages.success(request, "Silence in that time is not told.")
            return redirect("group", group)
    may_edit = may(request.login.role, Permission.EDIT_SERVERS)
    table = server_table(request.account.pk, may_edit=may_edit, now=request.now, group=row)
    context = _context(request, row) | {"window_form": form}
    answer = table.answer(request, "groups/details.html", context)
    answer.status_code = 422
    return answer


@page("POST", permission=Permission.EDIT_SERVERS)
def cancel(request: Request, group: int, window: int) -> HttpResponse:
    """Cancel a maintenance window."""
    row = group_of_id(account_id=request.account.pk, group=group)
    remove_window(
        account_id=request.account.pk,
        group=row.name,
        window=window,
        actor=request.login.username,
        now=request.now,
    )
    messages.success(request, "The maintenance window is cancelled.")
    return redirect("group", group)


@page("GET", permission=Permission.VIEW_SERVERS)
def watch(request: Request) -> HttpResponse:
    """`/console/watch`: systems that do not check in, when they count as that, and who is told."""
    filters = ServerFilter(standing=Standing.SILENT, at=request.now)
    context = {
        "section": SECTION,
        "silent": servers_of(request.account.pk, filters, limit=SILENT_SHOWN),
        "count": count_silent(request.account.pk, now=request.now),
        "groups": group_rows(request.account.pk),
        "reports": reports_of(request.account.pk),
        "now": request.now,
    }
    return render(request, "groups/watch.html", context)


def _context(request: Request, row: ServerGroup) -> dict[str, object]:
    return {
        "section": SECTION,
        "group": row,
        "grace_form": GraceForm(initial={"grace": row.grace}),
        "window_form": WindowForm(),
        "windows": windows_of(account_id=request.account.pk, group=row.name, now=request.now),
    }
