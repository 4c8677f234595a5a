"""Somebody new becomes a reseller: deposit, agreement, payment method, login (R1).

What was chosen lies in the session until the last step pays; before that nothing exists. The
payment method is a test card in a sandbox, else it is handed over on the gateway's own page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from cln.accounts.access import Permission, may
from cln.catalog.queries import currencies
from cln.console.forms.billing import grouped
from cln.console.forms.conversion import AgreementForm, DepositForm
from cln.console.forms.reseller_sign_up import (
    AddressForm,
    ApplicantForm,
    CardForm,
    FirstDepositForm,
    FirstMethodForm,
)
from cln.console.limits import too_often
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.domain.errors import Refusal
from cln.domain.money import money_text
from cln.enums import AttemptState, MethodKind
from cln.flows.payment_methods import begin_first_method, complete_first_method
from cln.flows.reseller import (
    AGREEMENT_VERSION,
    Acceptance,
    Applicant,
    DepositResult,
    MethodWish,
    register_reseller,
)
from cln.payments.gateways import Back, configured_gateways
from cln.payments.gateways.sandbox import TEST_CARDS, token_for
from cln.web import Request, client_address, page, redirect

KEPT = "reseller_sign_up"
STEPS = ("deposit", "agreement", "method", "login")
FIELD_OF = {
    "bad_top_up": "deposit",
    "bad_autopay_target": "target",
    "bad_email": "email",
    "email_taken": "email",
    "bad_login": "username",
    "login_taken": "username",
    "weak_password": "password",
}


@page("GET", "POST", permission=None)
def register(request: Request) -> HttpResponse:
    """`/console/register/reseller`: each step is a form of its own; `?step=` goes back to one."""
    if request.user.is_authenticated:
        login = request.user
        if login.account is not None and may(login.role, Permission.MANAGE_LOGINS):
            return redirect("convert")  # the same steps, for the account that is signed in
        messages.info(request, "You are signed in: the owner makes an account a reseller's.")
        return redirect("dashboard")
    kept = request.session.get(KEPT, {})
    reached = _reached(kept)
    asked = request.POST.get("step") or request.GET.get("step") or STEPS[reached]
    step = asked if asked in STEPS[: reached + 1] else STEPS[reached]
    if request.method == "GET":
        return _show(request, step, _form(request, step, None))
    form = _form(request, step, request.POST)
    if not form.is_valid():
        return _show(request, step, form)
    return _DONE[step](request, form)


@page("GET", permission=None)
def returned(request: Request, gateway: str) -> HttpResponse:
    """Back from the gateway's page: what was handed over there pays the deposit."""
    kept = request.session.get(KEPT, {})
    begun = kept.get("begun") or {}
    if begun.get("gateway") != gateway:
        return redirect("reseller_signup")
    stopped = too_often(request, "signup", key=kept["email"])
    if stopped is not None:
        return stopped
    try:
        wish = complete_first_method(
            customer=begun["customer"],
            email=kept["email"],
            gateway=gateway,
            page_id=begun["page_id"],
        )
    except Refusal as refusal:
        messages.error(request, f"{refusal.message} {refusal.fix}".strip())
        return redirect("reseller_signup")
    return _keep(request, "login", begun=None, method=_as_kept(wish))


def _deposit_done(request: Request, form: DepositForm) -> HttpResponse:
    values = form.cleaned_data
    deposit = {"deposit": str(values["deposit"]), "currency": values["currency"]}
    return _keep(request, "agreement", **deposit)


def _agreement_done(request: Request, form: AgreementForm) -> HttpResponse:
    return _keep(request, "method", version=form.cleaned_data["version"])


def _method_done(request: Request, form: FirstMethodForm) -> HttpResponse:
    values = form.cleaned_data
    email, rule = values["email"], form.rule()
    chosen = {"email": email, "mode": rule.mode, "target": rule.target_cents}
    if isinstance(form, CardForm):
        return _keep(request, "login", **chosen, method=_as_kept(_test_card(form)))
    stopped = too_often(request, "signup", key=email.lower())
    if stopped is not None:
        return stopped
    back = f"{settings.CLN_BASE_URL}{reverse('reseller_signup_back', args=[values['gateway']])}"
    cancelled = f"{settings.CLN_BASE_URL}{reverse('reseller_signup')}?step=method"
    try:
        first = begin_first_method(
            email=email, gateway=values["gateway"], back=Back(back, cancelled)
        )
    except Refusal as refusal:
        form.add_error(None, f"{refusal.message} {refusal.fix}".strip())
        return _show(request, "method", form)
    begun = {
        "gateway": values["gateway"],
        "customer": first.customer,
        "page_id": first.page.id,
        "url": first.page.url,
    }
    return _keep(request, "method", **chosen, begun=begun, method=None)


def _login_done(request: Request, form: ApplicantForm) -> HttpResponse:
    kept = request.session[KEPT]
    stopped = too_often(request, "signup", key=kept["email"].lower())
    if stopped is not None:
        return stopped
    try:
        result = _register(request, kept, form)
    except Refusal as refusal:
        field = FIELD_OF.get(refusal.code)
        form.add_error(
            field if field in form.fields else None, f"{refusal.message} {refusal.fix}".strip()
        )
        return _show(request, "login", form)
    if result.state in (AttemptState.DECLINED, AttemptState.ABANDONED):
        form.add_error(None, f"{result.sentence} {result.fix}".strip())
        return _show(request, "login", form)
    del request.session[KEPT]
    context = {"result": result, "is_open": result.account_id is not None, "email": kept["email"]}
    return render(request, "reseller/signed_up.html", context)


def _register(request: Request, kept: Mapping[str, Any], form: ApplicantForm) -> DepositResult:
    values = form.cleaned_data
    return register_reseller(
        applicant=Applicant(
            email=kept["email"],
            password=values["password"],
            username=values["username"],
            company=values["company"],
            billing_email=values["billing_email"],
            currency=kept["currency"],
        ),
        deposit_cents=_cents(kept),
        acceptance=Acceptance(version=kept["version"], address=client_address(request) or None),
        method=_as_wish(kept["method"]),
        autopay=AutopayRule(AutopayMode(kept["mode"]), kept["target"]),
        now=request.now,
    )


_DONE: Mapping[str, Callable[[Request, Any], HttpResponse]] = {
    "deposit": _deposit_done,
    "agreement": _agreement_done,
    "method": _method_done,
    "login": _login_done,
}


def _reached(kept: Mapping[str, Any]) -> int:
    """How many steps are done."""
    done = (
        bool(kept.get("deposit")),
        kept.get("version") == AGREEMENT_VERSION,
        bool(kept.get("method")),
    )
    return done.index(False) if False in done else len(done)


def _form(request: Request, step: str, data: Any) -> forms.Form:
    kept = request.session.get(KEPT, {})
    if step == "deposit":
        offered = currencies(on=request.now.date())
        return FirstDepositForm(data, initial=kept or None, currencies=offered)
    if step == "agreement":
        initial = {"deposit": kept["deposit"], "version": AGREEMENT_VERSION}
        return AgreementForm({**initial, **data.dict()} if data else None, initial=initial)
    if step == "method":
        initial = {"email": kept.get("email", ""), "mode": kept.get("mode", AutopayMode.REPAY)}
        now_is: dict[str, Any] = {"initial": initial, "currency": kept["currency"]}
        if settings.CLN_GATEWAY == "sandbox":
            return CardForm(data, today=request.now.date(), **now_is)
        return AddressForm(data, gateways=configured_gateways(), **now_is)
    return ApplicantForm(data, initial={"billing_email": kept["email"]})


def _show(request: Request, step: str, form: forms.Form) -> HttpResponse:
    kept = request.session.get(KEPT, {})
    context = {
        "step": step,
        "number": STEPS.index(step) + 1,
        "form": form,
        "kept": kept,
        "charge": money_text(_cents(kept), kept["currency"]) if step == "login" else "",
        "version": AGREEMENT_VERSION,
        "test_card": grouped(next(iter(TEST_CARDS))),
    }
    status = 422 if form.errors else 200
    return render(request, "reseller/sign_up.html", context, status=status)


def _keep(request: Request, to: str, **values: object) -> HttpResponse:
    """Remember what was chosen, and go on to a step."""
    request.session[KEPT] = {**request.session.get(KEPT, {}), **values}
    return redirect(f"{reverse('reseller_signup')}?step={to}")


def _cents(kept: Mapping[str, Any]) -> int:
    form = DepositForm({"deposit": kept["deposit"]})
    form.full_clean()
    return form.cents()


def _test_card(form: CardForm) -> MethodWish:
    number = form.cleaned_data["number"]
    return MethodWish(
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(TEST_CARDS[number]),
        label=f"Visa ending in {number[-4:]}",
        expires_on=form.cleaned_data["expires"],
    )


def _as_kept(wish: MethodWish) -> dict[str, str]:
    return {
        "kind": wish.kind,
        "gateway": wish.gateway,
        "token": wish.token,
        "label": wish.label,
        "expires_on": wish.expires_on.isoformat() if wish.expires_on else "",
        "customer": wish.customer,
    }


def _as_wish(kept: Mapping[str, str]) -> MethodWish:
    return MethodWish(
        kind=MethodKind(kept["kind"]),
        gateway=kept["gateway"],
        token=kept["token"],
        label=kept["label"],
        expires_on=date.fromisoformat(kept["expires_on"]) if kept["expires_on"] else None,
        customer=kept["customer"],
    )
