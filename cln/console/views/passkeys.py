"""Passkeys: make one, take one away, sign in with one, prove again with one that it is you."""

from __future__ import annotations

from collections.abc import Callable

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.internal.flows.reauthentication import resume_request
from allauth.account.models import Login as SignIn
from allauth.account.utils import get_next_redirect_url
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts import passkeys
from cln.accounts.access import Permission
from cln.accounts.models import Login
from cln.console.forms.account import PasskeyForm
from cln.console.limits import too_often
from cln.console.notices import tell_login
from cln.console.two_factor import asked, challenged, here
from cln.domain.errors import Refusal
from cln.web import Request, page, posted, redirect

EVERYBODY = Permission.VIEW_PRODUCTS


@page("GET", "POST", permission=EVERYBODY, open_when_blocked=True)
def add(request: Request) -> HttpResponse:
    """`/console/profile/security/passkeys/new`: let this browser or device make a passkey."""
    response: HttpResponse = _add(request)
    return response


@reauthentication_required  # type: ignore[untyped-decorator] # allauth has no types
def _add(request: Request) -> HttpResponse:
    form = PasskeyForm(posted(request))
    if form.is_valid():
        try:
            codes = passkeys.add(
                login=request.login,
                name=form.cleaned_data["name"],
                state=challenged(request),
                answer=form.cleaned_data["credential"],
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error(None, f"{refusal.message} {refusal.fix}")
        else:
            return _added(request, list(codes))
    options = asked(request, passkeys.offer(login=request.login))
    context = {"section": "account", "form": form, "options": options, **here(request)}
    status = 422 if form.errors else 200
    return render(request, "account_pages/passkey_new.html", context, status=status)


def _added(request: Request, codes: list[str]) -> HttpResponse:
    tell_login(request, "A passkey was added: it signs in as you.")
    messages.success(request, "The passkey is added.")
    if not codes:
        return redirect("security")
    context = {"section": "account", "codes": codes, "text": "\n".join(codes), "passkey": True}
    return render(request, "account_pages/recovery_codes.html", context)


@page("GET", "POST", permission=EVERYBODY, open_when_blocked=True, recent_sign_in=True)
def remove(request: Request, passkey: int) -> HttpResponse:
    """Forget a passkey of one's own."""
    row = passkeys.get_passkey(login=request.login, passkey_id=passkey)
    if request.method == "POST":
        name = passkeys.remove(login=request.login, passkey_id=passkey, now=request.now)
        tell_login(request, f"The passkey “{name}” was removed.")
        messages.success(request, f"{name} is removed; delete it on the device as well.")
        return redirect("security")
    context = {"section": "account", "passkey": row}
    return render(request, "account_pages/passkey_remove.html", context)


@page("GET", "POST", permission=None)
def sign_in(request: Request) -> HttpResponse:
    """`/console/auth/passkey`: sign in without login and password."""
    limited = too_often(request, "passkey")
    if limited is not None:
        return limited
    if request.user.is_authenticated:
        return redirect("dashboard")
    return _proves(request, None, _enter)


@page("GET", "POST", permission=EVERYBODY, open_when_blocked=True)
def again(request: Request) -> HttpResponse:
    """`/console/auth/again/passkey`: a passkey in place of the password that guards a page."""
    limited = too_often(request, "passkey")
    return limited or _proves(request, request.login, _go_on)


def _enter(request: Request, login: Login) -> HttpResponse:
    record_authentication(request, login, method="mfa", type="webauthn", passwordless=True)
    to = get_next_redirect_url(request)
    response: HttpResponse = perform_login(request, SignIn(user=login, redirect_url=to))
    return response


def _go_on(request: Request, login: Login) -> HttpResponse:
    record_authentication(request, login, method="mfa", type="webauthn", reauthenticated=True)
    response: HttpResponse | None = resume_request(request)
    return response or redirect("security")


def _proves(
    request: Request, login: Login | None, welcome: Callable[[Request, Login], HttpResponse]
) -> HttpResponse:
    error = ""
    if request.method == "POST":
        try:
            answer = request.POST.get("credential", "")
            state = challenged(request)
            owner = passkeys.check(login=login, state=state, answer=answer, now=request.now)
        except Refusal as refusal:
            error = f"{refusal.message} {refusal.fix}"
        else:
            return welcome(request, owner)
    context = {
        "options": asked(request, passkeys.ask(login=login)),
        "error": error,
        "is_again": login is not None,
        "next": get_next_redirect_url(request) or "",
        **here(request),
    }
    status = 422 if error else 200
    return render(request, "account_pages/passkey.html", context, status=status)
