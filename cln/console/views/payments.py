"""Payments on a gateway's own page: go there, come back, see what came of it (P4, R5)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission
from cln.billing.queries import UnknownInvoice, invoices_of
from cln.console import gateway_pages
from cln.domain.errors import Refusal
from cln.enums import InvoiceStatus
from cln.flows import hosted
from cln.web import Request, page, redirect


@page("POST", permission=Permission.EDIT_CARDS, open_when_blocked=True)
def pay_invoice(request: Request, public_id: str, gateway: str) -> HttpResponse:
    """Pay one invoice on the gateway's page, with whatever its payer likes (B-42)."""
    try:
        opened = hosted.open_invoice_page(
            account_id=request.account.pk,
            invoice=public_id,
            gateway=gateway,
            back=gateway_pages.back_to("payment_back", gateway_pages.NOT_YET),
            now=request.now,
        )
    except UnknownInvoice:
        raise
    except Refusal as refusal:
        messages.warning(request, f"{refusal.message} {refusal.fix}")
        return redirect("invoices")
    return gateway_pages.lead_on(request, gateway=gateway, url=opened.page.url)


@page("GET", permission=Permission.EDIT_CARDS, open_when_blocked=True)
def back(request: Request, payment: str) -> HttpResponse:
    """Back from the gateway's page, having paid or not: ask what was taken, and show it."""
    hosted.leave_page(account_id=request.account.pk, payment=payment, now=request.now)
    return redirect("payment", payment)


@page("GET", permission=Permission.VIEW_BILLING, open_when_blocked=True)
def payment(request: Request, payment: str) -> HttpResponse:
    """What came of a payment; while the gateway is silent the page asks again by itself."""
    standing = hosted.look_at(account_id=request.account.pk, payment=payment)
    unpaid = invoices_of(request.account.pk, status=InvoiceStatus.OPEN, oldest_first=True)
    context = {
        "section": "billing",
        "standing": standing,
        "gateway_name": gateway_pages.name_of(standing.gateway),
        "next_unpaid": None if standing.is_waiting else next(iter(unpaid), None),
        "offers": gateway_pages.offers(),
        "currency": request.account.currency,
    }
    template = "billing/payment.html#standing" if request.htmx else "billing/payment.html"
    return render(request, template, context)
