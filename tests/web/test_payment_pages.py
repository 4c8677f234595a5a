"""Payment methods, and the link that pays without a login."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from cln import clock
from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.flows.pay_link import pay_url
from cln.payments.models import PaymentMethod, SandboxCharge
from tests.customers import START, in_debt
from tests.visitors import text_of

pytestmark = pytest.mark.django_db

METHODS = "/console/billing/payment-methods"
GOOD_CARD = {"number": "4242424242424242", "expires": "09/29"}


class TestPaymentMethods:
    def test_the_page_says_where_invoices_go(self, shop: tuple[Account, Client]) -> None:
        """A-14."""
        account, client = shop

        page = text_of(client.get(METHODS))
        Account.objects.filter(pk=account.pk).update(billing_email="")

        assert "Invoices and receipts go to acme@example.com. Change" in page
        assert "go to the primary login's address. Change" in text_of(client.get(METHODS))

    def test_a_card_replaces_the_one_before(self, shop: tuple[Account, Client]) -> None:
        """P1: exactly one is active."""
        account, client = shop

        client.post(METHODS, {"number": "4000 0000 0000 0002", "expires": "12/2030"})

        method = PaymentMethod.objects.get(account=account, active=True)
        assert (method.label, str(method.expires_on)) == ("Visa ending in 0002", "2030-12-31")

    @pytest.mark.parametrize(
        ("form", "sentence"),
        [
            ({"number": "5555555555554444", "expires": "09/29"}, "Never type a real card"),
            ({"number": "4242424242424242", "expires": "13/29"}, "as on the card"),
            ({"number": "4242424242424242", "expires": "12/25"}, "has expired"),
            ({"number": "", "expires": ""}, "This field is required."),
        ],
    )
    def test_a_card_that_is_none_changes_nothing(
        self, shop: tuple[Account, Client], form: dict[str, str], sentence: str
    ) -> None:
        before = PaymentMethod.objects.get(active=True)

        answer = shop[1].post(METHODS, form)

        assert answer.status_code == 422
        assert sentence in text_of(answer)
        assert PaymentMethod.objects.get(active=True) == before

    def test_without_the_sandbox_gateway_no_test_card_is_taken(
        self, shop: tuple[Account, Client], settings: Any
    ) -> None:
        settings.CLN_GATEWAY = ""
        before = PaymentMethod.objects.get(active=True)

        answer = shop[1].post(METHODS, GOOD_CARD)

        assert "no payment gateway is set up" in text_of(answer)
        assert PaymentMethod.objects.get(active=True) == before


class TestPayLink:
    def test_it_says_nothing_of_the_account_even_to_its_owner(
        self, shop: tuple[Account, Client]
    ) -> None:
        account, client = shop
        in_debt(account)
        Account.objects.update(dunning_state="blocked")

        page = text_of(client.get(pay_url(account=account, now=clock.now())))

        assert "Pay $100.00" in page
        assert "blocked" not in page
        assert "full-" not in page

    def test_it_shows_what_is_owed_and_nothing_else(self, shop: tuple[Account, Client]) -> None:
        """P7."""
        account, _ = shop
        in_debt(account)

        page = text_of(Client().get(pay_url(account=account, now=clock.now())))

        assert "Pay $100.00" in page
        assert "CloudLinux OS Shared Invoice CBI-000002" in page
        for private in ("Acme", "acme@", "Visa", "4242", "people.example"):
            assert private not in page

    def test_it_is_paid_without_a_login_and_once(self, shop: tuple[Account, Client]) -> None:
        account, _ = shop
        in_debt(account)
        link = pay_url(account=account, now=clock.now())
        stranger = Client()
        charges = SandboxCharge.objects.count()

        stranger.post(link, {"with": "card", **GOOD_CARD})
        page = text_of(stranger.post(link, follow=True))

        assert "Nothing is due" in page
        assert SandboxCharge.objects.count() == charges + 2
        assert Invoice.objects.filter(status="open").count() == 0

    def test_a_tampered_link_opens_nothing(self, shop: tuple[Account, Client]) -> None:
        account, _ = shop
        link = pay_url(account=account, now=START)

        for bad in (link[:-1] + ("A" if link[-1] != "A" else "B"), "/pay/x", "/pay/a:b:c"):
            answer = Client().get(bad)
            assert answer.status_code == 404
            assert "CBI-" not in text_of(answer)

    def test_an_old_link_says_that_it_has_expired(self, shop: tuple[Account, Client]) -> None:
        account, _ = shop
        link = pay_url(account=account, now=START - timedelta(days=61))

        answer = Client().get(link)

        assert answer.status_code == 410
        assert "expired" in text_of(answer)

    def test_trying_links_is_limited(self) -> None:
        answers = [Client().get("/pay/x").status_code for _ in range(32)]

        assert answers == [404] * 30 + [429] * 2
