"""The benchmark of the console: it fills an account, signs in and gets an answer of each page."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command

from cln.accounts.models import Account
from tests.customers import database_url


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_the_benchmark_asks_pages_of_a_large_account_and_leaves_the_database_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLN_DATABASE_URL", database_url())
    printed = StringIO()
    size = ("--servers", "60", "--keys", "12", "--invoices", "9")

    pages = ("--page", "dashboard", "--page", "statement", "--page", "key", "--page", "status")
    how = ("--kind", "reseller", *size, *pages, "--requests", "1")
    call_command("bench", "console", *how, stdout=printed)

    [report] = json.loads(printed.getvalue())["accounts"]
    asked = {row["page"]: row for row in report["pages"]}
    assert (report["kind"], report["ip_licenses"], report["servers"]) == ("reseller", 60, 6)
    assert asked.keys() == {"dashboard", "statement", "key", "status"}
    assert {row["status"] for row in asked.values()} == {200}
    assert all(row["statements"] > 0 and row["times_empty_page"] > 0 for row in asked.values())
    assert report["first_visit"]["bytes"] > report["first_visit"]["page_bytes"]
    none = [name for name, why in report["left_out"].items() if why == "the account has none"]
    assert none == [
        "payment",
        "payment_back",
        "address_list",
        "remove_passkey",
        "revoke_api_token",
    ]
    assert report["left_out"]["sandbox pages"] == "production has none"
    assert not Account.objects.exists()
