"""Payment gateways behind one small interface; a gateway without its keys is absent.

Nothing here runs inside a transaction of ours: flows record the attempt, call, record the outcome.
"""

from dataclasses import dataclass
from typing import Protocol

from django.conf import settings

from cln.domain.dunning import DeclineCode
from cln.domain.errors import Refusal
from cln.enums import AttemptState


class GatewayAbsent(Refusal):
    """No gateway is configured that could take this payment."""

    code = "gateway_absent"


class GatewayUnreachable(Exception):
    """The gateway did not answer: the money may or may not have moved (P3, *unknown*)."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What to take: `reference` is our attempt's public id and the idempotency key."""

    reference: str
    method_token: str
    customer: str
    amount_cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What to give back of a charge: `reference` is our refund's public id and the idempotency
    key, `charge_reference` the gateway's own name of the charge.
    """

    reference: str
    charge_reference: str
    amount_cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gateway said: SUCCEEDED with its reference, DECLINED with a code, or PENDING."""

    state: AttemptState
    gateway_reference: str = ""
    decline_code: DeclineCode | None = None


class Gateway(Protocol):
    """What a gateway can do. Each call may raise GatewayUnreachable."""

    def charge(self, charge: Charge) -> Outcome:
        """Take money once per reference, however often it is called."""
        ...

    def refund(self, request: RefundRequest) -> Outcome:
        """Give money back once per reference, however often it is called (P10)."""
        ...

    def find_by_reference(self, reference: str) -> Outcome | None:
        """What became of a charge or a refund; None = it never happened and never will."""
        ...


def gateway_named(name: str) -> Gateway:
    """The configured gateway of that name. Refusals: `gateway_absent`."""
    if name == "sandbox" and settings.CLN_GATEWAY == "sandbox":
        from cln.payments.gateways.sandbox import SandboxGateway

        return SandboxGateway()
    raise GatewayAbsent(
        f"There is no payment gateway {name!r} here.", "Ask the operator to configure one."
    )
