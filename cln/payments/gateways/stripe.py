"""Cards through Stripe: PaymentIntents, and Checkout for the pages on which payers type.

A charge is a PaymentIntent that is created unconfirmed (`announce`) and then confirmed off-session
(`charge`). One intent takes money once, whatever is sent how often and however late; idempotency
keys (our attempt's id) only spare us a second unconfirmed intent. Cards are entered on Stripe's
own pages; a method's token is "customer/payment method". The library's retries are off.
"""

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar, cast

import stripe
from stripe import PaymentIntent, Refund

from cln.domain.dunning import DeclineCode
from cln.enums import AttemptState, GatewayEventKind
from cln.payments.gateways import (
    Back,
    Charge,
    Event,
    ForgedWebhook,
    GatewayUnreachable,
    Outcome,
    Page,
    Payer,
    RefundRequest,
    StoredMethod,
)
from cln.payments.gateways.keys import StripeKeys
from cln.payments.gateways.stripe_answers import ask, close_intent, declined, metadata_of, taken
from cln.payments.gateways.stripe_pages import StripePages, is_page, page_event

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

_REFUNDED = {
    "succeeded": AttemptState.SUCCEEDED,
    "pending": AttemptState.PENDING,
    "requires_action": AttemptState.PENDING,
    "failed": AttemptState.DECLINED,
    "canceled": AttemptState.DECLINED,
}
_TECHNICAL = Outcome(AttemptState.DECLINED, decline_code=DeclineCode.TECHNICAL_PROBLEM)


@lru_cache(maxsize=4)
def stripe_gateway(keys: StripeKeys) -> "StripeGateway":
    """One client per account and process; it keeps its connections."""
    return StripeGateway(keys)


class StripeGateway:
    """See `cln.payments.gateways.Gateway`."""

    def __init__(self, keys: StripeKeys) -> None:
        """Open no connection yet."""
        self._keys = keys
        self._client = stripe.StripeClient(
            keys.secret_key,
            base_addresses={"api": keys.api_base},
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=keys.seconds),
        )
        self._intents = self._client.v1.payment_intents
        self._pages = StripePages(self._client)

    def announce(self, charge: Charge) -> str:
        """Create the intent without confirming it."""
        customer, _ = charge.method_token.split("/")
        return ask(
            lambda: self._intents.create(
                {
                    "amount": charge.amount_cents,
                    "currency": charge.currency.lower(),
                    "customer": customer,
                    "allowed_payment_method_types": ["card"],
                    "metadata": {"reference": charge.reference},
                },
                {"idempotency_key": charge.reference},
            )
        ).id

    def charge(self, charge: Charge) -> Outcome:
        """Confirm the intent without the payer; an answer that is not plain leaves it unknown."""
        _, method = charge.method_token.split("/")
        intent = charge.gateway_charge or self.announce(charge)
        try:
            confirmed = self._intents.confirm(
                intent,
                {"payment_method": method, "off_session": True},
                {"idempotency_key": f"{charge.reference}:confirm"},
            )
        except stripe.CardError as error:
            return declined(error.error)
        except stripe.InvalidRequestError as error:
            return self._why_not(intent, error)
        except stripe.RateLimitError:
            log.warning("Stripe has too much to do to confirm %s", intent)
            return _TECHNICAL
        except (stripe.AuthenticationError, stripe.PermissionError):
            log.exception("Stripe refused to confirm %s", intent)
            return _TECHNICAL
        except stripe.StripeError as error:
            raise GatewayUnreachable(str(error)) from error
        if confirmed.status == "requires_action":
            # Nobody is there to answer the bank; unless it is closed, it could be paid later.
            ended = close_intent(self._client, intent)
            return ended or Outcome(
                AttemptState.DECLINED, decline_code=DeclineCode.CARD_NOT_CONFIRMED
            )
        return taken(confirmed) or _TECHNICAL

    def find_by_reference(self, reference: str, *, gateway_charge: str = "") -> Outcome | None:
        """Look at the intent; without one nothing was announced."""
        if is_page(gateway_charge):
            return self._pages.fate(gateway_charge)
        return taken(self._intent(gateway_charge)) if gateway_charge else None

    def close(
        self, reference: str, *, gateway_charge: str = "", may_take: Callable[[], bool]
    ) -> Outcome | None:
        """Cancel the intent, or end the page: from then on nobody can pay it."""
        if not gateway_charge:
            return None
        if is_page(gateway_charge):
            return self._pages.close(gateway_charge)
        return close_intent(self._client, gateway_charge)

    def refund(self, request: RefundRequest) -> Outcome:
        """Refund part of an intent; asks first, for Stripe forgets a key after a day."""
        known = self.find_refund(request)
        if known is not None:
            return known
        try:
            made = self._client.v1.refunds.create(
                {
                    "payment_intent": request.charge_reference,
                    "amount": request.amount_cents,
                    "metadata": {"reference": request.reference},
                },
                {"idempotency_key": request.reference},
            )
        except stripe.InvalidRequestError:
            log.exception("Stripe refused to refund %s", request.charge_reference)
            return _TECHNICAL
        except stripe.StripeError as error:
            raise GatewayUnreachable(str(error)) from error
        return _refunded(made)

    def find_refund(self, request: RefundRequest) -> Outcome | None:
        """Look through the intent's refunds for ours."""
        intent = request.charge_reference
        made = ask(lambda: self._client.v1.refunds.list({"payment_intent": intent, "limit": 100}))
        for refund in made.data:
            if metadata_of(refund).get("reference") == request.reference:
                return _refunded(refund)
        return None

    def begin_method(self, payer: Payer, back: Back) -> Page:
        """Stripe's page that stores a card."""
        customer = payer.former_token.partition("/")[0] or self._new_customer(payer)
        return self._pages.to_store(payer, customer, back)

    def complete_method(self, payer: Payer, page_id: str) -> StoredMethod:
        """The card that was entered on a page made for this payer."""
        return self._pages.stored(payer, page_id)

    def forget_method(self, token: str) -> None:
        """Detach the card from its customer; Stripe then refuses it for good."""
        _, method = token.split("/")
        try:
            self._client.v1.payment_methods.detach(method)
        except stripe.InvalidRequestError as error:
            log.info("Stripe has no card %s to forget: %s", method, error)
        except stripe.StripeError as error:
            raise GatewayUnreachable(str(error)) from error

    def hosted_page(self, charge: Charge, back: Back) -> Page:
        """Stripe's page that takes this charge, or the same one again."""
        return self._pages.to_pay(charge, back)

    def webhook(self, headers: Mapping[str, str], body: bytes) -> Event | None:
        """Check Stripe's signature with our endpoint's secret; five minutes old is forged."""
        try:
            event = self._client.construct_event(
                body, headers.get("Stripe-Signature", ""), self._keys.webhook_secret
            )
        except (stripe.SignatureVerificationError, ValueError) as error:
            raise ForgedWebhook("The signature of the webhook is wrong.") from error
        about = metadata_of(event.data.object)
        reference = about.get("reference", "")
        if event.type.startswith("refund."):
            return Event(event.id, GatewayEventKind.REFUND, reference)
        if event.type.startswith("checkout.session."):
            return page_event(event.id, event.data.object)
        if event.type not in _TOLD or not reference or "hosted" in about:
            return None  # what becomes of a page is told by the page's own events
        intent = cast(PaymentIntent, event.data.object)
        outcome = taken(intent) or declined(intent.last_payment_error)
        return Event(event.id, GatewayEventKind.CHARGE, reference, intent.id, outcome)

    def _intent(self, intent: str) -> PaymentIntent:
        return ask(lambda: self._intents.retrieve(intent))

    def _why_not(self, intent: str, error: stripe.InvalidRequestError) -> Outcome:
        """A confirmation that Stripe found wrong: confirmed before, without a card, or our bug."""
        if error.code == "payment_intent_unexpected_state":
            return taken(self._intent(intent)) or _TECHNICAL
        if error.code == "resource_missing" and error.param == "payment_method":
            return Outcome(AttemptState.DECLINED, decline_code=DeclineCode.INACTIVE_CARD)
        log.error("Stripe refused to confirm %s: %s", intent, error)
        return _TECHNICAL

    def _new_customer(self, payer: Payer) -> str:
        return ask(
            lambda: self._client.v1.customers.create(
                {"email": payer.email, "metadata": {"reference": payer.reference}}
            )
        ).id


_TOLD = (
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
)


def _refunded(refund: Refund) -> Outcome:
    state = _REFUNDED.get(refund.status or "")
    if state is None:
        raise GatewayUnreachable(f"{refund.id} is {refund.status}, whatever that is")
    return _TECHNICAL if state is AttemptState.DECLINED else Outcome(state, refund.id)
