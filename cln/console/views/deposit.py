"""A reseller's money: balance and top-up, autopayment with its simulator, the running month."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission
from cln.billing.queries import balance_cents
from cln.catalog.queries import rules
from cln.console import gateway_pages
from cln.console.forms.autopay import AutopayForm
from cln.console.forms.reseller import AmountForm
from cln.console.views.billing import tell
from cln.domain.autopay import AutopayRule, Replay
from cln.domain.errors import Refusal
from cln.domain.money import format_cents
from cln.flows import hosted
from cln.flows.autopay import autopay_rule, set_autopay, simulate_autopay
from cln.flows.deposit_notices import blocks_on
from cln.flows.notices import owed_by_reseller
from cln.flows.reseller import SMALLEST_TOP_UP_CENTS, top_up
from cln.flows.usage_so_far import month_so_far
from cln.payments.services import active_method
from cln.web import Request, page, posted, redirect

MONTHS = 3
USUAL_TOP_UP_CENTS = 100_00


@page(
    "GET", "POST", permission=Permission.VIEW_BILLING, open_when_blocked=True, resellers_only=True
)
def balance(request: Request) -> HttpResponse:
    """`/console/billing/balance`: what is left of the deposit, and more of it (R5)."""
    due = owed_by_reseller(request.account)
    usual = max(due, SMALLEST_TOP_UP_CENTS) if due else USUAL_TOP_UP_CENTS
    first = {"amount": format_cents(usual)}
    form = AmountForm(posted(request), currency=request.account.currency, initial=first)
    if request.method == "POST":
        return add_funds(request, form)
    return _balance(request, form)


@page("POST", permission=Permission.EDIT_CARDS, open_when_blocked=True, resellers_only=True)
def add_funds(request: Request, form: AmountForm) -> HttpResponse:
    """Charge the active payment method now, or lead to the gateway whose button was pressed."""
    if not form.is_valid():
        return _balance(request, form)
    gateway = request.POST.get("gateway", "")
    try:
        if gateway:
            opened = hosted.open_top_up_page(
                account_id=request.account.pk,
                amount_cents=form.cents,
                gateway=gateway,
                back=gateway_pages.back_to("payment_back", gateway_pages.NOT_YET),
                now=request.now,
            )
            return gateway_pages.lead_on(request, gateway=gateway, url=opened.page.url)
        result = top_up(
            account_id=request.account.pk,
            amount_cents=form.cents,
            actor=request.login.username,
            now=request.now,
        )
    except Refusal as refusal:
        form.add_error("amount", f"{refusal.message} {refusal.fix}")
        return _balance(request, form)
    tell(request, (result,), request.account.currency)
    return redirect("balance")


@page(
    "GET",
    "POST",
    permission=Permission.VIEW_BILLING,
    open_when_blocked=True,
    resellers_only=True,
    recent_sign_in=True,
)
def autopayment(request: Request) -> HttpResponse:
    """`/console/billing/autopayment`: the rule, and what each would have charged (R4)."""
    rule = autopay_rule(account_id=request.account.pk)
    now_is = {"mode": rule.mode, "target": f"{(rule.target_cents or 500_00) / 100:.2f}"}
    form = AutopayForm(posted(request), currency=request.account.currency, initial=now_is)
    if request.method == "POST":
        return save_autopayment(request, form)
    return _autopayment(request, form, tried=rule)


@page("POST", permission=Permission.EDIT_CARDS, open_when_blocked=True, resellers_only=True)
def save_autopayment(request: Request, form: AutopayForm) -> HttpResponse:
    """Try a rule against the past months, or follow it from now on."""
    if not form.is_valid():
        return _autopayment(request, form, tried=None)
    try:
        if "try" in request.POST:
            return _autopayment(request, form, tried=form.rule())
        set_autopay(
            account_id=request.account.pk,
            rule=form.rule(),
            actor=request.login.username,
            now=request.now,
        )
    except Refusal as refusal:
        form.add_error("target", f"{refusal.message} {refusal.fix}")
        return _autopayment(request, form, tried=None)
    messages.success(request, "The autopayment is saved.")
    return redirect("autopayment")


@page("GET", permission=Permission.VIEW_BILLING, open_when_blocked=True, resellers_only=True)
def statement(request: Request) -> HttpResponse:
    """`/console/billing/statement`: what the running month comes to so far, per license (R2)."""
    only, page = request.GET.get("type", ""), _page_number(request)
    so_far = month_so_far(
        account_id=request.account.pk, license_type=only, page=page, now=request.now
    )
    context = {
        "section": "billing",
        "so_far": so_far,
        "only": only,
        "currency": request.account.currency,
        "next_usage_on": request.account.next_usage_on,
    }
    return render(request, "reseller/statement.html", context)


def _balance(request: Request, form: AmountForm) -> HttpResponse:
    account_id = request.account.pk
    context = {
        "section": "billing",
        "form": form,
        "balance_cents": balance_cents(account_id),
        "blocks_on": blocks_on(request.account) if request.account.negative_since else None,
        "so_far": month_so_far(account_id=account_id, now=request.now),
        "currency": request.account.currency,
        "method": active_method(account_id),
        "offers": gateway_pages.offers(),
        "floor_cents": request.account.floor_cents,
        "rule": autopay_rule(account_id=account_id),
        "floor_of_funds": rules().autopay_floor_cents,
        "least_cents": rules().autopay_minimum_cents,
        "next_usage_on": request.account.next_usage_on,
    }
    status = 422 if form.errors else 200
    return render(request, "reseller/balance.html", context, status=status)


def _autopayment(request: Request, form: AutopayForm, *, tried: AutopayRule | None) -> HttpResponse:
    context = {
        "section": "billing",
        "form": form,
        "months": MONTHS,
        "replay": _replayed(request, tried) if tried else None,
        "method": active_method(request.account.pk),
        "currency": request.account.currency,
    }
    status = 422 if form.errors else 200
    return render(request, "reseller/autopayment.html", context, status=status)


def _page_number(request: Request) -> int:
    given = request.GET.get("page", "")
    return max(1, int(given)) if given.isdecimal() and len(given) < 5 else 1


def _replayed(request: Request, rule: AutopayRule) -> Replay:
    return simulate_autopay(
        account_id=request.account.pk, rule=rule, months=MONTHS, now=request.now
    )
