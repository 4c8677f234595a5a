"""One charge at a gateway, and what became of it (P3). No transaction may be open here.

Who records attempts (invoices, deposits) calls these two and writes down what they return.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import ClassVar, Protocol

from cln import faults
from cln.domain.dunning import DeclineCode
from cln.domain.errors import Refusal
from cln.enums import AttemptState
from cln.payments.gateways import (
    Charge,
    GatewayAbsent,
    GatewayUnreachable,
    Outcome,
    gateway_named,
)


class GatewaySilent(Refusal):
    """The gateway does not answer, and without an answer nothing may be done."""

    code: ClassVar[str] = "gateway_silent"


# What an attempt ends with that died before money could move.
NOTHING_TAKEN = Outcome(AttemptState.DECLINED, decline_code=DeclineCode.TECHNICAL_PROBLEM)


def make(gateway_name: str, charge: Charge, *, keep: Callable[[str], bool]) -> Outcome | None:
    """Announce a charge, commit the gateway's id of it, take it. None = in doubt.

    `keep` commits that id before money may move; it answers False when the attempt was given up
    while this process slept, and then nothing is charged. Refusals: `gateway_absent`.
    """
    gateway = gateway_named(gateway_name)
    faults.reach("before_gateway")
    try:
        announced = gateway.announce(charge)
    except GatewayUnreachable:
        return NOTHING_TAKEN
    faults.reach("after_announce")
    if announced and not keep(announced):
        return None
    faults.reach("before_charge")
    try:
        outcome = gateway.charge(replace(charge, gateway_charge=announced))
    except GatewayUnreachable:
        outcome = None
    faults.reach("after_gateway")
    return outcome


class Attempt(Protocol):
    """What both kinds of attempt, at an invoice or balance and at a first deposit, have."""

    state: str
    gateway_charge: str
    resolve_at: datetime | None


def end(
    gateway_name: str, *, reference: str, gateway_charge: str, may_take: Callable[[], bool]
) -> Outcome | None:
    """Ask what became of a charge and see to it that nothing more comes of it.

    Found = as it was found; else it is closed at the gateway, and abandoned. None = the gateway
    is silent or absent: ask again later. `may_take` commits that what a payer has approved is
    about to be taken, and answers False when the attempt has ended.
    """
    try:
        gateway = gateway_named(gateway_name)
        outcome = gateway.find_by_reference(reference, gateway_charge=gateway_charge)
        outcome = outcome or gateway.close(
            reference, gateway_charge=gateway_charge, may_take=may_take
        )
    except (GatewayUnreachable, GatewayAbsent):
        return None
    return outcome or Outcome(AttemptState.ABANDONED)


def is_overtaken(outcome: Outcome | None, *, seen: Attempt, found: Attempt) -> bool:
    """Whether an attempt was given up for what is not so any more: since it was `seen`, another
    process has committed that it is going to take the money.
    """
    columns = attrgetter("state", "gateway_charge", "resolve_at")
    given_up = outcome is not None and outcome.state is AttemptState.ABANDONED
    return given_up and bool(columns(seen) != columns(found))
