"""Stripe's and PayPal's adapters against the vendor: what is asked, taken, given back, refused."""

from __future__ import annotations

import dataclasses

import pytest
from pytest_django.fixtures import Settings

from cln.domain.dunning import DeclineCode
from cln.enums import AttemptState
from cln.payments.gateways import (
    GatewayAbsent,
    GatewayUnreachable,
    Outcome,
    RefundRequest,
    configured_gateways,
    gateway_named,
)
from tests.vendor import Fault, Taken, Vendor, Verdict
from tests.vendor.charges import BOTH, TAKEN, announced, charge_at, close, fate


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


@BOTH
def test_keys_that_are_revoked_before_the_charge_take_nothing_and_say_so(
    vendor: Vendor, name: str, settings: Settings
) -> None:
    charge = announced(gateway_named(name), charge_at(vendor, name))
    settings.CLN_STRIPE_SECRET_KEY = "sk_test_revoked"
    settings.CLN_PAYPAL_SECRET = "revoked"

    outcome = gateway_named(name).charge(charge)

    expected = DeclineCode.TECHNICAL_PROBLEM
    assert outcome == Outcome(AttemptState.DECLINED, decline_code=expected)
    assert vendor.taken == []


@BOTH
@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.ERROR_AFTER])
def test_closing_a_charge_at_a_silent_vendor_leaves_it_in_doubt(
    vendor: Vendor, name: str, fault: Fault
) -> None:
    gateway = gateway_named(name)
    charge = announced(gateway, charge_at(vendor, name))
    vendor.plan("close", fault)
    vendor.plan("look", fault)

    with pytest.raises(GatewayUnreachable):
        close(gateway, charge)


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
def test_a_refund_in_a_state_that_is_new_to_us_stays_in_doubt(vendor: Vendor, name: str) -> None:
    """Taken for a no, it would be given once more."""
    gateway = gateway_named(name)
    paid = gateway.charge(announced(gateway, charge_at(vendor, name)))
    request = RefundRequest("ref_1", paid.gateway_reference, 1234, "USD")
    given = gateway.refund(request)
    vendor.things[given.gateway_reference]["status"] = "walking"

    with pytest.raises(GatewayUnreachable, match="walking"):
        gateway.find_refund(request)


def test_a_paypal_capture_in_a_state_that_is_new_to_us_stays_in_doubt(vendor: Vendor) -> None:
    gateway = gateway_named("paypal")
    charge = announced(gateway, charge_at(vendor, "paypal"))
    taken = gateway.charge(charge)
    vendor.things[taken.gateway_reference]["status"] = "WALKING"

    with pytest.raises(GatewayUnreachable, match="WALKING"):
        fate(gateway, charge)


@BOTH
def test_more_than_was_taken_is_not_given_back(vendor: Vendor, name: str) -> None:
    gateway = gateway_named(name)
    paid = gateway.charge(announced(gateway, charge_at(vendor, name)))

    outcome = gateway.refund(RefundRequest("ref_1", paid.gateway_reference, 1235, "USD"))

    assert outcome.state is AttemptState.DECLINED
    assert vendor.given_back == []


@pytest.mark.parametrize(
    "missing",
    [
        "CLN_STRIPE_SECRET_KEY",
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
