"""What happens in a soak, all at once: each deed is one thread, until time is up."""

from __future__ import annotations

import collections
import contextlib
import json
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random

import requests
from django.db import OperationalError, connection
from django.urls import reverse
from procrastinate.exceptions import AlreadyEnqueued

from cln import clock
from cln.billing.models import Invoice
from cln.domain.errors import Refusal
from cln.enums import AttemptState, InvoiceStatus, MethodKind
from cln.flows import collection, hosted, purchase, refunds, reseller, tasks
from cln.payments import services as payments
from cln.payments.models import PaymentAttempt, Refund
from tests.soak.crew import Crew
from tests.soak.mood import MoodyVendor
from tests.soak.people import Person
from tests.vendor import Verdict
from tests.vendor.shop import BACK, side_of, stored_at

SPANS = tuple(timedelta(minutes=minutes) for minutes in (11, 60, 12 * 60, 2 * 1440, 5 * 1440))
A_WHILE = timedelta(seconds=20)
DEAD_AFTER_TICKS = 2 * payments.RESOLVE_AFTER // A_WHILE
JOBS = (tasks.find_billing, tasks.find_usage, tasks.collect, tasks.dun, tasks.send_mail)


class Life:
    """The deeds; every one draws its own luck from the seed."""

    def __init__(
        self, vendor: MoodyVendor, crew: Crew, everybody: Sequence[Person], seed: int
    ) -> None:
        self.vendor, self.crew, self.everybody, self.seed = vendor, crew, everybody, seed
        self.over = threading.Event()
        self.done: collections.Counter[str] = collections.Counter()
        self.broken: list[str] = []
        self._seen: collections.Counter[int] = collections.Counter()
        self._delivered = 0
        self._again: list[dict[str, object]] = []

    def goes_on(self, seconds: float, *, kill_every: float) -> None:
        """Do everything at once for so long."""
        deeds: dict[Callable[[Random], None], float] = {
            self.time_passes: 0.4,
            self.webhooks_arrive: 0.1,
            self.pays_now: 0.3,
            self.pays_on_a_page: 0.5,
            self.buys_more: 0.7,
            self.tops_up: 1.5,
            self.gives_back: 1.2,
            self.changes_method: 1.5,
            self.loses_a_worker: kill_every,
        }
        with ThreadPoolExecutor(len(deeds)) as threads:
            for number, (deed, pause) in enumerate(deeds.items()):
                threads.submit(self._repeat, deed, pause, Random(self.seed + number))
            self.over.wait(seconds)
            self.over.set()

    def _repeat(self, deed: Callable[[Random], None], pause: float, chance: Random) -> None:
        while not self.over.wait(pause * chance.uniform(0.5, 1.5)):
            self._try(deed, chance)
        connection.close()

    def _try(self, deed: Callable[[Random], None], chance: Random) -> None:
        try:
            deed(chance)
        except Refusal as refusal:
            self.done[f"{deed.__name__}: {refusal.code}"] += 1
        except OperationalError:
            self.done[f"{deed.__name__}: database busy"] += 1
        except Exception:
            # Whatever it is, it belongs into the verdict and must not end the thread unseen.
            self.broken.append(traceback.format_exc())
        else:
            self.done[deed.__name__] += 1

    # -- deeds ---------------------------------------------------------------------------------

    def time_passes(self, chance: Random) -> None:
        """The clock moves, and the timer of the workers strikes.

        It does not jump while a request is on its way: in life nobody is asked about a charge
        that began a second ago, and no process sleeps for days in the middle of one. `A_WHILE` at
        a time, the ten minutes of the resolver last several times as long as any answer may.
        """
        span = A_WHILE if self._on_the_way() else chance.choice(SPANS)
        clock.move_to(clock.now() + span)
        self.vendor.waits(seconds=span.total_seconds())
        self.vendor.decides()
        self.strike()

    def _on_the_way(self) -> bool:
        """Whether an attempt is open that was not seen so a while ago; an old one is a dead one."""
        is_open = PaymentAttempt.objects.filter(state=AttemptState.OPEN)
        known, self._seen = self._seen, collections.Counter(is_open.values_list("pk", flat=True))
        for pk in self._seen:
            self._seen[pk] += known[pk]
        return any(times < DEAD_AFTER_TICKS for times in self._seen.values())

    def strike(self) -> None:
        """Put the jobs of a minute there, as the workers' own timer does."""
        for job in JOBS:
            with contextlib.suppress(AlreadyEnqueued):
                job.defer(timestamp=0)

    def webhooks_arrive(self, chance: Random) -> None:
        """Some of what the vendor has to tell, in any order, some of it twice."""
        events = self.vendor.events
        self._again += events[self._delivered : len(events)]
        self._delivered = len(events)
        chance.shuffle(self._again)
        for _ in range(min(len(self._again), 6)):
            event = self._again.pop()
            if not self.tells(event) or chance.random() < 0.2:
                self._again.append(event)

    def tells(self, event: dict[str, object]) -> bool:
        """Post one webhook; False = it must come again."""
        name = "paypal" if "event_type" in event else "stripe"
        sent = side_of(self.vendor, name).webhook(json.loads(json.dumps(event)))
        headers = {**sent["headers"], "Content-Type": "application/json"}
        url = f"{self.crew.url}/webhooks/{name}"
        answer = requests.post(url, data=sent["data"].encode(), headers=headers, timeout=60)
        self.done[f"webhook {answer.status_code}"] += 1
        if answer.status_code not in (200, 503):
            self.broken.append(f"webhook {answer.status_code}: {answer.text}")
        return answer.status_code == 200

    def pays_now(self, chance: Random) -> None:
        """Somebody presses "Pay now" twice at once."""
        person, url = chance.choice(self.everybody), self.crew.url + reverse("pay_now")
        with ThreadPoolExecutor(2) as hands:
            for answer in hands.map(person.clicks, [url, url]):
                self.done[f"click {answer}"] += 1
                if answer not in (f"303 {reverse('invoices')}", "503"):
                    self.broken.append(f"pay now answered {answer}")

    def pays_on_a_page(self, chance: Random) -> None:
        """Somebody opens the gateway's page, and pays there, or does not, or never comes back."""
        person = chance.choice(self.everybody)
        gateway = chance.choice(["stripe", "paypal"])
        now = clock.now()
        if person.is_reseller:
            page = hosted.open_top_up_page(
                account_id=person.account, amount_cents=25_00, gateway=gateway, back=BACK, now=now
            )
        else:
            invoice = _choice(chance, Invoice.objects.filter(account=person.account, status="open"))
            if invoice is None:
                return
            page = hosted.open_invoice_page(
                account_id=person.account,
                invoice=invoice.public_id,
                gateway=gateway,
                back=BACK,
                now=now,
            )
        self._acts_on_page(chance, gateway, page.page.id)
        if chance.random() < 0.6:
            left = clock.now()
            hosted.leave_page(account_id=person.account, payment=page.payment, now=left)

    def _acts_on_page(self, chance: Random, gateway: str, charge: str) -> None:
        if chance.random() < 0.3:
            return
        with self.vendor.lock:
            status = self.vendor.things[charge]["status"]
            if gateway == "paypal" and status == "PAYER_ACTION_REQUIRED":
                self.vendor.paypal.payer_pays(charge)
            elif gateway == "stripe" and status == "open":
                verdict = chance.choice([Verdict.OK, Verdict.OK, Verdict.SOFT, Verdict.LATER])
                self.vendor.stripe.payer_pays(charge, verdict)

    def buys_more(self, chance: Random) -> None:
        """A customer adds licenses; the part of the period is charged at once."""
        person = chance.choice([one for one in self.everybody if not one.is_reseller])
        purchase.buy(
            account_id=person.account,
            license_type="cloudlinux",
            quantity=1,
            interval="month",
            actor="soak",
            request_key=f"soak {chance.random()}",
            now=clock.now(),
        )

    def tops_up(self, chance: Random) -> None:
        """A reseller adds to the deposit by hand."""
        person = chance.choice([one for one in self.everybody if one.is_reseller])
        amount = chance.randint(10, 60) * 100
        reseller.top_up(
            account_id=person.account, amount_cents=amount, actor="soak", now=clock.now()
        )

    def gives_back(self, chance: Random) -> None:
        """An operator refunds a part of something, or tries a failed refund again."""
        failed = _choice(chance, Refund.objects.filter(state__in=refunds.FAILED))
        if failed is not None and chance.random() < 0.5:
            refunds.retry_refund(
                operator="otto",
                account_id=failed.payment.account_id,
                refund_id=failed.public_id,
                now=clock.now(),
            )
            return
        invoice = _choice(chance, Invoice.objects.filter(status=InvoiceStatus.PAID))
        if invoice is None:
            return
        wish = refunds.Wish(
            invoice=invoice.public_id,
            amount_cents=chance.randint(1, 300),
            reason="soak",
            is_removal_certified=True,
        )
        refunds.refund(operator="otto", account_id=invoice.account_id, wish=wish, now=clock.now())

    def changes_method(self, chance: Random) -> None:
        """Somebody replaces the stored method, perhaps by one of the other gateway (P1)."""
        person, gateway = chance.choice(self.everybody), chance.choice(["stripe", "paypal"])
        with self.vendor.lock:
            token = stored_at(self.vendor, gateway)
        collection.set_payment_method(
            account_id=person.account,
            kind=MethodKind.CARD if gateway == "stripe" else MethodKind.PAYPAL,
            gateway=gateway,
            token=token,
            label="stored in the soak",
            expires_on=None,
            actor="soak",
            now=clock.now(),
        )

    def loses_a_worker(self, chance: Random) -> None:
        """`kill -9`."""
        self.crew.kill_a_worker()

    # -- the end -------------------------------------------------------------------------------

    def comes_to_rest(self, is_unfinished: Callable[[], bool], *, seconds: float) -> None:
        """The vendor is calm, all webhooks have come, the workers find nothing in doubt."""
        self.vendor.calms_down()
        events, self._again = [*self._again, *self.vendor.events[self._delivered :]], []
        give_up_at = time.monotonic() + seconds
        for event in events:
            while not self.tells(event):
                assert time.monotonic() < give_up_at, event
        while True:
            clock.move_to(clock.now() + timedelta(minutes=61))
            self.vendor.decides()
            self.strike()
            for _ in range(20):
                if not is_unfinished():
                    return
                threading.Event().wait(0.1)
            assert time.monotonic() < give_up_at, "something stays in doubt"


def _choice(chance: Random, rows: object) -> object:
    found = list(rows.order_by("id"))  # type: ignore[attr-defined]
    return chance.choice(found) if found else None
