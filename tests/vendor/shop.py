"""A shop at the vendor: customers with stored methods, and the comparison with the till."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.test import Client

from cln.accounts.models import Account, DepositOrder
from cln.accounts.services import create_account
from cln.billing.models import Invoice
from cln.enums import UNFINISHED_ATTEMPT, AttemptState, MethodKind
from cln.flows import billing_run, collection, reseller
from cln.flows.books import check_books
from cln.payments.gateways import Back
from cln.payments.models import Payment, PaymentAttempt, Refund
from tests.customers import START, buys
from tests.shop import open_shop
from tests.vendor import Taken, Vendor
from tests.vendor.paypal import PayPalSide
from tests.vendor.stripe import StripeSide

BACK = Back("https://shop.example/done", "https://shop.example/left")
BOTH = pytest.mark.parametrize("name", ["stripe", "paypal"])
RENEWAL = datetime(2026, 2, 28, 6, 0, tzinfo=UTC)
# The next planned attempt after the day of issue (P2).
THREE_DAYS = timedelta(days=3)
_POST = Client()


def side_of(vendor: Vendor, name: str) -> StripeSide | PayPalSide:
    """The vendor's half that a gateway talks to."""
    return vendor.stripe if name == "stripe" else vendor.paypal


def a_payer(vendor: Vendor, name: str, company: str = "Acme") -> Account:
    """A customer whose stored method is at the vendor."""
    open_shop()
    account = create_account(
        company=company, billing_email=f"{company.lower()}@example.com", now=START
    )
    collection.set_payment_method(
        account_id=account.pk,
        kind=MethodKind.CARD if name == "stripe" else MethodKind.PAYPAL,
        gateway=name,
        token=stored_at(vendor, name),
        label="stored at the vendor",
        expires_on=None,
        actor="test",
        now=START,
    )
    return account


def stored_at(vendor: Vendor, name: str) -> str:
    """Our token of a method that somebody has stored at the vendor."""
    return vendor.stripe.add_card() if name == "stripe" else vendor.paypal.add_agreement()


def registers(
    vendor: Vendor, name: str, cents: int = 500_00, company: str = "zenith"
) -> reseller.DepositResult:
    """Somebody becomes a reseller with a deposit."""
    return deposits(name, stored_at(vendor, name), cents, company)


def deposits(
    gateway: str, token: str, cents: int, company: str = "zenith"
) -> reseller.DepositResult:
    """Somebody pays a deposit with a method that a gateway knows."""
    open_shop()
    return reseller.register_reseller(
        applicant=reseller.Applicant(email=f"{company}@example.com", password="three blind mice 3"),
        deposit_cents=cents,
        acceptance=reseller.Acceptance(version=reseller.AGREEMENT_VERSION),
        method=reseller.MethodWish(
            kind=MethodKind.CARD, gateway=gateway, token=token, label="stored at the vendor"
        ),
        now=START,
    )


def owing(vendor: Vendor, name: str) -> tuple[Account, Invoice]:
    """A customer with an unpaid renewal that nobody has tried to collect."""
    account = a_payer(vendor, name)
    buys(account, 2)
    billing_run.run_due(now=RENEWAL)
    vendor.taken.clear()
    return account, Invoice.objects.get(status="open")


def the_till_agrees(vendor: Vendor, since: datetime = START) -> None:
    """What the vendor took since then is what we say we received, and what it gave back is what
    we say it did; nothing is in doubt (P12).
    """
    ours = Payment.objects.filter(received_at__gte=since).select_related("attempt")
    received = [Taken(row.attempt.public_id, row.amount_cents, row.currency) for row in ours]
    assert sorted(vendor.taken, key=repr) == sorted(received, key=repr)
    done = Refund.objects.filter(state=AttemptState.SUCCEEDED).select_related("payment")
    returned = [Taken(row.public_id, row.amount_cents, row.payment.currency) for row in done]
    assert sorted(vendor.given_back, key=repr) == sorted(returned, key=repr)
    for model in (PaymentAttempt, DepositOrder, Refund):
        assert not model.objects.filter(state__in=UNFINISHED_ATTEMPT).exists()
    assert check_books() == ()


def delivered(vendor: Vendor, name: str, event: dict[str, object], status: int = 200) -> None:
    """The vendor posts an event to our door."""
    response = _POST.post(f"/webhooks/{name}", **side_of(vendor, name).webhook(event))
    assert response.status_code == status, response.content


def in_our_transaction(tell: Callable[[], None]) -> Callable[[], None]:
    """The vendor's thread tells us on the connection of the test, which waits for its answer."""
    ours = connections["default"]
    ours.inc_thread_sharing()

    def told() -> None:
        connections["default"] = ours
        tell()

    return told
