"""Each gateway, each fault: charged exactly once or not at all, and our books agree with the till.

The vendor of `tests/vendor` has the last word: what it took and gave back is compared with our
payments.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from cln.billing.models import Invoice
from cln.billing.queries import balance_cents
from cln.enums import AttemptState
from cln.flows import collection, corrections, payment_methods, reseller, timeline
from cln.flows.charging import GatewaySilent
from cln.payments.gateways import GatewayAbsent, MethodNotStored, Outcome
from cln.payments.models import PaymentAttempt, PaymentMethod
from cln.payments.services import PENDING_ASKED_EVERY, RESOLVE_AFTER, NoPaymentMethod
from tests.customers import START, buys, pays_now
from tests.shop import open_shop
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
    side_of,
    the_till_agrees,
)

FAULTS = [
    ("announce", Fault.LOST_BEFORE),
    ("announce", Fault.LOST_AFTER),
    ("announce", Fault.ERROR_AFTER),
    ("charge", Fault.NONSENSE_AFTER),
]
pytestmark = pytest.mark.django_db


@BOTH
@pytest.mark.parametrize(("step", "fault"), FAULTS, ids=lambda part: str(part))
def test_an_order_is_charged_once_whatever_goes_wrong_with_an_answer(
    vendor: Vendor, name: str, step: str, fault: Fault
) -> None:
    """P3: in doubt nothing is tried again; after the resolver ran we and the vendor agree."""
    account = a_payer(vendor, name)
    vendor.plan(step, fault)

    buys(account, 2)
    pays_now(account, now=START)
    collection.resolve_due(now=START + RESOLVE_AFTER)
    the_till_agrees(vendor)
    timeline.run_due(now=START + THREE_DAYS)

    invoice = Invoice.objects.get()
    assert [taken.cents for taken in vendor.taken] == [invoice.total_cents]
    assert invoice.status == "paid"
    assert balance_cents(account.pk) == 0
    the_till_agrees(vendor)


@BOTH
def test_a_charge_in_doubt_is_found_though_the_resolver_comes_a_week_late(
    vendor: Vendor, name: str
) -> None:
    """The vendor has long forgotten the key; P3 does not need it."""
    account = a_payer(vendor, name)
    vendor.plan("charge", Fault.LOST_AFTER)
    buys(account, 2)
    vendor.plan("look", *[Fault.LOST_BEFORE] * 3)
    for minutes in (10, 20, 30):
        collection.resolve_due(now=START + timedelta(minutes=minutes))
        assert PaymentAttempt.objects.get().state == "unknown"
    vendor.waits(days=7)

    timeline.run_due(now=START + timedelta(days=6))

    assert Invoice.objects.get().status == "paid"
    assert len(vendor.taken) == 1
    the_till_agrees(vendor)


@BOTH
@pytest.mark.parametrize(
    ("verdict", "tried_again"),
    [(Verdict.SOFT, True), (Verdict.HARD, False), (Verdict.AUTHENTICATE, True)],
)
def test_a_declined_renewal_takes_nothing_and_is_tried_again_unless_the_decline_is_hard(
    vendor: Vendor, name: str, verdict: Verdict, tried_again: bool
) -> None:
    """P2."""
    _, invoice = owing(vendor, name)
    vendor.bank = verdict
    timeline.run_due(now=RENEWAL)
    assert vendor.taken == []

    vendor.bank = Verdict.OK
    timeline.run_due(now=RENEWAL + THREE_DAYS)

    invoice.refresh_from_db()
    assert invoice.status == ("paid" if tried_again else "open")
    assert len(vendor.taken) == tried_again
    the_till_agrees(vendor, since=RENEWAL)


@BOTH
@pytest.mark.parametrize("told_by", ["webhook", "resolver"])
def test_a_pending_payment_locks_its_invoice_until_the_vendor_decides(
    vendor: Vendor, name: str, told_by: str
) -> None:
    account, invoice = owing(vendor, name)
    vendor.bank = Verdict.LATER
    timeline.run_due(now=RENEWAL)
    attempt = PaymentAttempt.objects.get(invoice=invoice)

    [refused] = pays_now(account, now=RENEWAL)
    assert (attempt.state, refused.code) == ("pending", "payment_in_progress")
    side = side_of(vendor, name)
    side.clears(attempt.gateway_charge)
    if told_by == "webhook":
        delivered(vendor, name, vendor.events[-1])
    else:
        collection.resolve_due(now=RENEWAL + PENDING_ASKED_EVERY)

    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert len(vendor.taken) == 1
    the_till_agrees(vendor, since=RENEWAL)


@BOTH
def test_credit_that_came_while_a_payment_was_pending_pays_where_that_came_to_nothing(
    vendor: Vendor, name: str
) -> None:
    """P9: the pending payment kept the invoice from the credit; the card is not asked again."""
    account, invoice = owing(vendor, name)
    vendor.bank = Verdict.LATER
    timeline.run_due(now=RENEWAL)
    corrections.grant_credit(
        operator="otto", account_id=account.pk, amount_cents=100_00, reason="sorry", now=RENEWAL
    )
    invoice.refresh_from_db()
    assert (invoice.status, balance_cents(account.pk)) == ("open", 100_00)

    charge = PaymentAttempt.objects.get(invoice=invoice).gateway_charge
    side_of(vendor, name).clears(charge, Verdict.SOFT)
    delivered(vendor, name, vendor.events[-1])

    invoice.refresh_from_db()
    assert (invoice.status, vendor.taken) == ("paid", [])
    assert balance_cents(account.pk) == 100_00 - invoice.total_cents
    timeline.run_due(now=RENEWAL + THREE_DAYS)
    the_till_agrees(vendor, since=RENEWAL)
    assert vendor.taken == []


@BOTH
def test_a_new_method_replaces_the_old_one_and_pays_what_is_due(vendor: Vendor, name: str) -> None:
    """P1."""
    account, _ = owing(vendor, name)
    vendor.bank = Verdict.HARD
    timeline.run_due(now=RENEWAL)
    vendor.bank = Verdict.OK
    page = payment_methods.begin_method(account_id=account.pk, gateway=name, back=BACK)
    hands_over(vendor, name, page.id)

    [result] = payment_methods.complete_method(
        account_id=account.pk, gateway=name, page_id=page.id, actor="acme", now=RENEWAL
    )

    assert result.state == AttemptState.SUCCEEDED
    assert PaymentMethod.objects.filter(account=account, active=True).count() == 1
    assert PaymentMethod.objects.filter(account=account).count() == 2
    the_till_agrees(vendor, since=RENEWAL)


@BOTH
@pytest.mark.parametrize("fault", [None, Fault.LOST_BEFORE, Fault.ERROR_AFTER])
def test_a_removed_method_is_charged_no_more_and_forgotten_by_its_gateway(
    vendor: Vendor, name: str, fault: Fault | None
) -> None:
    """P1: out of use at once, even where the gateway does not answer."""
    account, invoice = owing(vendor, name)
    token = PaymentMethod.objects.get().token.rpartition("/")[2]
    if fault is not None:
        vendor.plan("method", fault)

    payment_methods.remove_method(account_id=account.pk, actor="acme", now=RENEWAL)
    timeline.run_due(now=RENEWAL)
    [refused] = pays_now(account, now=RENEWAL)

    assert (token in vendor.things) == (fault is Fault.LOST_BEFORE)
    assert refused.code == "no_payment_method"
    assert vendor.taken == []
    invoice.refresh_from_db()
    assert invoice.status == "open"
    with pytest.raises(NoPaymentMethod):
        payment_methods.remove_method(account_id=account.pk, actor="acme", now=RENEWAL)


@BOTH
def test_an_applicant_hands_over_a_method_before_there_is_an_account(
    vendor: Vendor, name: str
) -> None:
    """R1: the deposit is paid with it, and the account keeps it."""
    open_shop()
    email = "zenith@example.com"
    first = payment_methods.begin_first_method(email=email, gateway=name, back=BACK)
    with pytest.raises(MethodNotStored):
        payment_methods.complete_first_method(
            customer=first.customer, email=email, gateway=name, page_id=first.page.id
        )
    hands_over(vendor, name, first.page.id)
    with pytest.raises(MethodNotStored):
        payment_methods.complete_first_method(
            customer="acc_mallory", email=email, gateway=name, page_id=first.page.id
        )

    wish = payment_methods.complete_first_method(
        customer=first.customer, email=email, gateway=name, page_id=first.page.id
    )
    done = reseller.register_reseller(
        applicant=reseller.Applicant(email=email, password="three blind mice 3"),
        deposit_cents=500_00,
        acceptance=reseller.Acceptance(version=reseller.AGREEMENT_VERSION),
        method=wish,
        now=START,
    )

    assert done.account_id is not None
    assert balance_cents(done.account_id) == 500_00
    assert PaymentMethod.objects.get(account=done.account_id, active=True).token == wish.token
    the_till_agrees(vendor)


@BOTH
def test_a_gateway_that_is_silent_leaves_the_method_as_it_is(vendor: Vendor, name: str) -> None:
    account = a_payer(vendor, name)
    page = payment_methods.begin_method(account_id=account.pk, gateway=name, back=BACK)
    vendor.plan("method", Fault.LOST_BEFORE)
    vendor.plan("look", Fault.LOST_BEFORE)

    with pytest.raises(GatewaySilent):
        payment_methods.begin_method(account_id=account.pk, gateway=name, back=BACK)
    with pytest.raises(GatewaySilent):
        payment_methods.complete_method(
            account_id=account.pk, gateway=name, page_id=page.id, actor="acme", now=START
        )

    assert PaymentMethod.objects.get().active


@BOTH
@pytest.mark.django_db(transaction=True)
def test_a_process_that_slept_until_it_was_given_up_does_not_charge(
    vendor: Vendor, name: str
) -> None:
    """The resolver gave the attempt up while the process waited for the announcement's answer."""
    account = a_payer(vendor, name)

    def resolve() -> None:
        collection.resolve_due(now=START + RESOLVE_AFTER)
        connection.close()

    vendor.meanwhile["announce"] = resolve
    bought = buys(account, 2)

    assert bought.payment is not None
    assert bought.payment.state == AttemptState.ABANDONED
    assert (vendor.taken, vendor.asked["charge"]) == ([], 0)
    the_till_agrees(vendor)


@BOTH
def test_an_attempt_is_not_given_up_for_what_was_seen_before_its_charge_was_announced(
    vendor: Vendor, name: str
) -> None:
    """P3: the resolver read it without the gateway's id, which is committed by the time it ends."""
    account = a_payer(vendor, name)
    seen: list[PaymentAttempt] = []

    def gives_up() -> None:
        outcome = Outcome(AttemptState.ABANDONED)
        collection.settle(attempt_id=seen[0].pk, outcome=outcome, seen=seen[0], now=START)
        assert PaymentAttempt.objects.get().state == AttemptState.OPEN

    vendor.meanwhile["announce"] = in_our_transaction(
        lambda: seen.append(PaymentAttempt.objects.get())
    )
    vendor.beforehand["charge"] = in_our_transaction(gives_up)
    bought = buys(account, 2)

    assert bought.payment is not None
    assert bought.payment.state == AttemptState.SUCCEEDED
    assert len(vendor.taken) == 1
    the_till_agrees(vendor)


@BOTH
def test_a_gateway_whose_keys_were_taken_away_refuses_and_loses_nothing(
    vendor: Vendor, name: str, settings: Settings
) -> None:
    account, invoice = owing(vendor, name)
    vendor.plan("charge", Fault.LOST_AFTER)
    pays_now(account, now=RENEWAL)
    other = a_payer(vendor, name, "Other")
    settings.CLN_STRIPE_SECRET_KEY = settings.CLN_PAYPAL_SECRET = ""

    with pytest.raises(GatewayAbsent):
        buys(other, 1)
    collection.resolve_due(now=RENEWAL + RESOLVE_AFTER)
    assert not Invoice.objects.filter(account=other).exists()
    assert PaymentAttempt.objects.get(invoice=invoice).state == "unknown"

    settings.CLN_STRIPE_SECRET_KEY = vendor.environment["CLN_STRIPE_SECRET_KEY"]
    settings.CLN_PAYPAL_SECRET = vendor.environment["CLN_PAYPAL_SECRET"]
    collection.resolve_due(now=RENEWAL + 2 * RESOLVE_AFTER)

    the_till_agrees(vendor, since=RENEWAL)
    assert len(vendor.taken) == 1


def hands_over(vendor: Vendor, name: str, page: str) -> None:
    """The payer fills in the hosted fields, or agrees on PayPal's page."""
    acts: dict[str, Callable[[str], None]] = {
        "stripe": vendor.stripe.payer_stores_card,
        "paypal": vendor.paypal.payer_approves_agreement,
    }
    acts[name](page)
