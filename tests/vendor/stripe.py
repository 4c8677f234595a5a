"""Stripe's wire format, as far as a shop with PaymentIntents and Checkout sees it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import stripe

from tests.vendor.till import Json, Reply, Request, Taken, Till, Verdict

KEY_LIVES = timedelta(hours=24)
SECRET, WEBHOOK_SECRET = "sk_test_vendor", "whsec_vendor"
CARD = {"brand": "visa", "last4": "4242", "exp_month": 2, "exp_year": 2028}

DECLINES = {
    Verdict.SOFT: ("card_declined", "insufficient_funds"),
    Verdict.HARD: ("expired_card", "expired_card"),
    Verdict.AUTHENTICATE: ("authentication_required", "authentication_required"),
}


class StripeSide:
    """Customers, intents, refunds; and what a payer does on the pages of Checkout."""

    too_many = Reply(429, {"error": {"type": "invalid_request_error", "code": "rate_limit"}})

    def __init__(self, till: Till) -> None:
        self.till = till
        self.declines_with: tuple[str, str] | None = None

    def knows(self, path: str) -> bool:
        """Whether a path is Stripe's."""
        return bool(
            re.match(
                r"/v1/(customers|payment_intents|payment_methods|checkout/sessions|refunds)\b", path
            )
        )

    def step(self, request: Request) -> str:
        """What the shop is about to do, in the words of `Till.plan`."""
        if request.method == "GET":
            return "look"
        if request.path == "/v1/payment_intents" or b"mode=payment" in request.body:
            return "announce"
        steps = {"confirm": "charge", "refunds": "refund", "cancel": "close", "expire": "close"}
        return steps.get(request.path.rpartition("/")[2], "method")

    def answer(self, request: Request) -> Reply:
        """Carry out a request, once per idempotency key."""
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return Reply(401, {"error": {"type": "invalid_request_error", "message": "key"}})
        key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
        form = {**request.query, **dict(parse_qsl(request.body.decode()))}
        return self.till.once("stripe", key, request, KEY_LIVES, lambda: self._do(request, form))

    def add_card(self, customer: str = "cus_vendor") -> str:
        """A card that somebody has stored; returns the shop's token of it."""
        method = self._new("pm_", {"object": "payment_method", "type": "card", "card": CARD})
        return f"{customer}/{method['id']}"

    def payer_stores_card(self, page: str) -> None:
        """The payer types a card on the page that stores it."""
        session = self.till.things[page]
        _, _, method = self.add_card().partition("/")
        setup = {"object": "setup_intent", "status": "succeeded", "payment_method": method}
        session |= {
            "status": "complete",
            "url": None,
            "setup_intent": self._new("seti_", setup)["id"],
        }

    def payer_pays(self, page: str, verdict: Verdict = Verdict.OK) -> None:
        """The payer types a card on the page that charges it; a failing one leaves it open."""
        session = self.till.things[page]
        if session["payment_intent"] is None:
            made = self._new_intent(
                session["amount_total"], session["currency"], session["metadata"]
            )
            session["payment_intent"] = made["id"]
        intent = self.till.things[session["payment_intent"]]
        self._confirm(intent, verdict)
        if intent["status"] in ("succeeded", "processing"):
            is_paid = intent["status"] == "succeeded"
            session |= {"status": "complete", "url": None}
            session["payment_status"] = "paid" if is_paid else "unpaid"
            self._tell("checkout.session.completed", session)

    def clears(self, intent: str, verdict: Verdict = Verdict.OK) -> None:
        """What was pending is decided."""
        self._confirm(self.till.things[intent], verdict)
        for page in self.till.things.values():
            if page["object"] == "checkout.session" and page["payment_intent"] == intent:
                is_paid = verdict is Verdict.OK
                page["payment_status"] = "paid" if is_paid else "unpaid"
                word = "succeeded" if is_paid else "failed"
                return self._tell(f"checkout.session.async_payment_{word}", page)
        return None

    def pending(self) -> list[str]:
        """The charges that wait for their bank."""
        return [
            thing["id"]
            for thing in self.till.things.values()
            if thing.get("status") == "processing"
        ]

    def refund_clears(self, reference: str, verdict: Verdict = Verdict.OK) -> None:
        """A refund that was pending, or even done, arrives or comes back."""
        [refund] = [
            thing
            for thing in self.till.things.values()
            if thing["object"] == "refund" and thing["metadata"]["reference"] == reference
        ]
        self._decide_refund(refund, "succeeded" if verdict is Verdict.OK else "failed")
        self._tell("refund.updated" if verdict is Verdict.OK else "refund.failed", refund)

    def webhook(self, event: Json, secret: str = WEBHOOK_SECRET, age: int = 0) -> dict[str, Any]:
        """Arguments of a test client's post: the event, signed; `age` in seconds."""
        body = json.dumps(event)
        # Stripe's library compares it with the machine's own clock.
        signed_at = int(time.time()) - age  # noqa: TID251
        header = stripe.WebhookSignature.generate_signature_header(body, secret, signed_at)
        return {
            "data": body,
            "content_type": "application/json",
            "headers": {"Stripe-Signature": header},
        }

    def _do(self, request: Request, form: dict[str, str]) -> Reply:
        _, _, kind, *rest = request.path.replace("checkout/", "").split("/")
        doors: dict[tuple[str, str], Callable[..., Reply]] = {
            ("POST", "customers"): self._create_customer,
            ("POST", "payment_intents"): self._create_intent,
            ("POST", "sessions"): self._create_session,
            ("POST", "refunds"): self._refund,
            ("GET", "refunds"): self._refunds,
        }
        if not rest:
            return doors[request.method, kind](form)
        thing = self.till.things.get(rest[0])
        if thing is None:
            return _invalid("resource_missing", "intent")
        if rest[1:] == ["confirm"]:
            return self._confirm_for_shop(thing, form)
        if rest[1:] == ["detach"]:
            return Reply(200, self.till.things.pop(rest[0]))
        if rest[1:] == ["cancel"]:
            return self._cancel(thing)
        if rest[1:] == ["expire"]:
            return self._expire(thing, form)
        return Reply(200, self._expanded(thing, form))

    def _create_customer(self, form: dict[str, str]) -> Reply:
        return Reply(200, self._new("cus_", {"object": "customer", "email": form["email"]}))

    def _create_intent(self, form: dict[str, str]) -> Reply:
        intent = self._new_intent(int(form["amount"]), form["currency"], _metadata(form))
        return Reply(200, intent)

    def _new_intent(self, cents: int, currency: str, metadata: Json) -> Json:
        return self._new(
            "pi_",
            {
                "object": "payment_intent",
                "amount": cents,
                "currency": currency,
                "status": "requires_payment_method",
                "metadata": metadata,
                "last_payment_error": None,
            },
        )

    def _create_session(self, form: dict[str, str]) -> Reply:
        price = "line_items[0][price_data]"
        pays = form["mode"] == "payment"
        session = self._new(
            "cs_",
            {
                "object": "checkout.session",
                "mode": form["mode"],
                "status": "open",
                "payment_status": "unpaid" if pays else "no_payment_required",
                "customer": form.get("customer"),
                "amount_total": int(form[f"{price}[unit_amount]"]) if pays else None,
                "currency": form[f"{price}[currency]"] if pays else None,
                "success_url": form["success_url"],
                "cancel_url": form["cancel_url"],
                "payment_intent": None,
                "setup_intent": None,
                "metadata": _metadata(form),
            },
        )
        session["url"] = f"https://vendor.example/checkout/{session['id']}"
        return Reply(200, session)

    def _expire(self, session: Json, form: dict[str, str]) -> Reply:
        if session["status"] != "open":
            return _invalid("checkout_session_not_open", "session")
        session |= {"status": "expired", "url": None}
        intent = self.till.things.get(session["payment_intent"] or "")
        if intent:
            intent["status"] = "canceled"
        self._tell("checkout.session.expired", session)
        return Reply(200, self._expanded(session, form))

    def _expanded(self, thing: Json, form: dict[str, str]) -> Json:
        """A thing with what the shop asked to see of it: ids become what they stand for."""
        seen = dict(thing)
        for path in sorted(value for name, value in form.items() if name.startswith("expand[")):
            *above, last = path.split(".")
            inside = seen
            for name in above:
                inside[name] = dict(inside[name] or {})
                inside = inside[name]
            if inside.get(last):
                inside[last] = dict(self.till.things[inside[last]])
        return seen

    def _confirm_for_shop(self, intent: Json, form: dict[str, str]) -> Reply:
        if form["payment_method"] not in self.till.things:
            return _invalid("resource_missing", "payment_method")
        if intent["status"] != "requires_payment_method":
            return _invalid("payment_intent_unexpected_state", "intent")
        assert form["off_session"] == "true", "the payer is not there"
        self._confirm(intent, self.till.bank)
        error = intent["last_payment_error"]
        return Reply(402, {"error": error}) if error else Reply(200, intent)

    def _confirm(self, intent: Json, verdict: Verdict) -> None:
        states = {Verdict.LATER: "processing", Verdict.ACTION: "requires_action"}
        reason = self.declines_with or DECLINES.get(verdict)
        intent["last_payment_error"] = None
        if reason:
            code, decline_code = reason
            intent["status"] = "requires_payment_method"
            intent["last_payment_error"] = {
                "type": "card_error",
                "code": code,
                "decline_code": decline_code,
                "message": "no",
            }
            return self._tell("payment_intent.payment_failed", intent)
        intent["status"] = states.get(verdict, "succeeded")
        if intent["status"] == "succeeded":
            reference = intent["metadata"]["reference"]
            cents, currency = intent["amount"], intent["currency"].upper()
            self.till.taken.append(Taken(reference, cents, currency))
        self._tell(f"payment_intent.{intent['status']}", intent)
        return None

    def _cancel(self, intent: Json) -> Reply:
        if intent["status"] not in ("requires_payment_method", "requires_action"):
            return _invalid("payment_intent_unexpected_state", "intent")
        intent["status"] = "canceled"
        self._tell("payment_intent.canceled", intent)
        return Reply(200, intent)

    def _refund(self, form: dict[str, str]) -> Reply:
        intent, cents = self.till.things[form["payment_intent"]], int(form["amount"])
        before = [row["amount"] for row in self._refunds_of(intent["id"])]
        if intent["status"] != "succeeded" or cents + sum(before) > intent["amount"]:
            return _invalid("charge_already_refunded", "amount")
        content = {
            "object": "refund",
            "payment_intent": intent["id"],
            "amount": cents,
            "currency": intent["currency"],
            "status": "pending",
            "metadata": _metadata(form),
        }
        refund = self._new("re_", content)
        if self.till.bank is not Verdict.LATER:
            self._decide_refund(refund, "succeeded" if self.till.bank is Verdict.OK else "failed")
        self._tell("refund.created", refund)
        return Reply(200, refund)

    def _decide_refund(self, refund: Json, status: str) -> None:
        refund["status"] = status
        back = Taken(refund["metadata"]["reference"], refund["amount"], refund["currency"].upper())
        self.till.gives_back(back, given=status == "succeeded")

    def _refunds(self, form: dict[str, str]) -> Reply:
        rows = self._refunds_of(form["payment_intent"])
        return Reply(200, {"object": "list", "data": rows, "has_more": False, "url": "/v1/refunds"})

    def _refunds_of(self, intent: str) -> list[Json]:
        rows = self.till.things.values()
        return [
            row for row in rows if row["object"] == "refund" and row["payment_intent"] == intent
        ]

    def _new(self, prefix: str, content: Json) -> Json:
        thing = {"id": self.till.new_id(prefix), **content}
        self.till.things[thing["id"]] = thing
        return thing

    def _tell(self, kind: str, thing: Json) -> None:
        event = {"id": self.till.new_id("evt_"), "object": "event", "type": kind}
        self.till.tell(event | {"data": {"object": json.loads(json.dumps(thing))}})


def _invalid(code: str, param: str) -> Reply:
    error = {"type": "invalid_request_error", "code": code, "param": param, "message": code}
    return Reply(404 if code == "resource_missing" else 400, {"error": error})


def _metadata(form: dict[str, str]) -> dict[str, str]:
    return {
        name[len("metadata[") : -1]: value
        for name, value in form.items()
        if name.startswith("metadata[")
    }
