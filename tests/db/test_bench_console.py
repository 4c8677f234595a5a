"""The benchmark of the console: it fills an account, signs in and gets an answer of every page."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command

from cln.accounts.models import Account
from tests.customers import database_url


@pytest.mark.django_db(transaction=True)
def test_the_benchmark_asks_every_page_and_leaves_the_database_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLN_DATABASE_URL", database_url())
    printed = StringIO()
    size = ("--servers", "60", "--keys", "12", "--invoices", "9")

    call_command("bench", "console", "--kind", "reseller", *size, "--requests", "1", stdout=printed)

    [report] = json.loads(printed.getvalue())["accounts"]
    pages = {row["page"]: row for row in report["pages"]}
    assert (report["kind"], report["ip_licenses"], report["servers"]) == ("reseller", 60, 6)
    assert pages.keys() >= {"dashboard", "key", "servers", "invoices", "statement", "ip_licenses"}
    assert {row["status"] for row in pages.values()} <= {200, 302, 303, 409}
    assert all(row["statements"] > 0 and row["times_empty_page"] > 0 for row in pages.values())
    assert report["first_visit"]["bytes"] > report["first_visit"]["page_bytes"]
    assert report["left_out"] == ["payment", "payment_back", "revoke_api_token"]
    assert not Account.objects.exists()
