"""Who looks for due work, and what happens to it when the sandbox clock is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from cln import clock
from cln.billing.models import Invoice
from cln.flows import tasks
from cln.flows.time_travel import travel_to
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
