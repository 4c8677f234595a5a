"""Activation keys: who may have them, how they change, what removing one does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cln import vault
from cln.accounts.models import AuditEntry
from cln.licensing import queries
from cln.licensing.key_lists import RemovedKeys, remove_keys
from cln.licensing.keys import PURPOSE, find_key
from cln.licensing.models import ActivationKey
from cln.licensing.services import create_key, make_default, remove_key, reveal, update_key
from tests.licensing import NOW, an_account, bought, on_trial, refusal_of, registered, used
from tests.v1 import a_client

pytestmark = pytest.mark.django_db


def code_of(verb: Callable[..., object], **arguments: Any) -> str:
    return refusal_of(verb, **arguments).code


def test_the_first_grant_creates_the_default_key_and_the_second_none_k2_b7() -> None:
    acme = an_account()
    first = bought(acme, "kernelcare", 2)
    second = bought(acme, "kernelcare", 5)

    assert first.pk == second.pk
    assert (first.limit, first.is_default, first.cidrs) == (0, True, [])
    assert len(queries.keys_of(acme.pk)) == 1


@pytest.mark.parametrize(
    ("license_type", "shape"),
    [
        ("kernelcare", r"[A-Za-z][A-Za-z0-9]{15}"),
        ("cloudlinux", r"CL-[A-Za-z]{24}"),
        ("imunify360_30", r"IM30[A-Za-z0-9]{16}"),
        ("els_centos6", r"CELS-[A-Za-z0-9]{24}"),
    ],
)
def test_a_key_has_the_shape_of_its_license_type_p47(license_type: str, shape: str) -> None:
    key = bought(an_account(), license_type, 1)

    assert re.fullmatch(shape, reveal(key))
    assert key.last4 == reveal(key)[-4:]


@pytest.mark.parametrize(
    "text",
    [
        "1231-2b48feedf5b5a0e0609ae028d9275c93",
        "111666-CLN-2b48feedf5b5a0e0609ae028d9275c93",
        "CLSOLO-2b48feedf5b5a0e0609ae028d9275c93",
        "IM250H94UpSnG4lfPQmE",
        "WsTs821nSAtiastD",
        "CELS_8-yUDxBd5ethmGO5d3hnAZEau0",
        "CELS-yUDxBd5ethmGO5d3hnAZEau0",
    ],
)
def test_a_key_of_any_age_is_looked_up_tv12(text: str) -> None:
    """No shape is turned away unseen: a moved-in row with this text is found."""
    key = bought(an_account(), "cloudlinux", 1)
    assert find_key(text) is None

    ActivationKey.objects.filter(pk=key.pk).update(lookup_hash=vault.lookup_hash(PURPOSE, text))

    assert find_key(f" {text}\n") == key


def test_the_text_of_a_key_is_not_in_its_row() -> None:
    key = bought(an_account(), "kernelcare", 1)

    stored = b" ".join(bytes(part) for part in (key.cipher, key.lookup_hash))

    assert reveal(key).encode() not in stored


def test_blanks_around_a_key_are_ignored_but_letters_case_is_not_p47() -> None:
    key = bought(an_account(), "kernelcare", 1)

    assert find_key(f"  {reveal(key)}\n") == key
    assert find_key(reveal(key).swapcase()) is None
    assert find_key("\ud800" * 16) is None


def test_a_key_needs_a_license_k1() -> None:
    acme = an_account()
    bought(acme, "kernelcare", 1)

    refused = code_of(
        create_key, account_id=acme.pk, license_type="cloudlinux", actor="acme", now=NOW
    )

    assert refused == "no_license"
    assert len(queries.keys_of(acme.pk)) == 1


def test_a_key_needs_a_trial_that_still_runs_k1() -> None:
    acme = an_account()
    on_trial(acme, "kernelcare", None, until=NOW + timedelta(days=30))
    ask = {"account_id": acme.pk, "license_type": "kernelcare", "actor": "acme"}

    create_key(**ask, now=NOW + timedelta(days=29))

    assert code_of(create_key, **ask, now=NOW + timedelta(days=30)) == "no_license"


def test_a_license_type_bound_to_addresses_has_no_keys() -> None:
    refused = code_of(
        create_key,
        account_id=an_account().pk,
        license_type="kernelcare_plus",
        actor="acme",
        now=NOW,
    )

    assert refused == "license_type_without_keys"


def test_a_key_keeps_limit_note_and_ranges_in_canonical_form() -> None:
    acme = an_account()
    bought(acme, "kernelcare", 1)

    key = create_key(
        account_id=acme.pk,
        license_type="kernelcare",
        limit=3,
        note="  web\x00 servers ",
        cidrs=["192.0.2.7", "2001:DB8::/32"],
        actor="acme",
        now=NOW,
    )

    key.refresh_from_db()
    assert (key.limit, key.note, key.is_default) == (3, "web  servers", False)
    assert key.cidrs == ["192.0.2.7/32", "2001:db8::/32"]
    entry = AuditEntry.objects.get(verb="key_created")
    assert (entry.actor, entry.details) == (
        "acme",
        {"limit": 3, "note": "web  servers", "cidrs": "192.0.2.7/32, 2001:db8::/32"},
    )
    assert reveal(key) not in str(entry.details) + entry.subject


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"limit": -1}, "bad_key_limit"),
        ({"limit": 100_001}, "bad_key_limit"),
        ({"limit": True}, "bad_key_limit"),
        ({"limit": "3"}, "bad_key_limit"),
        ({"note": "x" * 101}, "note_too_long"),
        ({"cidrs": ["192.0.2.1/24"]}, "bad_range"),
        ({"cidrs": ["nonsense"]}, "bad_range"),
    ],
)
def test_a_wrong_value_changes_neither_a_new_nor_an_old_key(
    change: dict[str, object], code: str
) -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 1)

    assert code == code_of(
        create_key,
        account_id=acme.pk,
        license_type="kernelcare",
        actor="acme",
        now=NOW,
        **change,
    )
    assert code == code_of(
        update_key, account_id=acme.pk, key=key.public_id, actor="acme", now=NOW, **change
    )

    (row,) = queries.keys_of(acme.pk)
    assert (row.limit, row.note, row.cidrs) == (0, "", ())


def test_an_update_leaves_alone_what_it_does_not_name() -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 1)
    ask = {"account_id": acme.pk, "key": key.public_id, "actor": "acme", "now": NOW}
    update_key(**ask, limit=5, note="web", cidrs=["192.0.2.0/24"])

    update_key(**ask, note="")

    (row,) = queries.keys_of(acme.pk)
    assert (row.limit, row.note, row.cidrs) == (5, "", ("192.0.2.0/24",))


def test_a_limit_below_the_servers_in_use_is_refused_and_zero_is_unlimited_k4() -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 3)
    registered(key, "web1", "192.0.2.1")
    registered(key, "web2", "192.0.2.2")
    ask = {"account_id": acme.pk, "key": key.public_id, "actor": "acme", "now": NOW}

    assert code_of(update_key, **ask, limit=1) == "key_limit_below_used"
    assert queries.keys_of(acme.pk)[0].limit == 0

    update_key(**ask, limit=2)
    update_key(**ask, limit=0)
    assert queries.keys_of(acme.pk)[0].limit == 0


def test_the_default_key_cannot_be_removed_k2() -> None:
    acme = an_account()
    key = bought(acme, "kernelcare", 1)
    registered(key, "web1")

    refused = code_of(remove_key, account_id=acme.pk, key=key.public_id, actor="acme", now=NOW)

    assert refused == "default_key_stays"
    assert used(acme, "kernelcare") == (1, 1)


def test_a_resellers_default_key_goes_and_its_oldest_other_takes_its_place() -> None:
    zenith = a_client("zenith").account
    wish = {"account_id": zenith.pk, "actor": "zenith", "now": NOW}
    keys = [create_key(license_type="kernelcare", **wish) for _ in range(3)]
    alone = create_key(license_type="imunify360_30", **wish)

    def defaults() -> dict[str, str]:
        return {
            row.license_type: row.public_id for row in queries.default_keys_of(zenith.pk).values()
        }

    assert defaults() == {"kernelcare": keys[0].public_id, "imunify360_30": alone.public_id}
    remove_key(key=alone.public_id, **wish)
    remove_key(key=keys[0].public_id, **wish)
    assert defaults() == {"kernelcare": keys[1].public_id}
    assert remove_keys(keys=[key.public_id for key in keys], **wish) == RemovedKeys(2, 0)
    assert defaults() == {}


def test_removing_a_key_removes_its_servers_and_frees_their_seats_k6() -> None:
    acme = an_account()
    default = bought(acme, "kernelcare", 3)
    key = create_key(account_id=acme.pk, license_type="kernelcare", actor="acme", now=NOW)
    registered(default, "web1", "192.0.2.1")
    registered(key, "web2", "192.0.2.2")
    registered(key, "web3", "192.0.2.3")

    assert remove_key(account_id=acme.pk, key=key.public_id, actor="acme", now=NOW) == 2

    assert used(acme, "kernelcare") == (1, 1)
    assert [row.hostname for row in queries.servers_of(acme.pk)] == ["web1"]
    assert find_key(reveal(key)) is None
    assert code_of(queries.get_key, account_id=acme.pk, public_id=key.public_id) == "unknown_key"


def test_another_key_becomes_the_default_and_the_old_one_may_go() -> None:
    acme = an_account()
    old = bought(acme, "kernelcare", 1)
    new = create_key(account_id=acme.pk, license_type="kernelcare", actor="acme", now=NOW)

    make_default(account_id=acme.pk, key=new.public_id, actor="acme", now=NOW)
    remove_key(account_id=acme.pk, key=old.public_id, actor="acme", now=NOW)

    row = queries.default_key_of(acme.pk, "kernelcare")
    assert row is not None
    assert row.public_id == new.public_id


def test_a_foreign_key_and_an_absent_one_are_refused_alike() -> None:
    key = bought(an_account(), "kernelcare", 1)
    mallory = an_account("Mallory")
    ask = {"account_id": mallory.pk, "actor": "mallory", "now": NOW}
    refusals = [
        refusal_of(verb, key=public_id, **ask)
        for public_id in (key.public_id, "key_nothing")
        for verb in (update_key, make_default, remove_key)
    ]
    texts = [(refusal.code, refusal.message, refusal.fix) for refusal in refusals]

    assert len(set(texts)) == 1
    assert texts[0][0] == "unknown_key"
    assert ActivationKey.objects.filter(removed_at=None, is_default=True).count() == 1


def test_key_details_show_its_servers_and_no_others() -> None:
    acme = an_account()
    default = bought(acme, "kernelcare", 3)
    key = create_key(account_id=acme.pk, license_type="kernelcare", limit=1, actor="acme", now=NOW)
    registered(default, "web1", "192.0.2.1")
    registered(key, "web2", "192.0.2.2")

    details = queries.key_details(account_id=acme.pk, public_id=key.public_id, now=NOW)

    assert details.key.text == reveal(key)
    assert (details.key.used, details.key.limit) == (1, 1)
    assert [row.hostname for row in details.servers] == ["web2"]
    assert (details.count, details.unnamed) == (1, 0)
