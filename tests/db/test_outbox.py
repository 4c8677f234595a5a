"""Mails: written with their cause, sent once, retried, given up."""

from __future__ import annotations

import json
import smtplib
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.message import Message as EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import connection, transaction

from cln.accounts.models import Account
from cln.accounts.services import create_account
from cln.notifications import services
from cln.notifications.mails import MAILS, as_json, checked, write
from cln.notifications.models import Message
from cln.notifications.queries import latest_mails, written
from cln.notifications.services import BACKOFF, queue_mail, send_due
from tests.customers import START

DAY = date(2026, 3, 1)
INVOICES = [{"number": "CBI-1", "amount": "$27.00", "due_on": DAY}]
SYSTEMS = [{"system_id": "11111111", "name": "web1", "last_check_in": "2011-05-10 20:39:20.0"}]
SAMPLES: dict[str, dict[str, object]] = {
    "confirm_email": {"login": "anna", "url": "https://x.example/c/1", "days": 3},
    "sign_up_known": {"login": "anna", "url": "https://x.example/r"},
    "welcome": {"login": "anna"},
    "unused_licenses": {
        "licenses": [
            {
                "name": "KernelCare",
                "unused": 2,
                "quantity": 3,
                "saving": "$7.90 a month",
                "url": "https://x.example/r",
            }
        ]
    },
    "email_change_confirm": {"login": "anna", "url": "https://x.example/e/1", "days": 3},
    "email_change_known": {"login": "anna", "url": "https://x.example/r"},
    "email_changed": {
        "login": "anna",
        "new": "anna@globex.example",
        "at": "2026-03-01 09:00 UTC",
        "url": "https://x.example/e/undo/1",
        "days": 7,
    },
    "email_change_undone": {"login": "anna", "url": "https://x.example/r"},
    "security_notice": {
        "login": "anna",
        "what": "Two-factor sign-in was turned on.",
        "at": "2026-03-01 09:00 UTC",
        "address": "192.0.2.1",
    },
    "invitation": {
        "login": "bert",
        "inviter": "anna@acme.example",
        "company": "Acme",
        "role": "Billing",
        "url": "https://x.example/r/2",
        "days": 3,
    },
    "support_ticket": {
        "reference": "T-ABCDEFGH",
        "subject": "A question",
        "text": "Why?",
        "sender": "anna <anna@acme.example>",
        "context": "Account: Acme",
    },
    "support_receipt": {"reference": "T-ABCDEFGH", "subject": "A question", "text": "Why?"},
    "password_reset": {"login": "anna", "url": "https://x.example/r/1"},
    "invoice_issued": {
        "number": "CBI-1",
        "license_type": "KernelCare",
        "total": "$27.00",
        "due_on": DAY,
        "lines": [{"title": "KernelCare", "amount": "$27.00", "why": "3 × $14.00 × 18/28 days"}],
        "method": "",
        "pdf": "/console/billing/invoices/inv_1.pdf",
        "tax_note": "",
    },
    "payment_received": {"total": "$27.00", "method": "Visa", "invoices": INVOICES},
    "payment_declined": {
        "number": "CBI-1",
        "total": "$27.00",
        "cause": "The card has expired.",
        "next_action": "Add another card.",
        "next_try_on": None,
    },
    "reminder": {
        "total": "$27.00",
        "invoices": INVOICES,
        "licenses": [{"name": "KernelCare", "quantity": 5, "used": 2, "unused": 3}],
        "pay_url": "https://x.example/pay/1",
        "blocks_on": DAY,
        "is_blocked": False,
    },
    "account_blocked": {
        "total": "$27.00",
        "invoices": INVOICES,
        "pay_url": "https://x.example/pay/1",
        "suspends_on": DAY,
    },
    "account_unblocked": {},
    "license_suspended": {"total": "$27.00", "servers": 2, "pay_url": "https://x.example/pay/1"},
    "subscription_ended": {"license_type": "KernelCare", "ended_on": DAY, "why": "You asked."},
    "trial_started": {"license_type": "KernelCare", "ends_on": DAY, "servers": "one server"},
    "trial_ending": {"license_type": "KernelCare", "ends_on": DAY, "days_left": 3},
    "trial_ended": {"license_type": "KernelCare"},
    "clone_found": {
        "server": "web1",
        "license_type": "CloudLinux OS",
        "older": "192.0.2.10",
        "newer": "192.0.2.11",
        "decide_by": datetime(2026, 3, 13, 12, 0, tzinfo=UTC),
        "url": "https://cln.example/console/servers/srv_1",
    },
    "books_differ": {"count": 3, "differences": ["balance of acc_1: 5, derived 0"], "more": 2},
    "deposit_negative": {
        "total": "$5.00",
        "since": date(2026, 2, 1),
        "pay_url": "https://cln.example/pay/token",
        "blocks_on": date(2026, 3, 3),
    },
    "autopay_stopped": {
        "amount": "$20.00",
        "balance": "-$5.00",
        "cause": "The card has expired.",
        "next_action": "Add the renewed card, or another payment method.",
    },
    "reseller_welcome": {
        "amount": "$500.00",
        "method": "Visa •••• 4242",
        "agreement": "2026-01",
        "agreed_on": date(2026, 1, 31),
        "first_bill_on": date(2026, 2, 1),
    },
    "webhook_disabled": {
        "host": "hooks.example.com",
        "webhook": "whk_1",
        "since": DAY,
        "cause": "The answer was HTTP 500.",
    },
    "deposit_order_declined": {
        "amount": "$500.00",
        "cause": "The card has expired.",
        "next_action": "Add the renewed card, or another payment method.",
    },
    "refund_issued": {
        "number": "CN-000001",
        "invoice": "CBI-000002",
        "total": "$29.00",
        "cash": "$27.00",
        "credit": "$2.00",
        "reason": "wrong address",
        "pdf": "/console/billing/credit-notes/cn_1.pdf",
    },
    "systems_not_checking_in": {
        "servers": SYSTEMS,
        "more": 3,
        "causes": [{"names": "web1 (192.0.2.1)", "guess": "switched off."}],
        "commands": ["/usr/sbin/rhn_check"],
    },
    "systems_checking_in_again": {"servers": SYSTEMS, "more": 0},
    "alerts_held": {"recent": 700, "before": 1000},
    "alerts_released": {"since": "2026-02-01 10:00", "recent": 900, "before": 1000},
    "order_void": {"number": "CBI-1", "license_type": "KernelCare", "total": "$27.00", "days": 7},
}


class Mailbox:
    """A real SMTP server on loopback that keeps what it takes, or refuses as it is told."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        import email

        if self.answer.startswith("250"):
            self.taken.append(email.message_from_bytes(envelope.content or b""))  # type: ignore[arg-type]
        return self.answer


@pytest.fixture
def mailbox(settings: Any, unused_tcp_port: int) -> Iterator[Mailbox]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=unused_tcp_port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", unused_tcp_port
    yield box
    controller.stop()


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def a_mail(
    account: Account | None = None, *, to: str = "anna@acme.example", key: str = "1"
) -> None:
    queue_mail(
        account_id=account.pk if account else None,
        template="welcome",
        context={"login": "anna"},
        to=to,
        dedupe=key,
        now=START,
    )


def test_there_is_a_sample_for_every_mail() -> None:
    assert SAMPLES.keys() == MAILS.keys()
    assert all(MAILS[name] == SAMPLES[name].keys() for name in MAILS)


@pytest.mark.parametrize("template", sorted(MAILS))
def test_a_mail_has_a_subject_and_says_every_figure_it_is_given(template: str) -> None:
    kept = json.loads(json.dumps(checked(template, SAMPLES[template]), default=as_json))

    subject, body = write(template, kept)

    assert (subject, body) == write(template, SAMPLES[template])  # waiting changes nothing
    assert subject
    assert "\n" not in subject
    assert "{" not in body
    for value in SAMPLES[template].values():
        if isinstance(value, str) and value:
            assert value in subject + body


def test_a_value_with_a_line_break_does_not_become_a_header() -> None:
    subject, _ = write("trial_ended", {"license_type": "Kernel\nBcc: all@x.example"})

    assert subject == "Your trial of Kernel"


def test_values_are_never_read_as_templates() -> None:
    _, body = write("welcome", {"login": "{{ base_url }}<b>"})

    assert "{{ base_url }}<b>" in body


@pytest.mark.django_db
class TestTheOutbox:
    def test_the_same_event_writes_one_mail(self) -> None:
        a_mail()
        a_mail()

        assert Message.objects.count() == 1

    def test_a_mail_goes_to_the_billing_address_of_the_account(self) -> None:
        account = create_account(company="A", billing_email="billing@a.example", now=START)

        a_mail(account, to="")

        assert Message.objects.get().to == "billing@a.example"

    def test_an_account_without_any_address_gets_no_mail(self) -> None:
        a_mail(create_account(company="A", now=START), to="")

        assert Message.objects.count() == 0

    def test_a_change_that_is_rolled_back_leaves_no_mail(self) -> None:
        with transaction.atomic():
            a_mail()
            transaction.set_rollback(True)

        assert Message.objects.count() == 0

    def test_a_due_mail_is_sent_once(self, mailbox: Mailbox) -> None:
        a_mail()

        assert send_due(now=START) == 1
        assert send_due(now=START + timedelta(days=9)) == 0

        [mail] = mailbox.taken
        assert mail["To"] == "anna@acme.example"
        assert mail["Subject"] == "Your CLN account is ready"
        row = Message.objects.get()
        assert (row.sent_at, row.send_after, row.attempts) == (START, None, 1)

    def test_a_mail_waits_unwritten_and_keeps_the_text_it_left_with(self, mailbox: Mailbox) -> None:
        a_mail()
        waiting = Message.objects.get()

        send_due(now=START)

        assert (waiting.subject, waiting.body, waiting.context) == ("", "", {"login": "anna"})
        sent = Message.objects.get()
        assert (sent.subject, sent.body) == written(waiting)
        [mail] = mailbox.taken
        assert mail.get_payload().splitlines() == sent.body.splitlines()

    def test_a_mail_that_was_written_before_it_was_queued_leaves_as_it_is(
        self, mailbox: Mailbox
    ) -> None:
        """Mails that an older version left in the outbox have their text and no context."""
        a_mail()
        Message.objects.update(subject="As it was", body="said then\n", context={})

        assert send_due(now=START) == 1

        [mail] = mailbox.taken
        assert (mail["Subject"], mail.get_payload().strip()) == ("As it was", "said then")

    def test_a_mail_in_the_sandbox_is_as_good_as_sent_and_written_for_its_reader(
        self, settings: Any
    ) -> None:
        settings.EMAIL_BACKEND = "cln.notifications.backends.KeptInOutbox"
        a_mail()

        assert (send_due(now=START), send_due(now=START)) == (1, 0)

        row = Message.objects.get()
        assert (row.sent_at, row.send_after, row.attempts) == (START, None, 1)
        [shown] = latest_mails()
        assert (row.subject, shown.subject) == ("", "Your CLN account is ready")

    def test_a_mail_whose_template_is_gone_waits_and_does_not_stop_the_others(
        self, mailbox: Mailbox
    ) -> None:
        a_mail(key="bad")
        Message.objects.update(template="of_an_older_version")
        a_mail(key="good")

        assert send_due(now=START) == 1

        bad = Message.objects.get(dedupe="bad")
        assert (bad.sent_at, bad.send_after) == (None, START + BACKOFF[0])
        assert bad.last_error.startswith("TemplateDoesNotExist")

    def test_a_mail_that_lacks_what_its_template_says_is_not_queued(self) -> None:
        with pytest.raises(AssertionError, match=r"the mail welcome needs \['login'\]"):
            queue_mail(
                account_id=None,
                template="welcome",
                context={},
                to="x@x.example",
                dedupe="x",
                now=START,
            )

        assert Message.objects.count() == 0

    def test_the_message_id_depends_on_the_event_alone(self, mailbox: Mailbox) -> None:
        a_mail(key="event")
        send_due(now=START)
        Message.objects.update(send_after=START, sent_at=None)  # as a crash would leave it
        send_due(now=START)

        first, second = mailbox.taken
        assert first["Message-ID"] == second["Message-ID"]

    def test_a_mail_that_failed_is_tried_again_later_and_given_up_at_the_end(
        self, mailbox: Mailbox
    ) -> None:
        mailbox.answer = "451 try later"
        a_mail()
        now = START

        for step in BACKOFF:
            assert send_due(now=now) == 0
            assert Message.objects.get().send_after == now + step
            assert send_due(now=now + step - timedelta(seconds=1)) == 0
            now += step
        send_due(now=now)

        row = Message.objects.get()
        assert (row.attempts, row.send_after, row.sent_at) == (len(BACKOFF) + 1, None, None)
        assert "451" in row.last_error

    def test_a_mail_sent_after_a_failure_carries_no_error(self, mailbox: Mailbox) -> None:
        mailbox.answer = "451 try later"
        a_mail()
        send_due(now=START)
        mailbox.answer = "250 OK"

        assert send_due(now=START + BACKOFF[0]) == 1
        assert Message.objects.get().last_error == ""

    def test_an_address_refused_for_good_is_given_up_at_once(self, mailbox: Mailbox) -> None:
        mailbox.answer = "550 no such user"
        a_mail()

        send_due(now=START)

        row = Message.objects.get()
        assert (row.attempts, row.send_after) == (1, None)

    def test_a_mail_server_that_is_down_keeps_the_mail(
        self, settings: Any, unused_tcp_port: int
    ) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", unused_tcp_port
        a_mail()

        assert send_due(now=START) == 0
        assert Message.objects.get().send_after == START + BACKOFF[0]

    def test_a_claimed_mail_is_nobody_elses_until_its_lease_ends(self) -> None:
        for number in range(12):
            a_mail(key=str(number))

        first = services._claim(START, services.BATCH)
        rest = services._claim(START + services.LEASE - timedelta(seconds=1), 100)

        assert (len(first), len(rest)) == (10, 2)
        assert {one.pk for one in first}.isdisjoint(one.pk for one in rest)
        assert len(services._claim(START + services.LEASE, 100)) == 10

    def test_no_more_than_asked_for_are_sent(self, mailbox: Mailbox) -> None:
        for number in range(15):
            a_mail(key=str(number))

        assert send_due(now=START, limit=12) == 12
        assert send_due(now=START) == 3

    def test_no_more_are_claimed_than_asked_for_by_whatever_plan(self) -> None:
        for number in range(15):
            a_mail(key=str(number))

        with connection.cursor() as cursor:
            for other in ("hashjoin", "mergejoin", "material", "hashagg", "sort"):
                cursor.execute(f"SET LOCAL enable_{other} = off")

        assert len(services._claim(START, 12)) == 12

    def test_one_bad_mail_does_not_stop_the_others(self, mailbox: Mailbox) -> None:
        a_mail(to="broken@@x", key="bad")
        a_mail(key="good")

        assert send_due(now=START) == 1
        assert Message.objects.get(dedupe="good").sent_at == START
        assert Message.objects.get(dedupe="bad").sent_at is None


@pytest.mark.django_db(transaction=True)
def test_two_senders_at_once_send_each_mail_once(mailbox: Mailbox) -> None:
    for number in range(20):
        a_mail(key=str(number))
    sent: list[int] = []

    def work() -> None:
        try:
            sent.append(services.send_due(now=START))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(sent) == 20
    assert len({mail["Message-ID"] for mail in mailbox.taken}) == len(mailbox.taken) == 20


def test_a_final_answer_is_told_from_a_temporary_one() -> None:
    assert services._is_final(smtplib.SMTPRecipientsRefused({"a": (550, b"no")}))
    assert not services._is_final(smtplib.SMTPRecipientsRefused({"a": (450, b"later")}))
    assert services._is_final(smtplib.SMTPDataError(554, b"no"))
    assert not services._is_final(ConnectionRefusedError())
