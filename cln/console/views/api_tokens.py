"""Tokens of REST v2: made for a program, shown once, revoked."""

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render

from cln import clock
from cln.accounts.access import PERMISSIONS, Permission
from cln.accounts.tokens import create_token, revoke_token, tokens_of
from cln.console.forms.account import ApiTokenForm
from cln.console.notices import tell_login
from cln.domain.errors import Refusal
from cln.enums import Role
from cln.web import Request, page, posted, redirect

FIELD_OF = {"bad_token_name": "name", "bad_token_days": "days"}


@page("GET", "POST", permission=Permission.MANAGE_LOGINS)
def create(request: Request) -> HttpResponse:
    """`/console/profile/api/tokens/new`: make one and show it, this once."""
    response: HttpResponse = _create(request)
    return response


@reauthentication_required  # type: ignore[untyped-decorator] # allauth has no types
def _create(request: Request) -> HttpResponse:
    form = ApiTokenForm(posted(request))
    context = {"section": "account", "form": form}
    if form.is_valid():
        try:
            row, text = create_token(
                account_id=request.account.pk,
                login=request.login.username,
                granted=PERMISSIONS[Role(request.login.role)],
                actor=request.login.username,
                now=clock.system_now(),
                **form.cleaned_data,
            )
        except Refusal as refusal:
            form.add_error(FIELD_OF.get(refusal.code, "scopes"), refusal.message)
        else:
            tell_login(request, f"An API token was made: {row.name}.")
            context |= {"token": row, "text": text}
    status = 422 if form.errors else 200
    return render(request, "account_pages/api_token.html", context, status=status)


@page("GET", "POST", permission=Permission.MANAGE_LOGINS)
def revoke(request: Request, api_token: str) -> HttpResponse:
    """End a token at once."""
    found = next((t for t in tokens_of(request.account.pk) if t.public_id == api_token), None)
    if found is None:
        raise Http404
    if request.method == "POST":
        revoke_token(
            account_id=request.account.pk,
            token=api_token,
            actor=request.login.username,
            now=clock.system_now(),
        )
        messages.success(request, f"“{found.name}” works no more.")
        return redirect("api")
    context = {"section": "account", "token": found}
    return render(request, "account_pages/api_token_revoke.html", context)
