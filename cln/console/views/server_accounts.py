"""A reseller's server accounts (SA-1…3): named parts of its servers, with tokens of their own."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission, may
from cln.console.forms.reseller import ServerAccountForm
from cln.console.server_account_table import server_account_table
from cln.domain.errors import Refusal
from cln.domain.words import counted
from cln.flows.usage_so_far import month_so_far
from cln.licensing import server_accounts as verbs
from cln.licensing.server_accounts import Person
from cln.web import Request, page, posted, redirect

SECTION = "dashboard"
FIELD_OF = {
    "bad_login": "login",
    "server_account_taken": "login",
    "bad_email": "email",
    "key_limit_below_used": "limit",
}


@page("GET", permission=Permission.VIEW_SERVERS, resellers_only=True)
def server_accounts(request: Request) -> HttpResponse:
    """`/console/server-accounts`: totals and the list."""
    rows = verbs.list_server_accounts(request.account.pk)
    month = month_so_far(account_id=request.account.pk, now=request.now)
    context = {
        "section": SECTION,
        "used": sum(row.used for row in rows),
        "given": "unlimited" if any(not row.limit for row in rows) else sum(r.limit for r in rows),
        "unused": sum(row.limit - row.used for row in rows if row.limit),
        "expected_cents": month.expected.get(verbs.LICENSE_TYPE, 0),
        "currency": request.account.currency,
    }
    may_edit = may(request.login.role, Permission.CREATE_KEYS)
    table = server_account_table(rows, may_edit=may_edit)
    return table.answer(request, "reseller/server_accounts.html", context)


@page("GET", "POST", permission=Permission.CREATE_KEYS, resellers_only=True)
def add(request: Request) -> HttpResponse:
    """Open one."""
    form = ServerAccountForm(posted(request))
    if form.is_valid():
        wish = form.values()
        try:
            row = verbs.add_server_account(
                account_id=request.account.pk,
                limit=wish.pop("limit"),
                person=Person(**wish),
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            _complain(form, refusal)
        else:
            messages.success(request, f"{row.person.login} is open. Create its first token.")
            return redirect("server_account", row.number)
    return _form(request, form)


@page("GET", permission=Permission.VIEW_SERVERS, resellers_only=True)
def details(request: Request, server_account: int) -> HttpResponse:
    """One server account and its tokens."""
    mine = {"account_id": request.account.pk, "number": server_account}
    context = {
        "section": SECTION,
        "row": verbs.server_account_row(**mine),
        "tokens": verbs.tokens(**mine),
        "now": request.now,
    }
    return render(request, "reseller/server_account.html", context)


@page("GET", "POST", permission=Permission.CREATE_KEYS, resellers_only=True)
def edit(request: Request, server_account: int) -> HttpResponse:
    """Change names and limit."""
    mine = {"account_id": request.account.pk, "number": server_account}
    row = verbs.server_account_row(**mine)
    person = {name: getattr(row.person, name) for name in Person.__slots__}
    form = ServerAccountForm(posted(request), initial=person | {"limit": row.limit or None})
    if form.is_valid():
        wish = form.values()
        limit = wish.pop("limit")
        actor, wished = request.login.username, Person(**wish)
        try:
            verbs.edit_server_account(
                **mine, person=wished, limit=limit, actor=actor, now=request.now
            )
        except Refusal as refusal:
            _complain(form, refusal)
        else:
            messages.success(request, "Saved.")
            return redirect("server_account", server_account)
    return _form(request, form, row)


@page("POST", permission=Permission.CREATE_KEYS, resellers_only=True)
def create_token(request: Request, server_account: int) -> HttpResponse:
    """One more token, at once."""
    verbs.create_token(
        account_id=request.account.pk,
        number=server_account,
        actor=request.login.username,
        now=request.now,
    )
    messages.success(request, "The token is made.")
    return redirect("server_account", server_account)


@page("GET", "POST", permission=Permission.CREATE_KEYS, resellers_only=True)
def remove(request: Request, server_account: int) -> HttpResponse:
    """Close one, with its tokens and their servers; its name is typed where servers run."""
    mine = {"account_id": request.account.pk, "number": server_account}
    row = verbs.server_account_row(**mine)
    typed = request.POST.get("typed", "").strip()
    context = {"section": SECTION, "row": row, "wrong": request.method == "POST"}
    if request.method == "POST" and (not row.used or typed == row.person.login):
        servers = verbs.remove_server_account(**mine, actor=request.login.username, now=request.now)
        messages.success(
            request, f"{row.person.login} and {counted(servers, 'registration')} are removed."
        )
        return redirect("server_accounts")
    status = 422 if request.method == "POST" else 200
    return render(request, "reseller/remove_server_account.html", context, status=status)


def _complain(form: ServerAccountForm, refusal: Refusal) -> None:
    form.add_error(FIELD_OF.get(refusal.code), f"{refusal.message} {refusal.fix}")


def _form(
    request: Request, form: ServerAccountForm, row: verbs.ServerAccountRow | None = None
) -> HttpResponse:
    context = {"section": SECTION, "form": form, "row": row}
    status = 422 if form.errors else 200
    return render(request, "reseller/server_account_form.html", context, status=status)
