"""Pages of gateways, where methods are handed over and charges are paid; and their webhooks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date

import pytest

from cln.enums import AttemptState, GatewayEventKind, MethodKind
from cln.payments.gateways import (
    Charge,
    ForgedWebhook,
    GatewayUnreachable,
    MethodNotStored,
    Payer,
    gateway_named,
)
from tests.vendor import Fault, Vendor
from tests.vendor.charges import ACME, BACK, BOTH, TAKEN, announced, charge_at, close, fate, posted


def test_a_stored_card_carries_its_label_and_its_last_good_day(vendor: Vendor) -> None:
    gateway = gateway_named("stripe")
    page = gateway.begin_method(ACME, BACK)
    vendor.stripe.payer_stores_card(page.id)

    stored = gateway.complete_method(ACME, page.id)

    assert page.url == f"https://vendor.example/checkout/{page.id}"
    assert (stored.kind, stored.label) == (MethodKind.CARD, "Visa ending in 4242")
    assert stored.expires_on == date(2028, 2, 29)
    charge = Charge("att_1", stored.token, "acc_acme", 1234, "USD")
    assert gateway.charge(announced(gateway, charge)).state is AttemptState.SUCCEEDED


def test_a_second_card_belongs_to_the_same_stripe_customer(vendor: Vendor) -> None:
    gateway = gateway_named("stripe")
    again = dataclasses.replace(ACME, former_token="cus_known/pm_old")
    page = gateway.begin_method(again, BACK)
    vendor.stripe.payer_stores_card(page.id)

    assert gateway.complete_method(again, page.id).token.startswith("cus_known/")


def test_a_paypal_agreement_is_made_on_paypals_page(vendor: Vendor) -> None:
    gateway = gateway_named("paypal")
    page = gateway.begin_method(ACME, BACK)
    vendor.paypal.payer_approves_agreement(page.id)

    stored = gateway.complete_method(ACME, page.id)

    assert page.url == f"https://vendor.example/agreements?token={page.id}"
    assert (stored.kind, stored.label) == (MethodKind.PAYPAL, "PayPal payer@example.com")
    charge = Charge("att_1", stored.token, "acc_acme", 1234, "USD")
    assert gateway.charge(announced(gateway, charge)).state is AttemptState.SUCCEEDED


@BOTH
@pytest.mark.parametrize("case", ["left early", "somebody else's", "made up"])
def test_a_method_that_was_not_handed_over_by_this_payer_is_refused(
    vendor: Vendor, name: str, case: str
) -> None:
    gateway = gateway_named(name)
    page_id = gateway.begin_method(ACME, BACK).id
    approve: Callable[[str], None] = (
        vendor.stripe.payer_stores_card
        if name == "stripe"
        else vendor.paypal.payer_approves_agreement
    )
    if case == "somebody else's":
        approve(page_id)
    payer = Payer("acc_mallory", "m@example.com") if case == "somebody else's" else ACME

    with pytest.raises(MethodNotStored):
        gateway.complete_method(payer, "../orders/x" if case == "made up" else page_id)


@BOTH
def test_a_hosted_page_opened_again_is_the_same_page(vendor: Vendor, name: str) -> None:
    """P4."""
    gateway = gateway_named(name)
    charge = Charge("att_1", "", "acc_acme", 1234, "USD")
    page = gateway.hosted_page(charge, BACK)
    vendor.waits(days=2)

    again = gateway.hosted_page(dataclasses.replace(charge, gateway_charge=page.id), BACK)

    assert again == page
    assert page.url.startswith("https://vendor.example/")
    assert vendor.taken == []


def test_a_paypal_order_is_captured_only_when_the_payer_has_approved_it(vendor: Vendor) -> None:
    """R5: no money moves without our capture, however long the page stays open."""
    gateway = gateway_named("paypal")
    charge = Charge("att_1", "", "acc_acme", 1234, "USD")
    charge = dataclasses.replace(charge, gateway_charge=gateway.hosted_page(charge, BACK).id)

    assert close(gateway, charge) is None
    assert vendor.taken == []
    vendor.paypal.payer_pays(charge.gateway_charge)
    assert fate(gateway, charge) is None
    taken = close(gateway, charge)

    assert taken is not None
    assert taken.state is AttemptState.SUCCEEDED
    assert close(gateway, charge) == taken
    assert vendor.taken == [TAKEN]


@BOTH
def test_a_genuine_webhook_names_the_charge_and_its_outcome(vendor: Vendor, name: str) -> None:
    gateway = gateway_named(name)
    charge = announced(gateway, charge_at(vendor, name))
    paid = gateway.charge(charge)
    sent = posted(vendor, name, vendor.events[-1])

    event = gateway.webhook(sent["headers"], sent["data"].encode())

    assert event is not None
    assert event.event_id == vendor.events[-1]["id"]
    assert event.kind is GatewayEventKind.CHARGE
    assert (event.reference, event.gateway_charge) == ("att_1", charge.gateway_charge)
    assert event.outcome == paid


@BOTH
@pytest.mark.parametrize("forgery", ["unsigned", "altered", "for another shop", "not json"])
def test_a_forged_webhook_is_refused(vendor: Vendor, name: str, forgery: str) -> None:
    gateway = gateway_named(name)
    gateway.charge(announced(gateway, charge_at(vendor, name)))
    sent = posted(vendor, name, vendor.events[-1])
    body, headers = sent["data"], sent["headers"]
    if forgery == "unsigned":
        headers = {}
    elif forgery == "altered":
        body = body.replace("att_1", "att_2")
    elif forgery == "not json":
        body = body[:-1]
    else:
        sides = {"stripe": vendor.stripe.webhook, "paypal": vendor.paypal.webhook}
        headers = sides[name](vendor.events[-1], "another")["headers"]

    with pytest.raises(ForgedWebhook):
        gateway.webhook(headers, body.encode())


def test_a_stripe_webhook_played_again_after_hours_is_forged(vendor: Vendor) -> None:
    gateway = gateway_named("stripe")
    gateway.charge(announced(gateway, charge_at(vendor, "stripe")))
    sent = vendor.stripe.webhook(vendor.events[-1], age=3600)

    with pytest.raises(ForgedWebhook):
        gateway.webhook(sent["headers"], sent["data"].encode())


def test_a_paypal_webhook_that_paypal_cannot_verify_now_is_not_called_forged(
    vendor: Vendor,
) -> None:
    gateway = gateway_named("paypal")
    gateway.charge(announced(gateway, charge_at(vendor, "paypal")))
    sent = vendor.paypal.webhook(vendor.events[-1])
    vendor.plan("verify", Fault.LOST_BEFORE)

    with pytest.raises(GatewayUnreachable):
        gateway.webhook(sent["headers"], sent["data"].encode())
