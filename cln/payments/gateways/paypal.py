"""PayPal wallets: agreements in Vault v3, charges as Orders v2.

A charge is an order that is created without a payer (`announce`) and captured with the vaulted
agreement (`charge`), or, on PayPal's page, approved by the payer and then captured by us. An
order is captured once, however often it is asked for: PayPal forgets a PayPal-Request-Id after six
hours, the order's id says for ever what became of it. Nothing moves without our capture.
"""

import json
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from apimatic_core.exceptions.auth_validation_exception import AuthValidationException
from paypalserversdk.exceptions.api_exception import ApiException
from paypalserversdk.paypal_serversdk_client import PaypalServersdkClient

from cln.domain.dunning import DeclineCode
from cln.domain.errors import Refusal
from cln.domain.money import format_cents
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
from cln.payments.gateways.keys import PayPalKeys
from cln.payments.gateways.paypal_client import paypal_client, verify_webhook

log = logging.getLogger(__name__)
Json = dict[str, Any]

DECLINES = {
    "AGREEMENT_ALREADY_CANCELLED": DeclineCode.AGREEMENT_CANCELLED,
    "BILLING_AGREEMENT_NOT_FOUND": DeclineCode.AGREEMENT_CANCELLED,
    "TOKEN_ID_NOT_FOUND": DeclineCode.AGREEMENT_CANCELLED,
    "INVALID_RESOURCE_ID": DeclineCode.AGREEMENT_CANCELLED,
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": DeclineCode.AGREEMENT_CANCELLED,
    "PAYER_CANNOT_PAY": DeclineCode.INSUFFICIENT_FUNDS,
    "INSTRUMENT_DECLINED": DeclineCode.ISSUER_DECLINED,
    "TRANSACTION_REFUSED": DeclineCode.ISSUER_DECLINED,
    "PAYER_ACTION_REQUIRED": DeclineCode.CARD_NOT_CONFIRMED,
    "CARD_EXPIRED": DeclineCode.EXPIRED_CARD,
}
"""PayPal's issues in our words; every other one is a technical problem and is logged."""

_WAITS_FOR_PAYER = ("CREATED", "SAVED", "PAYER_ACTION_REQUIRED")
_CAPTURES = {
    "COMPLETED": AttemptState.SUCCEEDED,
    "PARTIALLY_REFUNDED": AttemptState.SUCCEEDED,
    "REFUNDED": AttemptState.SUCCEEDED,
    "PENDING": AttemptState.PENDING,
    "DECLINED": AttemptState.DECLINED,
    "DENIED": AttemptState.DECLINED,
    "FAILED": AttemptState.DECLINED,
}
_REFUNDS = {
    "COMPLETED": AttemptState.SUCCEEDED,
    "PENDING": AttemptState.PENDING,
    "FAILED": AttemptState.DECLINED,
    "CANCELLED": AttemptState.DECLINED,
}
_TECHNICAL = Outcome(AttemptState.DECLINED, decline_code=DeclineCode.TECHNICAL_PROBLEM)
_BANK = Outcome(AttemptState.DECLINED, decline_code=DeclineCode.ISSUER_DECLINED)


class _Refused(Exception):
    """PayPal understood and said no; nothing has happened. `issue` is PayPal's word for it."""

    def __init__(self, status: int, issue: str) -> None:
        super().__init__(f"{status} {issue}")
        self.status = status
        self.issue = issue


@lru_cache(maxsize=4)
def paypal_gateway(keys: PayPalKeys) -> "PayPalGateway":
    """One client per application and process; it keeps its access token."""
    return PayPalGateway(keys)


class PayPalGateway:
    """See `cln.payments.gateways.Gateway`."""

    def __init__(self, keys: PayPalKeys) -> None:
        """Open no connection yet."""
        self._keys = keys
        self._client: PaypalServersdkClient = paypal_client(keys)

    def announce(self, charge: Charge) -> str:
        """Create the order without a payer."""
        return str(self._new_order(charge, {})["id"])

    def charge(self, charge: Charge) -> Outcome:
        """Capture the order with the vaulted agreement; only what is plain is an outcome."""
        wallet = {
            "vault_id": charge.method_token,
            "stored_credential": {"payment_initiator": "MERCHANT", "usage": "SUBSEQUENT"},
        }
        order = charge.gateway_charge or self.announce(charge)
        return self._capture(order, charge.reference, {"payment_source": {"paypal": wallet}})

    def find_by_reference(self, reference: str, *, gateway_charge: str = "") -> Outcome | None:
        """Look at the order's captures; a declined one took nothing."""
        if not gateway_charge:
            return None
        outcome = _fate(self._order(gateway_charge))
        return None if outcome is None or outcome.decline_code else outcome

    def close(
        self, reference: str, *, gateway_charge: str = "", may_take: Callable[[], bool]
    ) -> Outcome | None:
        """Capture what the payer has approved; any other order is simply never captured."""
        if not gateway_charge:
            return None
        order = self._order(gateway_charge)
        if order.get("status") != "APPROVED":
            return _fate(order)
        return self._capture(gateway_charge, reference, {}) if may_take() else None

    def refund(self, request: RefundRequest) -> Outcome:
        """Refund part of a capture; asks first, for PayPal forgets a request id in the end."""
        known = self.find_refund(request)
        if known is not None:
            return known
        body = {
            "amount": _amount(request.amount_cents, request.currency),
            "custom_id": request.reference,
        }
        options = {
            "capture_id": request.charge_reference,
            "paypal_request_id": request.reference,
            "prefer": "return=representation",
            "body": body,
        }
        try:
            made = _answer(self._client.payments.refund_captured_payment, options)
        except _Refused as refused:
            level = logging.WARNING if refused.status == 429 else logging.ERROR
            log.log(level, "PayPal refused to refund %s: %s", request.charge_reference, refused)
            return _TECHNICAL
        return _refunded(made)

    def find_refund(self, request: RefundRequest) -> Outcome | None:
        """Look through the refunds of the capture's order for ours."""
        capture = _look(
            self._client.payments.get_captured_payment,
            {"capture_id": request.charge_reference},
        )
        order = capture.get("supplementary_data", {}).get("related_ids", {}).get("order_id", "")
        for unit in self._order(order).get("purchase_units", []):
            for refund in unit.get("payments", {}).get("refunds", []):
                if refund.get("custom_id") == request.reference:
                    return _refunded(refund)
        return None

    def begin_method(self, payer: Payer, back: Back) -> Page:
        """A setup token; the payer approves it on PayPal's page."""
        wallet = {
            "usage_type": "MERCHANT",
            "experience_context": _context(back, "vault_instruction", "ON_PAYER_APPROVAL"),
        }
        body = {
            "payment_source": {"paypal": wallet},
            "customer": {"merchant_customer_id": payer.reference},
        }
        setup = _look(self._client.vault.create_setup_token, {"body": body})
        return Page(id=setup["id"], url=_link(setup, "approve"))

    def complete_method(self, payer: Payer, page_id: str) -> StoredMethod:
        """Turn a setup token that this payer has approved into an agreement to charge."""
        source = {"token": {"id": page_id, "type": "SETUP_TOKEN"}}
        options = {"body": {"payment_source": source}, "paypal_request_id": page_id}
        try:
            setup = _answer(self._client.vault.get_setup_token, page_id)
            is_theirs = setup.get("customer", {}).get("merchant_customer_id") == payer.reference
            # Asked too early, PayPal would remember its no under our request id.
            if not is_theirs or setup.get("status") not in ("APPROVED", "VAULTED"):
                raise _not_stored()
            token = _answer(self._client.vault.create_payment_token, options)
        except _Refused as error:
            raise _not_stored() from error
        email = token.get("payment_source", {}).get("paypal", {}).get("email_address", "")
        label = f"PayPal {email}".strip()[:80]
        return StoredMethod(kind=MethodKind.PAYPAL, token=token["id"], label=label)

    def forget_method(self, token: str) -> None:
        """Delete the payment token; the payer sees in PayPal that the agreement has ended."""
        try:
            self._client.vault.delete_payment_token(token)
        except ApiException as error:
            if error.response_code != 404:
                raise GatewayUnreachable(f"PayPal: {error.response_code}") from error
        except (OSError, AuthValidationException) as error:
            raise GatewayUnreachable(f"PayPal: {error}") from error

    def hosted_page(self, charge: Charge, back: Back) -> Page:
        """PayPal checkout of this charge, or of the same order again."""
        if charge.gateway_charge:
            order = self._order(charge.gateway_charge)
            if order.get("status") not in _WAITS_FOR_PAYER:
                raise PageOver(f"{charge.gateway_charge} is {order.get('status', 'gone')}")
        else:
            context = _context(back, "user_action", "PAY_NOW")
            source = {"payment_source": {"paypal": {"experience_context": context}}}
            order = self._new_order(charge, source)
        return Page(id=order["id"], url=_link(order, "payer-action") or _link(order, "approve"))

    def webhook(self, headers: Mapping[str, str], body: bytes) -> Event | None:
        """Ask PayPal whether it sent this to our webhook."""
        if not verify_webhook(self._client, self._keys.webhook_id, headers, body):
            raise ForgedWebhook("The signature of the webhook is wrong.")
        return _translate(json.loads(body))

    def _new_order(self, charge: Charge, source: Json) -> Json:
        unit = {
            "custom_id": charge.reference,
            # PayPal can be told to refuse a second payment of an invoice id: one more lock.
            "invoice_id": charge.reference,
            "amount": _amount(charge.amount_cents, charge.currency),
        }
        options = {
            "paypal_request_id": charge.reference,
            "prefer": "return=representation",
            "body": {"intent": "CAPTURE", "purchase_units": [unit], **source},
        }
        return _look(self._client.orders.create_order, options)

    def _capture(self, order: str, reference: str, body: Json) -> Outcome:
        options = {
            "id": order,
            "paypal_request_id": f"{reference}:capture",
            "prefer": "return=representation",
            "body": body,
        }
        try:
            return _fate(_answer(self._client.orders.capture_order, options)) or _TECHNICAL
        except _Refused as refused:
            if refused.issue in ("ORDER_ALREADY_CAPTURED", "DUPLICATE_INVOICE_ID"):
                # Ours, by an earlier request whose answer was lost.
                return _fate(self._order(order)) or _TECHNICAL
            if refused.issue not in DECLINES:
                log.warning("PayPal refused to capture %s: %s", order, refused)
                return _TECHNICAL
            return Outcome(AttemptState.DECLINED, decline_code=DECLINES[refused.issue])

    def _order(self, order: str) -> Json:
        """An order; one that PayPal has cleared away was never paid."""
        try:
            return _answer(self._client.orders.get_order, {"id": order})
        except _Refused as refused:
            if refused.status == 404:
                return {}
            raise GatewayUnreachable(str(refused)) from refused


def _answer(call: Callable[[Any], Any], options: Json | str) -> Json:
    """PayPal's answer. Raises _Refused for a plain no, GatewayUnreachable for anything else."""
    try:
        answer: Json = json.loads(call(options).text)
    except ApiException as error:
        if error.response_code >= 500 or error.response_code in (408, 409):
            raise GatewayUnreachable(f"PayPal: {error.response_code}") from error
        if error.response_code == 401:
            # A token that was revoked before its time: the next caller gets a client without one.
            paypal_gateway.cache_clear()
        raise _Refused(error.response_code, _issue(error.response.text)) from error
    except AuthValidationException as error:
        raise _Refused(401, str(error)) from error  # no access token, so nothing was asked
    except (OSError, ValueError, AttributeError, TypeError) as error:
        # No connection, or an answer that is not PayPal's, which its library cannot read.
        raise GatewayUnreachable(f"PayPal: {error}") from error
    return answer


def _look(call: Callable[[Json], Any], options: Json) -> Json:
    """A call that moves no money: whatever goes wrong, nothing has happened."""
    try:
        return _answer(call, options)
    except _Refused as refused:
        log.warning("PayPal: %s", refused)
        raise GatewayUnreachable(str(refused)) from refused


def _issue(text: str) -> str:
    try:
        said = json.loads(text)
        details = said.get("details") or [{}]
        return str(details[0].get("issue") or said.get("name") or "")
    except (ValueError, AttributeError):
        return ""


def _fate(order: Json) -> Outcome | None:
    """What became of the order's newest capture; None = nothing was captured."""
    captures = [
        capture
        for unit in order.get("purchase_units", [])
        for capture in unit.get("payments", {}).get("captures", [])
    ]
    return _captured(captures[-1]) if captures else None


def _captured(capture: Json) -> Outcome:
    state = _known(_CAPTURES, capture)
    return _BANK if state is AttemptState.DECLINED else Outcome(state, capture["id"])


def _refunded(refund: Json) -> Outcome:
    state = _known(_REFUNDS, refund)
    return _TECHNICAL if state is AttemptState.DECLINED else Outcome(state, refund["id"])


def _known(states: Mapping[str, AttemptState], thing: Json) -> AttemptState:
    """Our word for a status; one that PayPal has invented since leaves it in doubt."""
    status = thing.get("status", "")
    if status not in states:
        raise GatewayUnreachable(f"PayPal: {thing['id']} is {status!r}, whatever that is")
    return states[status]


def _translate(said: Json) -> Event | None:
    """A verified webhook in our words."""
    thing, kind = said.get("resource", {}), str(said.get("event_type", ""))
    if kind == "CHECKOUT.ORDER.APPROVED":
        units = thing.get("purchase_units") or [{}]
        reference = units[0].get("custom_id", "")
        return Event(said["id"], GatewayEventKind.CHARGE, reference, thing.get("id", ""))
    if kind.startswith("PAYMENT.CAPTURE.") and kind.rpartition(".")[2] in _TOLD:
        order = thing.get("supplementary_data", {}).get("related_ids", {}).get("order_id", "")
        reference = thing.get("custom_id", "")
        return Event(said["id"], GatewayEventKind.CHARGE, reference, order, _captured(thing))
    if kind in ("PAYMENT.CAPTURE.REFUNDED", "PAYMENT.REFUND.PENDING", "PAYMENT.REFUND.FAILED"):
        return Event(said["id"], GatewayEventKind.REFUND, thing.get("custom_id", ""))
    return None


_TOLD = ("COMPLETED", "PENDING", "DENIED", "DECLINED")


def _amount(cents: int, currency: str) -> Json:
    return {"currency_code": currency, "value": format_cents(cents)}


def _context(back: Back, key: str, value: str) -> Json:
    return {
        "return_url": back.done_url,
        "cancel_url": back.cancelled_url,
        "shipping_preference": "NO_SHIPPING",
        key: value,
    }


def _link(thing: Json, rel: str) -> str:
    return next((str(link["href"]) for link in thing.get("links", []) if link["rel"] == rel), "")


def _not_stored() -> Refusal:
    return MethodNotStored("The PayPal account was not connected.", "Connect it again.")
