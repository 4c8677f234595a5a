"""The benchmark's figures and its caution. `make bench` runs the whole."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from cln.accounts.models import Account
from cln.management.load import Measured
from tests.customers import a_customer


def test_a_measurement_gives_the_rate_and_the_percentiles() -> None:
    measured = Measured(2.0, tuple(float(n) for n in range(100, 0, -1)), failed=3, bodies=())

    assert measured.as_json() == {
        "requests": 100,
        "failed": 3,
        "requests_per_second": 50.0,
        "p50_ms": 51.0,
        "p95_ms": 96.0,
        "p99_ms": 100.0,
    }


@pytest.mark.django_db(transaction=True)
def test_the_benchmark_refuses_a_database_with_accounts_and_adds_none() -> None:
    a_customer()

    with pytest.raises(CommandError, match="fills a database with invented accounts"):
        call_command("bench", "--seconds", "0")

    assert Account.objects.count() == 1
