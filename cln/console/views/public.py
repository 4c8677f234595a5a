"""Pages for everybody."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from cln.console.forms.public import AddressForm
from cln.console.limits import too_often
from cln.domain.errors import Refusal
from cln.licensing.public_check import products_at
from cln.rates import network_of
from cln.web import Request, client_address, page


@page("GET", permission=None)
def landing(request: Request) -> HttpResponse:
    """`/`: what CLN is and the way in."""
    return render(request, "landing.html")


@page("GET", permission=None)
def check_license(request: Request) -> HttpResponse:
    """`/console/check-license`: whether an address has a license, and what to do if not (L-1)."""
    asked = "ip" in request.GET
    network = network_of(client_address(request))
    if asked and (stop := too_often(request, "check_license", key=network)):
        return stop
    form = AddressForm(request.GET if asked else None, initial={"ip": client_address(request)})
    context: dict[str, object] = {"form": form, "base_url": settings.CLN_BASE_URL}
    if asked and form.is_valid():
        address = form.cleaned_data["ip"]
        try:
            products = products_at(address=address, now=request.now)
        except Refusal as refusal:
            form.add_error("ip", f"{refusal.message} {refusal.fix}")
        else:
            context |= {"address": address, "products": products, "answered": True}
    status = 422 if form.errors else 200
    return render(request, "check_license.html", context, status=status)
