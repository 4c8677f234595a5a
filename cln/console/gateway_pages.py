"""Going to a gateway's own page and coming back from it, with and without JavaScript.

Our forms may only be sent to ourselves (`form-action 'self'`, redirects included), so between our
form and the gateway stands a page of ours that leads on by itself and has a link to do it by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from cln.payments.gateways import Back, configured_gateways
from cln.web import Request

BEGUN: Final = "payment_method_begun"
# What stands in a path for an id that the payment will only get.
NOT_YET: Final = "payment"


@dataclass(frozen=True, slots=True)
class Offer:
    """A gateway with a page of its own, as buttons name it."""

    gateway: str
    name: str
    method: str
    icon: str


OFFERS: Final = (
    Offer("stripe", "Stripe", "a card", "credit-card"),
    Offer("paypal", "PayPal", "PayPal", "wallet"),
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A method that is being entered elsewhere; `token` is the cart it shall pay, if any."""

    gateway: str
    page_id: str
    token: str

    @property
    def name(self) -> str:
        """The gateway's name."""
        return name_of(self.gateway)


def offers() -> tuple[Offer, ...]:
    """The gateways of this installation that have pages of their own."""
    present = configured_gateways()
    return tuple(offer for offer in OFFERS if offer.gateway in present)


def name_of(gateway: str) -> str:
    """A gateway as people know it."""
    return next((offer.name for offer in OFFERS if offer.gateway == gateway), gateway.title())


def back_to(route: str, *args: str) -> Back:
    """Where the gateway sends people: `route` when they are done, with `?left=1` when not.

    An argument `NOT_YET` becomes the id of the payment.
    """
    path = reverse(route, args=args)
    if NOT_YET in args:
        path = path.removesuffix(NOT_YET) + "{payment}"
    url = f"{settings.CLN_BASE_URL}{path}"
    return Back(url, f"{url}?left=1")


def lead_on(request: Request, *, gateway: str, url: str) -> HttpResponse:
    """Answer a form with the page that leads to the gateway."""
    context = {"name": name_of(gateway), "url": url}
    response = render(request, "billing/lead_on.html", context)
    response.headers["Refresh"] = f"0; url={url}"
    return response


def remember(session: SessionBase, begun: Begun) -> None:
    """Keep what is being entered elsewhere until its payer is back."""
    session[BEGUN] = [begun.gateway, begun.page_id, begun.token]


def begun_in(session: SessionBase) -> Begun | None:
    """What this browser has begun to enter at a gateway."""
    kept = session.get(BEGUN)
    return Begun(*kept) if kept else None


def forget(session: SessionBase) -> None:
    """The entry is finished, or given up."""
    session.pop(BEGUN, None)
