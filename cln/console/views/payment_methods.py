"""The one payment method: enter it, replace it, remove it (P1). Cards never pass through here."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission
from cln.billing.queries import balance_due_cents
from cln.console import cart, gateway_pages, receipts
from cln.console.checkout import pay_cart
from cln.console.forms.billing import SandboxCardForm, grouped
from cln.console.views.billing import RESULTS
from cln.console.views.purchase import cart_page
from cln.domain.errors import Refusal
from cln.enums import AccountKind, MethodKind
from cln.flows import collection
from cln.flows import payment_methods as flow
from cln.flows.collection import InvoiceResult
from cln.flows.upcoming import upcoming_invoices
from cln.payments.gateways import MethodNotStored
from cln.payments.gateways.sandbox import TEST_CARDS, token_for
from cln.payments.services import active_method, last_decline
from cln.web import Request, page, posted, redirect

EXPIRES_SOON: Final = timedelta(days=45)


@page(
    "GET",
    "POST",
    permission=Permission.EDIT_CARDS,
    open_when_blocked=True,
    recent_sign_in=True,
)
def payment_methods(request: Request) -> HttpResponse:
    """`/console/billing/payment-methods`: the one active method; another replaces it (P1)."""
    form = SandboxCardForm(posted(request), today=request.now.date())
    if settings.CLN_GATEWAY == "sandbox" and form.is_valid():
        results = _store_card(request, form)
        return _saved(request, results, request.POST.get("cart", ""))
    if form.errors and "cart" in request.POST:
        return cart_page(request, form)
    method, today = active_method(request.account.pk), request.now.date()
    expires_on = method.expires_on if method else None
    due_cents = balance_due_cents(request.account.pk)
    context = {
        "section": "billing",
        "form": form if settings.CLN_GATEWAY == "sandbox" else None,
        "method": method,
        "is_expired": expires_on is not None and expires_on < today,
        "expires_soon": expires_on is not None and expires_on < today + EXPIRES_SOON,
        "offers": gateway_pages.offers(),
        "begun": gateway_pages.begun_in(request.session),
        "declined": last_decline(method) if method and due_cents > 0 else None,
        "due_cents": due_cents,
        "currency": request.account.currency,
        "cards": [(grouped(number), script.value) for number, script in TEST_CARDS.items()],
    }
    status = 422 if form.errors else 200
    return render(request, "billing/payment_methods.html", context, status=status)


@page("POST", permission=Permission.EDIT_CARDS, open_when_blocked=True, recent_sign_in=True)
def begin(request: Request, gateway: str) -> HttpResponse:
    """Go to the gateway's page and enter a method there; `cart` is the cart it shall pay."""
    try:
        opened = flow.begin_method(
            account_id=request.account.pk,
            gateway=gateway,
            back=gateway_pages.back_to("payment_method_back"),
        )
    except Refusal as refusal:
        messages.error(request, f"{refusal.message} {refusal.fix}")
        return redirect("payment_methods")
    token = request.POST.get("cart", "")
    gateway_pages.remember(request.session, gateway_pages.Begun(gateway, opened.id, token))
    return gateway_pages.lead_on(request, gateway=gateway, url=opened.url)


@page("GET", permission=Permission.EDIT_CARDS, open_when_blocked=True)
def back(request: Request) -> HttpResponse:
    """Back from the gateway's page: what was entered there is the method now, or nothing is."""
    begun = gateway_pages.begun_in(request.session)
    if begun is None:
        return redirect("payment_methods")
    if "left" in request.GET:
        gateway_pages.forget(request.session)
        messages.info(request, f"You left the page of {begun.name}. Nothing was changed.")
        return redirect("cart" if begun.token else "payment_methods")
    try:
        results = flow.complete_method(
            account_id=request.account.pk,
            gateway=begun.gateway,
            page_id=begun.page_id,
            actor=request.login.username,
            now=request.now,
        )
    except Refusal as refusal:
        if isinstance(refusal, MethodNotStored):
            gateway_pages.forget(request.session)
        messages.error(request, f"{refusal.message} {refusal.fix}")
        return redirect("payment_methods")
    gateway_pages.forget(request.session)
    return _saved(request, results, begun.token)


@page(
    "GET",
    "POST",
    permission=Permission.EDIT_CARDS,
    open_when_blocked=True,
    recent_sign_in=True,
)
def remove(request: Request) -> HttpResponse:
    """Remove the method; the page says what happens then."""
    method = active_method(request.account.pk)
    if request.method == "POST" and method is not None:
        flow.remove_method(
            account_id=request.account.pk, actor=request.login.username, now=request.now
        )
        messages.success(request, f"{method.label} is removed. Nothing is charged any more.")
        return redirect("payment_methods")
    context = {
        "section": "billing",
        "method": method,
        "coming": upcoming_invoices(account_id=request.account.pk)[:1],
        "due_cents": balance_due_cents(request.account.pk),
        "currency": request.account.currency,
        "is_reseller": request.account.kind == AccountKind.RESELLER,
    }
    return render(request, "billing/remove_method.html", context)


def _saved(request: Request, results: tuple[InvoiceResult, ...], token: str) -> HttpResponse:
    """Tell what the new method has paid; with the token of a cart it pays that as well.

    Results of invoices stand where those of "Pay now" do: a failure must not fade away.
    """
    receipts.keep(request, RESULTS, results)
    messages.success(request, "The payment method is saved.")
    receipts.tell_unblocked(request)
    if token:
        return pay_cart(request, token)
    if results:
        return redirect("invoices")
    return redirect("cart" if cart.lines(request.session) else "payment_methods")


def _store_card(request: Request, form: SandboxCardForm) -> tuple[InvoiceResult, ...]:
    """Make a sandbox card the account's payment method and try what is due."""
    number = form.cleaned_data["number"]
    return collection.set_payment_method(
        account_id=request.account.pk,
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(TEST_CARDS[number]),
        label=f"Visa ending in {number[-4:]}",
        expires_on=form.cleaned_data["expires"],
        actor=request.login.username,
        now=request.now,
    )
