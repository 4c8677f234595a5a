"""The person behind the login, and the company they work for."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts import services
from cln.accounts.access import Permission, may
from cln.accounts.people import update_person
from cln.console.forms.account import EmailForm, PersonForm, TaxForm
from cln.console.forms.billing import ContactForm
from cln.console.limits import too_often
from cln.domain.errors import Refusal
from cln.flows import email_change
from cln.web import Request, page, posted, redirect


@page("GET", "POST", permission=Permission.VIEW_PRODUCTS)
def profile(request: Request) -> HttpResponse:
    """`/console/profile`: every login sees itself; what else is shown depends on the role."""
    if request.method == "POST":
        return save(request)
    return _show(request, _person_form(request), _company_form(request), _tax_form(request))


@page("POST", permission=Permission.EDIT_ACCOUNT)
def save(request: Request) -> HttpResponse:
    """Save company and billing e-mail."""
    form = ContactForm(request.POST)
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
            return redirect(_back(request) or "profile")
    return _show(request, _person_form(request), form, _tax_form(request))


@page("POST", permission=Permission.EDIT_ACCOUNT)
def tax(request: Request) -> HttpResponse:
    """`/console/profile/tax`: address, country and VAT number."""
    form = TaxForm(request.POST)
    if form.is_valid():
        try:
            services.update_tax_details(
                account_id=request.account.pk,
                actor=request.login.username,
                now=request.now,
                **form.cleaned_data,
            )
        except Refusal as refusal:
            form.add_error(FIELD_OF.get(refusal.code), f"{refusal.message} {refusal.fix}")
        else:
            messages.success(request, "Saved. Invoices from now on print it; earlier ones stay.")
            return redirect(_back(request) or "profile")
    return _show(request, _person_form(request), _company_form(request), form)


FIELD_OF = {
    "bad_country": "country",
    "bad_vat_number": "vat_number",
    "address_too_long": "address",
}


@page("POST", permission=Permission.VIEW_PRODUCTS)
def person(request: Request) -> HttpResponse:
    """`/console/profile/person`: everybody may say what they are called."""
    form = PersonForm(request.POST)
    if form.is_valid():
        update_person(login=request.login, now=request.now, **form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("profile")
    return _show(request, form, _company_form(request), _tax_form(request))


@page("GET", "POST", permission=Permission.VIEW_PRODUCTS, recent_sign_in=True)
def email(request: Request) -> HttpResponse:
    """`/console/profile/email`: ask for another address; the link in its mail changes it."""
    form = EmailForm(posted(request))
    if form.is_valid():
        limited = too_often(request, "email_change")
        if limited is not None:
            return limited
        try:
            asked = email_change.ask(
                login=request.login, email=form.cleaned_data["email"], now=request.now
            )
        except Refusal as refusal:
            form.add_error("email", f"{refusal.message} {refusal.fix}")
        else:
            messages.success(request, f"Nothing is changed yet: follow the link mailed to {asked}.")
            return redirect("profile")
    context = {"section": "account", "form": form, "days": email_change.CONFIRM_DAYS}
    status = 422 if form.errors else 200
    return render(request, "profile/email.html", context, status=status)


@page("GET", "POST", permission=None)
def confirm_email(request: Request, token: str) -> HttpResponse:
    """`/console/auth/email/<token>`: whoever reads the new address's mail changes it."""
    return _by_link(request, token, undo=False)


@page("GET", "POST", permission=None)
def undo_email(request: Request, token: str) -> HttpResponse:
    """`/console/auth/email/undo/<token>`: whoever reads the old address's mail takes it back."""
    return _by_link(request, token, undo=True)


def _by_link(request: Request, token: str, *, undo: bool) -> HttpResponse:
    limited = too_often(request, "mailed_link", key=token[:64])
    if limited is not None:
        return limited
    if request.method == "POST" and undo:
        email_change.undo(token=token, now=request.now)
        messages.success(request, "Your address is back. Choose a new password by the link mailed.")
        return redirect("account_login")
    if request.method == "POST":
        new = email_change.confirm(token=token, now=request.now)
        messages.success(request, f"{new} is the address of your login from now on.")
        return redirect("profile")
    change = email_change.read(token=token, undo=undo, now=request.now)
    return render(request, "profile/email_link.html", {"change": change, "undo": undo})


def _back(request: Request) -> str:
    """Where somebody came from to complete what an invoice will say: "cart", or nowhere."""
    asked = request.POST.get("back") or request.GET.get("back")
    return "cart" if asked == "cart" else ""


def _person_form(request: Request) -> PersonForm:
    login = request.login
    return PersonForm(initial={"first_name": login.first_name, "last_name": login.last_name})


def _company_form(request: Request) -> ContactForm:
    account = request.account
    return ContactForm(initial={"company": account.company, "billing_email": account.billing_email})


def _tax_form(request: Request) -> TaxForm:
    account = request.account
    names = ("address", "country", "vat_number")
    return TaxForm(initial={name: getattr(account, name) for name in names})


def _show(
    request: Request, person_form: PersonForm, company_form: ContactForm, tax_form: TaxForm
) -> HttpResponse:
    if not may(request.login.role, Permission.EDIT_ACCOUNT):
        for one in (*company_form.fields.values(), *tax_form.fields.values()):
            one.disabled = True
    context = {
        "section": "account",
        "person_form": person_form,
        "form": company_form,
        "tax_form": tax_form,
        "back": _back(request),
    }
    errors = person_form.errors or company_form.errors or tax_form.errors
    status = 422 if errors else 200
    return render(request, "profile/profile.html", context, status=status)
