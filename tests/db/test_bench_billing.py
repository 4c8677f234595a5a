"""The benchmark of the billing day: what it makes up, what it does, and that nothing is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from cln.accounts.models import Account
from cln.billing.models import Invoice, InvoiceLine, Subscription, Transfer
from cln.catalog.services import load_catalog
from cln.flows import billing_run
from cln.flows.books import check_books
from cln.management.billing_bench import NOW
from cln.management.population import DUE_ON, populate
from cln.notifications.models import Message
from tests.customers import database_url

MODELS = 12
CHECKED = {"book_differences": 0, "periods_billed_twice": 0, "subscriptions_not_billed": 0}


@pytest.fixture
def population(db: None) -> None:
    load_catalog()
    populate(2 * MODELS, models=MODELS)


@pytest.mark.usefixtures("population")
class TestThePopulation:
    def test_copies_are_as_consistent_as_their_models_and_bill_the_same(self) -> None:
        """P11, P12: gapless numbers and clean books, before and after the day."""
        assert Account.objects.count() == 2 * MODELS
        assert set(Subscription.objects.values_list("next_billing_on", flat=True)) == {DUE_ON}
        assert check_books() == ()

        result = billing_run.run_due(now=NOW)

        assert (result.accounts, result.invoices, result.parked) == (24, 36, 0)
        assert check_books() == ()
        models, copies = (
            _lines(Account.objects.order_by("id").values_list("id", flat=True)[part])
            for part in (slice(0, MODELS), slice(MODELS, None))
        )
        assert models == copies
        kinds = set(InvoiceLine.objects.values_list("kind", flat=True))
        assert kinds == {"recurring", "proration", "surcharge", "addon", "tax"}
        assert set(Invoice.objects.values_list("currency", flat=True)) == {"EUR", "USD"}

    def test_a_chunk_bills_what_its_accounts_bill_one_by_one(self) -> None:
        """M5, P9: lines, transfers, credit used, dunning days, mails, numbers."""
        due = [pk for chunk in billing_run.due_accounts(through=DUE_ON) for pk in chunk]

        together = _undone(lambda: billing_run.bill_accounts(account_ids=due, now=NOW))
        alone = _undone(
            lambda: [billing_run.bill_accounts(account_ids=[pk], now=NOW) for pk in due]
        )

        assert together == alone
        assert billing_run.run_due(now=NOW).invoices == 36
        assert billing_run.run_due(now=NOW) == billing_run.RunResult(0, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_the_benchmark_prints_its_figures_and_leaves_the_database_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLN_DATABASE_URL", database_url())
    printed = StringIO()

    call_command("bench", "billing", "--accounts", "3", "--workers", "2", stdout=printed)

    report = json.loads(printed.getvalue())
    [day] = report["billing_days"]
    assert report["machine"].keys() >= {"cores", "memory_gib", "fsync", "load_1_minute_before"}
    assert (day["accounts"], day["subscriptions"], day["workers"]) == (3, 5, 2)
    assert day["preview"].keys() == {
        *("upcoming_median_ms", "upcoming_max_ms", "one_more_median_ms", "one_more_max_ms")
    }
    assert day["statements"]["invoices_in_it"] + day["billing"]["invoices"] == 5
    assert day["billing"]["parked"] == 0
    assert day["billing"].keys() >= {
        *("invoices_per_second", "ms_per_invoice", "worker_peak_memory_mib"),
        *("worker_cpu_ms_per_invoice", "database_cpu_ms_per_invoice", "finding_due_seconds"),
    }
    assert day["copy"]["rows"] == day["billing"]["invoices"] * 6
    assert day["times_copy"] > 0
    assert day["nothing_due"]["invoices"] == 0
    assert day["checked"] == CHECKED
    assert not Account.objects.exists()
    assert connection.settings_dict["NAME"] in database_url()


def _lines(account_ids: Any) -> list[tuple[Any, ...]]:
    """What each account was billed, without what must differ from account to account."""
    rows = InvoiceLine.objects.filter(invoice__account__in=list(account_ids)).order_by(
        "invoice__account", "period", "source", "title"
    )
    return list(
        rows.values_list("kind", "title", "why", "amount_cents", "invoice__issued_on", "period")
    )


def _undone(bill: Callable[[], object]) -> dict[str, str]:
    """What a way of billing leaves behind; then it never happened."""
    before = transaction.savepoint()
    bill()
    left = {
        "invoices": Invoice.objects.order_by("number").values_list(
            "number", "account", "total_cents", "paid_cents", "status", "retry_at", "bill_to"
        ),
        "lines": InvoiceLine.objects.order_by("invoice__number", "position").values_list(
            "invoice__number", "position", "source", "why", "quantity", "amount_cents"
        ),
        "transfers": Transfer.objects.order_by(
            "account", "invoice__number", "kind", "credit"
        ).values_list("account", "kind", "debit", "credit", "cents", "currency", "invoice__number"),
        "mails": Message.objects.order_by("dedupe").values_list(
            "account", "template", "to", "context", "dedupe", "send_after"
        ),
        "accounts": Account.objects.order_by("id").values_list(
            "dunning_state", "dunning_next_on", "blocked_on", "parked_at"
        ),
        "subscriptions": Subscription.objects.order_by("id").values_list(
            "billed_periods", "paid", "paid_unit_cents", "next_billing_on", "status"
        ),
    }
    # A public id in the path of an invoice's PDF is random.
    read = {name: re.sub(r"inv_\w+", "inv_", repr(list(rows))) for name, rows in left.items()}
    transaction.savepoint_rollback(before)
    return read
