"""Giving licenses up, and taking that back."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission
from cln.billing.queries import paid_subscription
from cln.console.forms.licenses import RemoveUnusedForm, UnsubscribeForm
from cln.domain.errors import Refusal
from cln.flows import subscriptions as flow
from cln.flows.upcoming import savings_of
from cln.licensing.entitlements import seats_in_use
from cln.web import Request, page, posted, redirect


@page("GET", "POST", permission=Permission.ORDER_LICENSES)
def remove_unused(request: Request, license_type: str) -> HttpResponse:
    """Cut the licenses to what servers use, or to a chosen number above that (Q6)."""
    row = paid_subscription(account_id=request.account.pk, license_type=license_type)
    form = RemoveUnusedForm(posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            done = flow.remove_unused(
                account_id=request.account.pk,
                license_type=license_type,
                keep=form.cleaned_data["keep"],
                actor=request.login.username,
                now=request.now,
            )
        except Refusal as refusal:
            form.add_error("keep", f"{refusal.message} {refusal.fix}".strip())
        else:
            messages.success(request, f"{done.units} licenses are removed, {done.left} are left.")
            return redirect("dashboard")
    used = seats_in_use(account_id=request.account.pk, license_type=license_type)
    keep = {license_type: used}
    savings = savings_of(account_id=request.account.pk, keep=keep, now=request.now)
    context = {
        "section": "billing",
        "form": form,
        "subscription": row,
        "used": used,
        "unused": row.quantity - used,
        "saving_cents": savings.get(license_type, 0),
    }
    template = "subscriptions/remove_unused.html"
    return render(request, template, context, status=422 if form.errors else 200)


@page("GET", "POST", permission=Permission.ORDER_LICENSES)
def unsubscribe(request: Request, license_type: str) -> HttpResponse:
    """End a subscription with its paid period, or now (Q10)."""
    row = paid_subscription(account_id=request.account.pk, license_type=license_type)
    form = UnsubscribeForm(posted(request))
    if request.method == "POST" and form.is_valid():
        flow.unsubscribe(
            account_id=request.account.pk,
            license_type=license_type,
            when=form.cleaned_data["when"],
            actor=request.login.username,
            now=request.now,
        )
        messages.success(request, f"{row.license_type.name} is cancelled.")
        return redirect("dashboard")
    used = seats_in_use(account_id=request.account.pk, license_type=license_type)
    context = {"section": "billing", "form": form, "subscription": row, "used": used}
    template = "subscriptions/unsubscribe.html"
    return render(request, template, context, status=422 if form.errors else 200)


@page("POST", permission=Permission.ORDER_LICENSES)
def resume(request: Request, license_type: str) -> HttpResponse:
    """Take a cancellation back."""
    flow.resume(
        account_id=request.account.pk,
        license_type=license_type,
        actor=request.login.username,
        now=request.now,
    )
    messages.success(request, "The cancellation is taken back. It renews as before.")
    return redirect("dashboard")
