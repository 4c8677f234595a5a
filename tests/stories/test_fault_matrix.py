"""Each gateway × each movement of money × each fault: once or not at all, and the books agree.

A cell makes one movement while the vendor misbehaves, lets the resolver ask, and compares our
books with the till of `tests/vendor`, which only the vendor writes. Then the vendor forgets its
idempotency keys, every webhook comes once more, the plan goes on, and it is compared again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.db import transaction
from django.test import Client, override_settings
from pytest_django import DjangoDbBlocker

from cln.enums import AttemptState
from cln.flows import timeline
from cln.payments.models import Payment, Refund
from tests.vendor import Fault, Vendor, Verdict
from tests.vendor.movements import MOVEMENTS, Scene, moved, resolves
from tests.vendor.shop import (
    THREE_DAYS,
    delivered,
    in_our_transaction,
    side_of,
    the_till_agrees,
)

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


@dataclass(frozen=True)
class Cell:
    """A movement that is about to be made at one gateway of a vendor."""

    vendor: Vendor
    name: str
    movement: str
    scene: Scene


# -- the matrix ----------------------------------------------------------------------------------


@pytest.fixture(
    scope="module",
    params=[(movement, name) for movement in MOVEMENTS for name in ("stripe", "paypal")],
    ids=lambda pair: "-".join(pair),
)
def prepared(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Cell]:
    """A movement at a gateway, prepared once for all the troubles it meets."""
    movement, name = request.param
    with (
        django_db_blocker.unblock(),
        rolled_back(),
        Vendor() as vendor,
        override_settings(**vendor.environment),
    ):
        scene = MOVEMENTS[movement](vendor, name)
        vendor.events.clear()
        yield Cell(vendor, name, movement, scene)


@pytest.fixture
def cell(prepared: Cell) -> Iterator[Cell]:
    """The prepared movement, as if no other test had made it."""
    memory = prepared.vendor.memory()
    with rolled_back():
        yield prepared
    prepared.vendor.goes_back_to(memory)


@contextlib.contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction in which durable ones may be nested, as in Django's own test cases."""
    atomic = transaction.atomic()
    atomic._from_testcase = True
    with atomic:
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_money_moves_once_or_not_at_all(cell: Cell, trouble: str) -> None:
    """P3, P4, P10, R1, R4."""
    vendor, name, scene, case = cell.vendor, cell.name, cell.scene, TROUBLES[trouble]
    goes_wrong(vendor, name, scene, case)
    resolves(scene.now)

    expected = case.moves
    for exceptions in (THE_PAYER_HAS_PAID, APPROVED_AND_CAPTURED_LATER):
        expected |= trouble in exceptions.get((cell.movement, name), ())
    assert moved(vendor, scene) == expected
    the_till_agrees(vendor, since=scene.now)

    vendor.bank = Verdict.OK
    vendor.waits(days=60)
    for event in vendor.events:
        delivered(vendor, name, event)
    assert moved(vendor, scene) == expected
    timeline.run_due(now=scene.now + THREE_DAYS)
    assert moved(vendor, scene) in ({1} if expected else {0, 1})
    the_till_agrees(vendor, since=scene.now)


def goes_wrong(vendor: Vendor, name: str, scene: Scene, case: Trouble) -> None:
    """Make the movement while the vendor is in trouble, up to the last webhook in time."""
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


def decides(vendor: Vendor, name: str, verdict: Verdict) -> None:
    """What is pending at the vendor is decided."""
    side = side_of(vendor, name)
    for row in Refund.objects.all():
        side.refund_clears(row.public_id, verdict)
    for charge in side.pending():
        side.clears(charge, verdict)
