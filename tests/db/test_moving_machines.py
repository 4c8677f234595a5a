"""A registration that goes to another machine by a code: one seat, one code, one hour."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cln.accounts.models import AuditEntry
from cln.domain.errors import Refusal
from cln.licensing.handover import move_code, move_here
from cln.licensing.models import Server
from cln.licensing.registration import Registration
from cln.licensing.services import Hints, register_server, reveal, undo_reinstall, update_key
from tests.at_once import at_once
from tests.licensing import ADDRESS, NOW, an_account, bought, refusal_of, registered, used

pytestmark = pytest.mark.django_db
NEW = "192.0.2.20"
UUID = "b1b4a0de-9f8e-4d8e-8a11-6f5d0c2e7a44"


def moves(code: str, hostname: str = "web2", address: str = NEW) -> Registration:
    return move_here(code=code, address=address, hints=Hints(hostname=hostname), now=NOW)


def test_a_moved_registration_keeps_its_seat_and_the_old_machine_is_told() -> None:
    acme = an_account()
    old = registered(bought(acme, "cloudlinux", 1), "web1")

    done = moves(move_code(old.server, now=NOW).text)

    assert (done.server.supersedes_id, done.server.hostname, done.server.address) == (
        old.server.pk,
        "web2",
        NEW,
    )
    assert done.secret != old.secret
    old.server.refresh_from_db()
    assert (old.server.status, old.server.removed_why) == (
        "superseded",
        "Moved to web2 (192.0.2.20)",
    )
    assert used(acme, "cloudlinux") == (1, 1)
    entry = AuditEntry.objects.get(verb="server_moved")
    assert (entry.subject, entry.details) == (
        done.server.public_id,
        {"from": old.server.public_id, "hostname": "web2"},
    )


def test_a_code_works_once_and_for_an_hour() -> None:
    acme = an_account()
    old = registered(bought(acme, "cloudlinux", 2), "web1").server
    code = move_code(old, now=NOW)

    assert code.expires_at == NOW + timedelta(hours=1)
    late = refusal_of(
        move_here, code=code.text, address=NEW, hints=Hints(), now=NOW + timedelta(hours=1)
    )
    assert late.code == "bad_move_code"
    moves(code.text)
    assert refusal_of(moves, code=code.text).code == "bad_move_code"
    assert used(acme, "cloudlinux") == (1, 1)


def test_a_code_that_was_changed_is_none() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 2)
    code = move_code(registered(key, "web1").server, now=NOW).text
    other = registered(key, "web9", "192.0.2.9").server
    head, name, seconds, mac = code.split("_")

    for forged in (
        "",
        "nonsense",
        f"{head}_{name}_{int(seconds) + 3600}_{mac}",
        f"{head}_{other.public_id[4:]}_{seconds}_{mac}",
        f"{head}_{name}_{seconds}_{'0' * 32}",
        f"{head}_{name}_٣_{mac}",
        f"{head}_{'x' * 20}_{seconds}_{mac}",
    ):
        assert refusal_of(moves, code=forged).code == "bad_move_code"
    assert Server.objects.filter(status="active").count() == 2


def test_the_keys_ranges_hold_for_the_new_machine_too() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 1)
    old = registered(key, "web1").server
    update_key(
        account_id=acme.pk, key=key.public_id, cidrs=[f"{ADDRESS}/32"], actor="acme", now=NOW
    )

    refusal = refusal_of(moves, code=move_code(old, now=NOW).text)

    assert refusal.code == "ip_not_in_range"
    old.refresh_from_db()
    assert old.status == "active"


def test_a_move_can_be_taken_back_for_72_hours() -> None:
    acme = an_account()
    old = registered(bought(acme, "cloudlinux", 1), "web1").server
    done = moves(move_code(old, now=NOW).text)

    undo_reinstall(
        account_id=acme.pk,
        server=done.server.public_id,
        actor="acme",
        now=NOW + timedelta(hours=72),
    )

    old.refresh_from_db()
    assert (old.status, old.removed_why) == ("active", "")
    assert used(acme, "cloudlinux") == (1, 1)


def test_a_copied_server_gets_a_seat_of_its_own_where_it_asks_for_one() -> None:
    acme = an_account()
    key = bought(acme, "cloudlinux", 2)
    first = registered(key, "web1", machine_uuid=UUID)

    copy = register_server(
        key_text=reveal(key),
        address=ADDRESS,
        hints=Hints(hostname="web1", machine_uuid=UUID, secret=first.secret, is_copy=True),
        now=NOW,
    )

    assert (copy.reinstalled, copy.server.supersedes_id) == (False, None)
    assert used(acme, "cloudlinux") == (2, 2)


@pytest.mark.django_db(transaction=True)
def test_of_two_machines_with_one_code_one_gets_the_seat() -> None:
    acme = an_account()
    code = move_code(registered(bought(acme, "cloudlinux", 2), "web1").server, now=NOW).text

    outcomes = at_once(
        *[lambda n=n: moves(code, f"new{n}", f"192.0.2.{n}").server.pk for n in range(30, 34)]
    )

    won = [one for one in outcomes if not isinstance(one, Refusal)]
    assert len(won) == 1
    assert used(acme, "cloudlinux") == (1, 1)
