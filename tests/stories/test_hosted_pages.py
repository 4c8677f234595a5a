"""A gateway's own page as an attempt: opened, paid, left, forgotten, opened again (P4, R5)."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import connection

from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.billing.queries import balance_cents
from cln.domain.errors import Refusal
from cln.enums import AttemptState
from cln.flows import collection, hosted, timeline
from cln.flows.charging import GatewaySilent
from cln.payments.models import PaymentAttempt
from cln.payments.services import HOSTED_PAGE_LIVES, NothingToPay
from tests.customers import START, pays_now
from tests.vendor import Fault, Vendor, Verdict
from tests.vendor.shop import (
    BACK,
    BOTH,
    RENEWAL,
    THREE_DAYS,
    a_payer,
    delivered,
    owing,
    registers,
    side_of,
    the_till_agrees,
)

pytestmark = pytest.mark.django_db


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


def test_a_page_that_was_paid_is_not_shown_again(vendor: Vendor) -> None:
    """The payer closed the browser, the webhook is late, and "Pay now" is pressed again."""
    account, invoice = owing(vendor, "stripe")
    page = opens_page(account, invoice, "stripe")
    payer_pays(vendor, "stripe", page)

    with pytest.raises(NothingToPay, match=r"Paid\. Thank you\."):
        opens_page(account, invoice, "stripe")

    invoice.refresh_from_db()
    assert invoice.status == "paid"
    the_till_agrees(vendor, since=RENEWAL)


def test_a_paypal_order_that_was_approved_is_captured_when_its_page_is_opened_again(
    vendor: Vendor,
) -> None:
    """P4: PayPal has no page for it any more; the webhook is late."""
    account, invoice = owing(vendor, "paypal")
    page = opens_page(account, invoice, "paypal")
    payer_pays(vendor, "paypal", page)

    with pytest.raises(NothingToPay, match=r"Paid\. Thank you\."):
        opens_page(account, invoice, "paypal")

    assert [taken.cents for taken in vendor.taken] == [invoice.total_cents]
    the_till_agrees(vendor, since=RENEWAL)


def test_a_paypal_order_that_was_never_approved_ends_and_makes_room_for_another(
    vendor: Vendor,
) -> None:
    """P4: PayPal clears such orders away; ours is given up, and the next page is a new one."""
    account, invoice = owing(vendor, "paypal")
    page = opens_page(account, invoice, "paypal")
    del vendor.things[page.page.id]

    with pytest.raises(hosted.UnknownPayment, match="ended"):
        opens_page(account, invoice, "paypal")
    assert PaymentAttempt.objects.get(public_id=page.payment).state == AttemptState.ABANDONED
    # PayPal remembers the request for six hours, so the new order must not be that of the old one.
    again = opens_page(account, invoice, "paypal")
    payer_pays(vendor, "paypal", again)
    hosted.leave_page(account_id=account.pk, payment=again.payment, now=RENEWAL)

    assert len(vendor.taken) == 1
    the_till_agrees(vendor, since=RENEWAL)


def test_a_page_that_was_left_is_no_try_of_the_stored_method_p2_p4(vendor: Vendor) -> None:
    """The attempt that is due waits for the page, not for the next day of the plan."""
    account, invoice = owing(vendor, "stripe")
    page = opens_page(account, invoice, "stripe")
    left = hosted.leave_page(account_id=account.pk, payment=page.payment, now=RENEWAL)
    assert (left.state, vendor.taken) == (AttemptState.ABANDONED, [])

    timeline.run_due(now=RENEWAL)

    assert [taken.cents for taken in vendor.taken] == [invoice.total_cents]
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
        assert vendor.things[page.page.id]["status"] == "expired"
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

    with pytest.raises(GatewaySilent):
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
    registers(vendor, "paypal")
    account = Account.objects.get()
    page = hosted.open_top_up_page(
        account_id=account.pk, amount_cents=123_45, gateway="paypal", back=BACK, now=START
    )
    assert balance_cents(account.pk) == 500_00
    vendor.paypal.payer_pays(page.page.id)

    hosted.leave_page(account_id=account.pk, payment=page.payment, now=START)

    assert balance_cents(account.pk) == 623_45
    the_till_agrees(vendor)


@pytest.mark.parametrize("amount_cents", [99, 100_000_01])
def test_a_top_up_page_of_a_wrong_amount_is_refused(vendor: Vendor, amount_cents: int) -> None:
    """R5."""
    account = a_payer(vendor, "paypal")

    with pytest.raises(Refusal, match=r"between 1\.00 and 100000\.00"):
        hosted.open_top_up_page(
            account_id=account.pk, amount_cents=amount_cents, gateway="paypal", back=BACK, now=START
        )

    assert not PaymentAttempt.objects.exists()


def test_a_top_up_page_is_for_resellers_only(vendor: Vendor) -> None:
    account = a_payer(vendor, "paypal")

    with pytest.raises(Refusal, match="for resellers only"):
        hosted.open_top_up_page(
            account_id=account.pk, amount_cents=1000, gateway="paypal", back=BACK, now=START
        )

    assert not PaymentAttempt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_page_that_is_paid_while_it_is_given_up_locks_its_invoice_until_it_is_settled(
    vendor: Vendor,
) -> None:
    """P3, P4: one process finds the page unused, the payer approves, another captures; the first
    must not make room for a second charge before the second has written down what it took.
    """
    account, invoice = owing(vendor, "paypal")
    page = opens_page(account, invoice, "paypal")
    first = LooksAtLastBeforePayment(vendor, lambda: leaves(account, page))
    payer_pays(vendor, "paypal", page)
    refused: list[collection.InvoiceResult] = []

    def captured_but_not_known() -> None:
        first.goes_on()
        refused.extend(pays_now(account, now=RENEWAL))
        connection.close()

    vendor.meanwhile["charge"] = captured_but_not_known
    second = leaves(account, page)

    assert first.result.state == AttemptState.OPEN
    assert [one.code for one in refused] == ["payment_in_progress"]
    assert second.state == AttemptState.SUCCEEDED
    assert [taken.cents for taken in vendor.taken] == [invoice.total_cents]
    assert balance_cents(account.pk) == 0
    the_till_agrees(vendor, since=RENEWAL)


@pytest.mark.django_db(transaction=True)
def test_a_page_that_was_given_up_is_not_captured_by_who_found_it_approved(vendor: Vendor) -> None:
    """P3, P4: the other way round: the attempt ends between the look and the capture."""
    account, invoice = owing(vendor, "paypal")
    page = opens_page(account, invoice, "paypal")
    first = LooksAtLastBeforePayment(vendor, lambda: leaves(account, page))
    payer_pays(vendor, "paypal", page)
    looks, charges = itertools.count(1), vendor.asked["charge"]

    vendor.meanwhile["look"] = lambda: first.goes_on() if next(looks) == 2 else None
    second = leaves(account, page)

    assert (first.result.state, second.state) == (AttemptState.ABANDONED, AttemptState.ABANDONED)
    assert (vendor.taken, vendor.asked["charge"]) == ([], charges)
    vendor.meanwhile.clear()
    timeline.run_due(now=RENEWAL)
    assert [taken.cents for taken in vendor.taken] == [invoice.total_cents]
    the_till_agrees(vendor, since=RENEWAL)


class LooksAtLastBeforePayment:
    """A process that ends a PayPal page: both its looks are answered before the payer pays, the
    second answer reaches it when it `goes_on`.
    """

    def __init__(self, vendor: Vendor, leave: Callable[[], collection.InvoiceResult]) -> None:
        looks, looked, self._may_go_on = itertools.count(1), threading.Event(), threading.Event()

        def waits_with_second() -> None:
            if next(looks) == 2:
                looked.set()
                assert self._may_go_on.wait(10)

        vendor.meanwhile["look"] = waits_with_second
        self._thread = ThreadPoolExecutor(1)
        self._left: Future[collection.InvoiceResult] = self._thread.submit(self._run, leave)
        assert looked.wait(10)
        vendor.meanwhile.clear()

    @staticmethod
    def _run(leave: Callable[[], collection.InvoiceResult]) -> collection.InvoiceResult:
        try:
            return leave()
        finally:
            connection.close()

    def goes_on(self) -> None:
        """Let the answer come, and wait for what it makes of it."""
        self._may_go_on.set()
        self._thread.shutdown()

    @property
    def result(self) -> collection.InvoiceResult:
        return self._left.result(timeout=10)


def leaves(account: Account, page: hosted.OpenPage) -> collection.InvoiceResult:
    return hosted.leave_page(account_id=account.pk, payment=page.payment, now=RENEWAL)


def opens_page(account: Account, invoice: Invoice, name: str) -> hosted.OpenPage:
    return hosted.open_invoice_page(
        account_id=account.pk, invoice=invoice.public_id, gateway=name, back=BACK, now=RENEWAL
    )


def payer_pays(vendor: Vendor, name: str, page: hosted.OpenPage) -> None:
    side = side_of(vendor, name)
    side.payer_pays(page.page.id)
