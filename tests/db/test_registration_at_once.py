"""Registrations at the same time, each in a connection of its own (security §1)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError, connections

from cln.domain.errors import Refusal
from cln.licensing.models import Server
from cln.licensing.services import (
    create_key,
)
from tests.licensing import (
    NOW,
    an_account,
    bought,
    on_trial,
    registered,
    used,
)

pytestmark = pytest.mark.django_db

UUID = "b1b4a0de-9f8e-4d8e-8a11-6f5d0c2e7a44"


@pytest.mark.django_db(transaction=True)
def test_of_a_hundred_parallel_registrations_on_a_key_of_limit_one_exactly_one_wins() -> None:
    acme = an_account()
    bought(acme, "cloudlinux", 100)
    key = create_key(account_id=acme.pk, license_type="cloudlinux", limit=1, actor="acme", now=NOW)

    outcomes = _at_once(
        100,
        lambda number: registered(key, f"web{number}.example.com", f"192.0.2.{number + 1}"),
    )

    assert sorted(outcomes) == ["key_limit_reached"] * 99 + ["won"]
    assert used(acme, "cloudlinux") == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_one_machine_that_registers_ten_times_at_once_takes_one_seat() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 5)

    outcomes = _at_once(10, lambda _: registered(key, "web1", machine_uuid=UUID))

    assert outcomes == ["won"] * 10
    assert used(acme, "cloudlinux") == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_two_accounts_that_try_one_address_at_once_do_not_both_win_t3() -> None:
    until = NOW + timedelta(days=30)
    keys = [on_trial(an_account(name), "kernelcare", None, until) for name in ("A", "B")]

    outcomes = _at_once(2, lambda number: registered(keys[number], "web1"))

    assert sorted(outcomes) == ["trial_ip_used", "won"]
    assert Server.objects.count() == 1


def _at_once(count: int, knock: Callable[[int], object]) -> list[str]:
    """Run `knock` in as many threads, each with a connection of its own; `won` or the code."""
    start = threading.Barrier(count)
    outcomes: list[str] = []

    def run(number: int) -> None:
        start.wait()
        try:
            outcomes.append(_as_an_agent_does(lambda: knock(number)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def _as_an_agent_does(knock: Callable[[], object]) -> str:
    """Come again where the queue for the lock is longer than three seconds (it gets a 503)."""
    for _ in range(10):
        try:
            knock()
        except Refusal as refusal:
            return refusal.code
        except OperationalError:
            continue
        return "won"
    return "busy"
