"""Webhooks: written with their cause, signed, retried, given up, replayed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import QuerySet
from pytest_django import Settings

from cln.accounts.models import Account, AuditEntry
from cln.enums import MessageKind
from cln.flows import subscriptions, timeline
from cln.licensing.address_servers import register_at_address
from cln.licensing.ip_licenses import add_ip_license, remove_ip_license
from cln.licensing.keys import create_key, remove_key, update_key
from cln.licensing.removal import remove_server
from cln.licensing.services import Hints, reveal, undo_reinstall
from cln.notifications import delivery, webhooks
from cln.notifications.mails import write
from cln.notifications.models import Message, WebhookEndpoint
from cln.notifications.services import BACKOFF, send_due
from cln.payments.gateways.sandbox import Script
from tests.customers import START, a_customer, buys, use_card
from tests.licensing import NOW, an_account, bought, refusal_of, registered
from tests.receiver import Receiver, a_receiver, listening, sent
from tests.v1 import a_client
from tests.v2 import a_v2_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.CLN_WEBHOOK_INSECURE = True
    with a_receiver() as receiver:
        yield receiver


def webhooks_of(account: Account) -> QuerySet[Message]:
    """The deliveries written for the account, in order."""
    return Message.objects.filter(account=account, kind=MessageKind.WEBHOOK).order_by("id")


def told(account: Account) -> list[str]:
    """The types of the events written for the account, in order."""
    return list(webhooks_of(account).values_list("template", flat=True))


def test_an_event_arrives_signed_over_its_time_and_its_bytes(
    acme: Account, receiver: Receiver
) -> None:
    _, secret = listening(acme, receiver.url, "key.created")

    key = bought(acme, "cloudlinux", 1)
    assert sent() == 1
    assert sent() == 0

    [(headers, body)] = receiver.arrived
    event = json.loads(body)
    assert event == {
        "id": event["id"],
        "type": "key.created",
        "created_at": "2026-03-10T12:00:00Z",
        "account": acme.public_id,
        "data": {
            "id": key.public_id,
            "last4": key.last4,
            "license_type": "cloudlinux",
            "limit": 0,
            "note": "",
            "is_default": True,
        },
    }
    at = int(NOW.timestamp())
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["CLN-Signature"] == f"t={at},v1={digest}"
    assert (headers["CLN-Event"], headers["CLN-Event-Id"]) == ("key.created", event["id"])
    assert headers["Content-Type"] == "application/json"
    row = Message.objects.get(kind=MessageKind.WEBHOOK)
    assert (row.sent_at, row.send_after, row.response_status) == (NOW, None, 200)
    assert reveal(key) not in row.body


def test_an_event_is_there_exactly_when_its_cause_is(acme: Account) -> None:
    listening(acme, "https://hooks.example.com/")

    with transaction.atomic():
        bought(acme, "cloudlinux", 1)
        transaction.set_rollback(True)

    assert told(acme) == []
    bought(acme, "cloudlinux", 1)
    assert told(acme) == ["key.created"]


def test_only_what_was_asked_for_is_written_and_only_for_ones_own_account(acme: Account) -> None:
    listening(acme, "https://hooks.example.com/", "server.removed")
    listening(acme, "https://other.example.com/", "server.removed", "key.created")
    zenith = an_account("Zenith")

    bought(zenith, "cloudlinux", 1)
    bought(acme, "cloudlinux", 1)

    assert told(zenith) == []
    [row] = Message.objects.filter(kind=MessageKind.WEBHOOK)
    assert row.to == "https://other.example.com/"


def test_keys_servers_and_ip_licenses_are_told() -> None:
    zenith = a_client("zenith").account
    listening(zenith, "https://hooks.example.com/")
    who: dict[str, Any] = {"account_id": zenith.pk, "actor": "t", "now": NOW}
    create_key(license_type="cloudlinux", **who)
    key = create_key(license_type="cloudlinux", limit=5, **who)

    update_key(key=key.public_id, limit=6, **who)
    server = registered(key, "web1", machine_uuid="4c4c4544-0042-3510-8052-b4c04f564433").server
    again = registered(key, "web1", machine_uuid="4c4c4544-0042-3510-8052-b4c04f564433").server
    remove_server(account_id=zenith.pk, server=again.public_id, why="gone", now=NOW)
    registered(key, "web2", "192.0.2.2")
    remove_key(key=key.public_id, **who)
    add_ip_license(license_type="kernelcare", address="192.0.2.9", **who)
    remove_ip_license(license_type="kernelcare", address="192.0.2.9", **who)

    assert told(zenith) == [
        "key.created",
        "key.created",
        "key.changed",
        "server.registered",
        "server.registered",
        "server.removed",
        "server.registered",
        "server.removed",
        "key.removed",
        "ip_license.added",
        "ip_license.removed",
    ]
    second = json.loads(Message.objects.filter(template="server.registered")[1].body)["data"]
    assert (second["reinstalled"], second["replaces"]) == (True, server.public_id)


def test_servers_by_address_and_an_undone_reinstall_are_told() -> None:
    zenith = a_client("zenith").account
    listening(zenith, "https://hooks.example.com/", "server.registered", "server.removed")
    who: dict[str, Any] = {"account_id": zenith.pk, "actor": "t", "now": NOW}
    add_ip_license(license_type="kernelcare", address="192.0.2.9", **who)
    register_at_address(address="192.0.2.9", hints=Hints(hostname="ip1"), now=NOW)
    remove_ip_license(license_type="kernelcare", address="192.0.2.9", **who)
    key = create_key(license_type="cloudlinux", **who)
    uuid = "4c4c4544-0042-3510-8052-b4c04f564433"
    registered(key, "web1", machine_uuid=uuid)
    again = registered(key, "web1", machine_uuid=uuid).server
    undo_reinstall(server=again.public_id, **who)

    rows = Message.objects.filter(kind=MessageKind.WEBHOOK).order_by("id")
    assert [(row.template, json.loads(row.body)["data"]["hostname"]) for row in rows] == [
        ("server.registered", "ip1"),
        ("server.removed", "ip1"),
        ("server.registered", "web1"),
        ("server.registered", "web1"),
        ("server.removed", "web1"),
        ("server.registered", "web1"),
    ]


def test_blocks_are_told_and_their_end_too() -> None:
    """P7, P8."""
    account = a_customer()
    buys(account, 2)
    use_card(account, Script.HARD_DECLINE)
    listening(account, "https://hooks.example.com/", "account.blocked", "account.unblocked")

    timeline.run_until(START + timedelta(days=75), since=START)
    assert told(account) == ["account.blocked"]
    use_card(account, Script.OK, now=START + timedelta(days=75))

    assert told(account) == ["account.blocked", "account.unblocked"]
    states = [json.loads(row.body)["data"]["state"] for row in webhooks_of(account)]
    assert states == ["blocked", "current"]


def test_invoices_and_subscriptions_are_told_q3() -> None:
    account = a_customer()
    listening(account, "https://hooks.example.com/")
    buys(account, 2)
    subscriptions.unsubscribe(
        account_id=account.pk, license_type="cloudlinux", when="now", actor="t", now=START
    )

    assert told(account) == [
        "invoice.issued",
        "invoice.paid",
        "key.created",
        "subscription.changed",
        "subscription.ended",
    ]
    paid = json.loads(Message.objects.get(template="invoice.paid").body)["data"]
    assert (paid["status"], paid["currency"]) == ("paid", "USD")


def test_a_failure_is_tried_again_with_growing_patience_and_the_same_event(
    acme: Account, receiver: Receiver
) -> None:
    receiver.status = 500
    endpoint, _ = listening(acme, receiver.url, "key.created")
    bought(acme, "cloudlinux", 1)

    at = NOW
    for pause in BACKOFF:
        assert sent(at) == 0
        row = Message.objects.get(kind=MessageKind.WEBHOOK)
        assert (row.send_after, row.response_status) == (at + pause, 500)
        assert row.last_error == "The answer was HTTP 500."
        at += pause
    receiver.status = 204
    assert sent(at - timedelta(seconds=1)) == 0
    assert sent(at) == 1

    assert len({json.loads(body)["id"] for _, body in receiver.arrived}) == 1
    assert len(receiver.arrived) == len(BACKOFF) + 1
    endpoint.refresh_from_db()
    assert (endpoint.failing_since, endpoint.disabled_at) == (None, None)


def test_an_endpoint_that_takes_nothing_for_a_day_is_disabled_with_a_mail(
    acme: Account, receiver: Receiver
) -> None:
    Account.objects.filter(pk=acme.pk).update(billing_email="anna@acme.example")
    receiver.status = 404
    endpoint, _ = listening(acme, receiver.url, "key.created")
    bought(acme, "cloudlinux", 1)

    at = NOW
    for pause in [*BACKOFF, timedelta(0)]:
        sent(at)
        at += pause

    endpoint.refresh_from_db()
    assert endpoint.disabled_at == at
    assert endpoint.disabled_why == "nothing arrived: The answer was HTTP 404."
    assert not Message.objects.filter(kind=MessageKind.WEBHOOK, send_after__isnull=False).exists()
    mail = Message.objects.get(template="webhook_disabled")
    assert mail.to == "anna@acme.example"
    subject, text = write(mail.template, mail.context)
    assert subject == "A webhook of yours is disabled"
    assert "127.0.0.1" in text
    assert "hook?x=1" not in text
    bought(acme, "kernelcare", 1)
    assert told(acme) == ["key.created"]

    refusal = refusal_of(webhooks.ping, account_id=acme.pk, endpoint=endpoint.public_id, now=at)
    assert refusal.code == "webhook_disabled"
    who: dict[str, Any] = {"account_id": acme.pk, "endpoint": endpoint.public_id}
    webhooks.update_endpoint(**who, enabled=True, actor="t", now=at)
    receiver.status = 200
    event = Message.objects.get(kind=MessageKind.WEBHOOK).subject
    webhooks.replay(**who, event=event, now=at)
    assert sent(at) == 1
    assert json.loads(receiver.arrived[-1][1])["id"] == event


def test_what_waits_for_a_removed_endpoint_is_not_sent(acme: Account, receiver: Receiver) -> None:
    endpoint, _ = listening(acme, receiver.url, "key.created")
    bought(acme, "cloudlinux", 1)

    webhooks.remove_endpoint(account_id=acme.pk, endpoint=endpoint.public_id, actor="t", now=NOW)

    assert sent() == 0
    assert receiver.arrived == []
    assert webhooks.endpoints_of(acme.pk) == ()


def test_webhooks_are_not_mail_and_mail_is_no_webhook(acme: Account, receiver: Receiver) -> None:
    listening(acme, receiver.url, "key.created")
    bought(acme, "cloudlinux", 1)

    assert send_due(now=NOW) == 0
    assert sent() == 1


def test_a_worker_that_claimed_a_webhook_has_it_to_itself(
    acme: Account, receiver: Receiver
) -> None:
    listening(acme, receiver.url, "key.created")
    bought(acme, "cloudlinux", 1)

    claimed = delivery._claim(NOW, 10)

    assert len(claimed) == 1
    assert sent() == 0
    assert sent(NOW + delivery.LEASE) == 1


def test_deliveries_are_listed_pinged_and_replayed_over_the_api(
    acme: Account, receiver: Receiver
) -> None:
    client = a_v2_client("zenith")
    made = client.ask("POST", "webhooks", {"url": receiver.url, "events": ["key.created"]})
    root = f"webhooks/{made['id']}"
    assert made["secret"].startswith("whsec_")
    assert "secret" not in client.ask("GET", root)

    ping = client.send("POST", f"{root}/ping")
    assert ping.status_code == 202
    event = json.loads(ping.content)["event"]
    [waiting] = client.ask("GET", f"{root}/deliveries")["data"]
    assert (waiting["type"], waiting["attempts"], waiting["sent_at"]) == ("ping", 0, None)
    now = Message.objects.get(subject=event).created_at
    assert sent(now) == 1
    [done] = client.ask("GET", f"{root}/deliveries")["data"]
    assert (done["attempts"], done["response_status"], done["next_try_at"]) == (1, 200, None)
    assert client.send("POST", f"{root}/deliveries/{event}/replay").status_code == 202
    assert client.refused("POST", f"{root}/deliveries/evt_x/replay") == (404, "unknown_delivery")
    off = client.ask("PATCH", root, {"enabled": False})
    assert (off["enabled"], off["disabled_why"]) == (False, "by zenith")
    assert client.refused("POST", f"{root}/ping") == (409, "webhook_disabled")
    assert client.ask("DELETE", root)["id"] == made["id"]
    assert client.refused("GET", root) == (404, "unknown_webhook")


def test_the_audit_log_tells_the_host_of_an_endpoint_and_not_what_may_be_a_password(
    acme: Account,
) -> None:
    endpoint, _ = listening(acme, "https://hooks.example.com/T0/s3cret?key=x", "key.created")

    entry = AuditEntry.objects.get(verb="webhook_created")
    assert entry.subject == endpoint.public_id
    assert entry.details == {
        "host": "hooks.example.com",
        "events": "key.created",
        "enabled": True,
    }


def test_the_audit_log_tells_what_an_endpoint_became_and_nothing_where_it_stayed(
    acme: Account,
) -> None:
    endpoint, _ = listening(acme, "https://hooks.example.com/", "key.created")
    who: dict[str, Any] = {"account_id": acme.pk, "endpoint": endpoint.public_id, "actor": "t"}

    webhooks.update_endpoint(**who, now=NOW)
    webhooks.update_endpoint(**who, url=endpoint.url, events=endpoint.events, enabled=True, now=NOW)
    webhooks.update_endpoint(**who, url="https://other.example.com/s3cret", enabled=False, now=NOW)

    [entry] = AuditEntry.objects.filter(verb="webhook_changed")
    assert entry.details == {
        "host": ["hooks.example.com", "other.example.com"],
        "enabled": [True, False],
    }
    webhooks.update_endpoint(**who, url="https://other.example.com/another", now=NOW)
    entry = AuditEntry.objects.filter(verb="webhook_changed").latest("pk")
    assert entry.details == {"host": "other.example.com", "changed": ["url"]}


@pytest.mark.parametrize("events", [[], ["nonsense"], ["ping"]])
def test_an_endpoint_listens_for_events_that_exist(acme: Account, events: list[str]) -> None:
    refusal = refusal_of(
        webhooks.create_endpoint,
        account_id=acme.pk,
        url="https://x.example/",
        events=events,
        actor="t",
        now=NOW,
    )

    assert refusal.code == "bad_webhook_events"
    assert not WebhookEndpoint.objects.exists()


def test_an_account_has_twenty_endpoints_at_most(acme: Account) -> None:
    for number in range(webhooks.ENDPOINTS_MOST):
        listening(acme, f"https://x{number}.example/", "key.created")

    refusal = refusal_of(
        webhooks.create_endpoint,
        account_id=acme.pk,
        url="https://x.example/",
        events=["key.created"],
        actor="t",
        now=NOW,
    )

    assert refusal.code == "too_many_webhooks"
    assert WebhookEndpoint.objects.count() == webhooks.ENDPOINTS_MOST
