"""A webhook's secret is changed: both sign for a while, then the new one alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from cln import vault
from cln.accounts.models import Account, AuditEntry
from cln.flows import tasks
from cln.notifications import webhook_secrets, webhooks
from cln.notifications.models import WebhookEndpoint
from tests.customers import clock_at
from tests.licensing import NOW, an_account, bought, refusal_of
from tests.receiver import Receiver, a_receiver, listening, sent
from tests.v2 import V2Client, a_v2_client

pytestmark = pytest.mark.django_db
DAY = timedelta(hours=24)


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.CLN_WEBHOOK_INSECURE = True
    with a_receiver() as receiver:
        yield receiver


def rotated(endpoint: WebhookEndpoint, *, overlap: timedelta = DAY, now: Any = NOW) -> str:
    """The endpoint's new secret."""
    _, secret = webhook_secrets.rotate_secret(
        account_id=endpoint.account_id,
        endpoint=endpoint.public_id,
        overlap=overlap,
        actor="t",
        now=now,
    )
    endpoint.refresh_from_db()
    return secret


def signed_by(receiver: Receiver, names: dict[str, str]) -> list[str]:
    """Whose signatures the latest delivery has, in their order; `names`: secret → name."""
    headers, body = receiver.arrived[-1]
    at, *found = headers["CLN-Signature"].split(",")
    text = at.removeprefix("t=").encode() + b"." + body
    known = {
        f"v1={hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()}": name
        for secret, name in names.items()
    }
    return [known.get(one, "nobody") for one in found]


def test_for_a_day_deliveries_are_signed_with_both_and_then_with_the_new_one_alone(
    acme: Account, receiver: Receiver
) -> None:
    endpoint, old = listening(acme, receiver.url, "key.created")
    bought(acme, "cloudlinux", 1)

    new = rotated(endpoint)
    names = {old: "old", new: "new"}

    assert old != new
    assert (endpoint.last4, endpoint.old_last4) == (new[-4:], old[-4:])
    assert sent() == 1, "what waited from before"
    assert signed_by(receiver, names) == ["new", "old"]
    for at, signers in [
        (NOW + DAY - timedelta(seconds=1), ["new", "old"]),
        (NOW + DAY, ["new"]),
    ]:
        webhooks.ping(account_id=acme.pk, endpoint=endpoint.public_id, now=at)
        assert sent(at) == 1
        assert signed_by(receiver, names) == signers
    assert webhook_secrets.forget_old_secrets(now=NOW + DAY - timedelta(seconds=1)) == 0
    clock_at(NOW + DAY)
    tasks.tidy_api(timestamp=0)
    endpoint.refresh_from_db()
    assert (endpoint.old_cipher, endpoint.old_last4, endpoint.old_until) == (None, "", None)
    assert rotated(endpoint, now=NOW + DAY) not in names


def test_a_third_secret_is_refused_while_two_sign_and_changes_nothing(acme: Account) -> None:
    endpoint, old = listening(acme, "https://hooks.example.com/", "key.created")
    new = rotated(endpoint)

    refusal = refusal_of(
        webhook_secrets.rotate_secret,
        account_id=acme.pk,
        endpoint=endpoint.public_id,
        overlap=DAY,
        actor="t",
        now=NOW + DAY - timedelta(seconds=1),
    )

    assert refusal.code == "webhook_rotating"
    assert refusal.message == (
        f"The secret before (…{old[-4:]}) is still signing, until 2026-03-11 12:00 UTC."
    )
    endpoint.refresh_from_db()
    both = webhook_secrets.signing_secrets(endpoint, now=NOW)
    assert both == [new, old]
    assert AuditEntry.objects.filter(verb="webhook_secret_rotated").count() == 1
    third = rotated(endpoint, now=NOW + DAY)
    assert webhook_secrets.signing_secrets(endpoint, now=NOW + DAY) == [third, new]


def test_without_an_overlap_every_old_secret_ends_at_once(acme: Account) -> None:
    endpoint, _ = listening(acme, "https://hooks.example.com/", "key.created")
    rotated(endpoint)

    third = rotated(endpoint, overlap=timedelta(0))

    assert webhook_secrets.signing_secrets(endpoint, now=NOW) == [third]
    assert (endpoint.old_cipher, endpoint.old_until) == (None, None)


def an_endpoint(client: V2Client) -> dict[str, Any]:
    made: dict[str, Any] = client.ask(
        "POST", "webhooks", {"url": "https://hooks.example.com/", "events": ["key.created"]}
    )
    return made


def test_a_secret_is_changed_over_the_api_once_and_told_in_the_audit_log() -> None:
    zenith = a_v2_client("zenith")
    made = an_endpoint(zenith)
    path = f"webhooks/{made['id']}/rotate-secret"

    new = zenith.ask("POST", path, {"overlap_hours": 2}, Idempotency_Key="k")
    again = zenith.ask("POST", path, {"overlap_hours": 2}, Idempotency_Key="k")

    assert again == new
    assert new["secret"].startswith("whsec_")
    assert new["secret"] != made["secret"]
    assert (new["secret_last4"], new["old_secret_last4"]) == (
        new["secret"][-4:],
        made["secret"][-4:],
    )
    shown = zenith.ask("GET", f"webhooks/{made['id']}")
    assert shown == {name: value for name, value in new.items() if name != "secret"}
    [told] = zenith.ask("GET", "audit?verb=webhook_secret_rotated")["data"]
    assert (told["actor"], told["subject"]) == ("zenith", made["id"])
    assert told["details"] == {
        "host": "hooks.example.com",
        "last4": new["secret"][-4:],
        "overlap_hours": 2,
    }
    row = WebhookEndpoint.objects.get()
    assert row.old_until == AuditEntry.objects.get(pk=told["id"]).at + timedelta(hours=2)
    assert new["secret"].encode() not in bytes(row.cipher)


def test_a_change_without_a_body_leaves_a_day_and_a_second_one_is_refused() -> None:
    zenith = a_v2_client("zenith")
    path = f"webhooks/{an_endpoint(zenith)['id']}/rotate-secret"

    assert zenith.send("POST", path).status_code == 200
    rotated_at = AuditEntry.objects.get(verb="webhook_secret_rotated").at
    assert WebhookEndpoint.objects.get().old_until == rotated_at + DAY
    assert zenith.refused("POST", path) == (409, "webhook_rotating")
    assert zenith.send("POST", path, {"overlap_hours": 0}).status_code == 200


@pytest.mark.parametrize("hours", [-1, 169, "2", 1.5, True, None])
def test_an_overlap_is_of_whole_hours_and_at_most_a_week(hours: object) -> None:
    zenith = a_v2_client("zenith")
    made = an_endpoint(zenith)
    path = f"webhooks/{made['id']}/rotate-secret"

    assert zenith.refused("POST", path, {"overlap_hours": hours}) == (422, "bad_argument")

    assert vault.unseal(WebhookEndpoint.objects.get().cipher) == made["secret"]
    assert not AuditEntry.objects.filter(verb="webhook_secret_rotated").exists()


def test_a_removed_endpoint_has_no_secret_to_change(acme: Account) -> None:
    endpoint, old = listening(acme, "https://hooks.example.com/", "key.created")
    webhooks.remove_endpoint(account_id=acme.pk, endpoint=endpoint.public_id, actor="t", now=NOW)

    refusal = refusal_of(
        webhook_secrets.rotate_secret,
        account_id=acme.pk,
        endpoint=endpoint.public_id,
        overlap=DAY,
        actor="t",
        now=NOW,
    )

    assert refusal.code == "unknown_webhook"
    endpoint.refresh_from_db()
    assert webhook_secrets.signing_secrets(endpoint, now=NOW) == [old]


@pytest.mark.parametrize("half", [{"old_until": NOW}, {"old_cipher": b"x"}, {"old_last4": "abcd"}])
def test_the_database_refuses_half_an_old_secret(acme: Account, half: dict[str, Any]) -> None:
    endpoint, _ = listening(acme, "https://hooks.example.com/", "key.created")

    with pytest.raises(IntegrityError, match="webhook_old_secret_ends"), transaction.atomic():
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**half)
