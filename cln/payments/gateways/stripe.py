"""Cards through Stripe: PaymentIntents and SetupIntents, no other product of theirs.

A charge is a PaymentIntent that is created unconfirmed (`announce`) and then confirmed off-session
(`charge`). One intent takes money once, whatever is sent how often and however late; idempotency
keys (our attempt's id) only spare us a second unconfirmed intent. Card data goes from the
browser to Stripe; a method's token is "customer/payment method". The library's retries are off.
"""

import calendar
import logging
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import TypeVar, cast

import stripe
from stripe import PaymentIntent, PaymentMethod, Refund

from cln.domain.dunning import DeclineCode
from cln.enums import AttemptState, GatewayEventKind, MethodKind
from cln.payments.gateways import (
    Back,
    Charge,
    Event,
    ForgedWebhook,
    GatewayUnreachable,
    MethodNotStored,
    Outcome,
    Page,
    PageOver,
    Payer,
    RefundRequest,
    StoredMethod,
)
from cln.payments.gateways.keys import StripeKeys

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

DECLINES = {
    "expired_card": DeclineCode.EXPIRED_CARD,
    "authentication_required": DeclineCode.CARD_NOT_CONFIRMED,
    "payment_intent_authentication_failure": DeclineCode.CARD_NOT_CONFIRMED,
    "lost_card": DeclineCode.LOST_OR_STOLEN,
    "stolen_card": DeclineCode.LOST_OR_STOLEN,
    "pickup_card": DeclineCode.LOST_OR_STOLEN,
    "insufficient_funds": DeclineCode.INSUFFICIENT_FUNDS,
    "card_velocity_exceeded": DeclineCode.INSUFFICIENT_FUNDS,
    "withdrawal_count_limit_exceeded": DeclineCode.INSUFFICIENT_FUNDS,
    "invalid_account": DeclineCode.INACTIVE_CARD,
    "incorrect_number": DeclineCode.INACTIVE_CARD,
    "invalid_number": DeclineCode.INACTIVE_CARD,
    "new_account_information_available": DeclineCode.INACTIVE_CARD,
    "revocation_of_authorization": DeclineCode.INACTIVE_CARD,
    "processing_error": DeclineCode.TECHNICAL_PROBLEM,
    "issuer_not_available": DeclineCode.TECHNICAL_PROBLEM,
    "reenter_transaction": DeclineCode.TECHNICAL_PROBLEM,
    "try_again_later": DeclineCode.TECHNICAL_PROBLEM,
}
"""Stripe's decline codes in our words; every other one is the bank's own decision."""

_MOVING = {"succeeded": AttemptState.SUCCEEDED, "processing": AttemptState.PENDING}
_WAITS_FOR_PAYER = ("requires_payment_method", "requires_confirmation", "requires_action")
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

    def announce(self, charge: Charge) -> str:
        """Create the intent without confirming it."""
        customer, _ = charge.method_token.split("/")
        return _ask(
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
            return _declined(error.error)
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
            ended = self.close(charge.reference, gateway_charge=intent)
            return ended or Outcome(
                AttemptState.DECLINED, decline_code=DeclineCode.CARD_NOT_CONFIRMED
            )
        return _taken(confirmed) or _TECHNICAL

    def find_by_reference(self, reference: str, *, gateway_charge: str = "") -> Outcome | None:
        """Look at the intent; without one nothing was announced."""
        return _taken(self._intent(gateway_charge)) if gateway_charge else None

    def close(self, reference: str, *, gateway_charge: str = "") -> Outcome | None:
        """Cancel the intent: from then on nobody can pay it."""
        if not gateway_charge:
            return None
        try:
            intent = self._intents.cancel(gateway_charge, {"cancellation_reason": "abandoned"})
        except stripe.InvalidRequestError:
            intent = self._intent(gateway_charge)
            if intent.status not in {*_MOVING, "canceled"}:
                raise GatewayUnreachable(f"{gateway_charge} is {intent.status}") from None
        except stripe.StripeError as error:
            raise GatewayUnreachable(str(error)) from error
        if moved := _taken(intent):
            return moved
        return _declined(intent.last_payment_error) if intent.last_payment_error else None

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
        made = _ask(lambda: self._client.v1.refunds.list({"payment_intent": intent, "limit": 100}))
        for refund in made.data:
            if _metadata(refund).get("reference") == request.reference:
                return _refunded(refund)
        return None

    def begin_method(self, payer: Payer, back: Back) -> Page:
        """A SetupIntent for the hosted card fields of our page; `back` is the page's own matter."""
        customer = payer.former_token.partition("/")[0] or self._new_customer(payer)
        setup = _ask(
            lambda: self._client.v1.setup_intents.create(
                {
                    "customer": customer,
                    "usage": "off_session",
                    "allowed_payment_method_types": ["card"],
                    "metadata": {"reference": payer.reference},
                }
            )
        )
        return self._page(setup.id, setup.client_secret)

    def complete_method(self, payer: Payer, page_id: str) -> StoredMethod:
        """The card behind a SetupIntent that succeeded and was made for this payer."""
        try:
            setup = self._client.v1.setup_intents.retrieve(page_id, {"expand": ["payment_method"]})
        except stripe.InvalidRequestError as error:
            raise _not_stored() from error
        except stripe.StripeError as error:
            raise GatewayUnreachable(str(error)) from error
        method = setup.payment_method
        is_theirs = _metadata(setup).get("reference") == payer.reference
        if setup.status != "succeeded" or not is_theirs or not isinstance(method, PaymentMethod):
            raise _not_stored()
        card = method.card
        assert card is not None, "only cards are asked for"
        last_day = calendar.monthrange(card.exp_year, card.exp_month)[1]
        return StoredMethod(
            kind=MethodKind.CARD,
            token=f"{setup.customer}/{method.id}",
            label=f"{card.brand.title()} ending in {card.last4}",
            expires_on=date(card.exp_year, card.exp_month, last_day),
        )

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
        """A PaymentIntent for the hosted card fields of our page, or the same one again."""
        if charge.gateway_charge:
            intent = self._intent(charge.gateway_charge)
            if intent.status not in _WAITS_FOR_PAYER:
                raise PageOver(f"{intent.id} is {intent.status}")
        else:
            intent = _ask(
                lambda: self._intents.create(
                    {
                        "amount": charge.amount_cents,
                        "currency": charge.currency.lower(),
                        "allowed_payment_method_types": ["card"],
                        "metadata": {"reference": charge.reference, "hosted": "yes"},
                    },
                    {"idempotency_key": charge.reference},
                )
            )
        return self._page(intent.id, intent.client_secret)

    def webhook(self, headers: Mapping[str, str], body: bytes) -> Event | None:
        """Check Stripe's signature with our endpoint's secret; five minutes old is forged."""
        try:
            event = self._client.construct_event(
                body, headers.get("Stripe-Signature", ""), self._keys.webhook_secret
            )
        except (stripe.SignatureVerificationError, ValueError) as error:
            raise ForgedWebhook("The signature of the webhook is wrong.") from error
        about = _metadata(event.data.object)
        reference = about.get("reference", "")
        if event.type.startswith("refund."):
            return Event(event.id, GatewayEventKind.REFUND, reference)
        if event.type not in _TOLD or not reference:
            return None
        if event.type == "payment_intent.payment_failed" and "hosted" in about:
            return None  # the payer may try another card on the same page
        intent = cast(PaymentIntent, event.data.object)
        outcome = _taken(intent) or _declined(intent.last_payment_error)
        return Event(event.id, GatewayEventKind.CHARGE, reference, intent.id, outcome)

    def _intent(self, intent: str) -> PaymentIntent:
        return _ask(lambda: self._intents.retrieve(intent))

    def _why_not(self, intent: str, error: stripe.InvalidRequestError) -> Outcome:
        """A confirmation that Stripe found wrong: confirmed before, without a card, or our bug."""
        if error.code == "payment_intent_unexpected_state":
            return _taken(self._intent(intent)) or _TECHNICAL
        if error.code == "resource_missing" and error.param == "payment_method":
            return Outcome(AttemptState.DECLINED, decline_code=DeclineCode.INACTIVE_CARD)
        log.error("Stripe refused to confirm %s: %s", intent, error)
        return _TECHNICAL

    def _new_customer(self, payer: Payer) -> str:
        return _ask(
            lambda: self._client.v1.customers.create(
                {"email": payer.email, "metadata": {"reference": payer.reference}}
            )
        ).id

    def _page(self, page_id: str, client_secret: str | None) -> Page:
        return Page(
            id=page_id,
            client_secret=client_secret or "",
            publishable_key=self._keys.publishable_key,
        )


_TOLD = (
    "payment_intent.succeeded",
    "payment_intent.processing",
    "payment_intent.payment_failed",
)


def _ask(call: Callable[[], Answer]) -> Answer:
    """A call that moves no money: whatever goes wrong, nothing has happened."""
    try:
        return call()
    except stripe.StripeError as error:
        log.warning("Stripe: %s", error)
        raise GatewayUnreachable(str(error)) from error


def _taken(intent: PaymentIntent) -> Outcome | None:
    state = _MOVING.get(intent.status)
    return Outcome(state, gateway_reference=intent.id) if state else None


def _declined(error: object) -> Outcome:
    """The bank's own code decides, where there is none Stripe's; both are optional attributes."""
    codes = [getattr(error, "decline_code", None), getattr(error, "code", None)]
    known = (DECLINES[code] for code in codes if code in DECLINES)
    return Outcome(AttemptState.DECLINED, decline_code=next(known, DeclineCode.ISSUER_DECLINED))


def _refunded(refund: Refund) -> Outcome:
    state = _REFUNDED.get(refund.status or "")
    if state is None:
        raise GatewayUnreachable(f"{refund.id} is {refund.status}, whatever that is")
    return _TECHNICAL if state is AttemptState.DECLINED else Outcome(state, refund.id)


def _metadata(thing: object) -> dict[str, str]:
    metadata = getattr(thing, "metadata", None)
    return metadata.to_dict() if isinstance(metadata, stripe.StripeObject) else {}


def _not_stored() -> MethodNotStored:
    return MethodNotStored("The card was not saved.", "Enter it again.")
