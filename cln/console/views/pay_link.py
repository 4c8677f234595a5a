"""The page behind the link in our mails: pay what is owed, without a login (P7)."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from cln.billing.queries import invoices_of
from cln.console.forms.billing import SandboxCardForm
from cln.console.limits import too_often
from cln.console.views.billing import store_card, tell
from cln.enums import AttemptChannel, InvoiceStatus
from cln.flows.collection import pay_now
from cln.flows.pay_link import account_of_link
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
    if with_card and form.is_valid():
        done = store_card(request, form, account_id=account.pk, actor=ACTOR)
        tell(request, done, account.currency)
        return redirect("pay_link", token)
    if request.method == "POST" and not with_card:
        channel = AttemptChannel.PAY_LINK
        done = pay_now(account_id=account.pk, channel=channel, actor=ACTOR, now=request.now)
        tell(request, done, account.currency)
        return redirect("pay_link", token)
    unpaid = invoices_of(account.pk, status=InvoiceStatus.OPEN, oldest_first=True)
    context = {
        "unpaid": unpaid,
        "due_cents": sum(row.due_cents for row in unpaid),
        "currency": account.currency,
        "has_method": active_method(account.pk) is not None,
        "form": form if settings.CLN_GATEWAY == "sandbox" else None,
    }
    return render(request, "billing/pay_link.html", context, status=422 if form.errors else 200)
