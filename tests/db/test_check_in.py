"""What a registered server does: it checks in, leaves, and is found in lists."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from cln.domain.errors import Refusal
from cln.enums import ServerStatus
from cln.licensing import queries
from cln.licensing.check_ins import Contact, check_in_many, contact_of
from cln.licensing.models import CheckInTally, Server
from cln.licensing.services import (
    CheckIn,
    LicenseState,
    Report,
    check_in,
    create_key,
    end_entitlement,
    remove_server,
    suspend,
    unregister,
)
from tests.licensing import (
    ADDRESS,
    NOW,
    an_account,
    bought,
    on_trial,
    refusal_of,
    registered,
    used,
)

pytestmark = pytest.mark.django_db

UUID = "b1b4a0de-9f8e-4d8e-8a11-6f5d0c2e7a44"


def test_a_check_in_writes_what_the_server_reports_and_watches_it_from_then_on() -> None:
    acme = an_account()
    done = registered(bought(acme, "cloudlinux", 1), "web1", os_version="7.9")
    later = NOW + timedelta(days=2)

    answer = check_in(
        secret=done.secret,
        address="198.51.100.7",
        report=Report(os_version="8.10", kernel="4.18.0-553", users=12),
        now=later,
    )

    assert answer == CheckIn(done.server.public_id, "cloudlinux", LicenseState.ACTIVE, None)
    (row,) = queries.servers_of(acme.pk)
    assert (row.hostname, row.address, row.os_version) == ("web1", "198.51.100.7", "8.10")
    assert (row.kernel, row.users, row.last_check_in_at) == ("4.18.0-553", 12, later)
    assert row.alert_after == later + timedelta(hours=25)


@pytest.mark.django_db(transaction=True)
def test_check_ins_of_one_moment_are_one_commit_and_get_their_own_answers() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 3)
    done = [registered(key, f"web{n}", f"192.0.2.{n}") for n in (1, 2, 3)]
    unregister(secret=done[2].secret, now=NOW)
    later = NOW + timedelta(hours=4)
    contacts = [_contact(one.secret, f"192.0.2.{n}") for n, one in enumerate(done, 1)]

    first, stranger, second, removed = check_in_many(
        [contacts[0], _contact("x" * 20, "192.0.2.9"), *contacts[1:]], now=later
    )

    assert first == CheckIn(done[0].server.public_id, "cloudlinux", LicenseState.ACTIVE, None)
    assert second == CheckIn(done[1].server.public_id, "cloudlinux", LicenseState.ACTIVE, None)
    assert isinstance(stranger, Refusal)
    assert isinstance(removed, Refusal)
    assert (stranger.code, removed.code) == ("unknown_server", "server_removed")
    seen = Server.objects.order_by("pk").values_list("address", "last_check_in_at")
    assert [*seen] == [("192.0.2.1", later), ("192.0.2.2", later), ("192.0.2.3", None)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT xmin::text) FROM licensing_server WHERE address < %s",
            ["192.0.2.3"],
        )
        assert cursor.fetchone() == (1,)
    assert CheckInTally.objects.get().count == 2


def test_a_check_in_costs_one_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    done = registered(bought(an_account(), "cloudlinux", 1), "web1")

    with django_assert_num_queries(1):
        _checked_in(done.secret)


@pytest.mark.django_db(transaction=True)
def test_a_check_in_touches_no_index_however_many_there_are() -> None:
    """Only then does it cost the same with a million servers: PostgreSQL calls it HOT."""
    done = registered(bought(an_account(), "cloudlinux", 1), "web1")
    before = _updates()

    for hour in range(1, 5):
        _checked_in(done.secret, NOW + timedelta(hours=hour))

    all_updates, hot_updates = (now - then for now, then in zip(_updates(), before, strict=True))
    assert (all_updates, hot_updates) == (4, 4)


def test_a_check_in_says_what_the_license_is_worth() -> None:
    acme = an_account()
    end = NOW + timedelta(days=30)
    paid = registered(bought(acme, "cloudlinux", 1), "web1").secret
    tried = registered(on_trial(acme, "kernelcare", None, end), "web1").secret

    assert _checked_in(paid).state is LicenseState.ACTIVE
    assert _checked_in(tried) == CheckIn(
        Server.objects.get(license_type__code="kernelcare").public_id,
        "kernelcare",
        LicenseState.TRIAL,
        date(2026, 4, 9),
    )
    assert _checked_in(tried, end).state is LicenseState.TRIAL_ENDED

    suspend(account_id=acme.pk, now=NOW)
    assert _checked_in(paid).state is LicenseState.SUSPENDED


def test_an_included_license_is_worth_what_imunify360_is_s3() -> None:
    acme = an_account()
    registered(bought(acme, "imunify360_30", 1), "web1")
    key = create_key(account_id=acme.pk, license_type="kernelcare", actor="acme", now=NOW)
    secret = registered(key, "web1").secret

    assert _checked_in(secret).state is LicenseState.ACTIVE


def test_a_removed_server_is_told_why_and_does_not_come_back_by_itself() -> None:
    acme = an_account()
    done = registered(bought(acme, "cloudlinux", 1), "web1")
    with transaction.atomic():
        end_entitlement(account_id=acme.pk, license_type="cloudlinux", now=NOW, why="unpaid")

    refused = refusal_of(_checked_in, secret=done.secret)

    assert refused.code == "server_removed"
    assert refused.message == "This server is not registered any more: unpaid."
    assert Server.objects.get().last_check_in_at is None


@pytest.mark.parametrize("secret", ["", "nonsense", "x" * 5000, "\x00" * 20, "\ud800" * 20])
def test_an_unknown_secret_is_refused(secret: str) -> None:
    assert refusal_of(_checked_in, secret=secret).code == "unknown_server"
    assert refusal_of(unregister, secret=secret, now=NOW).code == "unknown_server"


def test_a_server_that_unregisters_frees_its_seat_at_once() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)
    done = registered(key, "web1")

    server = unregister(secret=done.secret, now=NOW)

    assert (server.status, server.removed_why) == (
        ServerStatus.REMOVED,
        "Unregistered on the server",
    )
    registered(key, "web2", "192.0.2.2")
    assert used(acme, "cloudlinux") == (1, 1)
    assert refusal_of(unregister, secret=done.secret, now=NOW).code == "server_removed"
    assert used(acme, "cloudlinux") == (1, 1)


def test_servers_are_found_by_name_address_product_and_day() -> None:
    acme = an_account()
    paid, patched = bought(acme, "cloudlinux", 2), bought(acme, "kernelcare", 2)
    registered(paid, "web1", "192.0.2.1")
    registered(patched, "db1", "192.0.2.2", now=NOW + timedelta(days=5))
    gone = registered(paid, "old1", "192.0.2.3").server
    with transaction.atomic():
        remove_server(account_id=acme.pk, server=gone.public_id, why="old", now=NOW)

    def names(**filters: object) -> list[str]:
        found = queries.servers_of(acme.pk, queries.ServerFilter(**filters))
        return [row.hostname for row in found]

    assert names() == ["db1", "web1"]
    assert names(with_removed=True) == ["db1", "old1", "web1"]
    assert names(product="kernelcare") == ["db1"]
    assert names(search="WEB") == ["web1"]
    assert names(search="0.2.2") == ["db1"]
    assert names(registered_from=date(2026, 3, 11)) == ["db1"]
    assert names(registered_until=date(2026, 3, 10)) == ["web1"]
    assert names(search="' OR 1=1 --") == []


def _contact(secret: str, address: str) -> Contact:
    return contact_of(secret=secret, address=address, report=Report())


def _updates() -> tuple[int, int]:
    """Updates of the servers' table since the server started, and those that were HOT."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s",
            ["licensing_server"],
        )
        row: tuple[int, int] = cursor.fetchone()
        return row


def _checked_in(secret: str, now: datetime = NOW) -> CheckIn:
    return check_in(secret=secret, address=ADDRESS, report=Report(), now=now)
