"""Paying with Stripe and PayPal on their own pages: there, back, and what the pages say."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client

from cln import clock
from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.billing.queries import balance_cents, subscriptions_of
from cln.enums import AttemptState, MethodKind, Role
from cln.flows import usage_run
from cln.flows.pay_link import pay_url
from cln.payments.models import PaymentAttempt, PaymentMethod
from tests.customers import START, a_customer, clock_at
from tests.reselling import holds_ip
from tests.vendor import Fault, Vendor, Verdict
from tests.vendor.shop import BOTH, RENEWAL, owing, registers
from tests.visitors import a_login, a_visitor, signed_in, text_of

pytestmark = pytest.mark.django_db

METHODS = "/console/billing/payment-methods"
INVOICES = "/console/billing/invoices"


@pytest.fixture
def debtor(vendor: Vendor) -> tuple[Account, Invoice, Client]:
    """A customer with an unpaid renewal of 24.00, and a person of theirs."""
    account, invoice = owing(vendor, "stripe")
    clock_at(RENEWAL)
    return account, invoice, signed_in(a_login(account))


def leads_to(answer: object) -> str:
    """Where the page between us and the gateway leads; it does so by itself and by a link."""
    url = answer.headers["Refresh"].removeprefix("0; url=")  # type: ignore[attr-defined]
    assert f'href="{url}"' in answer.content.decode()  # type: ignore[attr-defined]
    assert url.startswith("https://vendor.example/")
    return str(url)


def page_id(url: str) -> str:
    return re.split(r"[/=]", url)[-1]


def stores(vendor: Vendor, name: str) -> Callable[[str], None]:
    sides = {
        "stripe": vendor.stripe.payer_stores_card,
        "paypal": vendor.paypal.payer_approves_agreement,
    }
    return sides[name]


class TestEnteringAMethod:
    @BOTH
    def test_it_is_entered_at_the_gateway_and_replaces_the_one_before(
        self, vendor: Vendor, name: str
    ) -> None:
        """P1: exactly one; card data never comes to us."""
        account, client = a_visitor()
        page = client.get(METHODS)
        assert f'action="{METHODS}/begin/{name}"' in page.content.decode()

        stores(vendor, name)(page_id(leads_to(client.post(f"{METHODS}/begin/{name}"))))
        told = text_of(client.get(f"{METHODS}/back", follow=True))

        label = {"stripe": "Visa ending in 4242", "paypal": "PayPal payer@example.com"}[name]
        assert "The payment method is saved." in told
        assert f"{label}" in told
        method = PaymentMethod.objects.get(account=account, active=True)
        assert (method.gateway, method.label) == (name, label)
        again = client.get(f"{METHODS}/back")
        assert (again.status_code, again["Location"]) == (303, METHODS)
        assert PaymentMethod.objects.filter(gateway=name).count() == 1

    @BOTH
    def test_whoever_leaves_the_page_has_changed_nothing(self, vendor: Vendor, name: str) -> None:
        _, client = a_visitor()
        before = PaymentMethod.objects.get(active=True)
        client.post(f"{METHODS}/begin/{name}")
        assert "have not come back from it" in text_of(client.get(METHODS))

        told = text_of(client.get(f"{METHODS}/back?left=1", follow=True))

        assert "Nothing was changed." in told
        assert "have not come back from it" not in told
        assert PaymentMethod.objects.get(active=True) == before

    @BOTH
    def test_coming_back_without_having_finished_is_told(self, vendor: Vendor, name: str) -> None:
        """3-D Secure was not passed, or the agreement not approved."""
        _, client = a_visitor()
        before = PaymentMethod.objects.get(active=True)
        client.post(f"{METHODS}/begin/{name}")

        told = text_of(client.get(f"{METHODS}/back", follow=True))

        assert {"stripe": "The card was not saved.", "paypal": "was not connected."}[name] in told
        assert PaymentMethod.objects.get(active=True) == before

    @BOTH
    def test_a_gateway_that_is_silent_on_the_way_back_can_be_asked_again(
        self, vendor: Vendor, name: str
    ) -> None:
        _, client = a_visitor()
        stores(vendor, name)(page_id(leads_to(client.post(f"{METHODS}/begin/{name}"))))
        vendor.plan("look", Fault.LOST_BEFORE)

        told = text_of(client.get(f"{METHODS}/back", follow=True))
        assert "Your payment method was not changed. Try again in several minutes." in told
        assert "I have finished there" in told
        client.get(f"{METHODS}/back")

        assert PaymentMethod.objects.get(active=True).gateway == name

    def test_a_gateway_that_is_absent_is_told_and_changes_nothing(self) -> None:
        _, client = a_visitor()
        before = PaymentMethod.objects.get(active=True)
        assert "begin/" not in client.get(METHODS).content.decode()

        told = text_of(client.post(f"{METHODS}/begin/stripe", follow=True))

        assert "There is no payment gateway 'stripe' here." in told
        assert PaymentMethod.objects.get(active=True) == before

    def test_the_page_between_us_and_the_gateway_keeps_the_policy(self, vendor: Vendor) -> None:
        _, client = a_visitor()

        answer = client.post(f"{METHODS}/begin/stripe")

        assert "form-action 'self'" in answer["Content-Security-Policy"]
        assert "<script>" not in answer.content.decode()

    def test_a_first_order_is_paid_with_a_new_method_in_one_go(self, vendor: Vendor) -> None:
        account, client = a_visitor()
        PaymentMethod.objects.update(active=False)
        client.post("/console/cart/put/kernelcare", {"quantity": 2, "interval": "month"})
        cart = client.get("/console/cart").content.decode()
        token = re.search(r'name="cart" value="([^"]+)"', cart)
        assert token is not None

        url = leads_to(client.post(f"{METHODS}/begin/paypal", {"cart": token[1]}))
        vendor.paypal.payer_approves_agreement(page_id(url))
        answer = client.get(f"{METHODS}/back")

        assert answer["Location"] == "/console/cart/done"
        assert "2 × KernelCare ready" in text_of(client.get("/console/cart/done"))
        assert [taken.cents for taken in vendor.taken] == [590]
        assert [row.quantity for row in subscriptions_of(account.pk)] == [2]

    def test_a_cart_that_changed_meanwhile_is_not_paid(self, vendor: Vendor) -> None:
        account, client = a_visitor()
        PaymentMethod.objects.update(active=False)
        client.post("/console/cart/put/kernelcare", {"quantity": 2, "interval": "month"})
        token = client.session["cart"]["token"]
        url = leads_to(client.post(f"{METHODS}/begin/stripe", {"cart": token}))
        client.post("/console/cart/put/kernelcare", {"quantity": 50, "interval": "month"})
        vendor.stripe.payer_stores_card(page_id(url))

        told = text_of(client.get(f"{METHODS}/back", follow=True))

        assert "The cart has changed since." in told
        assert "Pay $127.50" in told
        assert vendor.taken == []
        assert subscriptions_of(account.pk) == ()

    def test_a_role_that_may_order_but_not_pay_is_told_whom_to_ask(self, vendor: Vendor) -> None:
        """Facts A-30."""
        _, client = a_visitor(role=Role.SERVERS_AND_LICENSES)
        PaymentMethod.objects.update(active=False)
        client.post("/console/cart/put/kernelcare", {"quantity": 2, "interval": "month"})

        page = client.get("/console/cart")

        assert "your role cannot add one" in text_of(page)
        assert "begin/" not in page.content.decode()


class TestTheMethodThatIsThere:
    def test_removing_it_says_what_happens_then(self) -> None:
        account, client = a_visitor()
        client.post("/console/cart/put/kernelcare", {"quantity": 2, "interval": "month"})
        client.post("/console/cart/pay", {"token": client.session["cart"]["token"]})

        page = text_of(client.get(f"{METHODS}/remove"))
        assert "The invoice of 2026-02-28, $5.90, will stay unpaid" in page
        assert PaymentMethod.objects.filter(account=account, active=True).exists()
        told = text_of(client.post(f"{METHODS}/remove", follow=True))

        assert "is removed. Nothing is charged any more." in told
        assert "There is none yet." in told
        assert not PaymentMethod.objects.filter(account=account, active=True).exists()
        assert "There is no payment method" in text_of(client.get(f"{METHODS}/remove"))

    @pytest.mark.parametrize(
        ("expires", "words"),
        [
            ("2026-01-30", "This card has expired"),
            ("2026-02-28", "This card expires on 2026-02-28"),
            ("2026-12-31", ""),
        ],
    )
    def test_a_card_that_expires_is_announced(self, expires: str, words: str) -> None:
        _, client = a_visitor()
        PaymentMethod.objects.update(expires_on=expires)

        page = text_of(client.get(METHODS))

        assert words in page
        assert ("This card" in page) is bool(words)


class TestPayingAnInvoice:
    @BOTH
    def test_a_debt_is_paid_once_at_the_gateway_and_the_stored_method_stays(
        self, debtor: tuple[Account, Invoice, Client], vendor: Vendor, name: str
    ) -> None:
        """B-42, P4."""
        account, invoice, client = debtor
        method = PaymentMethod.objects.get(account=account, active=True)
        pay = f"{INVOICES}/{invoice.public_id}/pay/{name}"
        assert pay in client.get(INVOICES).content.decode()

        url = leads_to(client.post(pay))
        assert leads_to(client.post(pay)) == url
        attempt = PaymentAttempt.objects.latest("id")
        waiting = client.get(f"/console/billing/payments/{attempt.public_id}")
        assert 'hx-trigger="every 3s"' in waiting.content.decode()
        assert '<meta http-equiv="refresh" content="5">' in waiting.content.decode()
        side = vendor.stripe if name == "stripe" else vendor.paypal
        side.payer_pays(page_id(url))
        back = f"/console/billing/payments/back/{attempt.public_id}"
        page = text_of(client.get(back, follow=True))
        client.get(back)

        assert "$24.00 Paid. Thank you." in page
        invoice.refresh_from_db()
        assert invoice.status == "paid"
        assert [taken.cents for taken in vendor.taken] == [2400]
        assert PaymentMethod.objects.get(account=account, active=True) == method
        done = client.get(f"/console/billing/payments/{attempt.public_id}").content.decode()
        assert "every 3s" not in done

    @BOTH
    def test_whoever_comes_back_unpaid_may_pay_otherwise(
        self, debtor: tuple[Account, Invoice, Client], vendor: Vendor, name: str
    ) -> None:
        _, invoice, client = debtor
        client.post(f"{INVOICES}/{invoice.public_id}/pay/{name}")
        attempt = PaymentAttempt.objects.latest("id")

        back = f"/console/billing/payments/back/{attempt.public_id}?left=1"
        page = text_of(client.get(back, follow=True))
        assert "nothing was taken" in page
        assert vendor.taken == []
        told = text_of(client.post(f"{INVOICES}/pay", follow=True))

        assert f"Invoice {invoice.number} 2026-02-28: Paid. Thank you. $24.00 paid" in told
        assert len(vendor.taken) == 1

    def test_while_the_page_is_open_pay_now_takes_nothing(
        self, debtor: tuple[Account, Invoice, Client], vendor: Vendor
    ) -> None:
        """P4."""
        _, invoice, client = debtor
        client.post(f"{INVOICES}/{invoice.public_id}/pay/paypal")

        told = text_of(client.post(f"{INVOICES}/pay", follow=True))

        assert "is still being confirmed." in told
        assert f"A payment of {invoice.number} is under way; nothing else pays it" in told
        assert vendor.taken == []

    def test_a_bank_that_decides_later_is_waited_for(
        self, debtor: tuple[Account, Invoice, Client], vendor: Vendor
    ) -> None:
        _, invoice, client = debtor
        url = leads_to(client.post(f"{INVOICES}/{invoice.public_id}/pay/paypal"))
        vendor.bank = Verdict.LATER
        vendor.paypal.payer_pays(page_id(url))
        payment = PaymentAttempt.objects.latest("id").public_id

        page = client.get(f"/console/billing/payments/back/{payment}", follow=True)

        assert "waiting" in text_of(page)
        part = client.get(f"/console/billing/payments/{payment}", headers={"HX-Request": "true"})
        assert part.content.decode().strip().startswith("<section")

    def test_a_card_that_its_bank_refuses_is_explained(
        self, debtor: tuple[Account, Invoice, Client], vendor: Vendor
    ) -> None:
        """Pain 20: the cause and the next action."""
        _, invoice, client = debtor
        url = leads_to(client.post(f"{INVOICES}/{invoice.public_id}/pay/stripe"))
        vendor.stripe.payer_pays(page_id(url), Verdict.SOFT)
        payment = PaymentAttempt.objects.latest("id").public_id

        page = text_of(client.get(f"/console/billing/payments/back/{payment}", follow=True))

        assert "not paid" in page
        assert "insufficient" in page.lower() or "not enough" in page.lower()
        assert "Use another payment method" in page
        invoice.refresh_from_db()
        assert invoice.status == "open"

    def test_a_gateway_without_an_answer_leaves_the_invoice_as_it_is(
        self, debtor: tuple[Account, Invoice, Client], vendor: Vendor
    ) -> None:
        _, invoice, client = debtor
        vendor.plan("announce", Fault.LOST_BEFORE)

        told = text_of(client.post(f"{INVOICES}/{invoice.public_id}/pay/stripe", follow=True))

        assert "The payment page cannot be reached. Nothing was charged." in told
        assert not PaymentAttempt.objects.filter(state=AttemptState.PENDING).exists()


class TestTopUp:
    def test_a_free_amount_is_added_by_paypal_checkout(self, vendor: Vendor) -> None:
        """R5: settled only by the gateway's word."""
        registers(vendor, "paypal")
        clock_at(START)
        account = Account.objects.get()
        client = signed_in(a_login(account, name="owner"))
        page = "/console/billing/balance"
        assert "PayPal" in text_of(client.get(page))

        url = leads_to(client.post(page, {"amount": "123.45", "gateway": "paypal"}))
        assert balance_cents(account.pk) == 500_00
        vendor.paypal.payer_pays(page_id(url))
        payment = PaymentAttempt.objects.latest("id").public_id
        told = text_of(client.get(f"/console/billing/payments/back/{payment}", follow=True))

        assert "Top-up of the deposit" in told
        assert "$123.45 Paid. Thank you." in told
        assert balance_cents(account.pk) == 623_45

    @pytest.mark.parametrize("amount", ["0", "x", "100000.01", "-5", "1.001"])
    def test_a_wrong_amount_opens_no_page(self, vendor: Vendor, amount: str) -> None:
        registers(vendor, "paypal")
        clock_at(START)
        client = signed_in(a_login(Account.objects.get(), name="owner"))

        answer = client.post("/console/billing/balance", {"amount": amount, "gateway": "paypal"})

        assert answer.status_code == 422
        assert not PaymentAttempt.objects.filter(channel="hosted").exists()


class TestPayLink:
    @BOTH
    def test_anybody_pays_at_the_gateway_and_sees_a_receipt(
        self, debtor: tuple[Account, Invoice, Client], vendor: Vendor, name: str
    ) -> None:
        """P7: no login, no other data."""
        account, invoice, _ = debtor
        link, stranger = pay_url(account=account, now=clock.now()), Client()
        assert f'action="{link}/with/{name}"' in stranger.get(link).content.decode()

        url = leads_to(stranger.post(f"{link}/with/{name}"))
        side = vendor.stripe if name == "stripe" else vendor.paypal
        side.payer_pays(page_id(url))
        payment = PaymentAttempt.objects.latest("id").public_id
        page = text_of(stranger.get(f"{link}/back/{payment}", follow=True))

        assert "Nothing is due" in page
        assert f"Invoice {invoice.number} 2026-02-28: Paid. Thank you. $24.00 paid" in page
        assert [taken.cents for taken in vendor.taken] == [2400]
        assert "Result of the payment" not in text_of(Client().get(link))
        for private in ("Acme", "acme@", "stored at", "people.example"):
            assert private not in page

    def test_a_payment_of_somebody_else_is_not_shown_by_a_link(
        self, debtor: tuple[Account, Invoice, Client], vendor: Vendor
    ) -> None:
        account, invoice, client = debtor
        client.post(f"{INVOICES}/{invoice.public_id}/pay/paypal")
        payment = PaymentAttempt.objects.latest("id")
        other = pay_url(account=a_customer("Zenith"), now=clock.now())

        answer = Client().get(f"{other}/back/{payment.public_id}")

        assert answer.status_code == 404
        payment.refresh_from_db()
        assert payment.state == AttemptState.PENDING
        assert pay_url(account=account, now=clock.now()) != other

    def test_a_resellers_debt_is_paid_by_its_link(self, vendor: Vendor) -> None:
        """R7: the debt is what the deposit is below zero."""
        registers(vendor, "paypal", 1_00)
        clock_at(START)
        account = Account.objects.get()
        holds_ip(account.pk, "203.0.113.10", now=START)
        vendor.bank = Verdict.HARD
        usage_run.run_due(now=datetime(2026, 3, 1, tzinfo=UTC))
        vendor.bank = Verdict.OK
        link = pay_url(account=account, now=clock.now())
        # 1 of 31 days of January and all of February at 3.95, less the deposit of 1.00.
        assert "Pay $3.08 Balance due" in text_of(Client().get(link))

        url = leads_to(Client().post(f"{link}/with/paypal"))
        vendor.paypal.payer_pays(page_id(url))
        payment = PaymentAttempt.objects.latest("id").public_id
        Client().get(f"{link}/back/{payment}")

        assert balance_cents(account.pk) == 0

    def test_a_card_on_the_link_pays_once_and_is_not_kept(self) -> None:
        """P7: whoever has the link does not choose the account's payment method."""
        account, client = a_visitor()
        PaymentMethod.objects.filter(account=account).update(token="sandbox:decline")
        client.post("/console/cart/put/kernelcare", {"quantity": 2, "interval": "month"})
        client.post("/console/cart/pay", {"token": client.session["cart"]["token"]})
        kept = PaymentMethod.objects.get(account=account, active=True)
        link, stranger = pay_url(account=account, now=clock.now()), Client()
        card = {"with": "card", "number": "4242424242424242", "expires": "09/29"}

        page = text_of(stranger.post(link, card, follow=True))

        assert "Paid. Thank you." in page
        assert "Nothing is due" in page
        assert PaymentMethod.objects.get(account=account, active=True) == kept
        once = PaymentMethod.objects.get(account=account, label="Visa ending in 4242")
        assert (once.kind, once.active) == (MethodKind.CARD, False)
