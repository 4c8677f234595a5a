"""The first page after signing in."""

from django.http import HttpResponse
from django.shortcuts import render
from django_htmx.http import trigger_client_event

from cln.accounts.access import Permission
from cln.console import cards
from cln.console.instructions import address_command
from cln.console.navigation import may_open
from cln.enums import AccountKind
from cln.flows.trials import start_trial as begin_trial
from cln.licensing.first_steps import first_steps_of
from cln.licensing.ip_licenses import IpLicenseCount, count_ip_licenses
from cln.web import Request, page, redirect

# What HTMX asks anew until the first server is heard.
STEPS = "steps"
FIRST_SERVER = "firstServer"


@page("GET", permission=Permission.VIEW_PRODUCTS)
def dashboard(request: Request) -> HttpResponse:
    """`/console/dashboard`: what you have, what it costs, what needs you."""
    steps = first_steps_of(request.account.pk)
    if request.htmx and request.htmx.target == STEPS:
        answer = render(request, "dashboard.html#steps", {"steps": steps, "live": True})
        # The cards below still count no server: they come anew.
        return trigger_client_event(answer, FIRST_SERVER) if steps.are_done else answer
    held = cards.cards_of(request.account.pk, now=request.now)
    products = {card.held.product for card in held}
    by_address = _by_address(request)
    context = {
        "section": "dashboard",
        "cards": held,
        "needs": [
            need
            for need in cards.needs_of(request.account, held, now=request.now)
            if may_open(need.url, role=request.login.role)
        ],
        "offers": cards.offers_of(request.account, but=products, now=request.now),
        "steps": steps,
        # Whoever has licenses at addresses needs no first steps: nothing has to register.
        "is_new": not (steps.are_done or by_address),
        "by_address": by_address,
        "address_heard": any(one.heard for one in by_address),
        "address_command": address_command(),
        "has_begun": cards.has_begun(held),
    }
    return render(request, "dashboard.html", context)


def _by_address(request: Request) -> tuple[IpLicenseCount, ...]:
    is_reseller = request.account.kind == AccountKind.RESELLER
    return count_ip_licenses(request.account.pk) if is_reseller else ()


@page("POST", permission=Permission.ORDER_LICENSES)
def start_trial(request: Request, license_type: str) -> HttpResponse:
    """Start a trial and show its key."""
    begin_trial(
        account_id=request.account.pk,
        license_type=license_type,
        actor=request.login.username,
        now=request.now,
    )
    return redirect("dashboard")
