"""Sub-logins: who else signs in for the account, and what they may do."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render

from cln.accounts.access import PERMISSIONS, ROLE_NAMES, Permission
from cln.accounts.people import PersonRow, people_of
from cln.console.forms.account import InviteForm, RoleForm
from cln.console.limits import too_often
from cln.console.matrix import MATRIX
from cln.domain.errors import Refusal
from cln.enums import Role
from cln.flows import logins as flows
from cln.web import Request, page, posted, redirect

MANAGE = Permission.MANAGE_LOGINS


@page("GET", permission=MANAGE)
def logins(request: Request) -> HttpResponse:
    """`/console/profile/logins`: everybody who can sign in for the account."""
    people = [(row, ROLE_NAMES[Role(row.role)]) for row in people_of(request.account.pk)]
    context = {
        "section": "account",
        "people": people,
        "roles": [ROLE_NAMES[role] for role in Role],
        "matrix": [(words, [one in PERMISSIONS[role] for role in Role]) for one, words in MATRIX],
    }
    return render(request, "account_pages/logins.html", context)


@page("GET", "POST", permission=MANAGE, recent_sign_in=True)
def invite(request: Request) -> HttpResponse:
    """Let somebody in: an e-mail address and a role."""
    form = InviteForm(posted(request))
    if form.is_valid():
        limited = too_often(request, "invite")
        if limited is not None:
            return limited
        try:
            login = flows.invite(
                account=request.account,
                email=form.cleaned_data["email"],
                role=Role(form.cleaned_data["role"]),
                inviter=request.login,
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error("email", f"{refusal.message} {refusal.fix}")
        else:
            messages.success(request, f"{login.email} is invited; the mail is on its way.")
            return redirect("logins")
    context = {"section": "account", "form": form, "descriptions": DESCRIPTIONS}
    status = 422 if form.errors else 200
    return render(request, "account_pages/invite.html", context, status=status)


@page("GET", "POST", permission=MANAGE, recent_sign_in=True)
def edit(request: Request, login: int) -> HttpResponse:
    """Give a sub-login another role."""
    person = _person(request, login)
    form = RoleForm(posted(request), initial={"role": person.role})
    if form.is_valid():
        flows.change_role(
            account=request.account,
            login_id=login,
            role=Role(form.cleaned_data["role"]),
            changer=request.login,
            now=request.now,
        )
        messages.success(request, f"{person.username} has another role from now on.")
        return redirect("logins")
    context = {
        "section": "account",
        "form": form,
        "person": person,
        "descriptions": DESCRIPTIONS,
    }
    status = 422 if form.errors else 200
    return render(request, "account_pages/login_role.html", context, status=status)


@page("POST", permission=MANAGE, recent_sign_in=True)
def invite_again(request: Request, login: int) -> HttpResponse:
    """Mail the link once more."""
    limited = too_often(request, "invite")
    if limited is not None:
        return limited
    invited = flows.invite_again(
        account=request.account, login_id=login, inviter=request.login, now=request.now
    )
    messages.success(request, f"The link is on its way to {invited.email} again.")
    return redirect("logins")


@page("GET", "POST", permission=MANAGE, recent_sign_in=True)
def remove(request: Request, login: int) -> HttpResponse:
    """Take a sub-login away."""
    person = _person(request, login)
    if request.method == "POST":
        name = flows.remove(
            account=request.account, login_id=login, remover=request.login, now=request.now
        )
        messages.success(request, f"{name} can sign in no more.")
        return redirect("logins")
    return render(
        request, "account_pages/login_remove.html", {"section": "account", "person": person}
    )


def _person(request: Request, login: int) -> PersonRow:
    found = next((row for row in people_of(request.account.pk) if row.id == login), None)
    if found is None:
        raise Http404
    return found


DESCRIPTIONS = (
    (Role.FULL, "Everything, sub-logins and the API secret included."),
    (Role.BILLING, "Invoices, cards and the company's data. Sees servers, changes none."),
    (Role.SERVERS_AND_LICENSES, "Servers, keys, buying and removing licenses. Sees no prices."),
    (Role.SERVERS, "Servers and keys. Buys nothing, sees no prices."),
    (Role.READ_BILLING, "Looks at invoices and servers, changes nothing."),
    (Role.READ_SERVERS, "Looks at servers and keys, changes nothing."),
)
