"""Who is let in and who is not: one machine, one seat (security §1)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.db import transaction
from pytest_django import Settings

from cln.accounts.models import Account, AuditEntry
from cln.enums import ServerStatus
from cln.licensing import queries
from cln.licensing.models import RefusedRegistration, Server, TrialAddress
from cln.licensing.services import (
    CheckIn,
    Hints,
    Report,
    check_in,
    clear_trial_address,
    create_key,
    register_server,
    remove_server,
    reveal,
    undo_reinstall,
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
    assert server.alert_after == NOW + timedelta(hours=24)
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


def test_an_undone_reinstall_returns_to_the_seat_even_where_it_has_moved_meanwhile() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)
    other = create_key(account_id=acme.pk, license_type="cloudlinux", actor="acme", now=NOW)
    registered(key, "web1")
    new = registered(key, "web1")
    registered(other, "web1", secret=new.secret)

    back = undo_reinstall(account_id=acme.pk, server=new.server.public_id, actor="acme", now=NOW)

    assert back.key == other
    with transaction.atomic():
        remove_server(account_id=acme.pk, server=back.public_id, why="test", now=NOW)
    key.refresh_from_db()
    other.refresh_from_db()
    assert (key.used, other.used) == (0, 0)


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


def _checked_in(secret: str, now: datetime = NOW) -> CheckIn:
    return check_in(secret=secret, address=ADDRESS, report=Report(), now=now)
