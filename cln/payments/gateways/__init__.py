"""Payment gateways behind one small interface; a gateway without its keys is absent.

Nothing here runs inside a transaction of ours: flows record the attempt, call, record the outcome.

A charge has two steps. `announce` tells the gateway what is going to be taken and moves no money;
its answer, the gateway's own id of the charge, is committed before `charge` may take it. So what
became of a charge can always be asked by that id: no fate hangs on how long a gateway remembers
an idempotency key (PayPal: six hours), and what was announced can be closed for good.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Protocol

from django.conf import settings

from cln.domain.dunning import DeclineCode
from cln.domain.errors import Refusal
from cln.enums import AttemptState, GatewayEventKind, MethodKind
from cln.payments.gateways.keys import paypal_keys, stripe_keys


class GatewayAbsent(Refusal):
    """No gateway is configured that could take this payment."""

    code: ClassVar[str] = "gateway_absent"


class GatewayCannot(Refusal):
    """The gateway is there but has no such page."""

    code: ClassVar[str] = "gateway_cannot"


class MethodNotStored(Refusal):
    """The gateway's page was left before the payment method was confirmed, or is not yours."""

    code: ClassVar[str] = "method_not_stored"


class ForgedWebhook(Refusal):
    """The signature of a webhook is missing, wrong or too old."""

    code: ClassVar[str] = "forged_webhook"


class GatewayUnreachable(Exception):
    """The gateway did not answer: the money may or may not have moved (P3, *unknown*)."""


class PageOver(Exception):
    """A page cannot be shown again: its payer has paid or approved, or the gateway dropped it."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What to take: `reference` is our attempt's public id and the idempotency key.

    `gateway_charge` is what `announce` answered; `method_token` is empty on a hosted page.
    """

    reference: str
    method_token: str
    customer: str
    amount_cents: int
    currency: str
    gateway_charge: str = ""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """What to give back: `reference` is our refund's public id and the idempotency key.

    `charge_reference` is the payment's `gateway_reference`.
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


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose method is stored: our public id, where mail goes, the token of the former method."""

    reference: str
    email: str
    former_token: str = ""


@dataclass(frozen=True, slots=True)
class Back:
    """Absolute addresses a payer comes back to from a gateway's page.

    `{payment}` in them stands for the payment's id, which is not known before it is begun.
    """

    done_url: str
    cancelled_url: str


@dataclass(frozen=True, slots=True)
class Page:
    """The gateway's own page: `url` is where to go, `id` the gateway's id of what it is about.

    Card data is typed there and never comes to us.
    """

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class StoredMethod:
    """A method the gateway keeps for us; `expires_on` is the last day a card is good."""

    kind: MethodKind
    token: str
    label: str
    expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook that was verified. `reference` is ours; no outcome = ask the gateway."""

    event_id: str
    kind: GatewayEventKind
    reference: str = ""
    gateway_charge: str = ""
    outcome: Outcome | None = None


class Gateway(Protocol):
    """What a gateway can do. Each call that leaves the house may raise GatewayUnreachable."""

    def announce(self, charge: Charge) -> str:
        """Tell what will be taken and learn the gateway's id of it; moves no money.

        Empty where the gateway keeps our reference for ever and needs no id of its own.
        """
        ...

    def charge(self, charge: Charge) -> Outcome:
        """Take money once per reference, however often it is called."""
        ...

    def find_by_reference(self, reference: str, *, gateway_charge: str = "") -> Outcome | None:
        """What was taken, or is on its way; None = nothing has been taken so far."""
        ...

    def close(
        self, reference: str, *, gateway_charge: str = "", may_take: Callable[[], bool]
    ) -> Outcome | None:
        """End an announced charge: take what the payer has approved, let the rest never be taken.

        Whoever takes asks `may_take` just before; False = the attempt has ended, nothing is taken.
        None = nothing was taken and never will be.
        """
        ...

    def refund(self, request: RefundRequest) -> Outcome:
        """Give money back once per reference, however often it is called."""
        ...

    def find_refund(self, request: RefundRequest) -> Outcome | None:
        """What became of a refund; None = the gateway knows nothing of it."""
        ...

    def begin_method(self, payer: Payer, back: Back) -> Page:
        """Open the page on which a payer hands a method to the gateway. Refuses gateway_cannot."""
        ...

    def complete_method(self, payer: Payer, page_id: str) -> StoredMethod:
        """The method that was handed over. Refusals: `method_not_stored`, `gateway_cannot`."""
        ...

    def forget_method(self, token: str) -> None:
        """Let go of a stored method; one that is gone already is no error."""
        ...

    def hosted_page(self, charge: Charge, back: Back) -> Page:
        """A page that takes this charge; with `gateway_charge` the same page again (P4).

        Raises PageOver when that one has come to an end. Refusals: `gateway_cannot`.
        """
        ...

    def webhook(self, headers: Mapping[str, str], body: bytes) -> Event | None:
        """Verify and translate; None = genuine, and nothing to us. Refusals: `forged_webhook`."""
        ...


def configured_gateways() -> tuple[str, ...]:
    """The names of the gateways that can take money here, in the order to offer them."""
    present = {
        "stripe": stripe_keys() is not None,
        "paypal": paypal_keys() is not None,
        "sandbox": settings.CLN_GATEWAY == "sandbox",
    }
    return tuple(name for name, is_present in present.items() if is_present)


def gateway_named(name: str) -> Gateway:
    """The configured gateway of that name. Refusals: `gateway_absent`."""
    # Each is imported when it is first asked for: a vendor's library costs a second at start.
    if name == "stripe" and (stripe := stripe_keys()):
        from cln.payments.gateways.stripe import stripe_gateway

        return stripe_gateway(stripe)
    if name == "paypal" and (paypal := paypal_keys()):
        from cln.payments.gateways.paypal import paypal_gateway

        return paypal_gateway(paypal)
    if name == "sandbox" and settings.CLN_GATEWAY == "sandbox":
        from cln.payments.gateways.sandbox import SandboxGateway

        return SandboxGateway()
    raise GatewayAbsent(
        f"There is no payment gateway {name!r} here.", "Ask the operator to configure one."
    )
