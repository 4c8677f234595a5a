"""The person behind the login, and the company they work for."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts import services
from cln.accounts.access import Permission, may
from cln.accounts.people import update_person
from cln.console.forms.account import PersonForm, TaxForm
from cln.console.forms.billing import ContactForm
from cln.domain.errors import Refusal
from cln.web import Request, page, redirect


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
            return redirect("profile")
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
            return redirect("profile")
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
    }
    errors = person_form.errors or company_form.errors or tax_form.errors
    status = 422 if errors else 200
    return render(request, "profile/profile.html", context, status=status)
