"""The documents in docs/samples are what CLN prints today (P10, P11, M4, R2).

A few invented months, lived through by the flows. `make golden` writes PDFs and pictures anew.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from cln.accounts.models import Account
from cln.accounts.services import create_account, update_tax_details
from cln.billing.models import CreditNote, Invoice
from cln.catalog.models import TaxRate
from cln.enums import AccountKind, MethodKind
from cln.flows import corrections, purchase, refunds, reseller, subscriptions, timeline
from cln.flows.collection import set_payment_method
from cln.flows.documents import credit_note_sheet, invoice_sheet, statement_sheet
from cln.flows.ip_licenses import add_ip_license, remove_ip_license
from cln.licensing.keys import create_key, reveal
from cln.licensing.models import ActivationKey
from cln.licensing.services import Hints, register_server
from cln.paper import press
from cln.paper.sheet import Sheet
from cln.payments.gateways.sandbox import Script, token_for
from tests.customers import use_card
from tests.shop import open_shop

SAMPLES = Path(__file__).resolve().parents[2] / "docs" / "samples"
FIRST = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def day(number: int) -> datetime:
    """So many days after the first."""
    return FIRST + timedelta(days=number)


def a_company(
    name: str, public: str, *, currency: str = "USD", kind: AccountKind = AccountKind.CUSTOMER
) -> Account:
    """A paying party with a card that works."""
    account = create_account(
        company=name,
        billing_email="billing@company.example",
        kind=kind,
        currency=currency,
        public=public,
        now=FIRST,
    )
    set_payment_method(
        account_id=account.pk,
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(Script.OK),
        label="Visa ending in 4242",
        expires_on=None,
        actor="sample",
        now=FIRST,
    )
    return account


def orders(account: Account, quantity: int, *, now: datetime) -> None:
    """Some CloudLinux OS, by the month."""
    purchase.buy(
        account_id=account.pk,
        license_type="cloudlinux",
        quantity=quantity,
        interval="month",
        actor="anna",
        request_key=f"form of {now}",
        now=now,
    )


def lives_in(account: Account, address: str, country: str, vat_number: str) -> None:
    update_tax_details(
        account_id=account.pk,
        address=address,
        country=country,
        vat_number=vat_number,
        actor="sample",
        now=FIRST,
    )


def invoice(account: Account, number: int) -> Sheet:
    row = Invoice.objects.filter(account=account).order_by("id")[number - 1]
    return invoice_sheet(account_id=account.pk, public_id=row.public_id)


def printed_as(name: str, sheet: Sheet, *, rewrite: bool) -> None:
    """The PDF on file is this sheet."""
    path = SAMPLES / f"{name}.pdf"
    if rewrite:
        path.write_bytes(press.pdf(sheet))
        path.with_suffix(".png").write_bytes(press.png(sheet)[0])
    assert path.read_bytes() == press.pdf(sheet), f"{path.name} is not current: make golden"


@pytest.fixture
def rewrite(request: pytest.FixtureRequest, settings: Settings) -> bool:
    settings.CLN_BASE_URL = "https://cln.example.com"
    open_shop()
    TaxRate.objects.create(country="IE", from_on=date(2000, 1, 1), basis_points=2300)
    return bool(request.config.getoption("--golden"))


def test_the_sample_invoice_is_current_p11_m4(rewrite: bool) -> None:
    acme = a_company("Acme Hosting Ltd", "acc_SampleOfAcme")
    lives_in(acme, "7 Harbour Row\nGalway H91 XY12", "IE", "IE8765432S")
    orders(acme, 5, now=FIRST)
    orders(acme, 3, now=day(10))
    orders(acme, 2, now=day(14))
    subscriptions.remove_unused(
        account_id=acme.pk, license_type="cloudlinux", keep=9, actor="anna", now=day(20)
    )
    timeline.run_until(day(28), since=day(20))

    printed_as("invoice", invoice(acme, 2), rewrite=rewrite)


def test_the_sample_invoice_over_pages_and_the_sample_credit_note_are_current_p10_p11(
    rewrite: bool,
) -> None:
    name = "Gesellschaft für zuverlässige Rechenzentrumsdienstleistungen Nordwind mbH & Co. KG"
    nord = a_company(name, "acc_SampleOfNordwind", currency="EUR")
    lives_in(nord, "Hafenstraße 12\n20457 Hamburg", "DE", "DE123456788")
    orders(nord, 8, now=FIRST)
    refunds.refund(
        operator="otto",
        account_id=nord.pk,
        wish=refunds.Wish(
            invoice=Invoice.objects.get().public_id,
            amount_cents=18_40,
            reason="Two servers could not be reached for most of the month.",
            is_removal_certified=True,
            remove_licenses=False,
        ),
        now=day(3),
    )
    for number in range(39):
        now = day(4) + timedelta(hours=14 * number)
        orders(nord, 1 + number % 3, now=now)
    use_card(nord, Script.DECLINE, now=day(27))
    corrections.grant_credit(
        operator="otto", account_id=nord.pk, amount_cents=100_00, reason="goodwill", now=day(27)
    )
    timeline.run_until(day(28), since=day(27))

    note = CreditNote.objects.get()
    sheet = credit_note_sheet(account_id=nord.pk, public_id=note.public_id)
    printed_as("credit-note", sheet, rewrite=rewrite)
    printed_as("invoice-long", invoice(nord, 2), rewrite=rewrite)


def test_the_sample_statement_is_current_r2(rewrite: bool) -> None:
    zenith = a_company("Zenith Networks", "acc_SampleOfZenith", kind=AccountKind.RESELLER)
    lives_in(zenith, "88 Quay Street\nCork T12 AB34", "IE", "")
    reseller.top_up(account_id=zenith.pk, amount_cents=150_00, actor="zoe", now=FIRST)
    for number in range(1, 9):
        for code in ("kernelcare", "cloudlinux")[: 1 + number % 2]:
            add_ip_license(
                account_id=zenith.pk,
                license_type=code,
                address=f"203.0.113.{number * 7}",
                actor="zoe",
                now=day(number),
            )
    remove_ip_license(
        account_id=zenith.pk,
        license_type="kernelcare",
        address="203.0.113.14",
        actor="zoe",
        now=day(12),
    )
    create_key(account_id=zenith.pk, license_type="kernelcare", actor="zoe", now=day(5))
    host = "customer-4711.rack-12.row-f.datacenter-frankfurt-1.hosting.zenith-networks.example"
    key = ActivationKey.objects.get(account=zenith, license_type__code="kernelcare")
    register_server(
        key_text=reveal(key), address="198.51.100.7", hints=Hints(hostname=host), now=day(6)
    )
    reseller.top_up(account_id=zenith.pk, amount_cents=75_00, actor="zoe", now=day(18))
    timeline.run_until(datetime(2026, 3, 1, 6, tzinfo=UTC), since=day(18))

    sheet = statement_sheet(account_id=zenith.pk, month=date(2026, 2, 1))
    printed_as("statement", sheet, rewrite=rewrite)
