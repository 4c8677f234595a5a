"""Each gateway, each fault: charged exactly once or not at all, and our books agree with the till.

The vendor of `tests/vendor` has the last word: what it took and gave back is compared with our
payments. Webhooks come through the public door.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from cln.accounts.models import Account
from cln.accounts.services import create_account
from cln.billing.models import Invoice
from cln.billing.queries import balance_cents
from cln.catalog.services import load_catalog
from cln.domain.errors import Refusal
from cln.enums import AccountKind, AttemptState, MethodKind
from cln.flows import billing_run, collection, hosted, payment_methods, timeline
from cln.payments.gateways import Back, GatewayAbsent
from cln.payments.models import GatewayEvent, Payment, PaymentAttempt, PaymentMethod
from cln.payments.services import HOSTED_PAGE_LIVES, PENDING_ASKED_EVERY, RESOLVE_AFTER
from tests.customers import KILLED, START, buys, finish, one_verb, pays_now
from tests.vendor import Fault, Taken, Vendor, Verdict

BACK = Back("https://shop.example/done", "https://shop.example/left")
BOTH = pytest.mark.parametrize("name", ["stripe", "paypal"])
RENEWAL = datetime(2026, 2, 28, 6, 0, tzinfo=UTC)
# The next planned attempt after the day of issue (P2).
THREE_DAYS = timedelta(days=3)
FAULTS = [
    ("announce", Fault.LOST_BEFORE),
    ("announce", Fault.LOST_AFTER),
    ("announce", Fault.ERROR_AFTER),
    ("charge", Fault.LOST_BEFORE),
    ("charge", Fault.LOST_AFTER),
    ("charge", Fault.ERROR_AFTER),
    ("charge", Fault.NONSENSE_AFTER),
]
pytestmark = pytest.mark.django_db


def a_payer(vendor: Vendor, name: str, company: str = "Acme") -> Account:
    """A customer whose stored method is at the vendor."""
    load_catalog()
    account = create_account(
        company=company, billing_email=f"{company.lower()}@example.com", now=START
    )
    side = vendor.stripe.add_card() if name == "stripe" else vendor.paypal.add_agreement()
    collection.set_payment_method(
        account_id=account.pk,
        kind=MethodKind.CARD if name == "stripe" else MethodKind.PAYPAL,
        gateway=name,
        token=side,
        label="stored at the vendor",
        expires_on=None,
        actor="test",
        now=START,
    )
    return account


def owing(vendor: Vendor, name: str) -> tuple[Account, Invoice]:
    """A customer with an unpaid renewal that nobody has tried to collect."""
    account = a_payer(vendor, name)
    buys(account, 2)
    billing_run.run_due(now=RENEWAL)
    vendor.taken.clear()
    return account, Invoice.objects.get(status="open")


def the_till_agrees(vendor: Vendor, since: datetime = START) -> None:
    """What the vendor took since then is what we say we received; nothing is in doubt."""
    ours = Payment.objects.filter(received_at__gte=since).select_related("attempt")
    received = [Taken(row.attempt.public_id, row.amount_cents, row.currency) for row in ours]
    assert sorted(vendor.taken, key=repr) == sorted(received, key=repr)
    assert not PaymentAttempt.objects.filter(state__in=("open", "unknown", "pending")).exists()


def delivered(vendor: Vendor, name: str, event: dict[str, object], status: int = 200) -> None:
    """The vendor posts an event to our door."""
    side = vendor.stripe if name == "stripe" else vendor.paypal
    response = Client().post(f"/webhooks/{name}", **side.webhook(event))
    assert response.status_code == status, response.content


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
    side = vendor.stripe if name == "stripe" else vendor.paypal
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
@pytest.mark.django_db(transaction=True)
def test_a_webhook_before_the_response_pays_the_invoice_once(vendor: Vendor, name: str) -> None:
    account = a_payer(vendor, name)

    def tell() -> None:
        delivered(vendor, name, vendor.events[-1])
        connection.close()

    vendor.meanwhile["charge"] = tell
    bought = buys(account, 2)

    assert bought.payment is not None
    assert bought.payment.state == AttemptState.SUCCEEDED
    assert GatewayEvent.objects.get().processed_at is not None
    assert Invoice.objects.get().status == "paid"
    the_till_agrees(vendor)


@BOTH
def test_a_webhook_is_the_answer_when_the_answer_was_lost(vendor: Vendor, name: str) -> None:
    """It comes twice, and once more five days late: paid once."""
    account = a_payer(vendor, name)
    vendor.plan("charge", Fault.LOST_AFTER)
    buys(account, 2)
    assert Invoice.objects.get().status == "open"

    for _ in range(3):
        delivered(vendor, name, vendor.events[-1])

    assert Invoice.objects.get().status == "paid"
    assert GatewayEvent.objects.count() == 1
    assert balance_cents(account.pk) == 0
    the_till_agrees(vendor)


@BOTH
def test_webhooks_out_of_order_do_not_undo_a_payment(vendor: Vendor, name: str) -> None:
    vendor.bank = Verdict.LATER
    account = a_payer(vendor, name)
    buys(account, 2)
    side = vendor.stripe if name == "stripe" else vendor.paypal
    side.clears(PaymentAttempt.objects.get().gateway_charge)
    pending, completed = vendor.events[-2:]

    delivered(vendor, name, completed)
    delivered(vendor, name, pending)

    assert PaymentAttempt.objects.get().state == "succeeded"
    assert Invoice.objects.get().status == "paid"
    the_till_agrees(vendor)


@BOTH
def test_a_forged_webhook_changes_nothing(vendor: Vendor, name: str) -> None:
    account = a_payer(vendor, name)
    vendor.plan("charge", Fault.LOST_AFTER)
    buys(account, 2)
    side = vendor.stripe if name == "stripe" else vendor.paypal
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


def test_a_webhook_that_cannot_be_verified_now_is_asked_for_again(vendor: Vendor) -> None:
    account = a_payer(vendor, "paypal")
    vendor.plan("charge", Fault.LOST_AFTER)
    buys(account, 2)
    vendor.plan("verify", Fault.LOST_BEFORE)

    delivered(vendor, "paypal", vendor.events[-1], status=503)
    assert not GatewayEvent.objects.exists()
    delivered(vendor, "paypal", vendor.events[-1])

    assert Invoice.objects.get().status == "paid"


@pytest.mark.parametrize("name", ["sandbox", "nobody"])
def test_a_gateway_that_sends_no_webhooks_has_no_door(vendor: Vendor, name: str) -> None:
    assert Client().post(f"/webhooks/{name}").status_code == 404


@BOTH
def test_a_hosted_page_is_an_attempt_that_nothing_else_competes_with(
    vendor: Vendor, name: str
) -> None:
    """P4."""
    account, invoice = owing(vendor, name)
    page = opens_page(account, invoice, name)

    timeline.run_due(now=RENEWAL)
    [refused] = pays_now(account, now=RENEWAL)
    assert refused.code == "payment_in_progress"
    assert opens_page(account, invoice, name) == page
    payer_pays(vendor, name, page)
    result = hosted.leave_page(account_id=account.pk, payment=page.payment, now=RENEWAL)
    again = hosted.leave_page(account_id=account.pk, payment=page.payment, now=RENEWAL)

    assert result.state == again.state == AttemptState.SUCCEEDED
    assert [taken.cents for taken in vendor.taken] == [invoice.total_cents]
    the_till_agrees(vendor, since=RENEWAL)


@BOTH
def test_a_payer_who_pays_and_closes_the_browser_has_paid(vendor: Vendor, name: str) -> None:
    account, invoice = owing(vendor, name)
    page = opens_page(account, invoice, name)
    payer_pays(vendor, name, page)

    delivered(vendor, name, vendor.events[-1])
    for event in vendor.events:
        delivered(vendor, name, event)

    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert len(vendor.taken) == 1
    the_till_agrees(vendor, since=RENEWAL)


@BOTH
def test_an_abandoned_page_is_closed_and_takes_nothing_when_it_is_paid_later(
    vendor: Vendor, name: str
) -> None:
    """P4: the stored method takes the money; the page that is still open somewhere does not."""
    account, invoice = owing(vendor, name)
    page = opens_page(account, invoice, name)
    timeline.run_due(now=RENEWAL)
    assert vendor.taken == []
    timeline.run_due(now=RENEWAL + HOSTED_PAGE_LIVES)
    [paid] = pays_now(account, now=RENEWAL + HOSTED_PAGE_LIVES)
    assert paid.state == AttemptState.SUCCEEDED

    if name == "paypal":
        vendor.paypal.payer_pays(page.page.id)
        delivered(vendor, name, vendor.events[-1])
    else:
        assert vendor.things[page.page.id]["status"] == "canceled"
    left = hosted.leave_page(account_id=account.pk, payment=page.payment, now=RENEWAL + THREE_DAYS)

    assert left.state == AttemptState.ABANDONED
    assert len(vendor.taken) == 1
    the_till_agrees(vendor, since=RENEWAL)


def test_a_card_that_fails_on_the_page_leaves_the_page_open_for_another(vendor: Vendor) -> None:
    account, invoice = owing(vendor, "stripe")
    page = opens_page(account, invoice, "stripe")
    vendor.stripe.payer_pays(page.page.id, Verdict.SOFT)
    delivered(vendor, "stripe", vendor.events[-1])
    assert PaymentAttempt.objects.get(public_id=page.payment).state == "pending"

    vendor.stripe.payer_pays(page.page.id)
    delivered(vendor, "stripe", vendor.events[-1])

    invoice.refresh_from_db()
    assert invoice.status == "paid"
    the_till_agrees(vendor, since=RENEWAL)


@BOTH
def test_a_page_the_vendor_does_not_give_blocks_nothing(vendor: Vendor, name: str) -> None:
    account, invoice = owing(vendor, name)
    vendor.plan("announce", Fault.LOST_AFTER)

    with pytest.raises(hosted.GatewaySilent):
        opens_page(account, invoice, name)
    [paid] = pays_now(account, now=RENEWAL)

    assert paid.state == AttemptState.SUCCEEDED
    the_till_agrees(vendor, since=RENEWAL)


def test_a_page_of_somebody_elses_payment_is_unknown(vendor: Vendor) -> None:
    account, invoice = owing(vendor, "stripe")
    page = opens_page(account, invoice, "stripe")
    mallory = a_payer(vendor, "stripe", "Mallory")

    with pytest.raises(Refusal, match="no such payment"):
        hosted.leave_page(account_id=mallory.pk, payment=page.payment, now=RENEWAL)
    with pytest.raises(Refusal, match="no such invoice"):
        opens_page(mallory, invoice, "stripe")

    assert PaymentAttempt.objects.get(public_id=page.payment).state == "pending"


def test_a_reseller_tops_up_any_amount_by_paypal_checkout(vendor: Vendor) -> None:
    """R5: settled only by the gateway's word."""
    account = a_payer(vendor, "paypal", "Zenith")
    Account.objects.filter(pk=account.pk).update(kind=AccountKind.RESELLER)
    page = hosted.open_top_up_page(
        account_id=account.pk, amount_cents=123_45, gateway="paypal", back=BACK, now=START
    )
    assert balance_cents(account.pk) == 0
    vendor.paypal.payer_pays(page.page.id)

    hosted.leave_page(account_id=account.pk, payment=page.payment, now=START)

    assert balance_cents(account.pk) == 123_45
    the_till_agrees(vendor)


@BOTH
def test_a_new_method_replaces_the_old_one_and_pays_what_is_due(vendor: Vendor, name: str) -> None:
    """P1."""
    account, _ = owing(vendor, name)
    vendor.bank = Verdict.HARD
    timeline.run_due(now=RENEWAL)
    vendor.bank = Verdict.OK
    page = payment_methods.begin_method(account_id=account.pk, gateway=name, back=BACK)
    hand_over: dict[str, Callable[[str], None]] = {
        "stripe": vendor.stripe.payer_stores_card,
        "paypal": vendor.paypal.payer_approves_agreement,
    }
    hand_over[name](page.id)

    [result] = payment_methods.complete_method(
        account_id=account.pk, gateway=name, page_id=page.id, actor="acme", now=RENEWAL
    )

    assert result.state == AttemptState.SUCCEEDED
    assert PaymentMethod.objects.filter(account=account, active=True).count() == 1
    assert PaymentMethod.objects.filter(account=account).count() == 2
    the_till_agrees(vendor, since=RENEWAL)


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


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("name", "point", "charged"),
    [
        ("stripe", "after_announce", 0),
        ("stripe", "before_charge", 0),
        ("stripe", "after_gateway", 1),
        ("stripe", "before_commit", 1),
        ("paypal", "after_gateway", 1),
    ],
)
def test_a_renewal_whose_process_is_killed_is_charged_once(
    vendor: Vendor, name: str, point: str, charged: int
) -> None:
    """`kill -9` at each point: the resolver finds what happened, the plan makes up for the rest."""
    _, invoice = owing(vendor, name)

    child = one_verb("collect", RENEWAL, CLN_FAULT_POINT=point, **vendor.environment)
    finish(child, code=KILLED)
    assert len(vendor.taken) == charged
    timeline.run_due(now=RENEWAL + RESOLVE_AFTER)
    the_till_agrees(vendor, since=RENEWAL)
    timeline.run_due(now=RENEWAL + THREE_DAYS)

    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert [taken.cents for taken in vendor.taken] == [invoice.total_cents]
    the_till_agrees(vendor, since=RENEWAL)


def opens_page(account: Account, invoice: Invoice, name: str) -> hosted.OpenPage:
    return hosted.open_invoice_page(
        account_id=account.pk, invoice=invoice.public_id, gateway=name, back=BACK, now=RENEWAL
    )


def payer_pays(vendor: Vendor, name: str, page: hosted.OpenPage) -> None:
    side = vendor.stripe if name == "stripe" else vendor.paypal
    side.payer_pays(page.page.id)
