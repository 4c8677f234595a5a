"""Who looks for due work, and what happens to it when the sandbox clock is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from cln import clock
from cln.accounts.models import Account
from cln.billing.models import Invoice
from cln.flows import billing_run, collection, dunning, tasks, time_travel, timeline
from cln.flows.time_travel import travel_to
from cln.payments.gateways.sandbox import Script, script_account
from cln.payments.models import PaymentAttempt, PaymentMethod
from tests.customers import START, a_customer, buys, clock_at

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_worker_at_a_time_looks_for_a_kind_of_work() -> None:
    elsewhere = connection.copy()
    with tasks._sole_finder("billing") as first:
        with elsewhere.cursor() as cursor:
            key = [tasks._FINDERS, tasks._key("billing")]
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
            while_held = cursor.fetchone()
        with tasks._sole_finder("trials") as other_kind:
            pass
    with elsewhere.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
        afterwards = cursor.fetchone()
    with tasks._sole_finder("billing") as while_another_looks:
        pass
    elsewhere.close()

    assert (first, while_held, other_kind) == (True, (False,), True)
    assert (afterwards, while_another_looks) == ((True,), False)


def test_travelling_in_time_bills_each_period_on_its_day() -> None:
    clock_at(START)
    account = a_customer()
    buys(account, 2)

    travel_to(datetime(2026, 4, 1, 8, tzinfo=UTC))

    invoices = Invoice.objects.order_by("id").values_list("issued_on", "status")
    assert [(f"{day}", status) for day, status in invoices] == [
        ("2026-01-31", "paid"),
        ("2026-02-28", "paid"),
        ("2026-03-31", "paid"),
    ]
    late = clock.now() - datetime(2026, 4, 1, 8, tzinfo=UTC)
    assert timedelta() <= late < timedelta(minutes=5)


def test_travelling_back_is_refused_and_bills_nothing() -> None:
    clock_at(START)
    buys(a_customer(), 2)

    with pytest.raises(clock.ClockError, match="does not go back to 2026-01-30"):
        travel_to(START - timedelta(days=1))

    assert Invoice.objects.count() == 1


def test_a_sandbox_with_accounts_does_not_begin_in_the_past() -> None:
    """Demo data is made before anybody moves the clock: it must not be lived through again."""
    a_customer()

    with pytest.raises(clock.ClockError, match="people live here"):
        travel_to(START)

    assert clock.now() > START


def test_an_account_whose_dunning_fails_stops_nobody_elses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug in one account's data is logged and stays due; the others are taken on."""
    broken, slow = a_customer("Broken"), a_customer("Slow")
    for account in (broken, slow):
        buys(account, 2)
        script_account(account_id=account.pk, outcome=Script.DECLINE)
    now = START + timedelta(days=28)
    timeline.run_until(now, since=START)
    long_after = now + timedelta(days=40)
    Account.objects.filter(pk=broken.pk).update(dunning_state="blocked", blocked_on=None)

    dunning.run_due(now=long_after)

    slow.refresh_from_db()
    assert slow.dunning_state == "blocked"
    assert f"of {broken.pk} failed; it stays due" in caplog.text
    broken.refresh_from_db()
    assert broken.dunning_next_on is not None


def test_a_method_of_a_gateway_that_is_gone_is_refused_before_anything_is_written() -> None:
    """P3: an attempt that nobody could ever ask about would lock its invoice for ever."""
    gone, fine = a_customer("Gone"), a_customer("Fine")
    for account in (gone, fine):
        buys(account, 2)
    PaymentMethod.objects.filter(account=gone).update(gateway="closed down")
    now = START + timedelta(days=28)
    billing_run.run_due(now=now)

    collection.collect_due(now=now)

    assert Invoice.objects.filter(account=fine, status="paid").count() == 2
    assert Invoice.objects.filter(account=gone, status="open").count() == 1
    assert not PaymentAttempt.objects.filter(account=gone).exclude(state="succeeded").exists()


def test_a_clock_that_runs_past_an_instant_meanwhile_is_no_error() -> None:
    """Work that falls due in the very moment in which somebody moves the clock."""
    clock.move_to(START)

    for microseconds in range(0, 4_000, 20):
        instant = clock.now() + timedelta(microseconds=microseconds)
        time_travel._reach(instant)
        assert clock.now() >= instant

    assert clock.now() < START + timedelta(minutes=1)
