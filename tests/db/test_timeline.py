"""Living through what falls due: one stop per instant, however much is due at it."""

from datetime import UTC, datetime

import pytest

from cln.flows.timeline import run_until
from cln.notifications.models import Message

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_more_mails_than_a_batch_leave_at_one_stop() -> None:
    Message.objects.bulk_create(
        Message(
            template="invoice_issued",
            to="billing@acme.example",
            subject="Invoice",
            body="",
            dedupe=f"test:{number}",
            created_at=NOON,
            send_after=NOON,
        )
        for number in range(101)
    )

    stops = run_until(NOON, since=NOON)

    assert stops == 1
    assert Message.objects.filter(sent_at=NOON, send_after=None).count() == 101
