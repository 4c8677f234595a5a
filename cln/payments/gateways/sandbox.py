"""The gateway of sandbox mode: moves no money, does what it is told, keeps count of it.

What it does to an account is scripted (`cln simulate`, `/sandbox`), or chosen by the test card.
Its table is the other side's memory: our rules never read it, tests count its rows.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.db.models import F

from cln import clock
from cln.accounts.models import Account
from cln.domain.dunning import DeclineCode
from cln.domain.errors import Refusal
from cln.enums import AttemptState
from cln.payments.gateways import (
    Back,
    Charge,
    Event,
    GatewayCannot,
    GatewayUnreachable,
    Outcome,
    Page,
    Payer,
    RefundRequest,
    StoredMethod,
)
from cln.payments.models import PaymentAttempt, SandboxCharge, SandboxRefund, SandboxScript


class Script(StrEnum):
    """How the sandbox answers charges."""

    OK = "ok"
    DECLINE = "decline"
    HARD_DECLINE = "hard_decline"
    UP_TO_TEN = "up_to_ten"
    TIMEOUT_CHARGED = "timeout_charged"
    TIMEOUT_NOT_CHARGED = "timeout_not_charged"


class UnknownOutcome(Refusal):
    """The sandbox gateway does not know that outcome."""

    code = "unknown_outcome"


TEST_CARDS = {
    "4242424242424242": Script.OK,
    "4000000000000002": Script.DECLINE,
    "4000000000000069": Script.HARD_DECLINE,
    "4000000000000341": Script.UP_TO_TEN,
    "4000000000000119": Script.TIMEOUT_CHARGED,
    "4000000000000127": Script.TIMEOUT_NOT_CHARGED,
}
"""Card numbers of the sandbox and what each does."""

UP_TO_TEN_CENTS = 10_00
"""What a card of `UP_TO_TEN` has left for each charge: of several invoices some may fail (P5)."""

_DECLINES = {
    Script.DECLINE: DeclineCode.INSUFFICIENT_FUNDS,
    Script.HARD_DECLINE: DeclineCode.EXPIRED_CARD,
}


def token_for(script: Script) -> str:
    """The method token of a test card; the script travels in it."""
    return f"sandbox:{script}"


def script_account(*, account_id: int, outcome: str) -> None:
    """From now on every charge of the account ends so, whatever the card.

    Refusals: `unknown_outcome`.
    """
    if outcome not in set(Script):
        raise UnknownOutcome(
            f"The sandbox gateway has no outcome {outcome!r}.",
            f"It knows {', '.join(Script)}.",
        )
    SandboxScript.objects.update_or_create(account_id=account_id, defaults={"outcome": outcome})


class SandboxGateway:
    """Each call commits on its own, as a vendor's server would."""

    def announce(self, charge: Charge) -> str:
        """Nothing to keep: the sandbox finds every charge by our own reference, for ever."""
        return ""

    def charge(self, charge: Charge) -> Outcome:
        """Do what the script or the card says."""
        known = self.find_by_reference(charge.reference)
        if known is not None:
            return known
        script = _script_of(charge.customer) or Script(charge.method_token.removeprefix("sandbox:"))
        if script is Script.UP_TO_TEN and charge.amount_cents > UP_TO_TEN_CENTS:
            script = Script.DECLINE
        if script in _DECLINES:
            return Outcome(AttemptState.DECLINED, decline_code=_DECLINES[script])
        if script is not Script.TIMEOUT_NOT_CHARGED:
            self._take(charge, clock.now())
        _answer_unless(script)
        return _succeeded(charge.reference)

    def find_by_reference(self, reference: str, *, gateway_charge: str = "") -> Outcome | None:
        """A charge that was made."""
        is_made = SandboxCharge.objects.filter(reference=reference).exists()
        return _succeeded(reference) if is_made else None

    def close(
        self, reference: str, *, gateway_charge: str = "", may_take: Callable[[], bool]
    ) -> Outcome | None:
        """A charge here is made during the call or not at all: nothing is left to close."""
        return self.find_by_reference(reference)

    def refund(self, request: RefundRequest) -> Outcome:
        """Give back; the script of the account loses the answer, a decline script changes nothing.

        More than is left of the charge is declined, as by every vendor.
        """
        known = self.find_refund(request)
        if known is not None:
            return known
        reference = request.charge_reference.removeprefix(_VENDOR_PREFIX)
        attempt = PaymentAttempt.objects.filter(public_id=reference).select_related("account")
        payer = attempt.first()
        script = _script_of(payer.account.public_id) if payer else None
        is_given = script is Script.TIMEOUT_NOT_CHARGED or self._give(request, clock.now())
        _answer_unless(script)
        if not is_given:
            return Outcome(AttemptState.DECLINED, decline_code=DeclineCode.TECHNICAL_PROBLEM)
        return _succeeded(request.reference)

    def find_refund(self, request: RefundRequest) -> Outcome | None:
        """A refund that was made."""
        is_made = SandboxRefund.objects.filter(reference=request.reference).exists()
        return _succeeded(request.reference) if is_made else None

    def begin_method(self, payer: Payer, back: Back) -> Page:
        """The sandbox's cards are typed into our own form."""
        raise GatewayCannot("The sandbox gateway has no page of its own.", "Use a test card.")

    def complete_method(self, payer: Payer, page_id: str) -> StoredMethod:
        """See `begin_method`."""
        raise GatewayCannot("The sandbox gateway has no page of its own.", "Use a test card.")

    def forget_method(self, token: str) -> None:
        """A test card is kept nowhere."""

    def hosted_page(self, charge: Charge, back: Back) -> Page:
        """See `begin_method`."""
        raise GatewayCannot("The sandbox gateway has no page of its own.", "Use a test card.")

    def webhook(self, headers: Mapping[str, str], body: bytes) -> Event | None:
        """The sandbox sends none."""
        raise GatewayCannot("The sandbox gateway sends no webhooks.")

    def _take(self, charge: Charge, at: datetime) -> None:
        with transaction.atomic(durable=True):
            SandboxCharge.objects.get_or_create(
                reference=charge.reference,
                defaults={
                    "amount_cents": charge.amount_cents,
                    "currency": charge.currency,
                    "at": at,
                },
            )

    def _give(self, request: RefundRequest, at: datetime) -> bool:
        with transaction.atomic(durable=True):
            reference = request.charge_reference.removeprefix(_VENDOR_PREFIX)
            left = SandboxCharge.objects.select_for_update().get(reference=reference)
            if left.amount_cents - left.refunded_cents < request.amount_cents:
                return False
            SandboxRefund.objects.create(
                reference=request.reference,
                charge=left,
                amount_cents=request.amount_cents,
                at=at,
            )
            SandboxCharge.objects.filter(pk=left.pk).update(
                refunded_cents=F("refunded_cents") + request.amount_cents
            )
            return True


_VENDOR_PREFIX = "sandbox_"


def _script_of(customer: str) -> Script | None:
    scripted = (
        SandboxScript.objects.filter(account__in=Account.objects.filter(public_id=customer))
        .values_list("outcome", flat=True)
        .first()
    )
    return Script(scripted) if scripted else None


def _answer_unless(script: Script | None) -> None:
    if script in (Script.TIMEOUT_CHARGED, Script.TIMEOUT_NOT_CHARGED):
        raise GatewayUnreachable("the sandbox gateway was told not to answer")


def _succeeded(reference: str) -> Outcome:
    return Outcome(AttemptState.SUCCEEDED, gateway_reference=f"{_VENDOR_PREFIX}{reference}")
