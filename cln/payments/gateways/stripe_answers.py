"""What Stripe answers, in our words: shared by charges and by its own pages."""

import logging
from collections.abc import Callable
from typing import TypeVar

import stripe
from stripe import PaymentIntent

from cln.domain.dunning import DeclineCode
from cln.enums import AttemptState
from cln.payments.gateways import GatewayUnreachable, Outcome

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

MOVING = {"succeeded": AttemptState.SUCCEEDED, "processing": AttemptState.PENDING}


def ask(call: Callable[[], Answer]) -> Answer:
    """A call that moves no money: whatever goes wrong, nothing has happened."""
    try:
        return call()
    except stripe.StripeError as error:
        log.warning("Stripe: %s", error)
        raise GatewayUnreachable(str(error)) from error


def taken(intent: PaymentIntent) -> Outcome | None:
    """What an intent has taken or is taking; None = nothing."""
    state = MOVING.get(intent.status)
    return Outcome(state, gateway_reference=intent.id) if state else None


def close_intent(client: stripe.StripeClient, intent_id: str) -> Outcome | None:
    """Cancel an intent: from then on nobody can pay it. None = nothing was taken."""
    intents = client.v1.payment_intents
    try:
        intent = intents.cancel(intent_id, {"cancellation_reason": "abandoned"})
    except stripe.InvalidRequestError:
        intent = ask(lambda: intents.retrieve(intent_id))
        if intent.status not in {*MOVING, "canceled"}:
            raise GatewayUnreachable(f"{intent_id} is {intent.status}") from None
    except stripe.StripeError as error:
        raise GatewayUnreachable(str(error)) from error
    if moved := taken(intent):
        return moved
    return declined(intent.last_payment_error) if intent.last_payment_error else None


def declined(error: object) -> Outcome:
    """The bank's own code decides, where there is none Stripe's; both are optional attributes."""
    codes = [getattr(error, "decline_code", None), getattr(error, "code", None)]
    known = (DECLINES[code] for code in codes if code in DECLINES)
    return Outcome(AttemptState.DECLINED, decline_code=next(known, DeclineCode.ISSUER_DECLINED))


def metadata_of(thing: object) -> dict[str, str]:
    """What we wrote on a thing when it was made."""
    metadata = getattr(thing, "metadata", None)
    return metadata.to_dict() if isinstance(metadata, stripe.StripeObject) else {}
