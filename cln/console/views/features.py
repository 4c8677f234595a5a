"""Features and add-ons at each level, with their cost at the switch; the CloudLinux edition."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from cln.accounts.access import Permission
from cln.catalog.queries import license_types
from cln.console.forms.licenses import FeatureForm
from cln.domain.errors import Refusal
from cln.flows.editions import EDITIONS, EditionPreview, preview_edition, set_edition
from cln.flows.features import switches_of
from cln.licensing.features import ACCOUNT, Spot, features_of, set_feature
from cln.web import Request, page, posted, redirect

SECTION = "dashboard"
PRODUCT = "cloudlinux"


@page("GET", permission=Permission.VIEW_SERVERS)
def features(request: Request) -> HttpResponse:
    """`/console/features`: what is switched for the whole account, and what it costs (F-1)."""
    context = {
        "section": SECTION,
        "switches": switches_of(account_id=request.account.pk, now=request.now),
        "settable": reverse("account_feature"),
    }
    return render(request, "features/account.html", context)


@page("POST", permission=Permission.ORDER_LICENSES)
def of_account(request: Request) -> HttpResponse:
    """Switch a feature for the whole account."""
    return _switch(request, back=redirect("features"))


@page("POST", permission=Permission.ORDER_LICENSES)
def of_key(request: Request, key: str) -> HttpResponse:
    """Switch a feature for the servers of a key."""
    return _switch(request, back=redirect("key", key), spot=Spot(key=key))


@page("POST", permission=Permission.ORDER_LICENSES)
def of_server(request: Request, server: str) -> HttpResponse:
    """Switch a feature for one server."""
    return _switch(request, back=redirect("server", server), spot=Spot(server=server))


@page("POST", permission=Permission.ORDER_LICENSES, resellers_only=True)
def of_ip_license(request: Request, license: str) -> HttpResponse:
    """Switch a feature for the machine at an address."""
    back = redirect("edit_ip_license", license)
    return _switch(request, back=back, spot=Spot(ip_license=license))


@page("GET", "POST", permission=Permission.ORDER_LICENSES)
def edition(request: Request) -> HttpResponse:
    """`/console/edition`: all CloudLinux OS licenses change together (Q13)."""
    wanted = request.POST.get("edition", "")
    if request.method == "POST":
        set_edition(
            account_id=request.account.pk,
            edition=wanted,
            actor=request.login.username,
            now=request.now,
        )
        messages.success(request, "All CloudLinux OS licenses have the other edition now.")
        return redirect("edition")
    context = {"section": PRODUCT, "previews": _previews(request)}
    return render(request, "features/edition.html", context)


def _previews(request: Request) -> list[tuple[str, str, EditionPreview | None, Refusal | None]]:
    """Each edition: its code, its name, what it would cost, or why it cannot be had."""
    found: list[tuple[str, str, EditionPreview | None, Refusal | None]] = []
    names = {row.code: row.name for row in license_types(product=PRODUCT)}
    for code, license_type in EDITIONS.items():
        name = names[license_type]
        try:
            preview = preview_edition(account_id=request.account.pk, edition=code, now=request.now)
        except Refusal as refusal:
            found.append((code, name, None, refusal))
        else:
            found.append((code, name, preview, None))
    return found


def _switch(request: Request, *, back: HttpResponseRedirect, spot: Spot = ACCOUNT) -> HttpResponse:
    # What is not there is not found, whatever the form says.
    features_of(account_id=request.account.pk, spot=spot)
    form = FeatureForm(posted(request))
    if not form.is_valid():
        messages.error(request, "Choose one of the answers. Nothing was changed.")
        return back
    set_feature(
        account_id=request.account.pk,
        feature=form.cleaned_data["feature"],
        enabled=form.answer(),
        spot=spot,
        actor=request.login.username,
        now=request.now,
    )
    messages.success(request, "Saved. Servers follow within 24 hours.")
    return back
