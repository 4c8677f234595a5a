"""Registering, checking in, leaving: one machine, one seat (security §1)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from django.db import connections, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from cln.accounts.models import Account, AuditEntry
from cln.domain.errors import Refusal
from cln.enums import ServerStatus
from cln.licensing import queries
from cln.licensing.models import RefusedRegistration, Server, TrialAddress
from cln.licensing.services import (
    CheckIn,
    Hints,
    LicenseState,
    Report,
    check_in,
    clear_trial_address,
    create_key,
    end_entitlement,
    register_server,
    remove_server,
    reveal,
    suspend,
    undo_reinstall,
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


def test_a_server_registers_with_the_default_key_and_takes_one_seat() -> None:
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


# -- the same machine again ----------------------------------------------------------------------


def test_a_machine_that_shows_its_secret_stays_the_same_server_whatever_its_address() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)
    first = registered(key, "web1", os_version="7.9")

    again = registered(key, "renamed", "198.51.100.7", os_version="8.10", secret=first.secret)

    assert again.server.pk == first.server.pk
    assert (again.secret, again.reinstalled) == (first.secret, False)
    (row,) = queries.servers_of(acme.pk)
    assert (row.hostname, row.address, row.os_version) == ("renamed", "198.51.100.7", "8.10")
    assert used(acme, "cloudlinux") == (1, 1)


@pytest.mark.parametrize(
    ("hostname", "address", "uuid"),
    [("web1", ADDRESS, ""), ("WEB1.", ADDRESS, ""), ("other", "198.51.100.7", UUID)],
)
def test_a_strong_match_without_the_secret_is_a_reinstall_in_the_same_seat(
    hostname: str, address: str, uuid: str
) -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)
    first = registered(key, "web1", machine_uuid=UUID)

    again = registered(key, hostname, address, machine_uuid=uuid, now=NOW + timedelta(days=1))

    assert again.reinstalled
    assert again.server.pk != first.server.pk
    assert again.secret != first.secret
    old = Server.objects.get(pk=first.server.pk)
    assert (old.status, old.removed_at) == (ServerStatus.SUPERSEDED, NOW + timedelta(days=1))
    assert again.server.supersedes == old
    assert used(acme, "cloudlinux") == (1, 1)
    details = queries.server_details(account_id=acme.pk, public_id=again.server.public_id)
    assert [row.public_id for row in details.history] == [first.server.public_id]


@pytest.mark.parametrize(
    ("hostname", "address", "uuid"),
    [
        ("web1", "198.51.100.7", ""),
        ("web2", ADDRESS, ""),
        ("localhost", ADDRESS, ""),
        ("web2", "198.51.100.7", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_a_weak_match_is_a_new_server_with_a_seat_of_its_own(
    hostname: str, address: str, uuid: str
) -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 3)
    registered(key, "web1", machine_uuid=uuid)
    registered(key, "localhost", machine_uuid=uuid)

    assert not registered(key, hostname, address, machine_uuid=uuid).reinstalled

    assert used(acme, "cloudlinux") == (3, 3)


def test_a_wrong_reinstall_can_be_undone_for_72_hours() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)
    old = registered(key, "web1")
    new = registered(key, "web1")
    ask = {"account_id": acme.pk, "server": new.server.public_id, "actor": "acme"}

    too_late = refusal_of(undo_reinstall, **ask, now=NOW + timedelta(hours=72, seconds=1))
    back = undo_reinstall(**ask, now=NOW + timedelta(hours=72))

    assert too_late.code == "undo_too_late"
    assert back.pk == old.server.pk
    assert _checked_in(old.secret).public_id == old.server.public_id
    assert refusal_of(_checked_in, secret=new.secret).code == "server_removed"
    assert used(acme, "cloudlinux") == (1, 1)
    assert refusal_of(undo_reinstall, **ask, now=NOW).code == "server_removed"


def test_a_server_that_replaced_none_has_no_reinstall_to_undo() -> None:
    acme = an_account()
    server = registered(bought(acme, "cloudlinux", 1), "web1").server

    refused = refusal_of(
        undo_reinstall, account_id=acme.pk, server=server.public_id, actor="acme", now=NOW
    )

    assert refused.code == "not_a_reinstall"
    server.refresh_from_db()
    assert server.status == ServerStatus.ACTIVE


def test_a_machine_moves_to_another_key_with_its_secret_and_its_one_seat() -> None:
    acme = an_account()
    old = bought(acme, "cloudlinux", 1)
    new = create_key(account_id=acme.pk, license_type="cloudlinux", limit=1, actor="acme", now=NOW)
    first = registered(old, "web1")

    moved = registered(new, "web1", secret=first.secret)

    assert (moved.server.pk, moved.secret) == (first.server.pk, first.secret)
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.used, new.used) == (0, 1)
    assert used(acme, "cloudlinux") == (1, 1)


def test_a_move_to_a_full_key_is_refused_and_leaves_the_server_where_it_was() -> None:
    acme = an_account()
    old = bought(acme, "cloudlinux", 2)
    full = create_key(account_id=acme.pk, license_type="cloudlinux", limit=1, actor="acme", now=NOW)
    registered(full, "web2", "192.0.2.2")
    first = registered(old, "web1")

    refused = refusal_of(registered, key=full, hostname="web1", secret=first.secret)

    assert refused.code == "key_limit_reached"
    old.refresh_from_db()
    assert old.used == 1
    assert used(acme, "cloudlinux") == (2, 2)


def test_somebody_elses_secret_proves_nothing() -> None:
    victim = registered(bought(an_account("Zenith"), "cloudlinux", 1), "web1")
    acme = an_account()

    mine = registered(bought(acme, "cloudlinux", 1), "web1", secret=victim.secret)

    assert mine.server.pk != victim.server.pk
    assert mine.secret != victim.secret
    victim.server.refresh_from_db()
    assert victim.server.status == ServerStatus.ACTIVE


# -- who is not let in ---------------------------------------------------------------------------


def test_a_full_key_names_the_servers_that_fill_it_and_the_way_out() -> None:
    acme = an_account()
    bought(acme, "cloudlinux", 5)
    key = create_key(account_id=acme.pk, license_type="cloudlinux", limit=1, actor="acme", now=NOW)
    registered(key, "web1")

    refused = refusal_of(registered, key=key, hostname="web2", address="192.0.2.2")

    assert refused.code == "key_limit_reached"
    assert refused.message == "Maximum usage count of 1 reached: used by web1 (192.0.2.10)."
    assert "Remove a server" in refused.fix
    assert used(acme, "cloudlinux") == (1, 1)


def test_the_pool_ends_also_for_unlimited_keys_k3() -> None:
    acme = an_account()
    default = bought(acme, "cloudlinux", 2)
    other = create_key(account_id=acme.pk, license_type="cloudlinux", actor="acme", now=NOW)
    registered(default, "web1", "192.0.2.1")
    registered(other, "web2", "192.0.2.2")

    refused = refusal_of(registered, key=other, hostname="web3", address="192.0.2.3")

    assert refused.code == "pool_exhausted"
    assert used(acme, "cloudlinux") == (2, 2)


def test_a_removed_key_and_nonsense_are_unknown_and_leave_no_trace() -> None:
    for text in ("nonsense", "", " ", "x" * 10_000, "\ud800" * 16, "CL-" + "a" * 24):
        refused = refusal_of(
            register_server, key_text=text, address=ADDRESS, hints=Hints(), now=NOW
        )
        assert refused.code == "unknown_key"
    assert RefusedRegistration.objects.count() == 0


def test_a_blocked_account_registers_nothing_new_p7() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)
    Account.objects.filter(pk=acme.pk).update(blocked_on=date(2026, 3, 1))

    assert refusal_of(registered, key=key, hostname="web1").code == "account_blocked"
    assert used(acme, "cloudlinux") == (0, 0)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("10.0.0.1", "address_not_public"),
        ("127.0.0.1", "address_not_public"),
        ("100.64.0.1", "address_not_public"),
        ("::ffff:192.168.0.1", "address_not_public"),
        ("256.1.1.1", "bad_address"),
        ("", "bad_address"),
    ],
)
def test_an_address_that_is_private_or_nonsense_is_refused_in_production(
    address: str, code: str, settings: Settings
) -> None:
    settings.CLN_ALLOW_PRIVATE_ADDRESSES = False
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)

    assert refusal_of(registered, key=key, hostname="web1", address=address).code == code
    assert used(acme, "cloudlinux") == (0, 0)


def test_a_sandbox_lets_private_addresses_in() -> None:
    key = bought(an_account(), "cloudlinux", 1)

    assert registered(key, "web1", "127.0.0.1").server.address == "127.0.0.1"


def test_an_ipv4_address_mapped_into_ipv6_is_the_same_address() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)
    registered(key, "web1", ADDRESS)

    assert registered(key, "web1", f"::ffff:{ADDRESS}").reinstalled
    assert queries.servers_of(acme.pk)[0].address == ADDRESS


def test_a_key_with_ranges_lets_in_only_what_lies_in_them() -> None:
    acme = an_account()
    bought(acme, "kernelcare", 5)
    key = create_key(
        account_id=acme.pk,
        license_type="kernelcare",
        cidrs=["192.0.2.0/28"],
        actor="acme",
        now=NOW,
    )
    registered(key, "web1", "192.0.2.15")

    refused = refusal_of(registered, key=key, hostname="web2", address="192.0.2.16")

    assert refused.code == "ip_not_in_range"
    assert used(acme, "kernelcare") == (1, 1)


def test_a_refusal_is_kept_for_the_page_of_its_key_and_audited() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)
    registered(key, "web1", "192.0.2.1")
    for minutes in (0, 10):
        at = NOW + timedelta(minutes=minutes)
        refusal_of(registered, key=key, hostname="web2", address="192.0.2.2", now=at)

    (row,) = queries.refused_registrations_of(acme.pk, now=NOW, key=key.public_id)

    assert (row.code, row.hostname, row.address) == ("pool_exhausted", "web2", "192.0.2.2")
    assert row.at == NOW + timedelta(minutes=10)
    assert row.message.startswith("The account has CloudLinux OS Shared for 1 server:")
    entry = AuditEntry.objects.get(verb="registration_refused")
    assert entry.details == {"code": "pool_exhausted", "hostname": "web2"}
    assert reveal(key) not in entry.subject
    month_later = NOW + timedelta(days=31)
    assert queries.refused_registrations_of(acme.pk, now=month_later) == ()


def test_what_a_machine_says_of_itself_is_stored_as_one_short_printable_line() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)

    registered(key, "web\x00\n1" + "x" * 300, os_version="8\ud800.10")

    (row,) = queries.servers_of(acme.pk)
    assert row.hostname == "web1" + "x" * 249
    assert row.os_version == "8.10"


# -- trials --------------------------------------------------------------------------------------


def test_an_address_that_ran_a_trial_under_any_account_runs_no_other_t3() -> None:
    until = NOW + timedelta(days=30)
    zenith, acme = an_account("Zenith"), an_account()
    registered(on_trial(zenith, "kernelcare", None, until), "web1")
    key = on_trial(acme, "kernelcare", None, until)

    refused = refusal_of(registered, key=key, hostname="web9")

    assert refused.code == "trial_ip_used"
    assert refused.message == ("You can register the IP: 192.0.2.10 under a paid license only.")
    assert used(acme, "kernelcare") == (0, 0)
    registered(on_trial(acme, "cloudlinux", 1, until), "web9")
    registered(key, "web8", "192.0.2.8")


def test_the_same_trial_registers_its_address_again_and_a_paid_license_any_t3() -> None:
    until = NOW + timedelta(days=30)
    acme, zenith = an_account(), an_account("Zenith")
    key = on_trial(acme, "kernelcare", None, until)
    registered(key, "web1")
    registered(key, "web2")

    registered(bought(zenith, "kernelcare", 1), "web3")

    assert TrialAddress.objects.get().account == acme


def test_an_operator_can_clear_the_address_of_a_trial_t3() -> None:
    until = NOW + timedelta(days=30)
    zenith, acme = an_account("Zenith"), an_account()
    server = registered(on_trial(zenith, "kernelcare", None, until), "web1").server
    product = server.license_type.product_id

    assert clear_trial_address(product_id=product, address=ADDRESS)
    assert not clear_trial_address(product_id=product, address=ADDRESS)

    registered(on_trial(acme, "kernelcare", None, until), "web9")
    assert TrialAddress.objects.get().account == acme


def test_a_refused_registration_does_not_use_up_the_address_of_a_trial_t3() -> None:
    until = NOW + timedelta(days=30)
    key = on_trial(an_account(), "cloudlinux", 1, until)
    registered(key, "web1", "192.0.2.1")

    refused = refusal_of(registered, key=key, hostname="web2", address="192.0.2.2")

    assert refused.code == "pool_exhausted"
    assert [row.address for row in TrialAddress.objects.all()] == ["192.0.2.1"]


def test_private_addresses_of_a_sandbox_are_no_mark_of_a_trial() -> None:
    until = NOW + timedelta(days=30)
    for name in ("Acme", "Zenith"):
        registered(on_trial(an_account(name), "kernelcare", None, until), "web", "127.0.0.1")

    assert TrialAddress.objects.count() == 0


def test_a_trial_holds_until_the_hour_it_ends_t4() -> None:
    acme = an_account()
    end = NOW + timedelta(days=30)
    key = on_trial(acme, "kernelcare", None, end)

    registered(key, "web1", now=end - timedelta(hours=1))

    refused = refusal_of(registered, key=key, hostname="web2", now=end)
    assert refused.code == "trial_expired"
    assert refused.message == "The trial of KernelCare ended on 9 Apr 2026."


# -- checking in and leaving ---------------------------------------------------------------------


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


def test_a_check_in_costs_one_read_and_one_write(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    done = registered(bought(an_account(), "cloudlinux", 1), "web1")

    with django_assert_num_queries(2):
        _checked_in(done.secret)


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


# -- at the same time ----------------------------------------------------------------------------


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
            knock(number)
            outcomes.append("won")
        except Refusal as refusal:
            outcomes.append(refusal.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def _checked_in(secret: str, now: datetime = NOW) -> CheckIn:
    return check_in(secret=secret, address=ADDRESS, report=Report(), now=now)
