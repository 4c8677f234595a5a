"""Registering, checking in, leaving: one machine, one seat (security §1)."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections

from cln.domain.errors import Refusal
from cln.licensing.models import RefusedRegistration, Server
from cln.licensing.services import create_key, reveal
from tests.licensing import ADDRESS, NOW, an_account, bought, on_trial, registered, used

pytestmark = pytest.mark.django_db

UUID = "b1b4a0de-9f8e-4d8e-8a11-6f5d0c2e7a44"


def test_a_server_registers_with_the_default_key_and_takes_one_seat():
    acme = an_account()
    key = bought(acme, "cloudlinux", 2)

    answer = registered(key, "Web1.example.com.", os_version="8.10", machine_uuid=UUID.upper())

    server = Server.objects.get(public_id=answer.server.public_id)
    assert (server.hostname, server.address, server.os_version) == (
        "web1.example.com",
        ADDRESS,
        "8.10",
    )
    assert server.machine_uuid == UUID
    assert server.alert_after == NOW + timedelta(hours=25)
    assert not answer.reinstalled
    assert used(acme, "cloudlinux") == (1, 1)
    key.refresh_from_db()
    assert key.last_used_at == NOW


@pytest.mark.django_db(transaction=True)
def test_of_a_hundred_parallel_registrations_on_a_key_of_limit_one_exactly_one_wins():
    acme = an_account()
    bought(acme, "cloudlinux", 100)
    key = create_key(account_id=acme.pk, license_type="cloudlinux", limit=1, actor="acme", now=NOW)
    start = threading.Barrier(100)
    outcomes: list[str] = []

    def knock(number: int) -> None:
        start.wait()
        try:
            registered(key, f"web{number}.example.com", address=f"192.0.2.{number + 1}")
            outcomes.append("won")
        except Refusal as refusal:
            outcomes.append(refusal.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=knock, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["key_limit_reached"] * 99 + ["won"]
    assert used(acme, "cloudlinux") == (1, 1)
