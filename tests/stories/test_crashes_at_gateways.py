"""`kill -9` of a process of ours at each point of each movement of money, through real gateways.

The vendor holds an answer, or the database a lock, until the process is dead; so each death is at
its point, every time. Whoever comes afterwards finds what the dead one left: the money moved once
or not at all, and the books agree with the till.
"""

from __future__ import annotations

import contextlib
import queue
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import cycle
from typing import Any

import psycopg
import pytest
from django.db import connections
from procrastinate.exceptions import AlreadyEnqueued
from psycopg import sql

from cln.flows import tasks, timeline
from cln.payments.models import GatewayEvent
from cln.payments.services import RESOLVE_AFTER
from tests.customers import clock_at, database_url, forget_jobs
from tests.nursery import Nursery, nursery, posts, work
from tests.vendor import Fault, Vendor
from tests.vendor.movements import MOVEMENTS, Scene, moved, resolves
from tests.vendor.shop import THREE_DAYS, delivered, side_of, the_till_agrees

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS = 30
KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def children(django_db_setup: None, django_db_blocker: Any) -> Iterator[Nursery]:
    """Processes to lose."""
    with django_db_blocker.unblock(), nursery() as children:
        yield children


@pytest.fixture(autouse=True)
def no_jobs() -> Iterator[None]:
    yield
    forget_jobs()


# -- how a process dies --------------------------------------------------------------------------


@dataclass
class Executioner:
    """Starts a process of ours and kills it at a point; the process is dead before life goes on."""

    vendor: Vendor
    children: Nursery

    def lets_do(self, verb: Callable[..., object], **arguments: object) -> int:
        """Start a process with the gateways of this vendor."""
        return self.children.starts(verb, self.vendor.environment, **arguments)

    def at_request(
        self, step: str, when: str, verb: Callable[..., object], **given: object
    ) -> None:
        """Kill it `before` the vendor has carried a request out (which is then dropped), `during`
        that (which it then does), or `after` it (the answer finds nobody).
        """
        victim: queue.Queue[int] = queue.Queue()
        fate: queue.Queue[int] = queue.Queue()
        if when == "before":
            self.vendor.plan(step, Fault.LOST_BEFORE)
        moment = self.vendor.meanwhile if when == "after" else self.vendor.beforehand
        moment[step] = lambda: fate.put(self.children.kills(victim.get(timeout=PATIENCE_SECONDS)))

        victim.put(self.lets_do(verb, **given))

        assert fate.get(timeout=PATIENCE_SECONDS) == KILLED, self.children.said()
        moment.clear()

    def at_write(self, step: str, table: str, verb: Callable[..., object], **given: object) -> None:
        """Kill it while it writes down what a request has answered, or, without one, what it was
        told: that never commits.
        """
        with (
            psycopg.connect(database_url(), autocommit=True) as admin,
            psycopg.connect(database_url()) as holder,
        ):
            lock = sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(table))
            if step:
                self.vendor.meanwhile[step] = lambda: holder.execute(lock)
            else:
                holder.execute(lock)
            victim = self.lets_do(verb, **given)
            backend = _who_waits_for(table, admin)
            assert self.children.kills(victim) == KILLED, self.children.said()
            gone = admin.execute("SELECT pg_terminate_backend(%s, 10000)", [backend]).fetchone()
            assert gone == (True,)
        self.vendor.meanwhile.clear()


def _who_waits_for(table: str, admin: psycopg.Connection) -> int:
    """The server process that waits for a lock of a table, as soon as there is one."""
    for _ in range(PATIENCE_SECONDS * 100):
        row = admin.execute(
            "SELECT pid, pg_sleep(0) FROM pg_locks WHERE NOT granted AND relation = %s::regclass",
            [table],
        ).fetchone()
        if row is not None:
            return int(row[0])
        admin.execute("SELECT pg_sleep(0.01)")
    raise AssertionError(f"nobody writes to {table}")


@pytest.fixture
def executioner(vendor: Vendor, children: Nursery) -> Executioner:
    return Executioner(vendor, children)


# -- in the middle of a movement -----------------------------------------------------------------

POINTS = {
    "before announcing": ("announce", "before"),
    "after announcing": ("announce", "after"),
    "before the call": ("", "before"),
    "during the call": ("", "during"),
    "after the vendor moved it": ("", "after"),
    "before our commit": ("", "writing"),
}
ANNOUNCED_BEFORE = ("hosted", "refund")
"""A page has been announced when it is shown; refunds are not announced."""
CELLS = [
    (movement, point)
    for movement in MOVEMENTS
    for point, (step, _) in POINTS.items()
    if not (step == "announce" and movement in ANNOUNCED_BEFORE)
]


@pytest.mark.parametrize(
    ("movement", "point", "name"),
    [(*cell, name) for cell, name in zip(CELLS, cycle(["stripe", "paypal", "paypal", "stripe"]))],
)
def test_a_movement_whose_process_is_killed_is_made_once_or_not_at_all(
    vendor: Vendor, executioner: Executioner, movement: str, point: str, name: str
) -> None:
    """P3, P4, P10, R1, R4: the gateways take turns, so that each point and movement meets both."""
    scene = by_a_worker(MOVEMENTS[movement](vendor, name), movement)
    vendor.events.clear()
    scene.payer_acts()
    step, when = POINTS[point]
    if when == "writing":
        executioner.at_write(scene.step, written(movement), scene.verb, **scene.arguments)
    else:
        executioner.at_request(step or scene.step, when, scene.verb, **scene.arguments)

    resolves(scene.now)
    expected = (when != "before" and step != "announce") or movement == "hosted"
    assert moved(vendor, scene) == expected
    the_till_agrees(vendor, since=scene.now)

    for event in reversed(vendor.events):
        delivered(vendor, name, event)
    timeline.run_due(now=scene.now + THREE_DAYS)
    is_tried_again = movement not in ("deposit", "refund")
    assert moved(vendor, scene) == (expected or is_tried_again)
    the_till_agrees(vendor, since=scene.now)


def by_a_worker(scene: Scene, movement: str) -> Scene:
    """What a worker does by itself is done by a real one, from a job."""
    if movement not in ("automatic", "top-up"):
        return scene
    a_minute_begins(scene.now)
    return replace(scene, verb=work, arguments={})


def a_minute_begins(now: datetime) -> None:
    """The job of the minute is there for a worker, as its own timer would put it there."""
    clock_at(now)
    with contextlib.suppress(AlreadyEnqueued):
        tasks.collect.defer(timestamp=0)


def written(movement: str) -> str:
    """The table in which the end of a movement is written down."""
    return "payments_refund" if movement == "refund" else "payments_payment"


@pytest.mark.parametrize(("movement", "name"), [*zip(MOVEMENTS, cycle(["stripe", "paypal"]))])
def test_no_transaction_is_open_while_a_gateway_is_asked(
    vendor: Vendor, movement: str, name: str
) -> None:
    """P3, P4: nobody waits for a lock as long as a vendor takes to answer."""
    scene = MOVEMENTS[movement](vendor, name)
    ours, asked = connections["default"], Counter[tuple[str, bool]]()

    def look(step: str) -> None:
        asked[step, ours.in_atomic_block] += 1

    for step in ("announce", "charge", "look", "close", "refund", "method"):
        vendor.meanwhile[step] = partial(look, step)
    scene.go()
    resolves(scene.now)

    assert (scene.step, False) in asked
    assert not [step for step, is_open in asked if is_open]


# -- in the resolver, in a webhook -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "movement", "fault", "step", "when"),
    [
        ("stripe", "automatic", Fault.LOST_AFTER, "look", "before"),
        ("paypal", "automatic", Fault.LOST_AFTER, "look", "writing"),
        ("stripe", "automatic", Fault.LOST_BEFORE, "close", "before"),
        ("stripe", "automatic", Fault.LOST_BEFORE, "close", "during"),
        ("paypal", "top-up", Fault.LOST_AFTER, "look", "after"),
        ("paypal", "deposit", Fault.LOST_AFTER, "look", "after"),
        ("stripe", "deposit", Fault.LOST_AFTER, "look", "writing"),
        ("paypal", "refund", Fault.LOST_AFTER, "look", "before"),
        ("stripe", "refund", Fault.LOST_AFTER, "look", "writing"),
    ],
)
def test_a_resolver_that_is_killed_leaves_its_work_to_the_next(
    vendor: Vendor,
    executioner: Executioner,
    name: str,
    movement: str,
    fault: Fault,
    step: str,
    when: str,
) -> None:
    """P3: a worker asks what became of it and dies; the next one asks again."""
    scene = in_doubt(vendor, name, movement, fault)
    a_minute_begins(scene.now + RESOLVE_AFTER)

    if when == "writing":
        executioner.at_write(step, written(movement), work)
    else:
        executioner.at_request(step, when, work)
    a_minute_begins(scene.now + 2 * RESOLVE_AFTER)
    survivor = executioner.lets_do(work)
    assert executioner.children.end_of(survivor) == 0, executioner.children.said()

    assert moved(vendor, scene) == (fault is Fault.LOST_AFTER)
    the_till_agrees(vendor, since=scene.now)


@pytest.mark.parametrize(
    ("name", "movement", "step"),
    [
        ("stripe", "automatic", ""),
        ("paypal", "automatic", "verify"),
        ("stripe", "deposit", ""),
        ("paypal", "refund", "look"),
    ],
)
def test_a_webhook_whose_process_is_killed_is_done_when_it_comes_again(
    vendor: Vendor, executioner: Executioner, name: str, movement: str, step: str
) -> None:
    """P3: it was kept before it was acted on, and is found undone."""
    scene = in_doubt(vendor, name, movement, Fault.LOST_AFTER)
    [event] = vendor.events
    sent = side_of(vendor, name).webhook(event)

    executioner.at_write(step, written(movement), posts, path=f"/webhooks/{name}", body=sent)
    assert GatewayEvent.objects.get().processed_at is None
    for _ in range(2):
        delivered(vendor, name, event)

    assert GatewayEvent.objects.get().processed_at is not None
    assert moved(vendor, scene) == 1
    the_till_agrees(vendor, since=scene.now)


def in_doubt(vendor: Vendor, name: str, movement: str, fault: Fault) -> Scene:
    """A movement that never heard an answer."""
    scene = MOVEMENTS[movement](vendor, name)
    vendor.events.clear()
    vendor.plan(scene.step, fault)
    scene.go()
    return scene
