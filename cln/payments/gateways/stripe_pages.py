"""Stripe's own pages (Checkout): a card is typed and confirmed there, never here.

A page that pays is one Checkout session. While it is open nothing has been taken; it can be ended,
and then never takes anything; once complete it names the PaymentIntent that took the money.
"""

import calendar
from datetime import date

import stripe
from stripe import PaymentIntent, PaymentMethod, SetupIntent
from stripe.checkout import Session
from stripe.params.checkout import SessionCreateParams, SessionCreateParamsLineItemPriceData

from cln.enums import AttemptState, GatewayEventKind, MethodKind
from cln.payments.gateways import (
    Back,
    Charge,
    Event,
    GatewayUnreachable,
    MethodNotStored,
    Outcome,
    Page,
    PageOver,
    Payer,
    StoredMethod,
)
from cln.payments.gateways.stripe_answers import ask, close_intent, declined, metadata_of, taken


def is_page(gateway_charge: str) -> bool:
    """Whether a charge is made on a page; the others are intents of our own."""
    return gateway_charge.startswith("cs_")


def page_event(event_id: str, thing: object) -> Event | None:
    """A verified event about a page that pays; only a card that has paid is an outcome."""
    reference = metadata_of(thing).get("reference", "")
    if not isinstance(thing, Session) or thing.mode != "payment" or not reference:
        return None
    paid = thing.payment_status == "paid" and thing.payment_intent
    outcome = Outcome(AttemptState.SUCCEEDED, str(thing.payment_intent)) if paid else None
    return Event(event_id, GatewayEventKind.CHARGE, reference, thing.id, outcome)


class StripePages:
    """Checkout sessions; each call may raise GatewayUnreachable."""

    def __init__(self, client: stripe.StripeClient) -> None:
        """Share the gateway's client."""
        self._client = client
        self._sessions = client.v1.checkout.sessions

    def to_store(self, payer: Payer, customer: str, back: Back) -> Page:
        """A page that stores a card for charges without the payer."""
        wish: SessionCreateParams = {
            "mode": "setup",
            "customer": customer,
            "allowed_payment_method_types": ["card"],
            "success_url": back.done_url,
            "cancel_url": back.cancelled_url,
            "metadata": {"reference": payer.reference},
        }
        session = ask(lambda: self._sessions.create(wish))
        return Page(session.id, session.url or "")

    def stored(self, payer: Payer, page_id: str) -> StoredMethod:
        """The card of a page that was finished. Refusals: `method_not_stored`."""
        try:
            session = self._sessions.retrieve(
                page_id, {"expand": ["setup_intent", "setup_intent.payment_method"]}
            )
        except stripe.InvalidRequestError as error:
            raise _not_stored() from error
        except stripe.StripeError as error:
            raise GatewayUnreachable(str(error)) from error
        setup = session.setup_intent
        method = setup.payment_method if isinstance(setup, SetupIntent) else None
        is_theirs = metadata_of(session).get("reference") == payer.reference
        if session.status != "complete" or not is_theirs or not isinstance(method, PaymentMethod):
            raise _not_stored()
        card = method.card
        assert card is not None, "only cards are asked for"
        last_day = calendar.monthrange(card.exp_year, card.exp_month)[1]
        return StoredMethod(
            kind=MethodKind.CARD,
            token=f"{session.customer}/{method.id}",
            label=f"{card.brand.title()} ending in {card.last4}",
            expires_on=date(card.exp_year, card.exp_month, last_day),
        )

    def to_pay(self, charge: Charge, back: Back) -> Page:
        """A page that takes one charge, or the same one again. Raises PageOver when it ended."""
        if charge.gateway_charge:
            session = self._session(charge.gateway_charge)
            if session.status != "open":
                raise PageOver(f"{session.id} is {session.status}")
        else:
            session = ask(lambda: self._new_payment(charge, back))
        return Page(session.id, session.url or "")

    def fate(self, page_id: str) -> Outcome | None:
        """What was taken on a page; None = nothing so far."""
        return _taken_on(self._session(page_id))

    def close(self, page_id: str) -> Outcome | None:
        """End a page. None = nothing was taken and never will be."""
        try:
            session = self._sessions.expire(page_id, {"expand": ["payment_intent"]})
        except stripe.InvalidRequestError:
            session = self._session(page_id)
        except stripe.StripeError as error:
            raise GatewayUnreachable(str(error)) from error
        if moved := _taken_on(session):
            return moved
        intent = session.payment_intent
        if session.status == "open":
            raise GatewayUnreachable(f"{page_id} is still open")
        if session.status == "complete" and isinstance(intent, PaymentIntent):
            return close_intent(self._client, intent.id)  # its bank said no afterwards
        failed = intent.last_payment_error if isinstance(intent, PaymentIntent) else None
        return declined(failed) if failed else None

    def _session(self, page_id: str) -> Session:
        return ask(lambda: self._sessions.retrieve(page_id, {"expand": ["payment_intent"]}))

    def _new_payment(self, charge: Charge, back: Back) -> Session:
        written = {"reference": charge.reference, "hosted": "yes"}
        price: SessionCreateParamsLineItemPriceData = {
            "currency": charge.currency.lower(),
            "unit_amount": charge.amount_cents,
            "product_data": {"name": f"CLN, payment {charge.reference}"},
        }
        wish: SessionCreateParams = {
            "mode": "payment",
            "allowed_payment_method_types": ["card"],
            "line_items": [{"price_data": price, "quantity": 1}],
            "success_url": back.done_url,
            "cancel_url": back.cancelled_url,
            "metadata": written,
            "payment_intent_data": {"metadata": written},
        }
        return self._sessions.create(wish, {"idempotency_key": charge.reference})


def _taken_on(session: Session) -> Outcome | None:
    intent = session.payment_intent
    return taken(intent) if isinstance(intent, PaymentIntent) else None


def _not_stored() -> MethodNotStored:
    return MethodNotStored("The card was not saved.", "Enter it again.")
