"""The login, the company, and the API secret."""

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts import queries, services
from cln.accounts.access import ROLE_NAMES, Permission
from cln.console.forms.billing import ContactForm
from cln.domain.errors import Refusal
from cln.enums import Role
from cln.web import Request, page, posted, redirect


@page("GET", "POST", permission=Permission.VIEW_PRODUCTS)
def profile(request: Request) -> HttpResponse:
    """`/console/profile`: every login sees itself; what else is shown depends on the role."""
    account = request.account
    now_is = {"company": account.company, "billing_email": account.billing_email}
    form = ContactForm(posted(request), initial=now_is)
    if request.method == "POST":
        return save(request, form)
    return _show(request, form)


@page("POST", permission=Permission.EDIT_ACCOUNT)
def save(request: Request, form: ContactForm) -> HttpResponse:
    """Save company and billing e-mail."""
    if form.is_valid():
        try:
            services.update_contact(
                account_id=request.account.pk,
                actor=request.login.username,
                now=request.now,
                **form.cleaned_data,
            )
        except Refusal as refusal:
            form.add_error("billing_email", refusal.message)
        else:
            messages.success(request, "Saved.")
            return redirect("profile")
    return _show(request, form)


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
    context = {"secret": secret, "current": queries.api_secret_of(request.account.pk)}
    return render(request, "profile/api_secret.html", context)


def _show(request: Request, form: ContactForm) -> HttpResponse:
    logins = [
        {"row": row, "role": ROLE_NAMES[Role(row.role)]}
        for row in queries.logins_of(request.account.pk)
    ]
    context = {
        "form": form,
        "logins": logins,
        "secret": queries.api_secret_of(request.account.pk),
    }
    return render(request, "profile/profile.html", context, status=422 if form.errors else 200)
