"""Deposits of new resellers and refunds at each gateway, with answers that get lost (R1, P10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cln.accounts.models import Account, DepositOrder
from cln.billing.models import Invoice
from cln.billing.queries import balance_cents
from cln.enums import AttemptState
from cln.flows import refunds, reseller
from cln.flows.books import check_books
from cln.flows.charging import GatewaySilent
from cln.payments.models import Refund
from cln.payments.services import RESOLVE_AFTER
from tests.customers import START, buys
from tests.vendor import Fault, Vendor, Verdict
from tests.vendor.shop import (
    BOTH,
    a_payer,
    delivered,
    in_our_transaction,
    registers,
    side_of,
    the_till_agrees,
)

pytestmark = pytest.mark.django_db
LATER = START + RESOLVE_AFTER


@BOTH
def test_a_deposit_whose_answer_is_lost_opens_the_account_when_the_resolver_has_asked(
    vendor: Vendor, name: str
) -> None:
    """R1: nothing exists until the money is certain."""
    vendor.plan("charge", Fault.LOST_AFTER)
    assert registers(vendor, name).state == AttemptState.UNKNOWN
    assert not Account.objects.exists()
    vendor.waits(days=2)

    reseller.resolve_due(now=LATER)
    reseller.resolve_due(now=LATER)

    assert balance_cents(Account.objects.get().pk) == 500_00
    the_till_agrees(vendor)
    assert len(vendor.taken) == 1


@BOTH
@pytest.mark.parametrize("step", ["announce", "charge"])
def test_a_deposit_that_never_reached_the_vendor_leaves_no_account(
    vendor: Vendor, name: str, step: str
) -> None:
    vendor.plan(step, Fault.LOST_BEFORE)
    registers(vendor, name)

    reseller.resolve_due(now=LATER)

    expected = {"announce": AttemptState.DECLINED, "charge": AttemptState.ABANDONED}
    assert DepositOrder.objects.get().state == expected[step]
    assert not Account.objects.exists()
    assert vendor.taken == []


@BOTH
@pytest.mark.parametrize(
    ("fault", "given_back"),
    [(Fault.LOST_AFTER, True), (Fault.LOST_BEFORE, False)],
)
def test_a_refund_is_given_once_or_not_at_all(
    vendor: Vendor, name: str, fault: Fault, given_back: bool
) -> None:
    """P10."""
    account, invoice = paid(vendor, name)
    vendor.plan("refund", fault)

    gives_back(account, invoice)
    refunds.resolve_due(now=LATER)
    refunds.resolve_due(now=LATER + timedelta(days=60))

    row = Refund.objects.get()
    assert row.state == (AttemptState.SUCCEEDED if given_back else AttemptState.ABANDONED)
    expected = [(row.public_id, 1000)] if given_back else []
    assert [(back.reference, back.cents) for back in vendor.given_back] == expected
    assert check_books() == ()


@BOTH
def test_a_pending_refund_stays_pending_until_the_vendor_has_done_it(
    vendor: Vendor, name: str
) -> None:
    account, invoice = paid(vendor, name)
    vendor.bank = Verdict.LATER

    gives_back(account, invoice)
    refunds.resolve_due(now=LATER)

    assert Refund.objects.get().state == AttemptState.PENDING
    assert check_books() == ()


@BOTH
def test_a_refund_that_the_vendor_makes_after_it_was_given_up_is_booked(
    vendor: Vendor, name: str
) -> None:
    """P10: the request slept on its way until the resolver had found nothing."""
    account, invoice = paid(vendor, name)

    def resolve() -> None:
        refunds.resolve_due(now=LATER)
        assert Refund.objects.get().state == AttemptState.ABANDONED
        assert balance_cents(account.pk) == 1000

    vendor.beforehand["refund"] = in_our_transaction(resolve)
    gives_back(account, invoice)

    assert Refund.objects.get().state == AttemptState.SUCCEEDED
    assert balance_cents(account.pk) == 0
    the_till_agrees(vendor)


@BOTH
def test_a_refund_that_comes_back_from_the_bank_becomes_balance(vendor: Vendor, name: str) -> None:
    """P10: done at first, returned days later, as when the card's account is closed."""
    account, invoice = paid(vendor, name)
    gives_back(account, invoice)
    done = vendor.events[-1]
    side_of(vendor, name).refund_clears(Refund.objects.get().public_id, Verdict.HARD)

    for event in (vendor.events[-1], done, vendor.events[-1]):
        delivered(vendor, name, event)

    assert Refund.objects.get().state == AttemptState.DECLINED
    assert balance_cents(account.pk) == 1000
    the_till_agrees(vendor)


@BOTH
def test_a_refund_that_was_given_up_is_looked_for_before_it_is_tried_again(
    vendor: Vendor, name: str
) -> None:
    """P10: the vendor made it after all, and nobody heard."""
    account, row = a_refund_made_after_all(vendor, name)
    assert row.state == AttemptState.ABANDONED

    with pytest.raises(refunds.NothingToRetry):
        refunds.retry_refund(
            operator="otto", account_id=account.pk, refund_id=row.public_id, now=LATER
        )

    assert Refund.objects.get().state == AttemptState.SUCCEEDED
    the_till_agrees(vendor)


@BOTH
def test_news_of_a_refund_come_again_while_the_vendor_is_silent_about_it(
    vendor: Vendor, name: str
) -> None:
    """P10, P3: it was made after it was given up; who gave it up will not ask again."""
    account, _ = a_refund_made_after_all(vendor, name)
    made = next(one for one in reversed(vendor.events) if _is_about_a_refund(one))

    vendor.plan("look", Fault.LOST_BEFORE)
    delivered(vendor, name, made, 503)
    assert (Refund.objects.get().state, balance_cents(account.pk)) == ("abandoned", 1000)
    delivered(vendor, name, made)

    assert (Refund.objects.get().state, balance_cents(account.pk)) == ("succeeded", 0)
    the_till_agrees(vendor)


@BOTH
def test_nothing_is_given_again_while_the_vendor_does_not_say_what_it_gave(
    vendor: Vendor, name: str
) -> None:
    """P10: the failed refund was made after all; a second one would give it twice."""
    account, row = a_refund_made_after_all(vendor, name)

    vendor.plan("look", Fault.LOST_BEFORE)
    with pytest.raises(GatewaySilent):
        refunds.retry_refund(
            operator="otto", account_id=account.pk, refund_id=row.public_id, now=LATER
        )

    assert [one.state for one in Refund.objects.all()] == ["abandoned"]
    assert (len(vendor.given_back), balance_cents(account.pk)) == (1, 1000)


def a_refund_made_after_all(vendor: Vendor, name: str) -> tuple[Account, Refund]:
    """It slept on its way until it was given up, was made then, and nobody heard."""
    account, invoice = paid(vendor, name)
    vendor.plan("refund", Fault.LOST_AFTER)
    vendor.beforehand["refund"] = in_our_transaction(lambda: refunds.resolve_due(now=LATER))
    gives_back(account, invoice)
    return account, Refund.objects.get()


def _is_about_a_refund(event: dict[str, Any]) -> bool:
    return "refund" in str(event.get("type") or event.get("event_type")).lower()


def paid(vendor: Vendor, name: str) -> tuple[Account, Invoice]:
    """A customer with one paid invoice."""
    account = a_payer(vendor, name)
    buys(account, 2)
    return account, Invoice.objects.get(status="paid")


def gives_back(account: Account, invoice: Invoice) -> None:
    """The operator refunds 10.00."""
    wish = refunds.Wish(invoice=invoice.public_id, amount_cents=1000, reason="goodwill")
    refunds.refund(operator="otto", account_id=account.pk, wish=wish, now=START)
