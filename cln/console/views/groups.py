"""Server groups, and when their silence counts."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission, may
from cln.console.forms.servers import (
    GraceForm,
    GroupForm,
    WindowForm,
)
from cln.console.server_table import chosen, server_table
from cln.domain.errors import Refusal
from cln.domain.words import counted
from cln.licensing.groups import (
    create_group,
    group_of_id,
    group_rows,
    remove_group,
    take_out_of_group,
    update_group,
)
from cln.licensing.models import ServerGroup
from cln.licensing.queries import (
    ServerFilter,
    Standing,
    count_silent,
    servers_of,
)
from cln.licensing.watch_rules import add_window, remove_window, set_grace, windows_of
from cln.notifications.report_settings import reports_of
from cln.web import Request, forbidden, page, posted, redirect

SECTION = "dashboard"
SILENT_SHOWN = 50


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
    messages.success(request, f"{counted(count, 'server is', 'servers are')} out of “{row.name}”.")
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
