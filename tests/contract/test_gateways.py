"""Stripe's and PayPal's adapters against the vendor: what is asked, taken, refused, told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import date

import pytest
from pytest_django.fixtures import Settings

from cln.domain.dunning import DeclineCode
from cln.enums import AttemptState, GatewayEventKind, MethodKind
from cln.payments.gateways import (
    Back,
    Charge,
    ForgedWebhook,
    Gateway,
    GatewayAbsent,
    GatewayUnreachable,
    MethodNotStored,
    Outcome,
    Payer,
    RefundRequest,
    configured_gateways,
    gateway_named,
)
from tests.vendor import Fault, Taken, Vendor, Verdict

BACK = Back("https://shop.example/done", "https://shop.example/left")
ACME = Payer("acc_acme", "billing@acme.example")
BOTH = pytest.mark.parametrize("name", ["stripe", "paypal"])
TAKEN = Taken("att_1", 1234, "USD")


def charge_at(vendor: Vendor, name: str, reference: str = "att_1") -> Charge:
    """A charge of 12.34 by a stored method, not announced yet."""
    side = vendor.stripe.add_card() if name == "stripe" else vendor.paypal.add_agreement()
    return Charge(reference, side, "acc_acme", 1234, "USD")


def announced(gateway: Gateway, charge: Charge) -> Charge:
    """The charge, with what the gateway calls it."""
    return dataclasses.replace(charge, gateway_charge=gateway.announce(charge))


def fate(gateway: Gateway, charge: Charge) -> Outcome | None:
    return gateway.find_by_reference(charge.reference, gateway_charge=charge.gateway_charge)


def close(gateway: Gateway, charge: Charge) -> Outcome | None:
    return gateway.close(charge.reference, gateway_charge=charge.gateway_charge)


@BOTH
def test_an_announced_charge_takes_no_money_and_is_found_as_nothing(
    vendor: Vendor, name: str
) -> None:
    gateway = gateway_named(name)

    charge = announced(gateway, charge_at(vendor, name))

    assert charge.gateway_charge != ""
    assert vendor.taken == []
    assert fate(gateway, charge) is None


@BOTH
def test_a_charge_is_taken_once_however_often_it_is_asked_for(vendor: Vendor, name: str) -> None:
    gateway = gateway_named(name)
    charge = announced(gateway, charge_at(vendor, name))

    outcomes = [gateway.charge(charge) for _ in range(3)]

    assert vendor.taken == [TAKEN]
    assert {outcome.state for outcome in outcomes} == {AttemptState.SUCCEEDED}
    assert {outcome.gateway_reference for outcome in outcomes} != {""}
    assert [fate(gateway, charge), *outcomes] == [outcomes[0]] * 4


@BOTH
@pytest.mark.parametrize("hours", [7, 25, 24 * 60])
def test_a_charge_asked_for_again_when_the_vendor_has_forgotten_the_key_takes_nothing_more(
    vendor: Vendor, name: str, hours: int
) -> None:
    """PayPal forgets after six hours, Stripe after a day: no fate may hang on it."""
    gateway = gateway_named(name)
    charge = announced(gateway, charge_at(vendor, name))
    first = gateway.charge(charge)
    vendor.waits(hours=hours)

    assert gateway.charge(charge) == first
    assert fate(gateway, charge) == first
    assert vendor.taken == [TAKEN]


@BOTH
@pytest.mark.parametrize(
    ("verdict", "stripe_code", "paypal_code"),
    [
        (Verdict.SOFT, DeclineCode.INSUFFICIENT_FUNDS, DeclineCode.INSUFFICIENT_FUNDS),
        (Verdict.HARD, DeclineCode.EXPIRED_CARD, DeclineCode.AGREEMENT_CANCELLED),
        (Verdict.AUTHENTICATE, DeclineCode.CARD_NOT_CONFIRMED, DeclineCode.CARD_NOT_CONFIRMED),
        (Verdict.ACTION, DeclineCode.CARD_NOT_CONFIRMED, DeclineCode.CARD_NOT_CONFIRMED),
    ],
)
def test_a_decline_is_told_in_our_words(
    vendor: Vendor, name: str, verdict: Verdict, stripe_code: DeclineCode, paypal_code: DeclineCode
) -> None:
    gateway, vendor.bank = gateway_named(name), verdict

    outcome = gateway.charge(announced(gateway, charge_at(vendor, name)))

    code = stripe_code if name == "stripe" else paypal_code
    assert outcome == Outcome(AttemptState.DECLINED, decline_code=code)
    assert vendor.taken == []


@pytest.mark.parametrize(
    ("code", "decline_code", "ours"),
    [
        ("card_declined", "stolen_card", DeclineCode.LOST_OR_STOLEN),
        ("card_declined", "generic_decline", DeclineCode.ISSUER_DECLINED),
        ("card_declined", "a_code_of_next_year", DeclineCode.ISSUER_DECLINED),
        ("card_declined", "try_again_later", DeclineCode.TECHNICAL_PROBLEM),
        ("processing_error", "", DeclineCode.TECHNICAL_PROBLEM),
        ("card_declined", "invalid_account", DeclineCode.INACTIVE_CARD),
    ],
)
def test_the_banks_own_code_decides_what_a_stripe_decline_means(
    vendor: Vendor, code: str, decline_code: str, ours: DeclineCode
) -> None:
    gateway, vendor.stripe.declines_with = gateway_named("stripe"), (code, decline_code)

    outcome = gateway.charge(announced(gateway, charge_at(vendor, "stripe")))

    assert outcome == Outcome(AttemptState.DECLINED, decline_code=ours)


@pytest.mark.parametrize(
    ("issue", "ours"),
    [
        ("INSTRUMENT_DECLINED", DeclineCode.ISSUER_DECLINED),
        ("TOKEN_ID_NOT_FOUND", DeclineCode.AGREEMENT_CANCELLED),
        ("AN_ISSUE_OF_NEXT_YEAR", DeclineCode.TECHNICAL_PROBLEM),
    ],
)
def test_paypals_issue_decides_what_its_refusal_means(
    vendor: Vendor, issue: str, ours: DeclineCode
) -> None:
    gateway, vendor.paypal.declines_with = gateway_named("paypal"), issue

    outcome = gateway.charge(announced(gateway, charge_at(vendor, "paypal")))

    assert outcome == Outcome(AttemptState.DECLINED, decline_code=ours)


@BOTH
def test_a_method_the_vendor_does_not_know_any_more_is_a_hard_decline(
    vendor: Vendor, name: str
) -> None:
    gateway = gateway_named(name)
    charge = dataclasses.replace(charge_at(vendor, name), method_token="cus_gone/gone")

    outcome = gateway.charge(announced(gateway, charge))

    expected = {"stripe": DeclineCode.INACTIVE_CARD, "paypal": DeclineCode.AGREEMENT_CANCELLED}
    assert outcome == Outcome(AttemptState.DECLINED, decline_code=expected[name])


@BOTH
def test_a_pending_charge_is_pending_until_the_vendor_decides(vendor: Vendor, name: str) -> None:
    gateway, vendor.bank = gateway_named(name), Verdict.LATER
    charge = announced(gateway, charge_at(vendor, name))

    assert gateway.charge(charge).state is AttemptState.PENDING
    assert vendor.taken == []
    side = vendor.stripe if name == "stripe" else vendor.paypal
    side.clears(charge.gateway_charge)

    found = fate(gateway, charge)
    assert found is not None
    assert found.state is AttemptState.SUCCEEDED
    assert vendor.taken == [TAKEN]


@BOTH
@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.ERROR_AFTER, Fault.NONSENSE_AFTER])
def test_a_charge_without_a_plain_answer_is_unreachable_and_asked_once(
    vendor: Vendor, name: str, fault: Fault
) -> None:
    """The libraries' own retries are off: the resolver asks, nobody else."""
    gateway = gateway_named(name)
    charge = announced(gateway, charge_at(vendor, name))
    vendor.plan("charge", fault)

    with pytest.raises(GatewayUnreachable):
        gateway.charge(charge)

    assert vendor.asked["charge"] == 1
    assert vendor.taken == [TAKEN]


@BOTH
def test_a_vendor_that_stays_silent_is_given_up_after_the_configured_seconds(
    vendor: Vendor, name: str, settings: Settings
) -> None:
    settings.CLN_GATEWAY_SECONDS = 1
    gateway = gateway_named(name)
    charge = announced(gateway, charge_at(vendor, name))
    vendor.plan("charge", Fault.SILENT_AFTER)

    with pytest.raises(GatewayUnreachable):
        gateway.charge(charge)

    assert vendor.asked["charge"] == 1


@BOTH
def test_wrong_keys_take_nothing_and_say_so(vendor: Vendor, name: str, settings: Settings) -> None:
    """Found out when the charge is announced, when no money can move."""
    settings.CLN_STRIPE_SECRET_KEY = "sk_test_wrong"
    settings.CLN_PAYPAL_SECRET = "wrong"

    with pytest.raises(GatewayUnreachable):
        gateway_named(name).announce(charge_at(vendor, name))

    assert vendor.taken == []


def test_a_closed_stripe_charge_cannot_be_taken_any_more(vendor: Vendor) -> None:
    gateway = gateway_named("stripe")
    charge = announced(gateway, charge_at(vendor, "stripe"))

    assert close(gateway, charge) is None

    assert gateway.charge(charge).state is AttemptState.DECLINED
    assert vendor.taken == []


@BOTH
def test_closing_a_charge_that_was_taken_tells_so(vendor: Vendor, name: str) -> None:
    gateway = gateway_named(name)
    charge = announced(gateway, charge_at(vendor, name))
    taken = gateway.charge(charge)

    assert close(gateway, charge) == taken


@BOTH
def test_a_charge_that_was_never_announced_never_was(vendor: Vendor, name: str) -> None:
    gateway, charge = gateway_named(name), charge_at(vendor, name)

    assert fate(gateway, charge) is None
    assert close(gateway, charge) is None
    assert vendor.asked == {}


@BOTH
@pytest.mark.parametrize("days", [0, 60])
def test_a_refund_is_given_once_however_late_it_is_asked_for_again(
    vendor: Vendor, name: str, days: int
) -> None:
    """P10: both vendors have forgotten the key after 60 days."""
    gateway = gateway_named(name)
    paid = gateway.charge(announced(gateway, charge_at(vendor, name)))
    request = RefundRequest("ref_1", paid.gateway_reference, 1000, "USD")

    assert gateway.find_refund(request) is None
    first = gateway.refund(request)
    vendor.waits(days=days)

    assert gateway.refund(request) == gateway.find_refund(request) == first
    assert first.state is AttemptState.SUCCEEDED
    assert vendor.given_back == [Taken("ref_1", 1000, "USD")]


@BOTH
def test_a_refund_whose_answer_is_lost_is_found(vendor: Vendor, name: str) -> None:
    gateway = gateway_named(name)
    paid = gateway.charge(announced(gateway, charge_at(vendor, name)))
    request = RefundRequest("ref_1", paid.gateway_reference, 1234, "USD")
    vendor.plan("refund", Fault.LOST_AFTER)

    with pytest.raises(GatewayUnreachable):
        gateway.refund(request)

    found = gateway.find_refund(request)
    assert found is not None
    assert found.state is AttemptState.SUCCEEDED
    assert vendor.given_back == [Taken("ref_1", 1234, "USD")]


@BOTH
def test_more_than_was_taken_is_not_given_back(vendor: Vendor, name: str) -> None:
    gateway = gateway_named(name)
    paid = gateway.charge(announced(gateway, charge_at(vendor, name)))

    outcome = gateway.refund(RefundRequest("ref_1", paid.gateway_reference, 1235, "USD"))

    assert outcome.state is AttemptState.DECLINED
    assert vendor.given_back == []


def test_a_stored_card_carries_its_label_and_its_last_good_day(vendor: Vendor) -> None:
    gateway = gateway_named("stripe")
    page = gateway.begin_method(ACME, BACK)
    vendor.stripe.payer_stores_card(page.id)

    stored = gateway.complete_method(ACME, page.id)

    assert page.client_secret == f"{page.id}_secret"
    assert page.publishable_key == "pk_test_vendor"
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
    assert (page.url or page.client_secret) != ""
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


@pytest.mark.parametrize(
    "missing",
    [
        "CLN_STRIPE_SECRET_KEY",
        "CLN_STRIPE_PUBLISHABLE_KEY",
        "CLN_STRIPE_WEBHOOK_SECRET",
        "CLN_PAYPAL_CLIENT_ID",
        "CLN_PAYPAL_SECRET",
        "CLN_PAYPAL_WEBHOOK_ID",
    ],
)
def test_a_gateway_with_a_missing_key_is_absent(
    vendor: Vendor, settings: Settings, missing: str
) -> None:
    setattr(settings, missing, "")
    name = missing.split("_")[1].lower()

    assert configured_gateways() == tuple(
        other for other in ("stripe", "paypal", "sandbox") if other != name
    )
    with pytest.raises(GatewayAbsent):
        gateway_named(name)


def posted(vendor: Vendor, name: str, event: dict[str, object]) -> dict[str, object]:
    """What the vendor posts to us about an event."""
    side = vendor.stripe if name == "stripe" else vendor.paypal
    return side.webhook(json.loads(json.dumps(event)))
