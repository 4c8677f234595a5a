"""Each gateway × each movement of money × each fault: once or not at all, and the books agree.

A cell makes one movement while the vendor misbehaves, lets the resolver ask, and compares our
books with the till of `tests/vendor`, which only the vendor writes. Then the vendor forgets its
idempotency keys, every webhook comes once more, the plan goes on, and it is compared again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from django.test import Client

from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.enums import AttemptState
from cln.flows import autopay, collection, hosted, refunds, reseller, timeline
from cln.payments.models import Payment, Refund
from cln.payments.services import PENDING_ASKED_EVERY, RESOLVE_AFTER
from tests.customers import START, buys, pays_now
from tests.vendor import Fault, Vendor, Verdict
from tests.vendor.shop import (
    BACK,
    BOTH,
    RENEWAL,
    THREE_DAYS,
    a_payer,
    delivered,
    in_our_transaction,
    owing,
    registers,
    side_of,
    the_till_agrees,
)

pytestmark = pytest.mark.django_db
Told = Callable[[Vendor, str], None]


# -- what the vendor does ------------------------------------------------------------------------


def three_times(vendor: Vendor, name: str) -> None:
    """The last webhook comes three times."""
    for _ in range(3):
        delivered(vendor, name, vendor.events[-1])


def newest_first(vendor: Vendor, name: str) -> None:
    """All webhooks come, the newest first."""
    for event in reversed(vendor.events):
        delivered(vendor, name, event)


def forged(vendor: Vendor, name: str) -> None:
    """Somebody who does not know the secret says that what is pending has succeeded."""
    says = json.dumps(vendor.events[-1])
    for pending, done in (("processing", "succeeded"), ("pending", "succeeded")):
        says = says.replace(pending, done)
    says = says.replace("PENDING", "COMPLETED")
    body = side_of(vendor, name).webhook(json.loads(says), "another secret")
    assert Client().post(f"/webhooks/{name}", **body).status_code == 400


@dataclass(frozen=True)
class Trouble:
    """What the bank says, what happens to the answer, and what comes by webhook: before the answer
    (`is_told_first`), by a forger (`claimed`), after the bank has decided `later` (`told`).

    `moves` is whether the vendor moves money in the end, before anything is tried again.
    """

    moves: bool
    bank: Verdict = Verdict.OK
    fault: Fault | None = None
    claimed: Told | None = None
    later: Verdict | None = None
    told: Told | None = None
    is_told_first: bool = False


TROUBLES = {
    "ok": Trouble(True),
    "soft decline": Trouble(False, Verdict.SOFT),
    "hard decline": Trouble(False, Verdict.HARD),
    "3-D Secure": Trouble(False, Verdict.ACTION),
    "pending then ok": Trouble(True, Verdict.LATER, later=Verdict.OK),
    "pending then failed": Trouble(False, Verdict.LATER, later=Verdict.SOFT),
    "timeout after charging": Trouble(True, fault=Fault.LOST_AFTER),
    "timeout before": Trouble(False, fault=Fault.LOST_BEFORE),
    "500 after charging": Trouble(True, fault=Fault.ERROR_AFTER),
    "429": Trouble(False, fault=Fault.TOO_MANY),
    "webhook three times": Trouble(True, fault=Fault.LOST_AFTER, told=three_times),
    "webhooks out of order": Trouble(True, Verdict.LATER, told=newest_first, later=Verdict.OK),
    "webhook before the response": Trouble(True, is_told_first=True),
    "webhook forged": Trouble(False, Verdict.LATER, claimed=forged, later=Verdict.SOFT),
}
"""Late webhooks come in every cell: all of them once more, at its end."""

THE_PAYER_HAS_PAID = {("hosted", "stripe"): ("timeout before", "429")}
"""On Stripe's page the payer takes the step that moves money: our question may go astray."""
APPROVED_AND_CAPTURED_LATER = {("hosted", "paypal"): ("timeout before",)}
"""What the payer approved on PayPal's page is captured when the resolver finds it."""


# -- what is moved -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A movement that is about to be made: at `now`, by `go`; `step` is the request it lives by."""

    now: datetime
    go: Callable[[], object]
    step: str = "charge"


def automatic(vendor: Vendor, name: str) -> Scene:
    """The worker charges a renewal."""
    owing(vendor, name)
    return Scene(RENEWAL, lambda: collection.collect_due(now=RENEWAL))


def pay_now(vendor: Vendor, name: str) -> Scene:
    """The customer presses "Pay now"."""
    account, _ = owing(vendor, name)
    return Scene(RENEWAL, lambda: pays_now(account, now=RENEWAL))


def hosted_page(vendor: Vendor, name: str) -> Scene:
    """The customer pays on the gateway's page and comes back."""
    account, invoice = owing(vendor, name)
    page = hosted.open_invoice_page(
        account_id=account.pk, invoice=invoice.public_id, gateway=name, back=BACK, now=RENEWAL
    )

    def go() -> None:
        if name == "stripe":
            vendor.stripe.payer_pays(page.page.id, vendor.bank)
        else:
            vendor.paypal.payer_pays(page.page.id)
        hosted.leave_page(account_id=account.pk, payment=page.payment, now=RENEWAL)

    return Scene(RENEWAL, go, "look" if name == "stripe" else "charge")


def deposit(vendor: Vendor, name: str) -> Scene:
    """Somebody registers as a reseller: there is no account yet (R1)."""
    return Scene(START, lambda: registers(vendor, name))


def top_up(vendor: Vendor, name: str) -> Scene:
    """Autopay fills a deposit that has run low (R4)."""
    registers(vendor, name, 50_00)
    account, rule = Account.objects.get(), AutopayRule(AutopayMode.ADD_FUNDS, 600_00)
    now = START + timedelta(hours=1)
    autopay.set_autopay(account_id=account.pk, rule=rule, actor="test", now=now)
    vendor.taken.clear()
    return Scene(now, lambda: autopay.run_due(now=now))


def refund(vendor: Vendor, name: str) -> Scene:
    """An operator gives 10.00 back (P10)."""
    account = a_payer(vendor, name)
    buys(account, 2)
    vendor.taken.clear()
    now = START + timedelta(hours=1)
    paid = Invoice.objects.get().public_id
    wish = refunds.Wish(invoice=paid, amount_cents=1000, reason="goodwill")
    return Scene(
        now,
        lambda: refunds.refund(operator="otto", account_id=account.pk, wish=wish, now=now),
        "refund",
    )


MOVEMENTS = {
    "automatic": automatic,
    "pay now": pay_now,
    "hosted": hosted_page,
    "deposit": deposit,
    "top-up": top_up,
    "refund": refund,
}


# -- the matrix ----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("movement", MOVEMENTS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_money_moves_once_or_not_at_all(
    vendor: Vendor, name: str, movement: str, trouble: str
) -> None:
    """P3, P4, P10, R1, R4."""
    scene, case = MOVEMENTS[movement](vendor, name), TROUBLES[trouble]
    goes_wrong(vendor, name, scene, case)
    resolves(scene.now)

    expected = case.moves
    for exceptions in (THE_PAYER_HAS_PAID, APPROVED_AND_CAPTURED_LATER):
        expected |= trouble in exceptions.get((movement, name), ())
    assert moved(vendor, scene) == expected
    the_till_agrees(vendor, since=scene.now)

    vendor.bank = Verdict.OK
    vendor.waits(days=60)
    for event in [*vendor.events, *vendor.events]:
        delivered(vendor, name, event)
    assert moved(vendor, scene) == expected
    timeline.run_due(now=scene.now + THREE_DAYS)
    assert moved(vendor, scene) in ({1} if expected else {0, 1})
    the_till_agrees(vendor, since=scene.now)


def goes_wrong(vendor: Vendor, name: str, scene: Scene, case: Trouble) -> None:
    """Make the movement while the vendor is in trouble, up to the last webhook in time."""
    vendor.events.clear()
    vendor.bank = case.bank
    if case.fault is not None:
        vendor.plan(scene.step, case.fault)
    if case.is_told_first:
        vendor.meanwhile[scene.step] = in_our_transaction(lambda: newest_first(vendor, name))
    scene.go()
    vendor.meanwhile.clear()
    if case.claimed is not None:
        case.claimed(vendor, name)
        assert not Payment.objects.filter(received_at__gte=scene.now).exists()
        assert not Refund.objects.exclude(state=AttemptState.PENDING).exists()
    if case.later is not None:
        decides(vendor, name, case.later)
    if case.told is not None:
        case.told(vendor, name)


def moved(vendor: Vendor, scene: Scene) -> int:
    """How often the vendor moved the money."""
    return len(vendor.given_back if scene.step == "refund" else vendor.taken)


def decides(vendor: Vendor, name: str, verdict: Verdict) -> None:
    """What is pending at the vendor is decided."""
    side = side_of(vendor, name)
    for row in Refund.objects.all():
        side.refund_clears(row.public_id, verdict)
    for charge in side.pending():
        side.clears(charge, verdict)


def resolves(now: datetime) -> None:
    """The resolver comes when it is due, to what is in doubt and to what is pending."""
    for at in (now + RESOLVE_AFTER, now + RESOLVE_AFTER + PENDING_ASKED_EVERY):
        collection.resolve_due(now=at)
        reseller.resolve_due(now=at)
        refunds.resolve_due(now=at)
