"""A customer becomes a reseller, in three steps; each carries what was chosen before (R1)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import render

from cln.accounts.access import Permission
from cln.console.forms.conversion import AgreementForm, ConvertForm, DepositForm
from cln.domain.errors import Refusal
from cln.domain.money import money_text, parse_amount
from cln.enums import AccountKind, AttemptState
from cln.flows.consequences import preview_running_out
from cln.flows.reseller import AGREEMENT_VERSION, Acceptance, convert_customer
from cln.payments.services import active_method
from cln.web import Request, client_address, page, redirect

NUMBERS = {"deposit": 1, "agreement": 2, "pay": 3}
FIELD_OF = {"bad_top_up": "deposit", "bad_autopay_target": "target"}


@page("GET", "POST", permission=Permission.MANAGE_LOGINS, recent_sign_in=True)
def convert(request: Request) -> HttpResponse:
    """`/console/profile/convert`: deposit, agreement, payment.

    A step is a POST of all fields so far; the last one pays. Going back is the browser's button.
    """
    if request.account.kind == AccountKind.RESELLER:
        messages.info(request, "This account is a reseller's already.")
        return redirect("profile")
    if request.method == "GET":
        return _step(request, "deposit", DepositForm())
    done = request.POST.get("step", "deposit")
    currency = request.account.currency
    form = _form(done, request.POST, currency=currency)
    if not form.is_valid():
        return _step(request, done if done in NUMBERS else "deposit", form)
    if isinstance(form, ConvertForm):
        return _pay(request, form)
    coming = "pay" if isinstance(form, AgreementForm) else "agreement"
    return _step(request, coming, _form(coming, initial=_carried(form), currency=currency))


def _form(
    step: str,
    data: QueryDict | None = None,
    *,
    currency: str,
    initial: dict[str, Any] | None = None,
) -> DepositForm:
    if step == "pay":
        return ConvertForm(data, currency=currency, initial=initial)
    return (AgreementForm if step == "agreement" else DepositForm)(data, initial=initial)


def _pay(request: Request, form: ConvertForm) -> HttpResponse:
    try:
        result = convert_customer(
            account_id=request.account.pk,
            deposit_cents=form.cents(),
            acceptance=Acceptance(
                version=form.cleaned_data["version"], address=client_address(request) or None
            ),
            autopay=form.rule(),
            actor=request.login.username,
            now=request.now,
        )
    except Refusal as refusal:
        form.add_error(FIELD_OF.get(refusal.code), f"{refusal.message} {refusal.fix}".strip())
        return _step(request, "pay", form)
    if result.state == AttemptState.DECLINED:
        form.add_error(None, f"{result.sentence} {result.fix}".strip())
        return _step(request, "pay", form)
    messages.success(request, f"{result.sentence} {result.fix}".strip())
    return redirect("dashboard")


def _carried(form: DepositForm) -> dict[str, object]:
    return {**form.cleaned_data, "version": AGREEMENT_VERSION, "mode": "repay"}


def _as_money(deposit: object, currency: str) -> str:
    """What was typed, in the account's currency; nonsense stays as it is, beside its error."""
    try:
        return money_text(parse_amount(str(deposit)), currency)
    except Refusal:
        return str(deposit)


def _step(request: Request, step: str, form: DepositForm) -> HttpResponse:
    form.fields["deposit"].label = f"First deposit, in {request.account.currency}"
    deposit = form["deposit"].value()
    context = {
        "section": "account",
        "step": step,
        "number": NUMBERS[step],
        "form": form,
        "deposit": deposit,
        "charge": _as_money(deposit, request.account.currency),
        "running_out": preview_running_out(account_id=request.account.pk, now=request.now),
        "version": AGREEMENT_VERSION,
        "method": active_method(request.account.pk),
    }
    status = 422 if form.errors else 200
    return render(request, "account_pages/convert.html", context, status=status)
