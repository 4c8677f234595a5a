"""The pages of webhooks: added, tested, changed and removed as through REST v2."""

from __future__ import annotations

import csv
import hashlib
import hmac
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from cln import clock
from cln.accounts.models import Account, AuditEntry
from cln.enums import MessageKind
from cln.notifications import webhooks
from cln.notifications.models import Message, WebhookEndpoint
from cln.notifications.services import BACKOFF
from tests.customers import START, clock_at
from tests.licensing import bought
from tests.receiver import Receiver, a_receiver, listening, sent
from tests.visitors import PASSWORD, a_visitor, text_of

pytestmark = pytest.mark.django_db

PAGES = "/console/profile/api/webhooks"
FORM = {"url": "https://hooks.example.com/in?key=1", "events": ["key.created", "invoice.paid"]}


@pytest.fixture
def owner() -> tuple[Account, Client]:
    account, client = a_visitor()
    gives_password(client)
    return account, client


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.CLN_WEBHOOK_INSECURE = True
    with a_receiver() as receiver:
        yield receiver


def gives_password(client: Client) -> None:
    """What shows a secret asks for the password first."""
    asked = client.get(f"{PAGES}/new")
    assert asked.status_code == 302
    client.post(asked["Location"], {"password": PASSWORD})


def page_of(endpoint: WebhookEndpoint) -> str:
    return f"{PAGES}/{endpoint.public_id}"


def secret_in(text: str) -> str:
    found = re.search(r"whsec_[\w-]+", text)
    assert found, text
    return found[0]


def test_nobody_is_shown_a_secret_without_the_password() -> None:
    account, client = a_visitor()
    endpoint, _ = listening(account, FORM["url"])

    for path in (f"{PAGES}/new", f"{page_of(endpoint)}/secret"):
        for answer in (client.get(path), client.post(path, {**FORM, "overlap": "24"})):
            assert answer["Location"].startswith("/console/auth/again?")

    kept = WebhookEndpoint.objects.get()
    assert (kept.last4, kept.old_last4) == (endpoint.last4, "")


def test_an_account_without_webhooks_is_told_what_they_are(owner: tuple[Account, Client]) -> None:
    page = owner[1].get(PAGES).content.decode()

    assert "No webhook yet" in page
    assert f'href="{PAGES}/new"' in page
    assert 'href="/api/v2/docs#webhooks"' in page


def test_a_webhook_is_added_and_its_secret_is_shown_this_once(
    owner: tuple[Account, Client],
) -> None:
    answer = owner[1].post(f"{PAGES}/new", FORM)

    secret = secret_in(text_of(answer))
    row = WebhookEndpoint.objects.get()
    assert (row.url, row.events) == (FORM["url"], ["invoice.paid", "key.created"])
    assert row.last4 == secret[-4:]
    entry = AuditEntry.objects.get(verb="webhook_created")
    assert (entry.actor, entry.details["host"]) == (
        owner[0].logins.get().username,
        "hooks.example.com",
    )
    mail = Message.objects.get(template="security_notice")
    assert mail.context["what"] == "A webhook was added: hooks.example.com hears what happens."
    listed, page = text_of(owner[1].get(PAGES)), text_of(owner[1].get(page_of(row)))
    assert "hooks.example.com An invoice is paid A key is created on none yet" in listed
    assert "key=1" not in listed
    assert f"…{secret[-4:]}" in page
    assert secret not in listed + page


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"url": "http://example.com/"}, "it does not begin with https:// and a name. Write it"),
        ({"url": "https://10.0.0.1/"}, "private, not public. Use a public address."),
        ({"url": ""}, "This field is required."),
        ({"url": "https://x.example/" + "a" * 250}, "it has more than 250 characters"),
        ({"events": []}, "Choose at least one event."),
        ({"events": ["key.lost"]}, "key.lost is not one of the available choices"),
    ],
)
def test_what_the_api_refuses_the_page_refuses_beside_the_field(
    owner: tuple[Account, Client], change: dict[str, object], sentence: str
) -> None:
    endpoint, _ = listening(owner[0], FORM["url"], "key.created")

    for path in (f"{PAGES}/new", f"{page_of(endpoint)}/edit"):
        answer = owner[1].post(path, {**FORM, **change})
        assert answer.status_code == 422
        assert sentence in text_of(answer)

    kept = WebhookEndpoint.objects.get()
    assert (kept.url, kept.events) == (FORM["url"], ["key.created"])


def test_one_more_than_an_account_may_have_is_refused(owner: tuple[Account, Client]) -> None:
    for number in range(webhooks.ENDPOINTS_MOST):
        listening(owner[0], f"https://hooks{number}.example.com/")

    answer = owner[1].post(f"{PAGES}/new", FORM)

    assert answer.status_code == 422
    assert "An account has at most 20 endpoints. Remove one first." in text_of(answer)
    assert WebhookEndpoint.objects.count() == webhooks.ENDPOINTS_MOST


def test_a_webhook_is_given_another_address_and_other_events(
    owner: tuple[Account, Client],
) -> None:
    endpoint, _ = listening(owner[0], "https://old.example.com/", "key.removed")

    shown = owner[1].get(f"{page_of(endpoint)}/edit").content.decode()
    answer = owner[1].post(f"{page_of(endpoint)}/edit", FORM, follow=True)

    assert 'value="https://old.example.com/"' in shown
    assert re.findall(r'value="([\w.]+)" checked', shown) == ["key.removed"]
    assert "The webhook to hooks.example.com is saved." in text_of(answer)
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.events) == (FORM["url"], ["invoice.paid", "key.created"])


def test_off_calls_off_what_waits_and_on_begins_anew(owner: tuple[Account, Client]) -> None:
    endpoint, _ = listening(owner[0], FORM["url"], "key.created")
    bought(owner[0], "cloudlinux", 1)

    off = text_of(owner[1].post(f"{page_of(endpoint)}/switch", {"on": "0"}, follow=True))
    again = owner[1].post(f"{page_of(endpoint)}/test")

    login = owner[0].logins.get().username
    assert "nothing is sent there." in off
    assert f"off by {login}, just now" in off
    assert "called off" in off
    assert "Send again" not in off
    assert again.status_code == 409
    assert "This endpoint is disabled." in text_of(again)
    assert not Message.objects.filter(kind=MessageKind.WEBHOOK, send_after__isnull=False).exists()

    on = text_of(owner[1].post(f"{page_of(endpoint)}/switch", {"on": "1"}, follow=True))
    assert "is on, from now on." in on
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is None


def test_a_test_tells_what_became_of_it_and_is_sent_again(
    owner: tuple[Account, Client], receiver: Receiver
) -> None:
    endpoint, secret = listening(owner[0], receiver.url, "key.created")
    receiver.status = 404

    waiting = text_of(owner[1].post(f"{page_of(endpoint)}/test", follow=True))
    sent(clock.now())
    failed, listed = text_of(owner[1].get(page_of(endpoint))), text_of(owner[1].get(PAGES))
    receiver.status = 204
    event = Message.objects.get(kind=MessageKind.WEBHOOK).subject
    again = text_of(owner[1].post(f"{page_of(endpoint)}/deliveries/{event}/replay", follow=True))
    sent(clock.now())
    arrived = text_of(owner[1].get(page_of(endpoint)))

    assert "ping" in waiting
    assert "waiting 0 — Send now" in waiting
    why = "The answer was HTTP 404. There is nothing at this address."
    assert "failing Nothing has arrived since just now ." in failed
    assert "tried again next: in 1 minute 1" in failed
    assert why in failed
    assert why in listed
    assert "waiting 0 — Send now" in again
    assert "arrived 1 — Send again" in arrived
    assert why not in arrived
    first, second = receiver.arrived
    assert first[0]["CLN-Event-Id"] == second[0]["CLN-Event-Id"] == event
    stamp = dict(part.split("=") for part in second[0]["CLN-Signature"].split(","))
    signed = hmac.new(secret.encode(), f"{stamp['t']}.".encode() + second[1], hashlib.sha256)
    assert stamp["v1"] == signed.hexdigest()


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (302, "Redirects are not followed. Enter the address it leads to."),
        (401, "We prove who we are by the signature alone."),
        (418, "Your program does not take this request. Its log says why."),
        (503, "Your program broke, or is not running. Its log says why."),
    ],
)
def test_a_failure_says_what_usually_helps(
    owner: tuple[Account, Client], receiver: Receiver, status: int, advice: str
) -> None:
    endpoint, _ = listening(owner[0], receiver.url, "key.created")
    receiver.status = status

    owner[1].post(f"{page_of(endpoint)}/test")
    sent(clock.now())

    assert f"The answer was HTTP {status}. " in (page := text_of(owner[1].get(page_of(endpoint))))
    assert advice in page


def test_deliveries_are_narrowed_by_their_result_and_come_as_a_file(
    owner: tuple[Account, Client], receiver: Receiver
) -> None:
    other, _ = listening(owner[0], receiver.url, "key.created")
    endpoint, _ = listening(owner[0], receiver.url, "key.created")
    for status in (200, 500):
        receiver.status = status
        webhooks.ping(account_id=owner[0].pk, endpoint=endpoint.public_id, now=START)
        sent(START)
    taken, failed = Message.objects.filter(kind=MessageKind.WEBHOOK).order_by("id")
    at = START
    for wait in BACKOFF:
        at += wait + timedelta(minutes=1)
        sent(at)
    webhooks.ping(account_id=owner[0].pk, endpoint=other.public_id, now=at)
    clock_at(at)

    def shown(state: str) -> list[str]:
        page = text_of(owner[1].get(f"{page_of(endpoint)}?state={state}"))
        return [row.subject for row in (taken, failed) if row.subject in page]

    assert shown("arrived") == [taken.subject]
    assert shown("ended") == [failed.subject]
    assert shown("waiting") == []
    assert shown("") == shown("nonsense") == [taken.subject, failed.subject]
    file = owner[1].get(f"{page_of(endpoint)}?format=csv")
    rows = list(csv.reader(b"".join(file).decode().splitlines()))
    assert [row[1:] for row in rows[1:]] == [
        [
            f"ping {failed.subject}",
            "given up",
            "7",
            "The answer was HTTP 500. Your program broke, or is not running. Its log says why.",
        ],
        [f"ping {taken.subject}", "arrived", "1", ""],
    ]


def test_a_new_secret_signs_beside_the_old_one_for_the_chosen_time(
    owner: tuple[Account, Client],
) -> None:
    endpoint, old = listening(owner[0], FORM["url"])
    page = f"{page_of(endpoint)}/secret"

    answer = text_of(owner[1].post(page, {"overlap": "72"}))
    third = owner[1].post(page, {"overlap": "24"})
    details = text_of(owner[1].get(page_of(endpoint)))

    endpoint.refresh_from_db()
    new = secret_in(answer)
    assert (endpoint.last4, endpoint.old_last4) == (new[-4:], old[-4:])
    assert endpoint.old_until is not None
    assert timedelta(0) <= endpoint.old_until - START - timedelta(hours=72) < timedelta(minutes=1)
    until = f"{START + timedelta(hours=72):%Y-%m-%d %H:%M} UTC"
    assert f"Until {until} each delivery is signed with the one before, …{old[-4:]} , too" in answer
    assert f"…{new[-4:]} The one before, …{old[-4:]} , signs beside it until {until}" in details
    assert third.status_code == 422
    assert "is still signing, until" in text_of(third)

    at_once = secret_in(text_of(owner[1].post(page, {"overlap": "0"})))
    endpoint.refresh_from_db()
    assert (endpoint.last4, endpoint.old_until) == (at_once[-4:], None)


@pytest.mark.parametrize("overlap", ["", "2", "-1", "9999", "x"])
def test_no_other_time_is_taken(owner: tuple[Account, Client], overlap: str) -> None:
    endpoint, old = listening(owner[0], FORM["url"])

    answer = owner[1].post(f"{page_of(endpoint)}/secret", {"overlap": overlap})

    assert answer.status_code == 422
    assert WebhookEndpoint.objects.get().last4 == old[-4:]


def test_a_webhook_is_removed_with_what_waits(owner: tuple[Account, Client]) -> None:
    endpoint, _ = listening(owner[0], FORM["url"], "key.created")
    bought(owner[0], "cloudlinux", 1)

    asked = text_of(owner[1].get(f"{page_of(endpoint)}/remove"))
    removed = text_of(owner[1].post(f"{page_of(endpoint)}/remove", follow=True))

    assert "Remove the webhook to hooks.example.com?" in asked
    assert "The webhook to hooks.example.com is removed." in removed
    assert "No webhook yet" in removed
    assert owner[1].get(page_of(endpoint)).status_code == 404
    assert not Message.objects.filter(kind=MessageKind.WEBHOOK, send_after__isnull=False).exists()


def test_tests_are_limited(owner: tuple[Account, Client], settings: Settings) -> None:
    rates = {**settings.ACCOUNT_RATE_LIMITS, "webhook_test": "2/m/user"}
    settings.ACCOUNT_RATE_LIMITS = rates
    endpoint, _ = listening(owner[0], FORM["url"])

    answers = [owner[1].post(f"{page_of(endpoint)}/test").status_code for _ in range(3)]

    assert answers == [303, 303, 429]
    assert Message.objects.filter(template="ping").count() == 2
