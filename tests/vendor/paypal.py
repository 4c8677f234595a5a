"""PayPal's wire format, as far as a shop with Orders v2 and Vault v3 sees it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tests.vendor.till import Json, Reply, Request, Taken, Till, Verdict

ORDER_KEY_LIVES = timedelta(hours=6)
PAYMENT_KEY_LIVES = timedelta(days=45)
CLIENT_ID, SECRET, WEBHOOK_ID = "client_vendor", "secret_vendor", "webhook_vendor"

_BASIC = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()

ISSUES = {
    Verdict.SOFT: "PAYER_CANNOT_PAY",
    Verdict.HARD: "AGREEMENT_ALREADY_CANCELLED",
    Verdict.AUTHENTICATE: "PAYER_ACTION_REQUIRED",
    Verdict.ACTION: "PAYER_ACTION_REQUIRED",
}


class PayPalSide:
    """Orders, captures, refunds, agreements; and what a payer does on PayPal's page."""

    too_many = Reply(429, {"name": "RATE_LIMIT_REACHED", "details": []})

    def __init__(self, till: Till) -> None:
        self.till = till
        self.declines_with: str | None = None

    def step(self, request: Request) -> str:
        """What the shop is about to do, in the words of `Till.plan`."""
        if "oauth2" in request.path or "notifications" in request.path:
            return "token" if "oauth2" in request.path else "verify"
        if request.method == "GET":
            return "look"
        if request.path == "/v2/checkout/orders":
            return "announce"
        return {"capture": "charge", "refund": "refund"}.get(
            request.path.rpartition("/")[2], "method"
        )

    def answer(self, request: Request) -> Reply:
        """Carry out a request, once per PayPal-Request-Id while that is remembered."""
        if request.path == "/v1/oauth2/token":
            if request.headers.get("Authorization") != f"Basic {_BASIC}":
                return Reply(401, {"error": "invalid_client"})
            return Reply(200, {"access_token": "A21", "token_type": "Bearer", "expires_in": 32_400})
        if request.headers.get("Authorization") != "Bearer A21":
            return Reply(401, {"name": "AUTHENTICATION_FAILURE"})
        if request.path.endswith("/verify-webhook-signature"):
            return self._verify(request.body)
        key = request.headers.get("PayPal-Request-Id", "") if request.method == "POST" else ""
        lives = ORDER_KEY_LIVES if "checkout" in request.path else PAYMENT_KEY_LIVES
        return self.till.once("paypal", key, request, lives, lambda: self._do(request))

    def add_agreement(self) -> str:
        """An agreement that somebody has made; returns the shop's token of it."""
        return str(self._new("vault_", {"kind": "agreement"})["id"])

    def payer_approves_agreement(self, setup: str) -> None:
        """The payer agrees on PayPal's page."""
        self.till.things[setup]["status"] = "APPROVED"

    def payer_pays(self, order: str) -> None:
        """The payer approves an order on PayPal's page; the shop has to capture it."""
        thing = self.till.things[order]
        thing["status"] = "APPROVED"
        self._tell("CHECKOUT.ORDER.APPROVED", thing)

    def clears(self, order: str, verdict: Verdict = Verdict.OK) -> None:
        """What was pending is decided."""
        thing = self.till.things[order]
        [capture] = thing["purchase_units"][0]["payments"]["captures"]
        capture["status"] = "COMPLETED" if verdict is Verdict.OK else "DECLINED"
        self._captured(thing, capture)

    def pending(self) -> list[str]:
        """The orders whose capture waits for the bank."""
        return [
            thing["supplementary_data"]["related_ids"]["order_id"]
            for thing in self.till.things.values()
            if thing["object"] == "CAPTURE" and thing["status"] == "PENDING"
        ]

    def refund_clears(self, reference: str, verdict: Verdict = Verdict.OK) -> None:
        """A refund that was pending, or even done, arrives or comes back."""
        [refund] = [
            thing
            for thing in self.till.things.values()
            if thing["object"] == "REFUND" and thing["custom_id"] == reference
        ]
        self._decide_refund(refund, "COMPLETED" if verdict is Verdict.OK else "FAILED")

    def webhook(self, event: Json, webhook_id: str = WEBHOOK_ID) -> dict[str, Any]:
        """Arguments of a test client's post: the event, signed for a webhook."""
        body = json.dumps(event, indent=1)
        sent = {"Transmission-Id": event["id"], "Transmission-Time": self.till.now.isoformat()}
        signature = _signature(*sent.values(), webhook_id, body)
        sent |= {
            "Transmission-Sig": signature,
            "Auth-Algo": "SHA256withRSA",
            "Cert-Url": "https://",
        }
        headers = {f"Paypal-{name}": value for name, value in sent.items()}
        return {"data": body, "content_type": "application/json", "headers": headers}

    def _do(self, request: Request) -> Reply:
        parts = request.path.strip("/").split("/")
        body = json.loads(request.body or b"{}")
        doors: dict[tuple[str, str], Callable[..., Reply]] = {
            ("POST", "orders"): self._create_order,
            ("POST", "setup-tokens"): self._create_setup,
            ("POST", "payment-tokens"): self._create_agreement,
        }
        if len(parts) == 3:
            return doors[request.method, parts[2]](body)
        thing = self.till.things.get(parts[3])
        if thing is None:
            return Reply(404, {"name": "RESOURCE_NOT_FOUND", "details": []})
        if request.method == "DELETE":
            return Reply(204, self.till.things.pop(parts[3]))
        if parts[4:] == ["capture"]:
            return self._capture(thing, body)
        if parts[4:] == ["refund"]:
            return self._refund(thing, body)
        return Reply(200, thing)

    def _create_order(self, body: Json) -> Reply:
        [unit] = body["purchase_units"]
        wallet = body.get("payment_source", {}).get("paypal")
        order = self._new(
            "ORDER",
            {
                "status": "PAYER_ACTION_REQUIRED" if wallet else "CREATED",
                "purchase_units": [{**unit, "payments": {"captures": [], "refunds": []}}],
            },
        )
        href = f"https://vendor.example/checkoutnow?token={order['id']}"
        order["links"] = [{"href": href, "rel": "payer-action" if wallet else "approve"}]
        return Reply(201, order)

    def _capture(self, order: Json, body: Json) -> Reply:
        wallet = body.get("payment_source", {}).get("paypal", {})
        if order["status"] == "COMPLETED":
            return _refused("ORDER_ALREADY_CAPTURED")
        if wallet and wallet["vault_id"] not in self.till.things:
            return _refused("TOKEN_ID_NOT_FOUND")
        if not wallet and order["status"] != "APPROVED":
            return _refused("ORDER_NOT_APPROVED")
        issue = self.declines_with or ISSUES.get(self.till.bank)
        if issue:
            return _refused(issue)
        unit = order["purchase_units"][0]
        capture = self._new(
            "CAPTURE",
            {
                "status": "PENDING" if self.till.bank is Verdict.LATER else "COMPLETED",
                "amount": unit["amount"],
                "custom_id": unit["custom_id"],
                "supplementary_data": {"related_ids": {"order_id": order["id"]}},
            },
        )
        unit["payments"]["captures"].append(capture)
        order["status"] = "COMPLETED"
        self._captured(order, capture)
        return Reply(201, order)

    def _captured(self, order: Json, capture: Json) -> None:
        if capture["status"] == "COMPLETED":
            unit = order["purchase_units"][0]
            self.till.taken.append(_moved(unit["custom_id"], unit["amount"]))
        self._tell(f"PAYMENT.CAPTURE.{capture['status']}", capture)

    def _refund(self, capture: Json, body: Json) -> Reply:
        order = self.till.things[capture["supplementary_data"]["related_ids"]["order_id"]]
        refunds = order["purchase_units"][0]["payments"]["refunds"]
        before = sum(Decimal(row["amount"]["value"]) for row in refunds)
        if before + Decimal(body["amount"]["value"]) > Decimal(capture["amount"]["value"]):
            return _refused("REFUND_AMOUNT_EXCEEDED")
        verdicts = {Verdict.LATER: "PENDING", Verdict.OK: "COMPLETED"}
        refund = self._new("REFUND", body)
        refunds.append(refund)
        self._decide_refund(refund, verdicts.get(self.till.bank, "FAILED"))
        return Reply(201, refund)

    def _decide_refund(self, refund: Json, status: str) -> None:
        refund["status"] = status
        back = _moved(refund["custom_id"], refund["amount"])
        self.till.gives_back(back, given=status == "COMPLETED")
        done = status == "COMPLETED"
        self._tell("PAYMENT.CAPTURE.REFUNDED" if done else f"PAYMENT.REFUND.{status}", refund)

    def _create_setup(self, body: Json) -> Reply:
        setup = self._new(
            "SETUP", {"status": "PAYER_ACTION_REQUIRED", "customer": body["customer"]}
        )
        href = f"https://vendor.example/agreements?token={setup['id']}"
        return Reply(201, setup | {"links": [{"href": href, "rel": "approve"}]})

    def _create_agreement(self, body: Json) -> Reply:
        setup = self.till.things.get(body["payment_source"]["token"]["id"], {})
        if setup.get("status") != "APPROVED":
            return _refused("SETUP_TOKEN_NOT_APPROVED")
        wallet = {"email_address": "payer@example.com"}
        return Reply(201, {"id": self.add_agreement(), "payment_source": {"paypal": wallet}})

    def _verify(self, body: bytes) -> Reply:
        """Check the signature over the bytes of the event, as they were sent back."""
        envelope = json.loads(body)
        event = body.decode().partition('"webhook_event": ')[2][:-1]
        expected = _signature(
            envelope["transmission_id"],
            envelope["transmission_time"],
            envelope["webhook_id"],
            event,
        )
        good = hmac.compare_digest(expected, envelope["transmission_sig"])
        return Reply(200, {"verification_status": "SUCCESS" if good else "FAILURE"})

    def _new(self, prefix: str, content: Json) -> Json:
        thing = {"object": prefix, "id": self.till.new_id(prefix), **content}
        self.till.things[thing["id"]] = thing
        return thing

    def _tell(self, kind: str, thing: Json) -> None:
        event = {"id": self.till.new_id("WH-"), "event_type": kind}
        self.till.tell(event | {"resource": json.loads(json.dumps(thing))})


def _refused(issue: str) -> Reply:
    return Reply(422, {"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": issue}]})


def _moved(reference: str, amount: Json) -> Taken:
    return Taken(reference, int(Decimal(amount["value"]) * 100), amount["currency_code"])


def _signature(sent_id: str, sent_at: str, webhook_id: str, body: str) -> str:
    signed = f"{sent_id}|{sent_at}|{webhook_id}|{zlib.crc32(body.encode())}"
    return hmac.new(b"vendor", signed.encode(), hashlib.sha256).hexdigest()
