"""Leases as they leave the house: who gets one, what it says, and the keys behind it."""

from __future__ import annotations

import base64
import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from cln.accounts.models import Account, AuditEntry
from cln.licensing.agents import AgentAnswer, Presented, check_in_agent, current_lease
from cln.licensing.features import Spot, set_feature
from cln.licensing.lease_keys import (
    declare_incident,
    end_incident,
    incident_notice,
    published_keys,
    rotate_lease_key,
    signing_key,
)
from cln.licensing.models import Entitlement, FeatureSetting, LeaseKey, MachineTrace, Server
from cln.licensing.servers import Report
from cln.licensing.surcharges import SurchargeCounter
from tests.agent import agent_module
from tests.at_once import at_once
from tests.licensing import ADDRESS, NOW, an_account, bought, on_trial, refusal_of, registered

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def check_in(secret: str, *, now: Any = LATER, **presented: str) -> AgentAnswer:
    return check_in_agent(
        secret=secret,
        address=ADDRESS,
        report=Report(),
        presented=Presented(**presented),
        now=now,
    )


def opened(answer: AgentAnswer) -> dict[str, Any]:
    """What the agent reads, after it has verified it by the keys we publish."""
    keys = {row["kid"]: row["public"] for row in published_keys(now=LATER)}
    facts = agent_module().opened(answer.lease.text, b"cln-lease-v1\n", keys)
    assert facts is not None, "the agent does not trust it"
    return dict(facts)


def a_server(license_type: str = "cloudlinux") -> tuple[Server, str]:
    done = registered(bought(an_account(), license_type, 1), "web1")
    return done.server, done.secret


def test_a_check_in_brings_a_lease_that_our_agent_verifies() -> None:
    server, secret = a_server()

    answer = check_in(secret, fingerprint="f" * 64)

    facts = opened(answer)
    assert facts == {
        "alg": "Ed25519",
        "kid": signing_key(now=LATER).kid,
        "server_id": server.public_id,
        "fingerprint": "f" * 64,
        "license_type": "cloudlinux",
        "features": [],
        "iat": int(LATER.timestamp()),
        "refresh_after": int((LATER + timedelta(hours=4)).timestamp()),
        "exp": int((LATER + timedelta(days=14)).timestamp()),
        "grace_until": int((LATER + timedelta(days=28)).timestamp()),
        "seq": int(LATER.timestamp() * 1000),
    }
    server.refresh_from_db()
    assert server.last_check_in_at == LATER


def test_a_lease_adds_one_read_to_a_check_in(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    _, secret = a_server()
    tag = check_in(secret, boot="b1").lease.tag

    with django_assert_num_queries(2):  # that, and the check-in itself
        assert check_in(secret, boot="b1").lease.text
    with django_assert_num_queries(2):  # that, and the check-in itself
        assert check_in(secret, boot="b1", tag=tag).lease.text == ""


def test_who_holds_the_current_lease_gets_none_until_something_changes() -> None:
    server, secret = a_server("imunify360_30")
    tag = check_in(secret).lease.tag

    assert check_in(secret, tag=tag).lease.text == ""
    set_feature(
        account_id=server.account_id, feature="imunify_email", enabled=True, actor="a", now=LATER
    )
    changed = check_in(secret, tag=tag)
    assert opened(changed)["features"] == ["imunify_email"]
    assert check_in(secret, tag=changed.lease.tag).lease.text == ""
    assert check_in(secret, tag=changed.lease.tag, fingerprint="x").lease.text
    due = LATER + timedelta(hours=4)
    assert check_in(secret, tag=changed.lease.tag, now=due).lease.text


@pytest.mark.parametrize(
    ("account", "key", "server", "on"),
    [
        (None, None, None, False),
        (None, None, True, True),
        (None, False, True, False),
        (True, False, False, True),
        (False, True, True, False),
    ],
)
def test_the_accounts_word_on_a_feature_outweighs_the_keys_and_that_the_servers_f2(
    account: bool | None, key: bool | None, server: bool | None, on: bool
) -> None:
    row, secret = a_server("imunify360_30")
    assert row.key is not None
    for enabled, spot in (
        (account, Spot()),
        (key, Spot(key=row.key.public_id)),
        (server, Spot(server=row.public_id)),
    ):
        set_feature(
            account_id=row.account_id,
            feature="imunify_email",
            enabled=enabled,
            spot=spot,
            actor="a",
            now=LATER,
        )

    assert opened(check_in(secret))["features"] == (["imunify_email"] if on else [])


@pytest.mark.parametrize(
    ("license_type", "usual"),
    [
        ("cloudlinux_pro", ["accelerate_wp_cdn", "accelerate_wp_premium"]),
        ("cloudlinux_solo", []),
        ("cloudlinux_admin", []),
        ("cloudlinux", []),
    ],
)
def test_accelerate_wp_is_usual_with_shared_pro_of_customers_alone_f5(
    license_type: str, usual: list[str]
) -> None:
    """F-5, and F-2: any level that is set outweighs what is usual."""
    row, secret = a_server(license_type)
    assert row.key is not None

    def on(feature: str, enabled: bool | None, spot: Spot) -> list[str]:
        set_feature(
            account_id=row.account_id,
            feature=f"accelerate_wp_{feature}",
            enabled=enabled,
            spot=spot,
            actor="a",
            now=LATER,
        )
        return list(opened(check_in(secret))["features"])

    assert opened(check_in(secret))["features"] == usual
    at_server, at_key = Spot(server=row.public_id), Spot(key=row.key.public_id)
    assert on("cdn", True, at_server) == sorted({*usual, "accelerate_wp_cdn"})
    assert on("cdn", False, at_key) == [one for one in usual if one != "accelerate_wp_cdn"]
    assert on("cdn", None, at_key) == sorted({*usual, "accelerate_wp_cdn"})
    assert on("cdn", None, at_server) == usual
    assert SurchargeCounter([row.account_id]).counts() == {}
    Account.objects.filter(pk=row.account_id).update(
        kind="reseller", next_usage_on=date(2026, 4, 1)
    )
    assert opened(check_in(secret))["features"] == []
    assert on("premium", True, at_key) == ["accelerate_wp_premium"]


def test_a_reinstalled_server_keeps_what_was_switched_on_it() -> None:
    """F-1: the seat is the same, and the registration it replaced keeps its own for undo."""
    row, _ = a_server("imunify360_30")
    assert row.key is not None
    set_feature(
        account_id=row.account_id,
        feature="imunify_email",
        enabled=True,
        spot=Spot(server=row.public_id),
        actor="a",
        now=LATER,
    )

    again = registered(row.key, "web1")

    assert (again.reinstalled, again.server.pk == row.pk) == (True, False)
    assert opened(check_in(again.secret))["features"] == ["imunify_email"]
    assert FeatureSetting.objects.filter(server=row).count() == 1


def test_a_trial_ends_its_lease_t4() -> None:
    done = registered(on_trial(an_account(), "cloudlinux", 1, NOW + timedelta(days=3)), "web1")

    facts = opened(check_in(done.secret))

    assert facts["grace_until"] == int((NOW.replace(hour=0) + timedelta(days=4)).timestamp())


@pytest.mark.parametrize(
    "change", [{"suspended_at": NOW}, {"valid_until": NOW}, {"quantity": 0, "used": 0}]
)
def test_a_license_that_does_not_run_gets_no_lease(change: dict[str, object]) -> None:
    _, secret = a_server()
    Entitlement.objects.update(**change)

    answer = check_in(secret)

    assert (answer.lease.text, answer.lease.tag) == ("", "")
    assert answer.worth.state in {"suspended", "ended"}


def test_the_lease_alone_is_no_check_in() -> None:
    server, secret = a_server()

    answer = current_lease(secret=secret, presented=Presented(), now=LATER)

    assert opened(answer)["server_id"] == server.public_id
    server.refresh_from_db()
    assert server.last_check_in_at is None


def test_every_server_is_told_its_own_slot() -> None:
    _, secret = a_server()

    slot = check_in(secret).next_check_in_at

    assert timedelta(hours=2) <= slot - LATER < timedelta(hours=6)
    assert check_in(secret, now=slot).next_check_in_at == slot + timedelta(hours=4)


# -- keys ----------------------------------------------------------------------------------------


def test_the_private_key_is_sealed_in_the_database() -> None:
    key = signing_key(now=NOW)
    [published] = published_keys(now=NOW)

    assert published == {
        "kid": key.kid,
        "alg": "Ed25519",
        "public": bytes(key.public).hex(),
        "signs": True,
    }
    assert bytes(key.cipher).startswith(b"gAAAA"), "a Fernet token"


@pytest.mark.django_db(transaction=True)
def test_two_first_leases_at_once_agree_on_one_key() -> None:
    keys = at_once(*[lambda: signing_key(now=NOW).kid] * 8)

    assert len(set(keys)) == 1
    assert LeaseKey.objects.count() == 1


def test_a_rotated_key_verifies_until_its_last_lease_has_run_out() -> None:
    _, secret = a_server()
    before = check_in(secret)

    new = rotate_lease_key(now=LATER)

    old_kid = opened(before)["kid"]
    assert [(row["kid"], row["signs"]) for row in published_keys(now=LATER)] == [
        (new.kid, True),
        (old_kid, False),
    ]
    after = check_in(secret, tag=before.lease.tag)
    assert opened(after)["kid"] == new.kid, "the lease is renewed with the key"
    assert refusal_of(rotate_lease_key, now=LATER).code == "lease_keys_overlap"
    over = LATER + timedelta(days=28)
    assert len(published_keys(now=over - timedelta(seconds=1))) == 2
    assert [row["kid"] for row in published_keys(now=over)] == [new.kid]
    assert rotate_lease_key(now=over).kid != new.kid
    assert AuditEntry.objects.filter(verb="lease_key_rotated").count() == 2


def test_a_key_that_leaked_is_withdrawn_at_once() -> None:
    first = signing_key(now=NOW)
    second = rotate_lease_key(now=NOW)

    third = rotate_lease_key(withdraw_old=True, now=NOW)

    assert [row["kid"] for row in published_keys(now=NOW)] == [third.kid]
    assert len({first.kid, second.kid, third.kid}) == 3


def test_the_database_lets_one_key_sign() -> None:
    key = signing_key(now=NOW)
    key.pk, key.kid = None, "k2"

    with pytest.raises(IntegrityError), transaction.atomic():
        key.save(force_insert=True)


# -- incidents -----------------------------------------------------------------------------------


def test_a_declared_incident_stretches_every_new_lease_and_ends() -> None:
    _, secret = a_server()
    quiet = check_in(secret)

    declare_incident(days=30, reason="The data center burns", now=LATER)
    stretched = check_in(secret, tag=quiet.lease.tag)
    end_incident(now=LATER)
    after = check_in(secret, tag=stretched.lease.tag)

    assert [opened(one)["exp"] - int(LATER.timestamp()) for one in (quiet, stretched, after)] == [
        14 * 86_400,
        44 * 86_400,
        14 * 86_400,
    ]
    assert (quiet.incident, after.incident) == (None, None)
    verbs = AuditEntry.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs)[-2:] == ["lease_incident_declared", "lease_incident_ended"]


def test_an_incident_stretches_the_leases_that_are_out_by_a_signed_notice() -> None:
    assert incident_notice(now=NOW) is None
    declare_incident(days=30, reason="Flood", now=NOW)

    notice = incident_notice(now=NOW)

    assert notice is not None
    body = base64.urlsafe_b64decode(notice.partition(".")[0] + "==")
    assert json.loads(body) == {
        "alg": "Ed25519",
        "kid": signing_key(now=NOW).kid,
        "starts_at": int(NOW.timestamp()),
        "until": int((NOW + timedelta(days=30)).timestamp()),
    }


@pytest.mark.parametrize(("days", "reason"), [(0, "x"), (366, "x"), (30, " "), (-1, "x")])
def test_an_incident_needs_a_reason_and_a_measure(days: int, reason: str) -> None:
    assert refusal_of(declare_incident, days=days, reason=reason, now=NOW).code == "bad_incident"
    assert incident_notice(now=NOW) is None


def test_one_incident_at_a_time() -> None:
    assert refusal_of(end_incident, now=NOW).code == "no_incident"
    declare_incident(days=30, reason="Flood", now=NOW)

    assert refusal_of(declare_incident, days=9, reason="Fire", now=NOW).code == "incident_open"


def test_a_key_retired_in_an_incident_is_published_for_its_stretched_leases() -> None:
    declare_incident(days=30, reason="Flood", now=NOW)
    rotate_lease_key(now=NOW)

    until = LeaseKey.objects.get(signs=False).published_until
    assert until == NOW + timedelta(days=58)
    assert until.date() == date(2026, 5, 7)


def test_a_check_in_writes_nothing_of_the_machine_unless_it_restarted() -> None:
    server, secret = a_server()

    check_in(secret)
    assert not MachineTrace.objects.exists(), "who tells no boot leaves no trace"
    check_in(secret, boot="b1", fingerprint="one")
    trace = MachineTrace.objects.get(server=server)
    assert (trace.boot, trace.former_boots, trace.fingerprint) == ("b1", [], "one")
