"""Giving licenses up, and taking that back."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission
from cln.billing.queries import invoices_of, paid_subscription
from cln.console.forms.licenses import RemoveUnusedForm, UnsubscribeForm
from cln.domain.errors import Refusal
from cln.enums import InvoiceStatus
from cln.flows import subscriptions as flow
from cln.flows.consequences import (
    CutPreview,
    EndPreview,
    preview_remove_unused,
    preview_unsubscribe,
)
from cln.licensing.entitlements import seats_in_use
from cln.web import Request, page, posted, redirect


@page("GET", "POST", permission=Permission.ORDER_LICENSES)
def remove_unused(request: Request, license_type: str) -> HttpResponse:
    """Cut the licenses to what servers use, or to a chosen number above that (Q6)."""
    row = paid_subscription(account_id=request.account.pk, license_type=license_type)
    used = seats_in_use(account_id=request.account.pk, license_type=license_type)
    asked = posted(request) or ("keep" in request.GET and request.GET) or None
    form = RemoveUnusedForm(asked, initial={"keep": used})
    if request.method == "POST" and "show" not in request.POST and form.is_valid():
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
            messages.success(request, f"Licenses removed: {done.units}. Left: {done.left}.")
            return redirect("dashboard")
    context = {
        "section": "billing",
        "form": form,
        "subscription": row,
        "used": used,
        "unused": row.quantity - used,
        "preview": _cut(request, license_type, form) if row.quantity > used else None,
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
    previews = _ends(request, license_type, is_ending=row.ends_on is not None)
    unpaid = invoices_of(request.account.pk, status=InvoiceStatus.OPEN, oldest_first=True)
    context = {
        "section": "billing",
        "form": form,
        "subscription": row,
        "used": used,
        "owed": [one for one in unpaid if one.license_type == license_type],
    } | previews
    template = "subscriptions/unsubscribe.html"
    return render(request, template, context, status=422 if form.errors else 200)


def _cut(request: Request, license_type: str, form: RemoveUnusedForm) -> CutPreview:
    """What would change with the number that was asked for, or with the servers' own."""
    keep = form.cleaned_data.get("keep") if form.is_valid() else None
    account_id = request.account.pk
    try:
        return preview_remove_unused(
            account_id=account_id, license_type=license_type, keep=keep, now=request.now
        )
    except Refusal as refusal:
        form.add_error("keep", f"{refusal.message} {refusal.fix}".strip())
        return preview_remove_unused(
            account_id=account_id, license_type=license_type, keep=None, now=request.now
        )


def _ends(request: Request, license_type: str, *, is_ending: bool) -> dict[str, EndPreview]:
    """What either answer would come to, by the names of the template; one that is ending can only
    end at once instead.
    """
    account_id = request.account.pk
    return {
        name: preview_unsubscribe(
            account_id=account_id, license_type=license_type, when=when, now=request.now
        )
        for name, when in (("at_end", "period_end"), ("at_once", "now"))
        if when == "now" or not is_ending
    }


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
