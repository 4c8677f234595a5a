"""Purchase page, cart, checkout: prices from the server, paid once."""

import re

import pytest
from django.test import Client

from cln.accounts.models import Account
from cln.billing.models import Invoice, Subscription
from cln.billing.queries import subscriptions_of
from cln.enums import Role
from cln.licensing.models import Entitlement
from cln.payments.models import PaymentAttempt, PaymentMethod
from tests.visitors import a_visitor, text_of, with_licenses

pytestmark = pytest.mark.django_db

PAGE = "/console/purchase/kernelcare"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def shop() -> tuple[Account, Client]:
    return a_visitor()


def put(client: Client, quantity: object, license_type: str = "kernelcare") -> None:
    client.post(f"/console/cart/put/{license_type}", {"quantity": quantity, "interval": "month"})


def token_in(client: Client) -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get("/console/cart").content.decode())
    assert found is not None
    return found[1]


def pay(client: Client, token: str = "") -> str:
    answer = client.post("/console/cart/pay", {"token": token or token_in(client)})
    assert answer.status_code == 303
    return str(answer["Location"])


def test_a_first_purchase_shows_what_is_due_now_and_next(shop: tuple[Account, Client]) -> None:
    """Q3: the full first period at once; 1 at 3.95, 2 and more at 2.95 (facts P-21)."""
    page = text_of(shop[1].get(PAGE, {"quantity": 2}))

    assert "Due now $5.90" in page
    assert "Next invoice, 2026-02-28 $5.90" in page
    assert "2+ $2.95 yours" in page
    assert "48 more and each costs $2.55." in page


def test_an_addition_is_due_with_the_next_invoice(shop: tuple[Account, Client]) -> None:
    """Q4: nothing now, the share of the period beside the renewal."""
    account, client = shop
    with_licenses(account, 2, "kernelcare")

    page = text_of(client.get(PAGE, {"quantity": 3}))

    assert "Due now $0.00" in page
    # 3 added on the first day of the period: 3 × 2.95, and the renewal of 5 × 2.95 (Q4, Q9).
    assert "Next invoice, 2026-02-28 $23.60" in page
    assert "for 5 licenses" in page


def test_htmx_gets_the_preview_alone(shop: tuple[Account, Client]) -> None:
    answer = shop[1].get(PAGE, {"quantity": 2}, headers=HTMX)

    assert "$5.90" in text_of(answer)
    assert "<html" not in answer.content.decode()


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "x", "", "100001", "1e9", "9" * 30, "٣x"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_quantity_that_is_none_is_refused_on_the_page(
    shop: tuple[Account, Client], quantity: str, headers: dict[str, str]
) -> None:
    answer = shop[1].get(PAGE, {"quantity": quantity}, headers=headers)

    assert answer.status_code == 422
    assert "cannot be bought like that" in text_of(answer)
    assert "to the cart" not in text_of(answer)


def test_an_interval_conflict_is_explained_before_the_click(shop: tuple[Account, Client]) -> None:
    """Q2: monthly beside yearly of one product is refused."""
    account, client = shop
    with_licenses(account, 2, "kernelcare")

    page = text_of(client.get(f"{PAGE}?quantity=1&interval=year"))

    assert "are paid monthly; all licenses of one product share a payment plan" in page
    assert "to the cart" not in page


def test_a_product_code_opens_its_first_license_type(shop: tuple[Account, Client]) -> None:
    page = text_of(shop[1].get("/console/purchase/imunify360"))

    assert "Buy Imunify360" in page
    assert shop[1].get("/console/purchase/nonsense").status_code == 404


def test_an_unpriced_license_type_is_not_for_sale(shop: tuple[Account, Client]) -> None:
    page = text_of(shop[1].get("/console/purchase/cloudlinux_pro"))

    assert "to the cart" not in page
    put(shop[1], 1, "cloudlinux_pro")
    pay_page = text_of(shop[1].get("/console/cart"))
    assert "Change or remove what cannot be bought" in pay_page


def test_buying_grants_the_licenses_and_shows_the_invoice(shop: tuple[Account, Client]) -> None:
    account, client = shop
    put(client, 2)

    assert pay(client) == "/console/cart/done"

    page = text_of(client.get("/console/cart/done"))
    assert "2 × KernelCare ready" in page
    assert "Invoice CBI-000001, $5.90: Paid. Thank you." in page
    right = Entitlement.objects.get(account=account)
    assert (right.quantity, right.kind) == (2, "paid")
    assert "The cart is empty" in text_of(client.get("/console/cart"))


def test_the_same_pay_button_pressed_twice_buys_once(shop: tuple[Account, Client]) -> None:
    account, client = shop
    put(client, 2)
    token = token_in(client)

    assert pay(client, token) == pay(client, token) == "/console/cart/done"

    assert [row.quantity for row in subscriptions_of(account.pk)] == [2]
    assert Invoice.objects.count() == PaymentAttempt.objects.count() == 1


def test_two_tabs_with_the_same_cart_buy_once(shop: tuple[Account, Client]) -> None:
    """The second tab's request arrives with the session as it was before the first one ended."""
    account, client = shop
    put(client, 2)
    token = token_in(client)
    before = dict(client.session.items())
    pay(client, token)
    session = client.session
    session.clear()
    session.update(before)
    session.save()

    assert pay(client, token) == "/console/cart/done"

    assert [row.quantity for row in subscriptions_of(account.pk)] == [2]
    assert Invoice.objects.count() == 1


def test_a_pay_button_of_an_older_cart_buys_nothing(shop: tuple[Account, Client]) -> None:
    _, client = shop
    put(client, 2)
    old = token_in(client)
    put(client, 50)

    assert pay(client, old) == "/console/cart"

    assert Subscription.objects.count() == 0
    assert "The cart has changed since" in text_of(client.get("/console/cart"))


def test_prices_sent_by_the_browser_are_ignored(shop: tuple[Account, Client]) -> None:
    _, client = shop
    client.post(
        "/console/cart/put/kernelcare",
        {"quantity": 2, "interval": "month", "unit_cents": 1, "price": "0.01", "discount": 99},
    )
    pay(client)

    assert Invoice.objects.get().total_cents == 590


def test_a_cart_line_can_be_changed_and_removed(shop: tuple[Account, Client]) -> None:
    _, client = shop
    put(client, 2)
    put(client, 3)
    assert "Pay $8.85" in text_of(client.get("/console/cart"))

    client.post("/console/cart/drop/kernelcare")

    assert "The cart is empty" in text_of(client.get("/console/cart"))


def test_a_bad_quantity_in_the_cart_leaves_the_line_as_it_was(
    shop: tuple[Account, Client],
) -> None:
    _, client = shop
    put(client, 2)

    put(client, -5)

    page = text_of(client.get("/console/cart"))
    assert "greater than or equal to 1" in page
    assert "Pay $5.90" in page


def test_two_license_types_are_two_invoices_and_the_cart_says_so(
    shop: tuple[Account, Client],
) -> None:
    """Q3: one invoice per subscription type."""
    _, client = shop
    put(client, 2)
    put(client, 2, "cloudlinux")

    assert "2 separate invoices" in text_of(client.get("/console/cart"))
    pay(client)

    assert sorted(Invoice.objects.values_list("total_cents", flat=True)) == [590, 2400]


def test_without_a_payment_method_the_cart_waits(shop: tuple[Account, Client]) -> None:
    _, client = shop
    PaymentMethod.objects.update(active=False)
    put(client, 2)

    page = text_of(client.get("/console/cart"))
    assert "There is no payment method yet." in page
    session_token = client.session["cart"]["token"]
    assert pay(client, session_token) == "/console/billing/payment-methods"

    assert Subscription.objects.count() == 0
    answer = client.post(
        "/console/billing/payment-methods", {"number": "4242 4242 4242 4242", "expires": "09/29"}
    )
    assert answer["Location"] == "/console/cart"
    assert "Pay $5.90" in text_of(client.get("/console/cart"))


def test_a_declined_first_payment_is_explained_and_grants_nothing(
    shop: tuple[Account, Client],
) -> None:
    account, client = shop
    client.post(
        "/console/billing/payment-methods", {"number": "4000000000000002", "expires": "09/29"}
    )
    put(client, 2)
    pay(client)

    page = text_of(client.get("/console/cart/done"))
    assert "2 × KernelCare not done" in page
    assert "Invoice CBI-000001, $5.90:" in page
    assert "ready" not in page
    assert not Entitlement.objects.filter(account=account).exists()


def test_a_role_without_prices_orders_without_seeing_any(client: Client) -> None:
    """Facts A-30: it may order, it does not see amounts."""
    account, client = a_visitor(role=Role.SERVERS_AND_LICENSES)

    page = text_of(client.get(PAGE, {"quantity": 2}))
    assert "$" not in page
    put(client, 2)
    assert "$" not in text_of(client.get("/console/cart"))
    pay(client)

    assert "$" not in text_of(client.get("/console/cart/done"))
    assert [row.quantity for row in subscriptions_of(account.pk)] == [2]
