"""The gateway of sandbox mode: moves no money, does what it is told, keeps count of it.

What it does to an account is scripted (`cln simulate`, `/sandbox`), or chosen by the test card.
Its table is the other side's memory: our rules never read it, tests count its rows.
"""

from datetime import datetime
from enum import StrEnum

from django.db import transaction

from cln import clock
from cln.accounts.models import Account
from cln.domain.dunning import DeclineCode
from cln.domain.errors import Refusal
from cln.enums import AttemptState
from cln.payments.gateways import Charge, GatewayUnreachable, Outcome, RefundRequest
from cln.payments.models import SandboxCharge, SandboxRefund, SandboxScript


class Script(StrEnum):
    """How the sandbox answers charges."""

    OK = "ok"
    DECLINE = "decline"
    HARD_DECLINE = "hard_decline"
    TIMEOUT_CHARGED = "timeout_charged"
    TIMEOUT_NOT_CHARGED = "timeout_not_charged"


class UnknownOutcome(Refusal):
    """The sandbox gateway does not know that outcome."""

    code = "unknown_outcome"


VENDOR_PREFIX = "sandbox_"
"""What the sandbox gateway puts before our references to make its own."""

TEST_CARDS = {
    "4242424242424242": Script.OK,
    "4000000000000002": Script.DECLINE,
    "4000000000000069": Script.HARD_DECLINE,
    "4000000000000119": Script.TIMEOUT_CHARGED,
    "4000000000000127": Script.TIMEOUT_NOT_CHARGED,
}
"""Card numbers of the sandbox and what each does."""

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

    def charge(self, charge: Charge) -> Outcome:
        known = self.find_by_reference(charge.reference)
        if known is not None:
            return known
        script = _script_of(charge)
        if script in _DECLINES:
            return Outcome(AttemptState.DECLINED, decline_code=_DECLINES[script])
        if script is not Script.TIMEOUT_NOT_CHARGED:
            self._take(charge, clock.now())
        if script in (Script.TIMEOUT_CHARGED, Script.TIMEOUT_NOT_CHARGED):
            raise GatewayUnreachable("the sandbox gateway was told not to answer")
        return Outcome(AttemptState.SUCCEEDED, gateway_reference=_vendor_id(charge.reference))

    def refund(self, request: RefundRequest) -> Outcome:
        known = self.find_by_reference(request.reference)
        if known is not None:
            return known
        script = _script_of_refund(request)
        if script in _DECLINES:
            return Outcome(AttemptState.DECLINED, decline_code=_DECLINES[script])
        if script is not Script.TIMEOUT_NOT_CHARGED and not self._give_back(request, clock.now()):
            return Outcome(AttemptState.DECLINED, decline_code=DeclineCode.TECHNICAL_PROBLEM)
        if script in (Script.TIMEOUT_CHARGED, Script.TIMEOUT_NOT_CHARGED):
            raise GatewayUnreachable("the sandbox gateway was told not to answer")
        return Outcome(AttemptState.SUCCEEDED, gateway_reference=_vendor_id(request.reference))

    def find_by_reference(self, reference: str) -> Outcome | None:
        charges = SandboxCharge.objects.filter(reference=reference)
        refunds = SandboxRefund.objects.filter(reference=reference)
        if charges.exists() or refunds.exists():
            return Outcome(AttemptState.SUCCEEDED, gateway_reference=_vendor_id(reference))
        return None

    def _give_back(self, request: RefundRequest, at: datetime) -> bool:
        """Whether the charge has that much left to give back."""
        with transaction.atomic(durable=True):
            charge = SandboxCharge.objects.select_for_update().get(
                reference=request.charge_reference.removeprefix(VENDOR_PREFIX)
            )
            if charge.refunded_cents + request.amount_cents > charge.amount_cents:
                return False
            charge.refunded_cents += request.amount_cents
            charge.save(update_fields=["refunded_cents"])
            SandboxRefund.objects.create(
                reference=request.reference,
                charge=charge,
                amount_cents=request.amount_cents,
                at=at,
            )
        return True

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


def _script_of(charge: Charge) -> Script:
    scripted = (
        SandboxScript.objects.filter(account__in=Account.objects.filter(public_id=charge.customer))
        .values_list("outcome", flat=True)
        .first()
    )
    return Script(scripted or charge.method_token.removeprefix("sandbox:"))


def _script_of_refund(request: RefundRequest) -> Script:
    """What the account of the charge is scripted to; the card has no say in giving back."""
    reference = request.charge_reference.removeprefix(VENDOR_PREFIX)
    scripted = SandboxScript.objects.filter(account__attempts__public_id=reference)
    return Script(scripted.values_list("outcome", flat=True).first() or Script.OK)


def _vendor_id(reference: str) -> str:
    return f"{VENDOR_PREFIX}{reference}"
