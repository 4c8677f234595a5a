"""Becoming a customer."""

from django.http import HttpResponse
from django.shortcuts import render

from cln.catalog.queries import currencies
from cln.console.forms.sign_in import SignUpForm
from cln.console.limits import too_often
from cln.domain.errors import Refusal
from cln.flows.sign_up import sign_up as open_account
from cln.web import Request, page, posted, redirect


@page("GET", "POST", permission=None)
def sign_up(request: Request) -> HttpResponse:
    """`/console/register/customer`: the same answer for a known and an unknown address."""
    if request.user.is_authenticated:
        return redirect("dashboard")
    form = SignUpForm(posted(request), currencies=currencies(on=request.now.date()))
    if request.method == "POST" and form.is_valid():
        limited = too_often(request, "signup", key=form.cleaned_data["email"].lower())
        if limited is not None:
            return limited
        values = form.cleaned_data
        try:
            open_account(
                email=values["email"],
                password=values["password"],
                company=values["company"],
                currency=values.get("currency", ""),
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error(REFUSED_FIELD.get(refusal.code), refusal.message)
        else:
            return redirect("account_email_verification_sent")
    return render(
        request, "account/signup.html", {"form": form}, status=422 if form.errors else 200
    )


REFUSED_FIELD = {"bad_email": "email", "weak_password": "password", "unknown_currency": "currency"}
