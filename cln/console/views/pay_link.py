"""The page behind the link in our mails: pay what is owed, without a login (P7)."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.models import Account
from cln.billing.queries import balance_cents, balance_due_cents, invoices_of
from cln.console import gateway_pages, receipts
from cln.console.forms.billing import SandboxCardForm
from cln.console.limits import too_often
from cln.domain.errors import Refusal
from cln.enums import AttemptChannel, InvoiceStatus, MethodKind
from cln.flows import collection, hosted
from cln.flows.collection import InvoiceResult
from cln.flows.pay_link import account_of_link
from cln.payments.gateways.sandbox import TEST_CARDS, token_for
from cln.payments.models import PaymentMethod
from cln.payments.services import active_method
from cln.web import Request, page, redirect

ACTOR = "pay link"


@page("GET", "POST", permission=None)
def pay(request: Request, token: str) -> HttpResponse:
    """`/pay/<token>`: what is owed and for what, nothing else about the account."""
    limited = too_often(request, "pay_link", key=token)
    if limited is not None:
        return limited
    account = account_of_link(token=token, now=request.now)
    with_card = request.POST.get("with") == "card" and settings.CLN_GATEWAY == "sandbox"
    form = SandboxCardForm(request.POST if with_card else None, today=request.now.date())
    if request.method == "POST" and (form.is_valid() or not with_card):
        method = _one_off(request, form, account) if with_card else None
        receipts.keep(request, _key(account), _paid(request, account, method))
        return redirect("pay_link", token)
    context = _owed(account) | {
        "token": token,
        "has_method": active_method(account.pk) is not None,
        "form": form if settings.CLN_GATEWAY == "sandbox" else None,
        "offers": gateway_pages.offers(),
        "results": receipts.kept(request, _key(account)),
    }
    return render(request, "billing/pay_link.html", context, status=422 if form.errors else 200)


@page("POST", permission=None)
def lead_on(request: Request, token: str, gateway: str) -> HttpResponse:
    """Pay the oldest invoice, or a reseller's debt, on the gateway's own page."""
    limited = too_often(request, "pay_link", key=token)
    if limited is not None:
        return limited
    account = account_of_link(token=token, now=request.now)
    back = gateway_pages.back_to("pay_link_back", token, gateway_pages.NOT_YET)
    unpaid = invoices_of(account.pk, status=InvoiceStatus.OPEN, oldest_first=True)
    try:
        if unpaid:
            opened = hosted.open_invoice_page(
                account_id=account.pk,
                invoice=unpaid[0].public_id,
                gateway=gateway,
                back=back,
                now=request.now,
            )
        else:
            opened = hosted.open_top_up_page(
                account_id=account.pk,
                amount_cents=-balance_cents(account.pk),
                gateway=gateway,
                back=back,
                now=request.now,
            )
    except Refusal as refusal:
        messages.warning(request, f"{refusal.message} {refusal.fix}")
        return redirect("pay_link", token)
    return gateway_pages.lead_on(request, gateway=gateway, url=opened.page.url)


@page("GET", permission=None)
def back(request: Request, token: str, payment: str) -> HttpResponse:
    """Back from the gateway's page, having paid or not."""
    limited = too_often(request, "pay_link", key=token)
    if limited is not None:
        return limited
    account = account_of_link(token=token, now=request.now)
    result = hosted.leave_page(account_id=account.pk, payment=payment, now=request.now)
    receipts.keep(request, _key(account), [result])
    return redirect("pay_link", token)


def _owed(account: Account) -> dict[str, object]:
    """Open invoices, or what a reseller's deposit is below zero."""
    return {
        "unpaid": invoices_of(account.pk, status=InvoiceStatus.OPEN, oldest_first=True),
        "debt_cents": max(0, -balance_cents(account.pk)),
        "due_cents": balance_due_cents(account.pk),
        "currency": account.currency,
    }


def _paid(
    request: Request, account: Account, method: PaymentMethod | None
) -> Iterable[InvoiceResult]:
    return collection.pay_now(
        account_id=account.pk,
        channel=AttemptChannel.PAY_LINK,
        actor=ACTOR,
        method=method,
        now=request.now,
    )


def _one_off(request: Request, form: SandboxCardForm, account: Account) -> PaymentMethod:
    """The payer's card pays this time; whoever has the link does not choose the stored one."""
    number = form.cleaned_data["number"]
    return collection.one_off_method(
        account_id=account.pk,
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(TEST_CARDS[number]),
        label=f"Visa ending in {number[-4:]}",
        now=request.now,
    )


def _key(account: Account) -> str:
    """The receipt is for this browser only: a link may have been passed on."""
    return f"receipt:{account.public_id}"
