"""Buying: a page per license type with the real preview, and the cart."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from cln.accounts.access import Permission
from cln.billing.queries import SubscriptionRow, balance_cents, subscriptions_of
from cln.catalog import queries as catalog
from cln.console import cart, gateway_pages
from cln.console.checkout import order_now, pay_cart, priced_wish
from cln.console.forms.billing import SandboxCardForm
from cln.console.forms.licenses import PurchaseForm
from cln.enums import EntitlementKind
from cln.licensing.queries import EntitlementRow, entitlements_of
from cln.payments.services import active_method
from cln.web import Request, page, redirect

STEPS: Final = {"less": -1, "more": 1}
QUANTITY_DIGITS: Final = 6
READY: Final = ("succeeded", "paid")


@page("GET", permission=Permission.ORDER_LICENSES, customers_only=True)
def products(request: Request) -> HttpResponse:
    """`/console/purchase`: everything that can be bought."""
    rows = catalog.prices(
        currency=request.account.currency, on=request.now.date(), account_id=request.account.pk
    )
    context = {"section": "billing", "prices": rows, "currency": request.account.currency}
    return render(request, "purchase/products.html", context)


@page("GET", permission=Permission.ORDER_LICENSES, customers_only=True)
def purchase(request: Request, code: str) -> HttpResponse:
    """`/console/purchase/<license type or product>`: quantity, plan, price, what comes when."""
    types = _types_beside(request, code)
    chosen = next((row for row in types if _plain(row.code) == _plain(code)), types[0])
    running = [row for row in subscriptions_of(request.account.pk) if row.product == chosen.product]
    trial = None if running else _trial_of(request, chosen.code)
    wish = {
        # Its servers go on under the paid licenses (T4).
        "quantity": max(1, trial.used) if trial else 1,
        "interval": running[0].interval if running else "month",
    }
    form = PurchaseForm(_stepped({**wish, **request.GET.dict()}))
    priced = None
    if form.is_valid():
        line = cart.CartLine(
            chosen.code, form.cleaned_data["quantity"], form.cleaned_data["interval"]
        )
        priced = priced_wish(request, line, chosen.name)
    context = {
        "section": "billing",
        "form": form,
        "chosen": chosen,
        "types": types,
        "running": running[0] if running else None,
        "trial": trial,
        "priced": priced,
        "other_plan": _other_plan(form, running),
        "includes_kernelcare": chosen.product == "kernelcare" and _has_imunify(request),
        "is_stepped": "step" in request.GET,
    }
    template = "purchase/purchase.html#preview" if request.htmx else "purchase/purchase.html"
    return render(request, template, context, status=422 if form.errors else 200)


@page("GET", permission=Permission.ORDER_LICENSES, customers_only=True)
def acquire(request: Request, code: str) -> HttpResponse:
    """`/console/purchase/<product>/acquire?cl=2`: the link of CLN's own texts; `cl` is how many."""
    url = reverse("purchase", args=[code])
    many = request.GET.get("cl", "")
    return HttpResponseRedirect(f"{url}?quantity={int(many)}" if _is_number(many) else url)


@page("GET", permission=Permission.ORDER_LICENSES, customers_only=True)
def show_cart(request: Request) -> HttpResponse:
    """`/console/cart`: the lines with today's prices, and one Pay button."""
    sandbox = settings.CLN_GATEWAY == "sandbox"
    return cart_page(request, SandboxCardForm(today=request.now.date()) if sandbox else None)


def cart_page(request: Request, card: SandboxCardForm | None) -> HttpResponse:
    """The cart with a card to pay it by, which may have been refused."""
    names = {row.code: row.name for row in catalog.license_types()}
    lines = [
        priced_wish(request, line, names.get(line.license_type, line.license_type))
        for line in cart.lines(request.session)
    ]
    due = sum(one.preview.due_now_cents for one in lines if one.preview)
    from_credit = min(due, max(0, balance_cents(request.account.pk))) if due else 0
    scopes = [
        row.tier_scope
        for row in catalog.license_types()
        for one in lines
        if one.line.license_type == row.code
    ]
    context = {
        "section": "billing",
        "lines": lines,
        "due_cents": due,
        "credit_cents": from_credit,
        "charge_cents": due - from_credit,
        "invoices": sum(1 for one in lines if one.preview and one.preview.due_now_cents),
        "refused": any(one.refusal for one in lines),
        "shares_tiers": len(set(scopes)) < len(scopes),
        "method": active_method(request.account.pk),
        "token": cart.token(request.session),
        "offers": gateway_pages.offers(),
        "form": card,
        "currency": request.account.currency,
    }
    status = 422 if card and card.errors else 200
    return render(request, "purchase/cart.html", context, status=status)


@page("POST", permission=Permission.ORDER_LICENSES, customers_only=True)
def put(request: Request, license_type: str) -> HttpResponse:
    """Put a line into the cart, or change it."""
    row = catalog.get_license_type(license_type)
    form = PurchaseForm(_stepped(request.POST.dict()))
    if not form.is_valid():
        messages.error(request, f"{row.name}: {_first_error(form)}")
        return redirect("cart")
    cleaned = form.cleaned_data
    cart.put(request.session, cart.CartLine(row.code, cleaned["quantity"], cleaned["interval"]))
    return redirect("cart")


@page("POST", permission=Permission.ORDER_LICENSES, customers_only=True)
def drop(request: Request, license_type: str) -> HttpResponse:
    """Take a line out of the cart."""
    cart.drop(request.session, license_type)
    return redirect("cart")


@page("POST", permission=Permission.ORDER_LICENSES, customers_only=True)
def pay(request: Request) -> HttpResponse:
    """Buy everything in the cart, once: the token in the form is the key of the purchase."""
    return pay_cart(request, request.POST.get("token", ""))


@page("GET", permission=Permission.ORDER_LICENSES, customers_only=True)
def done(request: Request) -> HttpResponse:
    """What became of the order."""
    last = cart.last_order(request.session)
    if last is None:
        return redirect("cart")
    results = order_now(request, last)
    context = {
        "section": "billing",
        "results": results,
        "is_waiting": any(one.get("is_waiting") for one in results),
        "is_ready": any(one.get("is_addition") or one["state"] in READY for one in results),
        "currency": request.account.currency,
    }
    template = "purchase/done.html#results" if request.htmx else "purchase/done.html"
    return render(request, template, context)


def _on_sale(request: Request) -> tuple[catalog.LicenseTypeRow, ...]:
    """All license types; `priced` is meant in the account's currency."""
    return catalog.license_types(currency=request.account.currency)


def _types_beside(request: Request, code: str) -> list[catalog.LicenseTypeRow]:
    """The license types on sale in the product that `code` is or belongs to."""
    rows = _on_sale(request)
    asked = _plain(code)
    known = (row for row in rows if asked in (_plain(row.code), _plain(row.product)))
    product = next((row.product for row in known), None)
    found = [
        row for row in rows if row.product == product and (row.priced or _plain(row.code) == asked)
    ]
    if not found:
        raise Http404
    return found


def _plain(code: str) -> str:
    """A code as old links write it too: `ImunifyAvPlus`."""
    return code.replace("_", "").lower()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= QUANTITY_DIGITS


def _stepped(asked: dict[str, Any]) -> dict[str, Any]:
    """What was asked for after a press of − or +; one is the least."""
    step, quantity = asked.pop("step", ""), str(asked.get("quantity", ""))
    if step in STEPS and _is_number(quantity):
        asked["quantity"] = max(1, int(quantity) + STEPS[step])
    return asked


def _other_plan(form: PurchaseForm, running: list[SubscriptionRow]) -> bool:
    """Whether the plan asked for is not the one the product is paid by (Q2)."""
    return bool(running) and form["interval"].value() != running[0].interval


def _trial_of(request: Request, license_type: str) -> EntitlementRow | None:
    """The trial that runs, if one does."""
    for row in entitlements_of(request.account.pk):
        if row.license_type == license_type and row.kind == EntitlementKind.TRIAL:
            return row if row.valid_until and row.valid_until > request.now else None
    return None


def _has_imunify(request: Request) -> bool:
    rows = subscriptions_of(request.account.pk)
    return any(row.product == "imunify360" and row.status == "active" for row in rows)


def _first_error(form: PurchaseForm) -> str:
    return next((str(errors[0]) for errors in form.errors.values()), "")
