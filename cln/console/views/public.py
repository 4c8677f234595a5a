"""Pages for everybody."""

from collections.abc import Iterable
from itertools import groupby

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from cln import clock
from cln.accounts.access import Permission, may
from cln.accounts.models import Account, Login
from cln.catalog import queries as catalog
from cln.console.forms.public import AddressForm
from cln.console.instructions import instructions
from cln.console.limits import too_often
from cln.domain.errors import Refusal
from cln.flows.system_status import system_status
from cln.licensing.public_check import products_at
from cln.rates import network_of
from cln.web import Request, client_address, page


@page("GET", permission=None)
def landing(request: Request) -> HttpResponse:
    """`/`: what CLN is and the way in."""
    return render(request, "landing.html")


@page("GET", permission=None)
def check_license(request: Request, template: str = "check_license.html") -> HttpResponse:
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
    return render(request, template, context, status=status)


@page("GET", permission=None)
def prices(request: Request) -> HttpResponse:
    """`/console/prices`: what each license costs, by how many are held; nobody has to sign up.

    Whoever is signed in sees what they pay: an account may have price lists of its own (P-25).
    """
    currencies = catalog.currencies(on=request.now.date())
    asked, own = request.GET.get("currency", ""), _own_account(request)
    usual = own.currency if own else catalog.USUAL_CURRENCY
    currency = asked if asked in currencies else usual
    is_own = own is not None and own.currency == currency
    rows = catalog.prices(
        currency=currency,
        on=request.now.date(),
        account_id=own.pk if own and is_own else None,
    )
    products = [
        {
            "name": name,
            "summary": of[0].license_type.product_summary,
            "sold": [row for row in of if row.monthly],
            "on_request": [row.license_type.name for row in of if not row.monthly],
        }
        for name, of in by_product(rows)
    ]
    context = {
        "products": products,
        "currency": currency,
        "currencies": currencies,
        "is_own": is_own,
    }
    return render(request, "prices.html", context)


def _own_account(request: Request) -> Account | None:
    """Whose prices somebody may see besides the public ones."""
    login = request.user
    if not isinstance(login, Login) or not may(login.role, Permission.VIEW_PRICES):
        return None
    return login.account


def by_product(rows: Iterable[catalog.PriceRow]) -> list[tuple[str, list[catalog.PriceRow]]]:
    """The rows under the name of their product; the catalog has them together."""
    grouped = groupby(rows, key=lambda row: row.license_type.product_name)
    return [(name, list(of)) for name, of in grouped]


@page("GET", permission=None)
def install(request: Request) -> HttpResponse:
    """`/console/install`: the commands of every product, for whoever sets servers up."""
    context = {"products": instructions(), "base_url": settings.CLN_BASE_URL}
    return render(request, "install.html", context)


@page("GET", permission=None)
def status(request: Request) -> HttpResponse:
    """`/status`: how CLN itself is. Without a database it is the page that says so."""
    network = network_of(client_address(request))
    if stop := too_often(request, "status", key=network):
        return stop
    # Its own work is measured by the system's clock, also in a sandbox whose clock was moved.
    found = system_status(now=request.now, system_now=clock.system_now())
    return render(request, "status.html", {"status": found})
