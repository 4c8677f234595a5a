"""Each way in which money moves through a gateway, about to be made: for tests of what goes wrong.

A movement is prepared by its function; its verb and arguments can be handed to another process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.flows import autopay, collection, hosted, refunds, reseller
from cln.payments.services import PENDING_ASKED_EVERY, RESOLVE_AFTER
from tests.customers import START, buys, pays_now
from tests.vendor import Vendor
from tests.vendor.shop import (
    BACK,
    RENEWAL,
    a_payer,
    deposits,
    owing,
    registers,
    stored_at,
)


def _nothing() -> None:
    """Nobody does anything."""


@dataclass(frozen=True)
class Scene:
    """A movement that is about to be made at `now`: first the payer acts on the gateway's page,
    then our verb runs; `step` is the request it lives by.
    """

    now: datetime
    verb: Callable[..., object]
    arguments: dict[str, object] = field(default_factory=dict)
    step: str = "charge"
    payer_acts: Callable[[], None] = _nothing

    def go(self) -> None:
        """Make the movement here."""
        self.payer_acts()
        self.verb(**self.arguments)


def automatic(vendor: Vendor, name: str) -> Scene:
    """The worker charges a renewal."""
    owing(vendor, name)
    return Scene(RENEWAL, collection.collect_due, {"now": RENEWAL})


def pay_now(vendor: Vendor, name: str) -> Scene:
    """The customer presses "Pay now"."""
    account, _ = owing(vendor, name)
    return Scene(RENEWAL, pays_now, {"account": account.pk, "now": RENEWAL})


def hosted_page(vendor: Vendor, name: str) -> Scene:
    """The customer pays on the gateway's page and comes back."""
    account, invoice = owing(vendor, name)
    page = hosted.open_invoice_page(
        account_id=account.pk, invoice=invoice.public_id, gateway=name, back=BACK, now=RENEWAL
    )

    def payer_acts() -> None:
        if name == "stripe":
            vendor.stripe.payer_pays(page.page.id, vendor.bank)
        else:
            vendor.paypal.payer_pays(page.page.id)

    comes_back = {"account_id": account.pk, "payment": page.payment, "now": RENEWAL}
    step = "look" if name == "stripe" else "charge"
    return Scene(RENEWAL, hosted.leave_page, comes_back, step, payer_acts)


def deposit(vendor: Vendor, name: str) -> Scene:
    """Somebody registers as a reseller: there is no account yet (R1)."""
    token = stored_at(vendor, name)
    return Scene(START, deposits, {"gateway": name, "token": token, "cents": 500_00})


def top_up(vendor: Vendor, name: str) -> Scene:
    """Autopay fills a deposit that has run low (R4)."""
    registers(vendor, name, 50_00)
    account, rule = Account.objects.get(), AutopayRule(AutopayMode.ADD_FUNDS, 600_00)
    now = START + timedelta(hours=1)
    autopay.set_autopay(account_id=account.pk, rule=rule, actor="test", now=now)
    vendor.taken.clear()
    return Scene(now, autopay.run_due, {"now": now})


def refund(vendor: Vendor, name: str) -> Scene:
    """An operator gives 10.00 back (P10)."""
    account = a_payer(vendor, name)
    buys(account, 2)
    vendor.taken.clear()
    now = START + timedelta(hours=1)
    paid = Invoice.objects.get().public_id
    wish = refunds.Wish(invoice=paid, amount_cents=1000, reason="goodwill")
    arguments = {"operator": "otto", "account_id": account.pk, "wish": wish, "now": now}
    return Scene(now, refunds.refund, arguments, "refund")


MOVEMENTS = {
    "automatic": automatic,
    "pay now": pay_now,
    "hosted": hosted_page,
    "deposit": deposit,
    "top-up": top_up,
    "refund": refund,
}


def moved(vendor: Vendor, scene: Scene) -> int:
    """How often the vendor moved the money."""
    return len(vendor.given_back if scene.step == "refund" else vendor.taken)


def resolves(now: datetime) -> None:
    """The resolver comes when it is due, to what is in doubt and to what is pending."""
    for at in (now + RESOLVE_AFTER, now + RESOLVE_AFTER + PENDING_ASKED_EVERY):
        collection.resolve_due(now=at)
        reseller.resolve_due(now=at)
        refunds.resolve_due(now=at)
