"""What gateways tell by themselves: early, late, twice, out of order, forged (P3)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client

from cln import clock
from cln.billing.models import Invoice
from cln.billing.queries import balance_cents
from cln.flows import collection
from cln.payments.models import GatewayEvent, Payment, PaymentAttempt
from tests.customers import START, buys
from tests.vendor import Fault, Vendor
from tests.vendor.shop import (
    BOTH,
    a_payer,
    delivered,
    side_of,
    the_till_agrees,
)

pytestmark = pytest.mark.django_db


@BOTH
def test_a_webhook_is_the_answer_when_the_answer_was_lost(vendor: Vendor, name: str) -> None:
    """It comes twice, and once more five days late: paid once."""
    account = a_payer(vendor, name)
    vendor.plan("charge", Fault.LOST_AFTER)
    buys(account, 2)
    assert Invoice.objects.get().status == "open"

    clock.move_to(START)
    for _ in range(2):
        delivered(vendor, name, vendor.events[-1])
    clock.move_to(START + timedelta(days=5))
    delivered(vendor, name, vendor.events[-1])

    assert Invoice.objects.get().status == "paid"
    assert GatewayEvent.objects.count() == 1
    assert balance_cents(account.pk) == 0
    the_till_agrees(vendor)


@BOTH
def test_the_first_webhook_of_a_charge_may_come_five_days_late(vendor: Vendor, name: str) -> None:
    """P3: the vendor was silent all the time; nothing else was tried, and it is paid once."""
    clock.move_to(START)
    account = a_payer(vendor, name)
    vendor.plan("charge", Fault.LOST_AFTER)
    buys(account, 2)
    vendor.plan("look", Fault.LOST_BEFORE)
    collection.resolve_due(now=START + timedelta(days=4))
    assert PaymentAttempt.objects.get().state == "unknown"

    clock.move_to(START + timedelta(days=5))
    delivered(vendor, name, vendor.events[-1])

    assert Invoice.objects.get().status == "paid"
    assert len(vendor.taken) == 1
    the_till_agrees(vendor)


@BOTH
def test_a_forged_webhook_changes_nothing(vendor: Vendor, name: str) -> None:
    account = a_payer(vendor, name)
    vendor.plan("charge", Fault.LOST_AFTER)
    buys(account, 2)
    side = side_of(vendor, name)
    forged = side.webhook(vendor.events[-1], "another")

    response = Client().post(f"/webhooks/{name}", **forged)

    assert (response.status_code, response.json()["code"]) == (400, "forged_webhook")
    assert PaymentAttempt.objects.get().state == "unknown"
    assert not GatewayEvent.objects.exists()


@BOTH
def test_a_webhook_whose_first_worker_died_is_done_when_it_comes_again(
    vendor: Vendor, name: str
) -> None:
    account = a_payer(vendor, name)
    vendor.plan("charge", Fault.LOST_AFTER)
    buys(account, 2)
    event = vendor.events[-1]
    GatewayEvent.objects.create(
        gateway=name, event_id=event["id"], received_at=START, payload=event
    )

    delivered(vendor, name, event)

    assert Invoice.objects.get().status == "paid"
    assert GatewayEvent.objects.get().processed_at is not None


@pytest.mark.parametrize(
    "fault", [Fault.LOST_BEFORE, Fault.ERROR_AFTER, Fault.NONSENSE_AFTER, Fault.TOO_MANY]
)
def test_a_webhook_that_cannot_be_verified_now_is_asked_for_again(
    vendor: Vendor, fault: Fault
) -> None:
    account = a_payer(vendor, "paypal")
    vendor.plan("charge", Fault.LOST_AFTER)
    buys(account, 2)
    vendor.plan("verify", fault)

    delivered(vendor, "paypal", vendor.events[-1], status=503)
    assert not GatewayEvent.objects.exists()
    delivered(vendor, "paypal", vendor.events[-1])

    assert Invoice.objects.get().status == "paid"


@BOTH
@pytest.mark.parametrize("key", ["the reference", "the charge"])
def test_a_genuine_webhook_about_somebody_elses_charge_changes_nothing(
    vendor: Vendor, name: str, key: str
) -> None:
    """Another shop may use the same account at the vendor."""
    account = a_payer(vendor, name)
    vendor.plan("charge", Fault.LOST_AFTER)
    buys(account, 2)
    attempt = PaymentAttempt.objects.get()
    ours = attempt.public_id if key == "the reference" else attempt.gateway_charge
    event = json.loads(json.dumps(vendor.events[-1]).replace(ours, "somebody_elses"))

    delivered(vendor, name, event)

    attempt.refresh_from_db()
    assert attempt.state == "unknown"
    assert not Payment.objects.exists()
    assert GatewayEvent.objects.get().processed_at is not None


@BOTH
def test_a_webhook_about_something_else_is_not_kept(vendor: Vendor, name: str) -> None:
    kind = {"stripe": "type", "paypal": "event_type"}[name]
    event = {"id": "evt_1", "object": "event", kind: "customer.updated"}
    event |= {"data": {"object": {}}, "resource": {}}

    delivered(vendor, name, event)

    assert not GatewayEvent.objects.exists()


@pytest.mark.parametrize("name", ["sandbox", "nobody"])
def test_a_gateway_that_sends_no_webhooks_has_no_door(vendor: Vendor, name: str) -> None:
    assert Client().post(f"/webhooks/{name}").status_code == 404
