"""Where a customer lives and its VAT number: checked offline, kept as invoices print them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cln.accounts.models import Account, AuditEntry
from cln.accounts.services import create_account, update_tax_details
from cln.accounts.vat import BadVatNumber, checked_vat_number
from cln.domain.errors import Refusal
from tests.customers import ROOT, START


@pytest.mark.parametrize(
    ("text", "country", "kept"),
    [
        ("DE 123 456 788", "DE", "DE123456788"),
        ("123456788", "DE", "DE123456788"),
        ("de-123.456.788", "DE", "DE123456788"),
        ("EL094259216", "GR", "EL094259216"),
        ("GR094259216", "GR", "EL094259216"),
        ("ATU13585627", "AT", "ATU13585627"),
        ("CHE-107.787.577 IVA", "CH", "CHE107787577IVA"),
        ("12-3456789", "US", "123456789"),
        ("  ", "", ""),
    ],
)
def test_a_vat_number_is_kept_as_invoices_print_it(text: str, country: str, kept: str) -> None:
    """M4."""
    assert checked_vat_number(text, country=country) == kept


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("DE123456789", "DE"),  # its check digit is wrong
        ("DE123456788", "FR"),
        ("12345", "DE"),
        ("CHE-107.787.578 IVA", "CH"),
        ("<script>", "US"),
        ("DE123456788", ""),
    ],
)
def test_a_vat_number_of_another_shape_or_country_is_refused(text: str, country: str) -> None:
    """M4: nobody escapes the tax by a number that cannot be."""
    with pytest.raises(BadVatNumber):
        checked_vat_number(text, country=country)


@pytest.mark.django_db
def test_address_country_and_number_are_changed_together_and_audited() -> None:
    acme = create_account(company="Acme", now=START)

    update_tax_details(
        account_id=acme.pk,
        address=" Musterstr. 1 \r\n\n10115 Berlin ",
        country="de",
        vat_number="DE 123456788",
        actor="anna",
        now=START,
    )

    acme.refresh_from_db()
    assert acme.address == "Musterstr. 1\n10115 Berlin"
    assert (acme.country, acme.vat_number) == ("DE", "DE123456788")
    assert AuditEntry.objects.get(verb="account.updated").details["country"] == ["", "DE"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"country": "Germany"}, "bad_country"),
        ({"country": "1E"}, "bad_country"),
        ({"vat_number": "DE1"}, "bad_vat_number"),
        ({"address": "x" * 401}, "address_too_long"),
    ],
)
def test_details_that_cannot_be_change_nothing(change: dict[str, str], code: str) -> None:
    acme = create_account(company="Acme", now=START)
    details = {"address": "Musterstr. 1", "country": "DE", "vat_number": "", **change}

    with pytest.raises(Refusal) as refused:
        update_tax_details(account_id=acme.pk, actor="anna", now=START, **details)

    assert refused.value.code == code
    assert Account.objects.get() == acme
    assert AuditEntry.objects.count() == 0


def test_a_seller_with_a_vat_number_that_cannot_be_stops_the_start() -> None:
    wrong = {"CLN_SELLER_COUNTRY": "IE", "CLN_SELLER_VAT_NUMBER": "IE1234567X"}
    done = subprocess.run(
        [sys.executable, "-c", "import cln.settings"],
        cwd=ROOT,
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "'IE1234567X' is not a VAT number of IE." in done.stderr
