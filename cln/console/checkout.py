"""Pricing what lies in the cart, and buying it once, whichever page the Pay button stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.http import HttpResponse

from cln.billing.queries import paid_numbers
from cln.catalog import queries as catalog
from cln.console import cart
from cln.domain.errors import Refusal
from cln.domain.pricing import Tier
from cln.enums import UNFINISHED_ATTEMPT
from cln.flows import purchase as flow
from cln.payments.services import active_method
from cln.web import Request, redirect

WAITING: Final = frozenset(str(state) for state in UNFINISHED_ATTEMPT)


@dataclass(frozen=True, slots=True)
class Priced:
    """A wish with its price, or with the reason why it cannot be bought."""

    line: cart.CartLine
    name: str
    preview: flow.Preview | None
    refusal: Refusal | None = None

    @property
    def current_tier(self) -> Tier | None:
        """The tier that prices this purchase."""
        fits = [tier for tier in self._tiers if tier.from_quantity <= self._scope]
        return fits[-1] if fits else None

    @property
    def next_tier(self) -> Tier | None:
        """The next cheaper tier."""
        return next((tier for tier in self._tiers if tier.from_quantity > self._scope), None)

    @property
    def to_next_tier(self) -> int:
        """How many more reach it."""
        return self.next_tier.from_quantity - self._scope if self.next_tier else 0

    @property
    def all_now_cents(self) -> int:
        """What all that count together cost per interval at the tier reached."""
        return self.current_tier.unit_cents * self._scope if self.current_tier else 0

    @property
    def all_at_next_cents(self) -> int:
        """What the smallest number of the next tier costs per interval."""
        return self.next_tier.unit_cents * self.next_tier.from_quantity if self.next_tier else 0

    @property
    def is_cheaper_with_more(self) -> bool:
        """Whether a few more cost less than these: all become cheaper at once."""
        return 0 < self.all_at_next_cents < self.all_now_cents

    @property
    def quantity_at_next(self) -> int:
        """How many to buy for the next tier."""
        return self.line.quantity + self.to_next_tier

    @property
    def _tiers(self) -> tuple[Tier, ...]:
        return self.preview.tiers if self.preview else ()

    @property
    def _scope(self) -> int:
        return self.preview.scope if self.preview else 0


def priced_wish(request: Request, line: cart.CartLine, name: str) -> Priced:
    """What a wish costs now and later; nothing is bought."""
    try:
        preview = flow.preview(
            account_id=request.account.pk,
            license_type=line.license_type,
            quantity=line.quantity,
            interval=line.interval,
            now=request.now,
        )
    except Refusal as refusal:
        return Priced(line, name, None, refusal)
    return Priced(line, name, preview)


def pay_cart(request: Request, token: str) -> HttpResponse:
    """Buy everything in the cart, once: `token` is the key of the purchase and of this cart."""
    last = cart.last_order(request.session)
    if last is not None and token == last.token:
        messages.info(request, "This order was placed already; nothing was bought twice.")
        return redirect("order_done")
    lines = cart.lines(request.session)
    if not lines or token != cart.token(request.session):
        messages.warning(request, "The cart has changed since. Look at it once more, then pay.")
        return redirect("cart")
    if _needs_method(request, lines):
        messages.warning(request, "Add a payment method first; the cart waits for you.")
        return redirect("payment_methods")
    results = [_bought(request, line, token) for line in lines]
    cart.finish(request.session, token, results)
    return redirect("order_done")


def order_now(request: Request, order: cart.LastOrder) -> list[Mapping[str, object]]:
    """The results of an order as they stand now: what was in doubt may be paid meanwhile."""
    waiting = [str(one["invoice_number"]) for one in order.results if one["state"] in WAITING]
    paid = paid_numbers(request.account.pk, waiting) if waiting else frozenset()
    return [
        {**one, "state": "succeeded", "sentence": "Paid. Thank you.", "fix": ""}
        if one.get("invoice_number") in paid
        else {**one, "is_waiting": one["state"] in WAITING}
        for one in order.results
    ]


def _needs_method(request: Request, lines: tuple[cart.CartLine, ...]) -> bool:
    """Whether something is due at once and there is nothing to charge."""
    if active_method(request.account.pk) is not None:
        return False
    previews = (priced_wish(request, line, "").preview for line in lines)
    return any(preview.due_now_cents for preview in previews if preview)


def _bought(request: Request, line: cart.CartLine, token: str) -> Mapping[str, object]:
    """Buy one line; a refusal of one does not stop the others."""
    name = catalog.get_license_type(line.license_type).name
    try:
        bought = flow.buy(
            account_id=request.account.pk,
            license_type=line.license_type,
            quantity=line.quantity,
            interval=line.interval,
            actor=request.login.username,
            request_key=f"cart:{token}:{line.license_type}",
            now=request.now,
        )
    except Refusal as refusal:
        return {"name": name, "license_type": line.license_type, "state": "refused"} | {
            "sentence": refusal.message,
            "fix": refusal.fix,
        }
    return cart.result_of(bought, name=name)
