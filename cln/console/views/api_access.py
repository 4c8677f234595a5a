"""What a program needs to speak for the account: login, API secret, and a tester for tokens."""

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from cln import clock
from cln.accounts import queries, services
from cln.accounts.access import Permission
from cln.accounts.tokens import tokens_of
from cln.console.forms.account import TokenForm
from cln.console.limits import too_often
from cln.console.notices import tell_login
from cln.console.token_tester import try_token
from cln.web import Request, page, posted


@page("GET", "POST", permission=Permission.MANAGE_LOGINS)
def api(request: Request) -> HttpResponse:
    """`/console/profile/api`: everything a program is set up with, on one page."""
    form = TokenForm(posted(request))
    verdict = None
    if form.is_valid():
        limited = too_often(request, "token_test")
        if limited is not None:
            return limited
        verdict = try_token(
            account_id=request.account.pk,
            text=form.cleaned_data["token"],
            now=clock.system_now(),
        )
    context = {
        "section": "account",
        "secret": queries.api_secret_of(request.account.pk),
        "form": form,
        "verdict": verdict,
        "base_url": settings.CLN_BASE_URL,
        "tokens": tokens_of(request.account.pk),
        "system_now": clock.system_now(),
        "minutes": settings.CLN_TOKEN_MAX_AGE // 60,
    }
    status = 422 if form.errors else 200
    return render(request, "account_pages/api.html", context, status=status)


@page("GET", "POST", permission=Permission.MANAGE_LOGINS)
def api_secret(request: Request) -> HttpResponse:
    """`/console/profile/api-secret`: make a new one and show it, this once."""
    response: HttpResponse = _api_secret(request)
    return response


@reauthentication_required  # type: ignore[untyped-decorator] # allauth has no types
def _api_secret(request: Request) -> HttpResponse:
    secret = ""
    if request.method == "POST":
        secret = services.rotate_api_secret(
            account_id=request.account.pk, actor=request.login.username, now=request.now
        )
        tell_login(request, "A new API secret was made; the one before stopped working.")
    context = {
        "section": "account",
        "secret": secret,
        "current": queries.api_secret_of(request.account.pk),
    }
    return render(request, "profile/api_secret.html", context)
