"""What guards a login: password, second factor, and where it is signed in."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.decorators import login_stage_required
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render

from cln import clock
from cln.accounts import passkeys, two_factor
from cln.accounts.access import Permission
from cln.accounts.models import Login
from cln.console.forms.account import CodeForm
from cln.console.limits import too_often
from cln.console.notices import tell_login
from cln.console.two_factor import STAGE, asked, challenged, here, qr_code
from cln.domain.errors import Refusal
from cln.web import Request, page, posted, redirect

EVERYBODY = Permission.VIEW_PRODUCTS
_SECRET = "two_factor_secret"


@page("GET", permission=EVERYBODY, open_when_blocked=True)
def security(request: Request) -> HttpResponse:
    """`/console/profile/security`: everything that guards this login, on one page."""
    sessions = sorted(
        UserSession.objects.purge_and_list(request.user),
        key=lambda one: (one.is_current(), one.last_seen_at),
        reverse=True,
    )
    context = {
        "section": "account",
        "two_factor": two_factor.two_factor_of(request.login.pk),
        "passkeys": passkeys.passkeys_of(request.login.pk),
        "sessions": sessions,
        # Sessions live by the system's clock, also where the sandbox's was moved.
        "system_now": clock.system_now(),
        "now": request.now,
    }
    return render(request, "account_pages/security.html", context)


@page("POST", permission=EVERYBODY, open_when_blocked=True)
def end_session(request: Request, session: int) -> HttpResponse:
    """Sign out somewhere else; 0 = everywhere else."""
    mine = UserSession.objects.filter(user=request.user)
    others = mine.exclude(session_key=request.session.session_key)
    chosen = others.filter(pk=session) if session else others
    if session and not chosen:
        raise Http404
    for one in chosen:
        one.end()
    messages.success(request, "Signed out there." if session else "Signed out everywhere else.")
    return redirect("security")


@page("GET", "POST", permission=EVERYBODY, open_when_blocked=True)
def turn_on(request: Request) -> HttpResponse:
    """`/console/profile/security/two-factor`: add an authenticator app."""
    response: HttpResponse = _turn_on(request)
    return response


@reauthentication_required  # type: ignore[untyped-decorator] # allauth has no types
def _turn_on(request: Request) -> HttpResponse:
    secret = request.session.setdefault(_SECRET, two_factor.new_secret())
    form = CodeForm(posted(request))
    if form.is_valid():
        try:
            codes = two_factor.turn_on(
                login=request.login,
                secret=secret,
                code=form.cleaned_data["code"],
                at=clock.system_now(),
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error("code", f"{refusal.message} {refusal.fix}")
        else:
            del request.session[_SECRET]
            tell_login(request, "Two-factor sign-in was turned on.")
            return _codes(request, codes)
    url = f"otpauth://totp/CLN:{quote(request.login.username)}?secret={secret}&issuer=CLN"
    context = {
        "section": "account",
        "form": form,
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "plain_secret": secret,
        "url": url,
        "qr": qr_code(url),
    }
    status = 422 if form.errors else 200
    return render(request, "account_pages/two_factor.html", context, status=status)


@page("GET", "POST", permission=EVERYBODY, open_when_blocked=True, recent_sign_in=True)
def turn_off(request: Request) -> HttpResponse:
    """The password alone is enough again."""
    if request.method == "POST":
        two_factor.turn_off(login=request.login, actor=request.login.username, now=request.now)
        tell_login(request, "Two-factor sign-in was turned off.")
        messages.success(request, "Two-factor sign-in is off.")
        return redirect("security")
    return render(request, "account_pages/two_factor_off.html", {"section": "account"})


@page("GET", "POST", permission=EVERYBODY, open_when_blocked=True)
def recovery_codes(request: Request) -> HttpResponse:
    """Make new recovery codes and show them, this once."""
    if two_factor.two_factor_of(request.login.pk) is None:
        return redirect("security")
    response: HttpResponse = _recovery_codes(request)
    return response


@reauthentication_required  # type: ignore[untyped-decorator] # allauth has no types
def _recovery_codes(request: Request) -> HttpResponse:
    if request.method == "POST":
        codes = two_factor.renew_codes(login=request.login, now=request.now)
        tell_login(request, "New recovery codes were made; the old ones stopped working.")
        return _codes(request, codes)
    return render(request, "account_pages/recovery_codes.html", {"section": "account"})


def _codes(request: Request, codes: Any) -> HttpResponse:
    context = {"section": "account", "codes": codes, "text": "\n".join(codes)}
    return render(request, "account_pages/recovery_codes.html", context)


@page("GET", "POST", permission=None)
def sign_in(request: Request) -> HttpResponse:
    """`/console/auth/code`: the second step of signing in."""
    response: HttpResponse = _sign_in(request)
    return response


@login_stage_required(stage=STAGE, redirect_urlname="account_login")  # type: ignore[untyped-decorator] # no types
def _sign_in(request: Request) -> HttpResponse:
    stage = request._login_stage  # type: ignore[attr-defined] # allauth puts it there
    login = stage.login.user
    form = CodeForm(posted(request))
    if request.method == "POST":
        limited = too_often(request, "two_factor", key=str(login.pk))
        if limited is not None:
            return limited
        if _is_proved(request, form, login):
            done: HttpResponse = stage.exit()
            return done
    factor = two_factor.two_factor_of(login.pk)
    context: dict[str, Any] = {
        "form": form,
        "has_app": factor and factor.app_since,
        "has_passkey": False,
    }
    if factor and factor.passkeys:
        options = asked(request, passkeys.ask(login=login))
        context |= {"has_passkey": True, "options": options, **here(request)}
        if not factor.app_since:
            # Recovery codes are for a bad day: no keyboard covers the passkey for them.
            form.fields["code"].widget.attrs.pop("autofocus", None)
    status = 422 if form.errors else 200
    return render(request, "account_pages/sign_in_code.html", context, status=status)


def _is_proved(request: Request, form: CodeForm, login: Login) -> bool:
    """Whether a passkey, or else a code, answers for this login; if not the form says why."""
    answer = request.POST.get("credential")
    try:
        if answer:
            form.fields["code"].required = False
            state = challenged(request)
            passkeys.check(login=login, state=state, answer=answer, now=request.now)
        elif form.is_valid():
            code = form.cleaned_data["code"]
            two_factor.check_code(login=login, code=code, at=clock.system_now(), now=request.now)
    except Refusal as refusal:
        form.add_error(None if answer else "code", f"{refusal.message} {refusal.fix}")
    return not form.errors
