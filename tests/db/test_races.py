"""Two at once, on real connections: whoever comes second finds the work done (billing §8)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction

from cln.accounts.locks import lock_account
from cln.accounts.models import Account
from cln.billing.models import Invoice, InvoiceLine, InvoiceSeries, Subscription
from cln.billing.queries import OrderPending, balance_cents
from cln.domain.dunning import DeclineCode
from cln.enums import AttemptChannel, AttemptState, MethodKind
from cln.flows import billing_run, collection, timeline
from cln.flows.books import check_books
from cln.payments import services as payments
from cln.payments.gateways import Charge, Outcome, gateway_named
from cln.payments.gateways.sandbox import Script, script_account, token_for
from cln.payments.models import Payment, PaymentAttempt, SandboxCharge
from tests.at_once import at_once
from tests.customers import a_customer, buys, pays_now, use_card

FIRST_RENEWAL = datetime(2026, 2, 28, 6, 0, tzinfo=UTC)
# A customer of 31 January has been renewed on 28 February, 31 March and 30 April by then (E5).
THREE_PERIODS_LATER = datetime(2026, 5, 1, 6, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def clean_books() -> Iterator[None]:
    """Whatever happened at once, the books are clean afterwards (P12)."""
    yield
    assert check_books() == ()


@pytest.mark.parametrize("turn", range(3))
def test_two_first_orders_of_a_license_type_at_once_make_one_subscription(turn: int) -> None:
    account = a_customer()

    answers = at_once(
        lambda: buys(account, 2, key="one browser"),
        lambda: buys(account, 3, key="another browser"),
    )

    [subscription] = Subscription.objects.all()
    refused = [answer for answer in answers if isinstance(answer, OrderPending)]
    additions = [answer for answer in answers if getattr(answer, "is_addition", False)]
    assert len(refused) + len(additions) == 1
    assert Invoice.objects.count() == SandboxCharge.objects.count() == 1
    first = InvoiceLine.objects.get().quantity
    assert subscription.quantity == (5 if additions else first)


@pytest.mark.parametrize("turn", range(3))
def test_one_order_sent_twice_at_once_is_bought_and_charged_once(turn: int) -> None:
    account = a_customer()

    one, other = at_once(*[lambda: buys(account, 2, key="the same form")] * 2)

    told = [
        (answer.license_type, answer.quantity, answer.held, answer.invoice_number)
        for answer in (one, other)
    ]
    assert told == [("cloudlinux", 2, 2, "CBI-000001")] * 2
    assert Subscription.objects.get().quantity == 2
    assert Invoice.objects.count() == SandboxCharge.objects.count() == 1


@pytest.mark.parametrize("turn", range(3))
def test_pay_now_pressed_twice_beside_the_automatic_charge_takes_the_money_once(turn: int) -> None:
    """P3, P4: three invoices are open, three doors are used at once."""
    account = a_customer()
    buys(account, 2)
    billing_run.run_due(now=THREE_PERIODS_LATER)
    assert Invoice.objects.filter(status="open").count() == 3

    at_once(
        lambda: pays_now(account, now=THREE_PERIODS_LATER),
        lambda: pays_now(account, now=THREE_PERIODS_LATER),
        lambda: collection.collect_due(now=THREE_PERIODS_LATER),
    )

    assert Invoice.objects.filter(status="paid").count() == 4
    assert SandboxCharge.objects.count() == Payment.objects.count() == 4
    assert balance_cents(account.pk) == 0


def test_a_declined_invoice_is_tried_once_by_two_collectors_at_once() -> None:
    """P2: a list that went stale in another worker causes no second attempt."""
    account = a_customer()
    buys(account, 2)
    billing_run.run_due(now=THREE_PERIODS_LATER)
    script_account(account_id=account.pk, outcome=Script.DECLINE)

    at_once(*[lambda: collection.collect_due(now=THREE_PERIODS_LATER)] * 3)

    declined = PaymentAttempt.objects.filter(state="declined")
    assert Counter(declined.values_list("invoice__issued_on", flat=True)) == {
        THREE_PERIODS_LATER.date(): 3
    }
    assert set(Counter(declined.values_list("invoice_id", flat=True)).values()) == {1}


@pytest.mark.parametrize("turn", range(3))
def test_two_workers_on_one_account_issue_one_invoice_per_period(turn: int) -> None:
    """M5: the worker was down for three periods; both come back at once."""
    account = a_customer()
    buys(account, 2)

    at_once(*[lambda: timeline.run_due(now=THREE_PERIODS_LATER)] * 2)

    starts = InvoiceLine.objects.filter(kind="recurring").order_by("period")
    assert [line.period.lower for line in starts] == [
        date(2026, 1, 31),
        date(2026, 2, 28),
        date(2026, 3, 31),
        date(2026, 4, 30),
    ]
    assert Invoice.objects.filter(status="paid").count() == 4
    assert SandboxCharge.objects.count() == 4


def test_workers_on_many_accounts_leave_no_duplicate_and_no_gap_in_numbers() -> None:
    """P11."""
    accounts = [a_customer(f"Customer{number}") for number in range(10)]
    for account in accounts:
        buys(account, 1)

    at_once(*[lambda: billing_run.run_due(now=THREE_PERIODS_LATER)] * 3)

    numbers = list(Invoice.objects.order_by("number").values_list("number", flat=True))
    assert numbers == [f"CBI-{number:06d}" for number in range(1, 41)]
    assert InvoiceSeries.objects.get().next_number == 41
    per_account = Counter(Invoice.objects.values_list("account_id", flat=True))
    assert set(per_account.values()) == {4}
    assert not Account.objects.filter(parked_at__isnull=False).exists()


def test_an_account_held_by_another_process_is_not_parked_and_stays_due() -> None:
    account = a_customer()
    buys(account, 1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            lock_account(account.pk)
            held.set()
            done.wait(20)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    try:
        result = billing_run.run_due(now=FIRST_RENEWAL)
    finally:
        done.set()
        holder.join()

    account.refresh_from_db()
    assert (result.invoices, result.parked, account.parked_at) == (0, 0, None)
    assert billing_run.run_due(now=FIRST_RENEWAL).invoices == 1


def test_a_method_replaced_while_the_old_one_is_being_declined_is_tried_at_once() -> None:
    """P1: the hard decline of a card that is gone says nothing about the new card."""
    account = a_customer()
    buys(account, 2)
    billing_run.run_due(now=FIRST_RENEWAL)
    invoice = Invoice.objects.get(status="open")
    attempt = attempt_in_flight(account, invoice, now=FIRST_RENEWAL)

    [while_it_runs] = use_card(account, Script.OK, now=FIRST_RENEWAL)
    declined = Outcome(AttemptState.DECLINED, decline_code=DeclineCode.EXPIRED_CARD)
    collection.settle(attempt_id=attempt.pk, outcome=declined, now=FIRST_RENEWAL)
    collection.collect_due(now=FIRST_RENEWAL)

    assert while_it_runs.state == "refused"
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert Payment.objects.filter(attempt__invoice=invoice).count() == 1


def test_a_card_that_pays_once_and_is_declined_leaves_the_plan_of_the_stored_card() -> None:
    """P7: a stranger's expired card on the payment link stops nothing."""
    account = a_customer()
    buys(account, 2)
    billing_run.run_due(now=FIRST_RENEWAL)
    stranger = collection.one_off_method(
        account_id=account.pk,
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(Script.HARD_DECLINE),
        label="Somebody's card",
        now=FIRST_RENEWAL,
    )

    [result] = collection.pay_now(
        account_id=account.pk,
        channel=AttemptChannel.PAY_LINK,
        actor="payment link",
        method=stranger,
        now=FIRST_RENEWAL,
    )

    assert result.state == "declined"
    assert Invoice.objects.get(status="open").retry_at == FIRST_RENEWAL


@pytest.mark.parametrize("turn", range(3))
def test_a_method_replaced_beside_the_automatic_charge_pays_once(turn: int) -> None:
    account = a_customer()
    buys(account, 2)
    use_card(account, Script.HARD_DECLINE)
    billing_run.run_due(now=FIRST_RENEWAL)

    at_once(
        lambda: collection.collect_due(now=FIRST_RENEWAL),
        lambda: use_card(account, Script.OK, now=FIRST_RENEWAL),
    )
    collection.collect_due(now=FIRST_RENEWAL)

    assert Invoice.objects.filter(status="paid").count() == 2
    assert SandboxCharge.objects.count() == Payment.objects.count() == 2


def test_money_that_an_abandoned_attempt_took_after_all_pays_the_invoice_once() -> None:
    """P3: the answer comes five days after we gave the attempt up, and comes twice."""
    account = a_customer()
    buys(account, 2)
    billing_run.run_due(now=FIRST_RENEWAL)
    invoice = Invoice.objects.get(status="open")
    attempt = attempt_in_flight(account, invoice, now=FIRST_RENEWAL)
    collection.resolve_due(now=FIRST_RENEWAL + payments.RESOLVE_AFTER)
    attempt.refresh_from_db()
    assert attempt.state == "abandoned"

    taken = gateway_named("sandbox").charge(charge_of(attempt))
    late = FIRST_RENEWAL + timedelta(days=2)
    at_once(*[lambda: collection.settle(attempt_id=attempt.pk, outcome=taken, now=late)] * 2)

    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert Payment.objects.filter(attempt=attempt).count() == 1
    assert balance_cents(account.pk) == 0


def attempt_in_flight(account: Account, invoice: Invoice, *, now: datetime) -> PaymentAttempt:
    """An attempt whose process waits for the gateway."""
    with transaction.atomic():
        return payments.open_attempt(
            account=lock_account(account.pk),
            invoice=invoice,
            amount_cents=invoice.total_cents,
            channel=AttemptChannel.AUTOMATIC,
            method=payments.active_method(account.pk),
            now=now,
        )


def charge_of(attempt: PaymentAttempt) -> Charge:
    """What the gateway was asked before we gave the attempt up."""
    assert attempt.method is not None
    return Charge(
        reference=attempt.public_id,
        method_token=attempt.method.token,
        customer=attempt.account.public_id,
        amount_cents=attempt.amount_cents,
        currency=attempt.currency,
    )
