"""Real worker processes on one database: due work is carried once, whoever carries it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import connection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from cln.billing.models import Invoice, InvoiceSeries, Subscription
from cln.flows import billing_run, tasks
from cln.management.commands import worker
from cln.payments.models import Payment, SandboxCharge
from tests.customers import (
    START,
    a_customer,
    buys,
    clock_at,
    finish,
    forget_jobs,
    one_verb,
    process,
)

# A customer of 31 January has been renewed on 28 February and 31 March by then (E5).
TWO_PERIODS_LATER = datetime(2026, 4, 1, 8, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_jobs() -> Iterator[None]:
    forget_jobs()
    yield
    forget_jobs()


def test_two_workers_bill_and_collect_each_due_account_once() -> None:
    accounts = [a_customer(f"Customer{number}") for number in range(12)]
    for account in accounts:
        buys(account, 3)
    clock_at(TWO_PERIODS_LATER)
    # Twice on purpose: both workers take the same accounts at the same time.
    for _ in range(2):
        tasks.bill_accounts.defer(account_ids=[account.pk for account in accounts])
    _run_two_workers_until_idle()
    tasks.collect.defer(timestamp=0)
    _run_two_workers_until_idle()

    per_account = Counter(Invoice.objects.values_list("account_id", flat=True))
    assert per_account == {account.pk: 3 for account in accounts}
    assert Counter(Invoice.objects.values_list("status", flat=True)) == {"paid": 36}
    assert SandboxCharge.objects.count() == Payment.objects.count() == 36
    numbers = sorted(Invoice.objects.values_list("number", flat=True))
    assert numbers == [f"CBI-{number:06d}" for number in range(1, 37)]
    assert InvoiceSeries.objects.get().next_number == 37
    assert set(Subscription.objects.values_list("billed_periods", flat=True)) == {3}


def test_two_workers_that_collect_the_same_invoices_charge_each_once() -> None:
    accounts = [a_customer(f"Customer{number}") for number in range(8)]
    for account in accounts:
        buys(account, 2)
    billing_run.run_due(now=TWO_PERIODS_LATER)

    for one in [one_verb("collect", TWO_PERIODS_LATER) for _ in range(2)]:
        finish(one)

    assert SandboxCharge.objects.count() == Payment.objects.count() == 24
    assert Counter(Invoice.objects.values_list("status", flat=True)) == {"paid": 24}


def test_finding_due_accounts_twice_queues_them_once() -> None:
    accounts = [a_customer(f"Customer{number}") for number in range(2)]
    for account in accounts:
        buys(account, 2)
    clock_at(TWO_PERIODS_LATER)

    tasks.find_billing(timestamp=0)
    tasks.find_billing(timestamp=0)

    due = {"account_ids": [account.pk for account in accounts]}
    assert _waiting_jobs() == [("bill_accounts", due)]


def test_finding_due_accounts_queues_nothing_when_nothing_is_due() -> None:
    clock_at(START)
    buys(a_customer(), 2)

    tasks.find_billing(timestamp=0)

    assert _waiting_jobs() == []


def test_a_worker_that_is_told_to_stop_at_any_step_of_its_start_stops() -> None:
    """Told as it opened the database it used to go on for ever, or to hang."""
    finish(process(["-m", "tests.stop_a_worker"]))


def test_a_worker_whose_database_stays_away_tries_again_until_it_is_told_to_stop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A minute without a database used to end the worker, and `cln serve` with it."""
    tries = 0

    async def finds_no_database(*_: object, **__: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0.01)
        raise PoolTimeout("pool initialization incomplete after 30.0 sec")

    monkeypatch.setattr(AsyncConnectionPool, "open", finds_no_database)
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0)

    with caplog.at_level(logging.WARNING):
        call_command("worker")

    assert tries == 3
    assert (
        caplog.messages.count(
            "the worker lost the database: pool initialization incomplete after 30.0 sec"
        )
        == 3
    )


def _run_two_workers_until_idle() -> None:
    arguments = ["-m", "cln.management.main", "worker", "--until-idle"]
    workers = [process(arguments), process(arguments)]
    for one in workers:
        finish(one)
    assert _waiting_jobs() == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, status FROM procrastinate_jobs WHERE status = 'failed'")
        assert cursor.fetchall() == []


def _waiting_jobs() -> list[tuple[str, object]]:
    with connection.cursor() as cursor:
        # Not what the next minute has brought while the workers were ending.
        cursor.execute(
            "SELECT task_name, args::text::json FROM procrastinate_jobs AS job"
            " WHERE status = 'todo' AND NOT EXISTS"
            " (SELECT FROM procrastinate_periodic_defers WHERE job_id = job.id)"
        )
        return list(cursor.fetchall())
