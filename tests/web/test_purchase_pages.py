"""Purchase page, cart, checkout: prices from the server, paid once."""

import re

import pytest
from django.test import Client

from cln import clock
from cln.accounts.models import Account
from cln.billing.models import Invoice, Subscription
from cln.billing.queries import subscriptions_of
from cln.enums import Role
from cln.flows import collection, corrections
from cln.licensing.models import Entitlement
from cln.payments.gateways.sandbox import Script, token_for
from cln.payments.models import PaymentAttempt, PaymentMethod
from cln.payments.services import RESOLVE_AFTER
from tests.visitors import PASSWORD, a_login, a_visitor, text_of, with_licenses

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
    assert "Invoice CBI-000001 , $5.90: Paid. Thank you." in page
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


def test_account_credit_pays_first_and_the_button_says_what_the_card_is_charged_q12(
    shop: tuple[Account, Client],
) -> None:
    account, client = shop
    corrections.grant_credit(
        operator="otto", account_id=account.pk, amount_cents=200, reason="gesture", now=clock.now()
    )
    put(client, 2)

    page = text_of(client.get("/console/cart"))
    assert "Due now $5.90 From your account credit −$2.00 To pay now $3.90" in page
    assert "Pay $3.90" in page
    pay(client)

    assert [one.amount_cents for one in PaymentAttempt.objects.all()] == [390]


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


def test_a_mistyped_card_is_told_in_the_cart(shop: tuple[Account, Client]) -> None:
    """Beside its field, with the order still there; nothing is stored or bought."""
    account, client = shop
    PaymentMethod.objects.update(active=False)
    put(client, 2)
    wrong = {"cart": token_in_the_card_form(client), "number": "1234", "expires": "09/29"}

    answer = client.post("/console/billing/payment-methods", wrong)

    assert answer.status_code == 422
    page = text_of(answer)
    assert "KernelCare" in page
    assert "Pay $5.90 with this card" in page
    assert "Never type a real card." in page
    assert not PaymentMethod.objects.filter(active=True).exists()
    assert not Invoice.objects.exists()
    right = {**wrong, "number": "4242424242424242"}
    assert client.post("/console/billing/payment-methods", right)["Location"] == (
        "/console/cart/done"
    )
    number = Invoice.objects.get(account=account).number
    link = f"/console/billing/invoices/number/{number}"
    assert link in client.get("/console/cart/done").content.decode()
    assert f"Invoice {number}" in text_of(client.get(link, follow=True))
    assert client.get("/console/billing/invoices/number/CBI-999999").status_code == 404


def token_in_the_card_form(client: Client) -> str:
    found = re.search(r'name="cart" value="([^"]+)"', client.get("/console/cart").content.decode())
    assert found is not None
    return found[1]


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
    assert "Invoice CBI-000001 , $5.90:" in page
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


@pytest.mark.parametrize(
    ("path", "lands"),
    [
        ("/console/purchase/cloudlinux/acquire?cl=3", "/console/purchase/cloudlinux?quantity=3"),
        ("/console/purchase/cloudlinux/acquire", "/console/purchase/cloudlinux"),
        ("/console/purchase/cloudlinux/acquire?cl=//evil.example", "/console/purchase/cloudlinux"),
    ],
)
def test_clns_own_purchase_links_lead_to_the_page(
    shop: tuple[Account, Client], path: str, lands: str
) -> None:
    """Facts §0: they stand in mails and in the panel plugins."""
    assert shop[1].get(path)["Location"] == lands


def test_the_old_name_of_a_license_type_opens_its_page(shop: tuple[Account, Client]) -> None:
    page = text_of(shop[1].get("/console/purchase/ImunifyAvPlus"))

    assert "Buy ImunifyAV+" in page


def test_a_purchase_link_followed_while_signed_out_keeps_the_choice() -> None:
    """Pain 4."""
    account, _ = a_visitor()
    person = a_login(account, name="late")
    stranger = Client()
    sign_in = stranger.get("/console/purchase/kernelcare?quantity=7")["Location"]

    form = {"login": person.username, "password": PASSWORD}
    answer = stranger.post(sign_in, form)

    assert answer["Location"] == "/console/purchase/kernelcare?quantity=7"
    assert 'value="7"' in stranger.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    ("quantity", "step", "then"), [(3, "more", 4), (3, "less", 2), (1, "less", 1)]
)
def test_the_stepper_counts_on_the_server_too(
    shop: tuple[Account, Client], quantity: int, step: str, then: int
) -> None:
    _, client = shop
    asked = {"quantity": quantity, "interval": "month", "step": step}

    page = client.get(PAGE, asked).content.decode()
    part = client.get(PAGE, asked, headers=HTMX).content.decode()
    client.post("/console/cart/put/kernelcare", asked)

    assert f'name="quantity" value="{then}"' in page
    assert f'name="quantity" value="{then}" hx-swap-oob="true"' in part
    assert f'name="quantity" value="{then}"' in client.get("/console/cart").content.decode()


def test_it_says_when_a_few_more_make_all_cheaper(shop: tuple[Account, Client]) -> None:
    """Pain 6: 49 at 2.95 are 144.55, 50 at 2.55 are 127.50."""
    page = text_of(shop[1].get(PAGE, {"quantity": 49}))

    assert "1 more makes all cheaper: 50 together cost $127.50 a month, 49 cost $144.55." in page
    assert "Take 50" in page
    assert "makes all cheaper" not in text_of(shop[1].get(PAGE, {"quantity": 30}))


def test_the_other_plan_is_explained_before_the_click(shop: tuple[Account, Client]) -> None:
    """Pain 33, Q2."""
    account, client = shop
    with_licenses(account, 2, "kernelcare")

    page = text_of(client.get(PAGE))

    assert "Yearly (not now)" in page
    assert "unsubscribe to the end of the paid period, 2026-02-28" in page


def test_who_has_imunify360_is_told_that_kernelcare_is_included(
    shop: tuple[Account, Client],
) -> None:
    """Pain 5, S3."""
    account, client = shop
    hint = "Your Imunify360 licenses include KernelCare"
    assert hint not in text_of(client.get(PAGE))

    with_licenses(account, 1, "imunify360_1")

    assert hint in text_of(client.get(PAGE))


def test_an_order_whose_payment_is_in_doubt_is_shown_as_paid_when_it_is(
    shop: tuple[Account, Client],
) -> None:
    """P3: the page looks again by itself."""
    account, client = shop
    PaymentMethod.objects.update(token=token_for(Script.TIMEOUT_CHARGED))
    put(client, 2)
    pay(client)

    page = client.get("/console/cart/done")
    assert "2 × KernelCare waiting" in text_of(page)
    assert 'hx-trigger="every 3s"' in page.content.decode()
    collection.resolve_due(now=clock.now() + RESOLVE_AFTER)
    part = client.get("/console/cart/done", headers=HTMX)

    assert "2 × KernelCare ready" in text_of(part)
    assert "every 3s" not in part.content.decode()
    assert [row.quantity for row in subscriptions_of(account.pk)] == [2]
