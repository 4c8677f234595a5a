"""Everything at once, and the books agree with the vendor's counter (issue: ten minutes of it).

`make soak MINUTES=10` runs it long; here it is short. Its verdict does not depend on the order in
which things happened: whatever it was, each sum must be the same on both sides at the end.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from random import SystemRandom

import pytest
from django.db.models import Count
from pytest_django.fixtures import Settings

from cln.accounts.models import DepositOrder
from cln.billing.models import Invoice
from cln.enums import UNFINISHED_ATTEMPT, AttemptState
from cln.payments.models import GatewayEvent, Payment, PaymentAttempt, Refund
from tests.customers import START, clock_at, forget_jobs
from tests.soak.crew import Crew
from tests.soak.life import Life
from tests.soak.mood import MoodyVendor
from tests.soak.people import people
from tests.vendor import Taken

SECONDS = float(os.environ.get("CLN_SOAK_SECONDS") or 6)
SEED = int(os.environ.get("CLN_SOAK_SEED") or SystemRandom().randrange(10**6))
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_after_everything_at_once_the_vendors_counter_is_our_books(settings: Settings) -> None:
    """P1-P5, P10, R4, R5: charged once, given back once, whatever failed and whoever died."""
    settings.CLN_GATEWAY_SECONDS = 3.0
    with MoodyVendor(SEED) as vendor:
        for name, value in vendor.environment.items():
            setattr(settings, name, value)
        clock_at(START)
        everybody = people(vendor)
        environment = {**vendor.environment, "CLN_GATEWAY_SECONDS": "3"}
        with Crew(environment) as crew:
            life = Life(vendor, crew, everybody, SEED)
            vendor.calm = False
            life.goes_on(SECONDS, kill_every=min(30.0, max(3.0, SECONDS / 3)))
            life.comes_to_rest(is_unfinished, seconds=240)
            crew.stop()
            books = crew.run("check_books")
            complaints = what_is_wrong(crew.said())
            summary = told(life, vendor, crew)
    sys.stderr.write(summary)

    forget_jobs()
    agrees(vendor)
    assert (books.returncode, books.stdout) == (0, "The books are clean.\n"), books.stderr
    assert not complaints, "\n".join(complaints)[:20_000]
    assert not life.broken, life.broken[:3]


def agrees(vendor: MoodyVendor) -> None:
    """Our payments and refunds are the vendor's; each once; an invoice is paid by one attempt."""
    received = Counter(
        Taken(row.attempt.public_id, row.amount_cents, row.currency)
        for row in Payment.objects.select_related("attempt")
    )
    returned = Counter(
        Taken(row.public_id, row.amount_cents, row.payment.currency)
        for row in Refund.objects.filter(state=AttemptState.SUCCEEDED).select_related("payment")
    )
    assert Counter(vendor.taken) == received
    assert Counter(vendor.given_back) == returned
    assert max(Counter(one.reference for one in vendor.taken).values()) == 1
    assert max(Counter(one.reference for one in vendor.given_back).values(), default=1) == 1
    assert paid_twice() == []
    assert vendor.taken


def paid_twice() -> list[str]:
    """Invoices that more than one attempt has paid, each with the lives of those attempts."""
    paid = Payment.objects.exclude(attempt__invoice=None).values("attempt__invoice")
    twice = paid.annotate(times=Count("id")).filter(times__gt=1)
    attempts = PaymentAttempt.objects.filter(
        invoice__in=twice.values("attempt__invoice"), payment__isnull=False
    )
    return [
        f"invoice {one.invoice_id}: {one.amount_cents} by {one.gateway}, {one.channel},"
        f" begun {one.created_at}, ended {one.finished_at}"
        for one in attempts.order_by("invoice", "created_at")
    ]


def is_unfinished() -> bool:
    """Whether anything is in doubt, or kept and not done."""
    doubts = (PaymentAttempt, DepositOrder, Refund)
    return (
        any(model.objects.filter(state__in=UNFINISHED_ATTEMPT).exists() for model in doubts)
        or GatewayEvent.objects.filter(processed_at=None).exists()
    )


def what_is_wrong(log: str) -> list[str]:
    """The parts of a log that an operator would have to look into. A 503 is none: a webhook that
    cannot be verified now is sent again, a click on a row that is busy is made again.
    """
    lines = log.splitlines()
    return [
        "\n".join(lines[at : at + 60])
        for at, line in enumerate(lines)
        if (" ERROR " in line and "Service Unavailable: /" not in line) or " CRITICAL " in line
    ]


def told(life: Life, vendor: MoodyVendor, crew: Crew) -> str:
    """What happened, in figures."""
    states = Counter(PaymentAttempt.objects.values_list("state", flat=True))
    given = Counter(Refund.objects.values_list("state", flat=True))
    lines = [
        f"seed {SEED}, {SECONDS:.0f} s, {crew.kills} workers killed",
        f"invoices {dict(Counter(Invoice.objects.values_list('status', flat=True)))}",
        f"attempts {dict(states)}, refunds {dict(given)}",
        f"vendor took {len(vendor.taken)}, gave back {len(vendor.given_back)}",
        f"requests {dict(vendor.asked)}",
        f"deeds {dict(sorted(life.done.items()))}",
    ]
    return "\n" + "\n".join(lines) + "\n"
