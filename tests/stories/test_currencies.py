"""An account has one currency: prices, invoices, charges and books are in it."""

from __future__ import annotations

from cln.accounts.services import create_account
from cln.billing.models import Invoice, Transfer
from cln.catalog.models import PriceList
from cln.flows import sign_up
from cln.payments.models import PaymentAttempt, SandboxCharge
from cln.payments.reseller_table import reseller_invoice_table
from tests.partners import AGREED, applies, refunds_to
from tests.stories.test_documents import credited, printed
from tests.world import World


def test_an_account_in_euros_is_priced_billed_charged_and_refunded_in_euros(world: World) -> None:
    """Q1, M4, P10, P11: beside one in dollars, from one gapless series."""
    world.otto.taxes("DE", 19)
    world.on("2026-01-31")
    acme = world.customer("acme")
    nord = world.customer("nord", country="DE", currency="EUR")
    for customer in (acme, nord):
        customer.buys("CloudLinux OS", servers=5)
    world.on("2026-02-28")
    refunds_to(world, nord, 1, "10.00")

    assert acme.invoices == [
        "2026-01-31 CloudLinux OS 50.00 paid",
        "2026-02-28 CloudLinux OS 50.00 paid",
    ]
    # 5 × 9.20 and 19 %.
    assert nord.invoices == [
        "2026-01-31 CloudLinux OS 54.74 paid",
        "2026-02-28 CloudLinux OS 54.74 paid",
    ]
    assert [f"{row.number} {row.currency}" for row in Invoice.objects.order_by("id")] == [
        "CBI-000001 USD",
        "CBI-000002 EUR",
        "CBI-000003 USD",
        "CBI-000004 EUR",
    ]
    for customer, currency in ((acme, "USD"), (nord, "EUR")):
        attempts = PaymentAttempt.objects.filter(account=customer.account_id)
        charges = SandboxCharge.objects.filter(reference__in=attempts.values("public_id"))
        assert set(charges.values_list("currency", flat=True)) == {currency}
        moved = Transfer.objects.filter(account=customer.account_id)
        assert set(moved.values_list("currency", flat=True)) == {currency}
    assert "VAT DE 19 % of 46.00 EUR 8.74 EUR Total 54.74 EUR Paid 54.74 EUR" in printed(nord)
    assert "Total credited 10.00 EUR" in credited(nord)
    assert "54.74 EUR" in nord.mail("invoice_issued")


def test_what_has_no_price_in_the_currency_is_refused_by_name(world: World) -> None:
    """Q1."""
    PriceList.objects.filter(currency="EUR", license_type__code="kernelcare").delete()
    nord = world.on("2026-01-31").customer("nord", currency="EUR")

    with world.refuses("price_unknown") as caught:
        nord.buys("KernelCare")

    assert caught.value.message == "There is no public price for KernelCare in EUR."


def test_a_reseller_in_euros_has_a_deposit_in_euros(world: World) -> None:
    """R1, R3."""
    world.on("2026-01-31")

    done = applies(world, "zenith", "100.00", currency="EUR")

    assert done.account_id is not None
    [row] = reseller_invoice_table(done.account_id)
    assert row.balance_after_cents == 100_00
    assert set(Transfer.objects.values_list("currency", flat=True)) == {"EUR"}
    assert AGREED.version


def test_an_account_is_opened_in_a_currency_that_something_is_sold_in(world: World) -> None:
    world.on("2026-01-31")
    person = {"email": "anna@nord.example", "password": "a sentence nobody guesses"}

    with world.refuses("unknown_currency") as caught:
        sign_up.sign_up(**person, currency="CHF", now=world.now)
    sign_up.sign_up(**person, currency="eur", now=world.now)

    assert caught.value.fix == "Choose one of USD, EUR."
    account = create_account(company="usual", now=world.now)
    assert account.currency == "USD"
