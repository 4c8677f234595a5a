"""`kill -9` at every point of money and mail: charged once or not at all, and told once.

A process of its own dies at the point (`cln.faults`); the workers that come after it find what it
left and finish it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from cln.billing.models import Invoice, Subscription
from cln.billing.queries import balance_cents
from cln.flows import billing_run, timeline
from cln.flows.books import check_books
from cln.licensing.models import Entitlement
from cln.notifications.models import Message
from cln.notifications.services import BACKOFF, LEASE
from cln.payments.models import Payment, PaymentAttempt, SandboxCharge
from cln.payments.services import RESOLVE_AFTER
from tests.customers import KILLED, START, a_customer, buys, finish, one_verb, pays_now

RENEWAL = datetime(2026, 2, 28, 6, 0, tzinfo=UTC)
# The next planned attempt after the day of issue (P2).
THREE_DAYS = timedelta(days=3)

pytestmark = pytest.mark.django_db(transaction=True)


class Mailbox:
    """A mail server that keeps what it is given."""

    def __init__(self) -> None:
        self.message_ids: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail."""
        headers = (envelope.content or b"").decode("utf-8", "replace").splitlines()
        self.message_ids += [
            line.partition(":")[2].strip()
            for line in headers
            if line.lower().startswith("message-id:")
        ]
        return "250 taken"


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A mail server for this process and for the ones that die."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    monkeypatch.setenv("CLN_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("CLN_SMTP_PORT", str(port))
    yield box
    controller.stop()


@pytest.fixture(autouse=True)
def clean_books() -> Iterator[None]:
    """Wherever a process died, the books are clean afterwards (P12)."""
    yield
    assert check_books() == ()


@pytest.mark.parametrize("point", ["after_gateway", "before_commit", "after_commit"])
def test_an_order_whose_process_dies_after_the_charge_is_granted_and_charged_once(
    point: str,
) -> None:
    """P3: the attempt was committed before the gateway was asked, so the resolver finds it."""
    account = a_customer()

    finish(one_verb("buy", START, account, CLN_FAULT_POINT=point), code=KILLED)
    assert SandboxCharge.objects.count() == 1
    for _ in range(2):
        timeline.run_due(now=START + RESOLVE_AFTER)

    assert SandboxCharge.objects.count() == Payment.objects.count() == 1
    assert Invoice.objects.get().status == "paid"
    assert Subscription.objects.get().status == "active"
    assert Entitlement.objects.get().quantity == 2
    assert balance_cents(account.pk) == 0
    assert Message.objects.filter(template="payment_received").count() == 1


def test_an_order_whose_process_dies_before_the_charge_is_charged_on_the_next_planned_day() -> None:
    account = a_customer()

    finish(one_verb("buy", START, account, CLN_FAULT_POINT="before_gateway"), code=KILLED)
    timeline.run_due(now=START + RESOLVE_AFTER)

    assert SandboxCharge.objects.count() == 0
    assert PaymentAttempt.objects.get().state == "abandoned"
    assert Invoice.objects.get().status == "open"
    assert not Entitlement.objects.exists()

    timeline.run_due(now=START + THREE_DAYS)

    assert SandboxCharge.objects.count() == Payment.objects.count() == 1
    assert Invoice.objects.get().status == "paid"
    assert Entitlement.objects.get().quantity == 2


def test_an_order_sent_again_after_its_process_died_is_not_bought_twice() -> None:
    account = a_customer()
    finish(one_verb("buy", START, account, CLN_FAULT_POINT="after_gateway"), code=KILLED)

    again = buys(account, 2)

    assert again.invoice_number == "CBI-000001"
    assert again.payment is not None
    assert again.payment.state == "open"
    assert Subscription.objects.count() == Invoice.objects.count() == 1
    assert SandboxCharge.objects.count() == 1


@pytest.mark.parametrize("verb", ["collect", "pay"])
@pytest.mark.parametrize("point", ["after_gateway", "before_commit", "after_commit"])
def test_a_renewal_whose_process_dies_after_the_charge_is_paid_once(verb: str, point: str) -> None:
    account = a_customer()
    buys(account, 2)
    billing_run.run_due(now=RENEWAL)

    finish(one_verb(verb, RENEWAL, account, CLN_FAULT_POINT=point), code=KILLED)
    pays_now(account, now=RENEWAL)
    for later in (RESOLVE_AFTER, RESOLVE_AFTER, THREE_DAYS):
        timeline.run_due(now=RENEWAL + later)

    assert SandboxCharge.objects.count() == Payment.objects.count() == 2
    assert set(Invoice.objects.values_list("status", flat=True)) == {"paid"}
    assert balance_cents(account.pk) == 0


@pytest.mark.parametrize("verb", ["collect", "pay"])
def test_a_renewal_whose_process_dies_before_the_charge_is_paid_on_the_next_planned_day(
    verb: str,
) -> None:
    account = a_customer()
    buys(account, 2)
    billing_run.run_due(now=RENEWAL)

    finish(one_verb(verb, RENEWAL, account, CLN_FAULT_POINT="before_gateway"), code=KILLED)
    timeline.run_due(now=RENEWAL + RESOLVE_AFTER)
    assert SandboxCharge.objects.count() == 1
    timeline.run_due(now=RENEWAL + THREE_DAYS)

    assert SandboxCharge.objects.count() == Payment.objects.count() == 2
    assert set(Invoice.objects.values_list("status", flat=True)) == {"paid"}


def test_a_mail_whose_sender_dies_before_the_mail_server_is_sent_once(mailbox: Mailbox) -> None:
    buys(a_customer(), 2)
    assert Message.objects.count() == 2

    finish(one_verb("send", START, CLN_FAULT_POINT="before_mail"), code=KILLED)
    assert mailbox.message_ids == []
    finish(one_verb("send", START + LEASE))
    finish(one_verb("send", START + BACKOFF[-1]))

    assert len(mailbox.message_ids) == len(set(mailbox.message_ids)) == 2
    assert not Message.objects.filter(sent_at=None).exists()


def test_a_mail_whose_sender_dies_after_the_mail_server_took_it_comes_again_as_the_same_mail(
    mailbox: Mailbox,
) -> None:
    """Mailboxes drop a copy by its Message-ID; no mail is lost and no second one is written."""
    buys(a_customer(), 2)

    finish(one_verb("send", START, CLN_FAULT_POINT="after_mail"), code=KILLED)
    assert len(mailbox.message_ids) == 1
    finish(one_verb("send", START + LEASE))
    finish(one_verb("send", START + BACKOFF[-1]))

    assert len(mailbox.message_ids) == 3
    assert len(set(mailbox.message_ids)) == 2
    assert not Message.objects.filter(sent_at=None).exists()


def test_two_processes_that_send_at_once_send_each_mail_once(mailbox: Mailbox) -> None:
    for number in range(5):
        buys(a_customer(f"Customer{number}"), 1)

    for sender in [one_verb("send", START), one_verb("send", START)]:
        finish(sender)

    assert len(mailbox.message_ids) == len(set(mailbox.message_ids)) == 10


def test_no_fault_point_is_reached_unasked() -> None:
    """The variable is of one process, never of the installation."""
    assert "CLN_FAULT_POINT" not in os.environ
    account = a_customer()

    finish(one_verb("buy", START, account))

    assert Invoice.objects.get().status == "paid"
