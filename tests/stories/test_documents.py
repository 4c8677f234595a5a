"""Invoices, credit notes and statements as their readers hold them (P9–P11, M4, R2, R6)."""

from __future__ import annotations

from datetime import date

import pytest
from pytest_django import Settings

from cln.accounts.models import Account
from cln.billing.models import CreditNote, Invoice
from cln.billing.papers import UnknownCreditNote
from cln.billing.queries import UnknownInvoice
from cln.domain.tax import REVERSE_CHARGE
from cln.flows import corrections
from cln.flows.documents import (
    UnknownStatement,
    credit_note_sheet,
    invoice_sheet,
    statement_sheet,
)
from cln.paper import press
from tests.cast import Customer
from tests.partners import a_reseller, corrects, credits, refunds_to
from tests.pdf_text import text_of
from tests.world import World


def printed(customer: Customer, number: int = 1) -> str:
    """The customer's n-th invoice, read from its PDF."""
    return text_of(pdf_of(customer, number))


def pdf_of(customer: Customer, number: int) -> bytes:
    row = Invoice.objects.filter(account=customer.account_id).order_by("id")[number - 1]
    return press.pdf(invoice_sheet(account_id=customer.account_id, public_id=row.public_id))


def credited(customer: Customer) -> str:
    """The customer's newest credit note, read from its PDF."""
    note = CreditNote.objects.filter(account=customer.account_id).latest("id")
    sheet = credit_note_sheet(account_id=customer.account_id, public_id=note.public_id)
    return text_of(press.pdf(sheet))


def statement(customer: Customer, month: str) -> str:
    first = date.fromisoformat(f"{month}-01")
    return text_of(press.pdf(statement_sheet(account_id=customer.account_id, month=first)))


@pytest.fixture
def acme(world: World) -> Customer:
    """Berlin, a consumer; 5 CloudLinux OS from 31 January 2026, 3 more from 10 February."""
    world.otto.taxes("DE", 19)
    acme = world.on("2026-01-31").customer("acme", country="DE")
    acme.buys("CloudLinux OS", servers=5, monthly=True)
    world.on("2026-02-10")
    acme.adds_servers("CloudLinux OS", 3)
    world.on("2026-03-01")
    return acme


def test_an_invoice_says_who_what_why_which_tax_and_what_paid_it(acme: Customer) -> None:
    """M4, P9, Q4, E6: every figure with the sum behind it."""
    page = printed(acme, 2)

    for part in (
        "Example Software Ltd Invoice CBI-000002 PAID",
        f"BILLED TO Acme Germany Account {acme.account.public_id}",
        "FROM Example Software Ltd 1 Sample Street Dublin D02 XY45 Ireland VAT IE1234567T",
        "ISSUED 28 Feb 2026 DUE 28 Feb 2026 CURRENCY USD",
        "Added 3 on 10 Feb 2026: 3 × $10.00 × 18/28 days (10 Feb – 28 Feb) [by acme] 3 10.00 19.29",
        "8 × $10.00 for the month 28 Feb – 31 Mar 2026 (price from 5 up) 8 10.00 80.00",
        "Net $99.29 VAT DE 19 % of $99.29 $18.87 Total $118.16 Paid $118.16 Balance due $0.00",
        "Payments WITH ON AMOUNT card that works 28 Feb 2026 118.16",
    ):
        assert part in page
    assert "Please pay" not in page


def test_an_invoice_that_is_open_says_what_to_pay_until_when_and_where(
    world: World, acme: Customer
) -> None:
    """P9: part of it is paid from credit."""
    acme.card("declines")
    credits(world, acme, "20.00")
    world.on("2026-03-31")

    page = printed(acme, 3)

    assert "Invoice CBI-000003 PART PAID" in page
    assert "Total $95.20 Paid $20.00 Balance due $75.20" in page
    assert "Account credit 31 Mar 2026 20.00" in page
    assert (
        "Please pay $75.20 by 31 Mar 2026: http://127.0.0.1:8000/console/billing/invoices" in page
    )


def test_a_void_invoice_and_a_written_off_one_ask_for_nothing(world: World, acme: Customer) -> None:
    """P11: the number stays, and the document says what became of it."""
    acme.card("declines")
    world.on("2026-03-31")
    corrects(world, corrections.void_invoice, acme, 3)
    world.on("2026-04-30")
    corrects(world, corrections.write_off, acme, 4)

    void, given_up = printed(acme, 3), printed(acme, 4)

    assert void.startswith("VOID Example Software Ltd Invoice CBI-000003 VOID")
    assert "CBI-000004 WRITTEN OFF" in given_up
    for page in (void, given_up):
        assert "Please pay" not in page
    assert "Balance due" not in void
    assert "Balance due $0.00" in given_up


def test_what_was_issued_does_not_change_with_the_parties(
    acme: Customer, settings: Settings
) -> None:
    """P11: neither the customer's details, nor the seller's, nor a VAT number given later."""
    before = pdf_of(acme, 2)

    acme.lives_in("FR", "FR40303265045", "1 rue de l'Exemple\n75001 Paris")
    Account.objects.filter(pk=acme.account_id).update(company="Acme SARL")
    settings.CLN_SELLER_NAME, settings.CLN_SELLER_COUNTRY = "Somebody Else", "DE"

    assert pdf_of(acme, 2) == before


def test_a_business_of_another_eu_country_accounts_for_the_tax_itself(
    world: World, acme: Customer
) -> None:
    """M4: from the next invoice on; the preview, the mail and the credit note say so too."""
    acme.lives_in("DE", "DE 123 456 788")
    [foreseen] = acme.upcoming()

    world.on("2026-03-31")
    refunds_to(world, acme, 3, "8.00")

    assert (foreseen.total_cents, foreseen.tax_note) == (80_00, REVERSE_CHARGE)
    page, note = printed(acme, 3), credited(acme)
    assert "VAT DE123456788" in page
    assert f"Total $80.00 Paid $80.00 Balance due $0.00 {REVERSE_CHARGE}" in page
    assert "VAT DE 19 %" not in page
    assert REVERSE_CHARGE in note
    assert REVERSE_CHARGE in acme.mail("invoice_issued")
    assert REVERSE_CHARGE not in printed(acme, 2)


def test_a_business_at_home_pays_the_tax_as_everybody(world: World) -> None:
    """M4: same country, VAT number or not."""
    world.otto.taxes("IE", 23)
    acme = world.on("2026-01-31").customer("acme")
    acme.lives_in("IE", "IE1234567T")

    acme.buys("KernelCare", servers=10)

    assert "VAT IE 23 % of $29.50 $6.79 Total $36.29" in printed(acme)


def test_a_credit_note_says_of_what_why_and_where_it_went(world: World, acme: Customer) -> None:
    """P10: lines and tax in proportion; the invoice names it."""
    refunds_to(world, acme, 2, "11.90", reason="a day without service")

    page = credited(acme)

    for part in (
        "Credit note CN-000001",
        "CREDITED TO Acme Germany",
        "ISSUED 1 Mar 2026 FOR INVOICE CBI-000002 INVOICED 28 Feb 2026",
        "CloudLinux OS Shared, 10 Feb – 28 Feb 2026 19.29 1.94",
        "CloudLinux OS Shared, 28 Feb – 31 Mar 2026 80.00 8.06",
        "Net $10.00 VAT DE of $18.87 invoiced $1.90 Total credited $11.90",
        "Reason: a day without service",
        "Where it went TO ON AMOUNT card that works 1 Mar 2026 11.90",
    ):
        assert part in page
    assert "Given back WITH ON AMOUNT Credit note CN-000001 1 Mar 2026 11.90" in printed(acme, 2)


def test_a_statement_shows_each_license_with_its_days_and_the_deposit(world: World) -> None:
    """R2, R6: days held, share, sum; the sums are those of the invoices."""
    zenith = a_reseller(world.on("2026-02-01"))
    zenith.holds_ip("KernelCare", "203.0.113.10", "203.0.113.11", "2001:db8::1")
    world.on("2026-02-10")
    zenith.gives_back("KernelCare", "203.0.113.11")
    zenith.tops_up("50.00")
    world.on("2026-03-01")

    page = statement(zenith, "2026-02")

    for part in (
        "Statement February 2026",
        "BILLED 1 Mar 2026 CURRENCY USD",
        "KernelCare Invoice CBI-000001 6.85 0.00 6.85 Together 6.85 0.00 6.85",
        "KernelCare, invoice CBI-000001 3 × $2.95 × 65/84 license days (1 Feb – 1 Mar 2026)",
        "203.0.113.10 28 1 2.95 203.0.113.11 9 0.321429 0.95 2001:db8::1 28 1 2.95",
        "Together 65 2.321429 6.85",
        "Balance at the beginning 0.00 Payment received",
        "1 Feb 2026 500.00 500.00",
        "10 Feb 2026 50.00 550.00",
        "1 Mar 2026 -6.85 543.15 Balance at the end $543.15",
    ):
        assert part in page
    assert "By license LICENSE DAYS HELD SHARE OF THE MONTH AMOUNT 203.0.113.10 28" in printed(
        zenith
    )
    assert "Deposit 1 Mar 2026 6.85" in printed(zenith)


def test_each_month_ends_with_what_the_next_begins_with(world: World) -> None:
    """R6: an invoice counts to the month that was used, everything else to its own."""
    zenith = a_reseller(world.on("2026-01-20"), deposit="10.00")
    zenith.holds_ip("KernelCare", "203.0.113.10")
    world.on("2026-02-01")
    zenith.tops_up("5.00")
    world.on("2026-03-01")
    zenith.tops_up("7.00")
    world.on("2026-04-01")

    months = [statement(zenith, f"2026-0{month}") for month in (1, 2, 3)]

    begins = [page.split("Balance at the beginning ")[1].split()[0] for page in months]
    ends = [page.split("Balance at the end $")[1].split()[0] for page in months]
    assert begins == ["0.00", *ends[:-1]]
    assert ends[-1] == zenith.deposit


def test_there_is_no_statement_of_a_month_that_is_not_billed(world: World) -> None:
    """R2: before the reseller was one, while the month runs, and before it has begun."""
    zenith = a_reseller(world.on("2026-01-20"))
    zenith.holds_ip("KernelCare", "203.0.113.10")
    world.on("2026-02-15")

    for month in ("2025-12", "2026-02", "2026-03"):
        with pytest.raises(UnknownStatement):
            statement(zenith, month)
    assert "Statement January 2026" in statement(zenith, "2026-01")


def test_documents_of_others_are_not_there(world: World, acme: Customer) -> None:
    refunds_to(world, acme, 2, "1.00")
    mallory = world.customer("mallory")
    invoice, note = Invoice.objects.latest("id"), CreditNote.objects.get()

    with pytest.raises(UnknownInvoice):
        invoice_sheet(account_id=mallory.account_id, public_id=invoice.public_id)
    with pytest.raises(UnknownCreditNote):
        credit_note_sheet(account_id=mallory.account_id, public_id=note.public_id)
    with pytest.raises(UnknownStatement):
        statement(mallory, "2026-02")
