"""When to try a charge, when to remind, and what a decline means (P2, P6)."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from cln.domain.rules import Rules


def next_attempt_on(
    issued_on: date, last_attempt_on: date | None, hard_declined: bool, rules: Rules
) -> date | None:
    """The day of the next automatic attempt (P2); None when there is none left.

    A hard decline stops attempts until the payment method changes. Days that passed while the
    worker was down are not made up for: one attempt, then the rest of the plan.
    """
    if hard_declined:
        return None
    planned = (issued_on + timedelta(days=days) for days in rules.retry_days)
    return next((day for day in planned if last_attempt_on is None or day > last_attempt_on), None)


def reminder_due(
    issued_on: date, last_reminder_on: date | None, on: date, rules: Rules
) -> int | None:
    """The day count of the reminder to send on a day (P6), or None.

    Only the newest due one: after an outage the customer gets one mail, not a burst.
    """
    since = last_reminder_on or issued_on
    due = [days for days in rules.reminder_days if since < issued_on + timedelta(days=days) <= on]
    return due[-1] if due else None


def next_reminder_on(issued_on: date, last_reminder_on: date | None, rules: Rules) -> date | None:
    """The day of the next reminder, None after the last."""
    since = last_reminder_on or issued_on
    planned = (issued_on + timedelta(days=days) for days in rules.reminder_days)
    return next((day for day in planned if day > since), None)


class DeclineCode(StrEnum):
    """Why a charge was declined, in our words; gateways map theirs to these."""

    EXPIRED_CARD = "expired_card"
    CARD_NOT_CONFIRMED = "card_not_confirmed"
    AGREEMENT_CANCELLED = "agreement_cancelled"
    ISSUER_DECLINED = "issuer_declined"
    LOST_OR_STOLEN = "lost_or_stolen"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    INACTIVE_CARD = "inactive_card"
    TECHNICAL_PROBLEM = "technical_problem"


@dataclass(frozen=True, slots=True)
class Decline:
    """A decline in plain words; a hard one will not go away by trying again."""

    code: DeclineCode
    hard: bool
    sentence: str
    fix: str


def explain_decline(code: DeclineCode) -> Decline:
    """The words and the weight of a decline reason."""
    return _DECLINES[code]


_DECLINES = {
    decline.code: decline
    for decline in (
        Decline(
            DeclineCode.EXPIRED_CARD,
            True,
            "The card has expired.",
            "Add the renewed card, or another payment method.",
        ),
        Decline(
            DeclineCode.CARD_NOT_CONFIRMED,
            False,
            "The card has not been confirmed yet.",
            "Confirm the card with your bank, then try again.",
        ),
        Decline(
            DeclineCode.AGREEMENT_CANCELLED,
            True,
            "The PayPal agreement has been cancelled.",
            "Connect PayPal again, or add a card.",
        ),
        Decline(
            DeclineCode.ISSUER_DECLINED,
            False,
            "The bank that issued the card declined the charge.",
            "Ask your bank for the reason, or use another payment method.",
        ),
        Decline(
            DeclineCode.LOST_OR_STOLEN,
            True,
            "The card has been reported lost or stolen.",
            "Contact your bank, and add another payment method.",
        ),
        Decline(
            DeclineCode.INSUFFICIENT_FUNDS,
            False,
            "There is not enough money on the card or the PayPal account.",
            "Add funds and try again, or use another payment method.",
        ),
        Decline(
            DeclineCode.INACTIVE_CARD,
            True,
            "The card is not active.",
            "Activate the card with your bank, or use another payment method.",
        ),
        Decline(
            DeclineCode.TECHNICAL_PROBLEM,
            False,
            "The payment could not be completed because of a technical problem.",
            "Nothing was charged. Try again in several minutes.",
        ),
    )
}
