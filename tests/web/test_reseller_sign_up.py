"""Becoming a reseller from outside: four steps; nothing exists before the last has paid (R1)."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django.fixtures import Settings

from cln.accounts.models import Account, Agreement, DepositOrder, Login
from cln.billing.queries import balance_cents
from cln.enums import AccountKind
from cln.notifications.models import Message
from cln.payments.models import PaymentMethod
from tests.customers import START, clock_at
from tests.shop import open_shop
from tests.vendor import Vendor
from tests.visitors import PASSWORD, text_of

pytestmark = pytest.mark.django_db
PAGE = "/console/register/reseller"
CARD = {"step": "method", "email": "zoe@zenith.example", "mode": "repay"}
GOOD = {**CARD, "number": "4242 4242 4242 4242", "expires": "01/30"}
LOGIN = {"step": "login", "username": "zenith", "password": PASSWORD, "company": "Zenith"}


@pytest.fixture(autouse=True)
def present() -> None:
    clock_at(START)
    open_shop()


def post(client: Client, **form: str) -> HttpResponse:
    answer: HttpResponse = client.post(PAGE, form)
    return answer


def up_to_payment(client: Client, deposit: str = "500") -> None:
    assert (
        post(client, step="deposit", deposit=deposit, currency="EUR")["Location"]
        == f"{PAGE}?step=agreement"
    )
    agreed = {"step": "agreement", "version": "2026-01", "accepted": "on"}
    assert post(client, **agreed)["Location"] == f"{PAGE}?step=method"


def nothing_exists() -> bool:
    return not (Account.objects.exists() or Login.objects.exists() or Message.objects.exists())


def test_a_stranger_becomes_a_reseller_with_the_deposit_that_was_paid(client: Client) -> None:
    up_to_payment(client)
    assert post(client, **GOOD)["Location"] == f"{PAGE}?step=login"
    assert "500.00 EUR will be charged to Visa ending in 4242" in text_of(client.get(PAGE))
    assert nothing_exists()

    done = post(client, **LOGIN)

    assert "Your deposit is paid. Welcome." in text_of(done)
    account = Account.objects.get()
    assert (account.kind, account.company) == (AccountKind.RESELLER, "Zenith")
    assert (account.billing_email, balance_cents(account.pk)) == ("zoe@zenith.example", 500_00)
    assert (Login.objects.get().username, account.currency) == ("zenith", "EUR")
    assert (Agreement.objects.get().version, Agreement.objects.get().address) == (
        "2026-01",
        "127.0.0.1",
    )
    assert set(Message.objects.values_list("template", flat=True)) >= {"confirm_email"}
    assert post(client, **LOGIN).status_code == 422  # a second press begins anew
    assert Account.objects.count() == 1


def test_a_declined_deposit_leaves_nothing_and_another_card_may_follow(client: Client) -> None:
    up_to_payment(client)
    post(client, **{**GOOD, "number": "4000 0000 0000 0002"})

    declined = post(client, **LOGIN)

    assert declined.status_code == 422
    assert "not enough money" in text_of(declined).lower() or "declined" in text_of(declined)
    assert nothing_exists()
    post(client, **GOOD)
    assert "Your account is open" in text_of(post(client, **LOGIN))


def test_steps_cannot_be_skipped_and_what_is_wrong_is_said_beside_the_field(
    client: Client,
) -> None:
    assert "First deposit" in text_of(client.get(f"{PAGE}?step=login"))
    assert post(client, **LOGIN).status_code == 422
    assert "greater than or equal to 1" in text_of(post(client, step="deposit", deposit="0"))
    post(client, step="deposit", deposit="500", currency="USD")
    refused = post(client, step="agreement", version="2026-01")
    assert "Without the agreement nobody becomes a reseller." in text_of(refused)
    post(client, step="agreement", version="2026-01", accepted="on")
    post(client, **GOOD)
    assert "password" in text_of(post(client, **{**LOGIN, "password": "short"})).lower()
    assert nothing_exists()
    assert not DepositOrder.objects.exists()


@pytest.mark.parametrize("gateway", ["stripe", "paypal"])
def test_where_gateways_are_set_up_the_method_is_entered_on_their_page(
    client: Client, vendor: Vendor, settings: Settings, gateway: str
) -> None:
    settings.CLN_GATEWAY = ""
    up_to_payment(client)
    post(client, **CARD, gateway=gateway)
    begun = client.session["reseller_sign_up"]["begun"]
    assert begun["url"] in client.get(PAGE).content.decode()

    early = client.get(f"{PAGE}/back/{gateway}", follow=True)
    assert "Continue there" in text_of(early)
    if gateway == "stripe":
        vendor.stripe.payer_stores_card(begun["page_id"])
    else:
        vendor.paypal.payer_approves_agreement(begun["page_id"])
    back = client.get(f"{PAGE}/back/{gateway}")

    assert back["Location"] == f"{PAGE}?step=login"
    assert nothing_exists()
    assert "Your account is open" in text_of(post(client, **LOGIN))
    assert [taken.cents for taken in vendor.taken] == [500_00]
    method = PaymentMethod.objects.get()
    assert (method.gateway, method.active) == (gateway, True)


def test_nobody_comes_back_from_a_page_that_was_not_begun(client: Client) -> None:
    assert client.get(f"{PAGE}/back/stripe")["Location"] == PAGE
    assert nothing_exists()
