"""What is owed, what was paid, what comes next, and with what."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Final

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from cln.accounts.access import Permission, may
from cln.accounts.standing import block_planned_on
from cln.billing import papers, queries
from cln.billing.invoice_lists import billed_by_type, compared
from cln.catalog.queries import license_types, rules
from cln.console import gateway_pages, receipts
from cln.console.invoice_table import deposit_table, invoice_table
from cln.domain.money import money_text
from cln.enums import (
    UNFINISHED_ATTEMPT,
    AccountKind,
    AttemptChannel,
    AttemptState,
    InvoiceStatus,
)
from cln.flows import collection
from cln.flows.collection import InvoiceResult
from cln.flows.upcoming import upcoming_invoices, upcoming_year
from cln.licensing.queries import entitlements_of
from cln.payments.services import active_method, declines_of, under_way
from cln.payments.settled import PaidRow, paid_of
from cln.web import Request, page, redirect

RESULTS: Final = "paid_now"
MONTHS_SHOWN: Final = 36


@page("GET", permission=Permission.VIEW_BILLING, open_when_blocked=True)
def overview(request: Request) -> HttpResponse:
    """`/console/billing`: subscriptions, and the next invoice of each with its lines (Q12); a
    reseller's billing begins with the balance.
    """
    if request.account.kind == AccountKind.RESELLER:
        return HttpResponseRedirect(reverse("balance"))
    account_id = request.account.pk
    names = {row.code: row.name for row in license_types()}
    upcoming = upcoming_invoices(account_id=account_id)
    used = {row.license_type: row.used for row in entitlements_of(account_id)}
    rows = [
        {"row": row, "used": used.get(row.license_type, 0)}
        for row in queries.subscriptions_of(account_id)
    ]
    context = {
        "section": "billing",
        "subscriptions": rows,
        "upcoming": [{"name": names[one.license_type], "invoice": one} for one in upcoming],
        "due_cents": queries.amount_due_cents(account_id),
        "balance_cents": queries.balance_cents(account_id),
        "currency": request.account.currency,
    }
    return render(request, "billing/overview.html", context)


@page("GET", permission=Permission.VIEW_BILLING, open_when_blocked=True)
def upcoming(request: Request) -> HttpResponse:
    """`/console/billing/upcoming`: every invoice of the next 12 months, as things stand (Q12); a
    reseller's is written by the running month.
    """
    if request.account.kind == AccountKind.RESELLER:
        return HttpResponseRedirect(reverse("statement"))
    names = {row.code: row.name for row in license_types()}
    coming = upcoming_year(account_id=request.account.pk, now=request.now)
    months = [list(of) for _, of in groupby(coming, key=lambda one: one.on.replace(day=1))]
    context = {
        "section": "billing",
        "months": [
            {
                "first": of[0].on,
                "total_cents": sum(one.total_cents for one in of),
                "invoices": [{"name": names[one.license_type], "invoice": one} for one in of],
            }
            for of in months
        ],
        "count": len(coming),
        "total_cents": sum(one.total_cents for one in coming),
        "currency": request.account.currency,
    }
    return render(request, "billing/upcoming.html", context)


@page("GET", permission=Permission.VIEW_INVOICES, open_when_blocked=True)
def invoices(request: Request) -> HttpResponse:
    """`/console/billing/invoices`: unpaid first, then the rest, each with its lines."""
    account_id = request.account.pk
    if request.account.kind == AccountKind.RESELLER:
        return _reseller_invoices(request)
    unpaid = queries.invoices_of(account_id, status=InvoiceStatus.OPEN, oldest_first=True)
    context = {
        "section": "billing",
        "unpaid": unpaid,
        "due_cents": sum(row.due_cents for row in unpaid),
        "blocks_on": block_planned_on(request.account),
        "method": active_method(account_id),
        "offers": gateway_pages.offers(),
        "currency": request.account.currency,
        "by_type": billed_by_type(account_id),
        **_statements(request),
        "upcoming": _next_invoices(request),
        "results": receipts.taken(request, RESULTS),
        "under_way": under_way(account_id) if unpaid else {},
        "declines": declines_of(account_id) if unpaid else (),
    }
    return invoice_table(account_id).answer(request, "billing/invoices.html", context)


def _next_invoices(request: Request) -> list[dict[str, object]]:
    """The invoices of the next day that has any, for those who may see the bills."""
    if not may(request.login.role, Permission.VIEW_BILLING):
        return []
    names = {row.code: row.name for row in license_types()}
    coming = upcoming_invoices(account_id=request.account.pk)
    return [
        {"name": names[one.license_type], "invoice": one}
        for one in coming
        if one.on == coming[0].on
    ]


def _reseller_invoices(request: Request) -> HttpResponse:
    """A reseller's invoices are paid from the deposit: one table with its balance (R6)."""
    account_id = request.account.pk
    context = {
        "section": "billing",
        "results": receipts.taken(request, RESULTS),
        "balance_cents": queries.balance_cents(account_id),
        "currency": request.account.currency,
        **_statements(request),
    }
    return deposit_table(account_id).answer(request, "reseller/invoices.html", context)


def _statements(request: Request) -> dict[str, object]:
    """The months that have a statement: those of some years, all when asked."""
    months = papers.billed_months(account_id=request.account.pk)
    shown = months if request.GET.get("statements") == "all" else months[:MONTHS_SHOWN]
    return {"months": shown, "has_older_months": len(shown) < len(months)}


@page("GET", permission=Permission.VIEW_INVOICES, open_when_blocked=True)
def invoice(request: Request, public_id: str) -> HttpResponse:
    """One invoice, on a page of its own, with what paid it and what was given back."""
    account_id = request.account.pk
    paid = paid_of(account_id=account_id, invoice=public_id)
    found = queries.invoice_details(account_id=account_id, public_id=public_id)
    context = {
        "section": "billing",
        "invoice": found,
        "declines": declines_of(account_id, number=found.number) if found.due_cents else (),
        "compared": compared(account_id=account_id, public_id=public_id),
        "offers": gateway_pages.offers(),
        "parties": papers.parties_of(account_id=account_id, public_id=public_id),
        "paid": paid,
        "refund_until": _refund_until(request, paid),
        "credit_notes": papers.credit_notes_of(account_id=account_id, invoice=public_id),
    }
    return render(request, "billing/invoice.html", context)


@page("GET", permission=Permission.VIEW_INVOICES, open_when_blocked=True)
def invoice_by_number(request: Request, number: str) -> HttpResponse:
    """The page of an invoice that is known by what is printed on it."""
    found = queries.invoice_numbered(account_id=request.account.pk, number=number)
    return redirect("invoice", found)


def _refund_until(request: Request, paid: Sequence[PaidRow]) -> date | None:
    """The last day on which a purchase is paid back without a reason (P10); None: it has passed."""
    if request.account.kind == AccountKind.RESELLER or not paid:
        return None
    last = paid[-1].on + timedelta(days=rules().refund_days)
    return last if request.now.date() <= last else None


@page("POST", permission=Permission.EDIT_CARDS, open_when_blocked=True)
def pay_now(request: Request) -> HttpResponse:
    """Pay all that is outstanding; the result is told per invoice (P5)."""
    results = collection.pay_now(
        account_id=request.account.pk,
        channel=AttemptChannel.PAY_NOW,
        actor=request.login.username,
        now=request.now,
    )
    receipts.keep(request, RESULTS, results)
    receipts.tell_unblocked(request)
    return redirect("invoices")


def tell(request: Request, results: tuple[InvoiceResult, ...], currency: str) -> None:
    """A toast per invoice: what became of it and what helps."""
    for result in results:
        amount = money_text(result.amount_cents, currency)
        what = f"Invoice {result.number}" if result.number else "Deposit"
        text = f"{what}, {amount}: {result.sentence} {result.fix}".strip()
        if result.state == AttemptState.SUCCEEDED:
            messages.success(request, text)
        elif result.state in UNFINISHED_ATTEMPT:
            messages.info(request, text)
        else:
            messages.error(request, text)
