"""Workers in processes of their own, over the tests' database."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from cln import clock
from cln.billing.models import Invoice
from cln.enums import MethodKind
from cln.flows import tasks
from cln.flows.collection import set_payment_method
from cln.flows.purchase import buy
from cln.flows.time_travel import travel_to
from cln.payments.gateways.sandbox import Script, token_for
from tests.licensing import an_account

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]


def _subscriber(company: str) -> int:
    """Open an account that bought two monthly licenses 40 days ago and paid for them."""
    bought_at = clock.system_now() - timedelta(days=40)
    account = an_account(company)
    set_payment_method(
        account_id=account.pk,
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(Script.OK),
        label="card",
        expires_on=None,
        actor="test",
        now=bought_at,
    )
    buy(
        account_id=account.pk,
        license_type="kernelcare",
        quantity=2,
        interval="month",
        actor="test",
        request_key="first",
        now=bought_at,
    )
    return account.pk


@pytest.fixture
def worker() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start workers over this test's database; they are gone after the test."""
    started: list[subprocess.Popen[bytes]] = []
    where = connection.settings_dict
    url = f"postgresql://{where['USER']}@/{where['NAME']}?host={where['HOST']}"

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "cln.management.main", "worker"],
            cwd=ROOT,
            env={**os.environ, "CLN_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def _wait_for(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up_at, "the workers did not do it in 30 seconds"
        time.sleep(0.05)


def test_two_workers_bill_each_account_once_and_stop_when_asked(
    worker: Callable[[], subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [_subscriber(f"Customer {number}") for number in range(6)]
    for start in range(0, 6, 2):
        # Twice each, so that both workers are handed the same accounts.
        tasks.bill_accounts.defer(account_ids=accounts[start : start + 2])
        tasks.bill_accounts.defer(account_ids=accounts[start : start + 2])
    tasks.collect.defer(timestamp=0)

    both = [worker(), worker()]
    _wait_for(lambda: not ProcrastinateJob.objects.filter(status__in=["todo", "doing"]).exists())
    tasks.collect.defer(timestamp=1)
    _wait_for(lambda: not ProcrastinateJob.objects.filter(status__in=["todo", "doing"]).exists())
    for process in both:
        process.terminate()

    assert [process.wait(20) for process in both] == [0, 0]
    assert ProcrastinateJob.objects.filter(status="failed").count() == 0
    for account_id in accounts:
        states = Invoice.objects.filter(account_id=account_id).values_list("status", flat=True)
        assert list(states) == ["paid", "paid"]


def test_a_finder_hands_out_what_is_due_and_leaves_it_when_another_finds() -> None:
    account_id = _subscriber("Acme")
    with tasks._sole_finder("billing") as mine:
        other = _finder_of_another_session()

    tasks.find_billing(timestamp=0)

    assert (mine, other) == (True, False)
    jobs = ProcrastinateJob.objects.filter(task_name="bill_accounts").values_list("args", flat=True)
    assert list(jobs) == [{"account_ids": [account_id]}]


def _finder_of_another_session() -> bool:
    here = connection.copy()
    try:
        with here.cursor() as cursor:
            key = [tasks._FINDERS, tasks._key("billing")]
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
            return bool(cursor.fetchone()[0])
    finally:
        here.close()


def test_travelling_in_time_bills_at_each_instant_on_the_way() -> None:
    account_id = _subscriber("Acme")
    start = clock.now()

    travel_to(start + timedelta(days=62))

    invoices = Invoice.objects.filter(account_id=account_id).order_by("id")
    dates = [invoice.issued_on for invoice in invoices]
    assert len(dates) >= 4
    assert [invoice.status for invoice in invoices] == ["paid"] * len(dates)
    assert timedelta() <= clock.now() - start - timedelta(days=62) < timedelta(minutes=5)


def test_travelling_back_is_refused_and_bills_nothing() -> None:
    clock.move_to(clock.system_now())
    account_id = _subscriber("Acme")

    with pytest.raises(clock.ClockError, match="does not go back"):
        travel_to(clock.now() - timedelta(days=1))

    assert Invoice.objects.filter(account_id=account_id).count() == 1
