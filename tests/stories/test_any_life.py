"""Whatever a customer does, in any order, is what the naive model says (P12, M5, Q12).

Each life is a program that hypothesis writes: verbs, and days between them. The world keeps its
promises at every step (`tests/world.py`), and `tests/stories/lives.py` compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cln.enums import MethodKind
from cln.flows import corrections
from tests.naive.paper import Shop
from tests.partners import becomes, corrects, credits, refunds_to
from tests.stories.lives import NAMES, Lives
from tests.world import World

SOLD = ("kernelcare", "cloudlinux", "imunify360_1", "imunify360_30")
STARTS = ("2026-01-31", "2026-03-15", "2028-02-29", "2027-12-30", "2020-11-29", "2025-02-01")
BANK = {"ok": "works", "soft": "declines", "hard": "expired"}
TIERS = {
    "kernelcare": {1: 395, 2: 295, 4: 249},
    "cloudlinux": {1: 1400},
    "cloudlinux_pro": {1: 2000},
    "imunify360_1": {1: 1200, 5: 500},
    "imunify360_30": {1: 2500, 5: 1007},
}
some = st.sampled_from
DAYS = some((0, 0, 0, 1, 2, 3, 7, 14, 20, 29, 31, 45))
CENTS = some((1, 99, 333, 1_000, 2_501, 10_000))


class Life(RuleBasedStateMachine):
    """Verbs of one account; each is followed by some days."""

    world: World

    @initialize(
        start=some(STARTS),
        tax=some((0, 0, 20)),
        survives=st.booleans(),
        sweeps=st.booleans(),
        full_month=st.booleans(),
        yearly=st.booleans(),
    )
    def begins(
        self, start: str, tax: int, survives: bool, sweeps: bool, full_month: bool, yearly: bool
    ) -> None:
        since = date(2011, 1, 1)
        lists = [(name, "month", since, steps) for name, steps in TIERS.items()]
        if yearly:
            lists.append(("kernelcare", "year", since, {1: 3650, 3: 3599}))
        shop = Shop(lists, survives=survives, sweeps=sweeps, full_month=full_month)
        self.lives = Lives(self.world, shop, date.fromisoformat(start), tax)
        self.real, self.naive = self.lives.real, self.lives.naive
        self.names = 0

    # Buying and giving up.

    @rule(
        what=some(SOLD),
        servers=some((1, 1, 2, 3, 5)),
        interval=some((None, None, "month", "year")),
        days=DAYS,
    )
    def buys(self, what: str, servers: int, interval: str | None, days: int) -> None:
        monthly = None if interval is None else interval == "month"
        self.lives.both(
            partial(self.real.buys, NAMES[what], servers, monthly),
            partial(self.naive.buy, what, servers, interval),
        )
        self.lives.wait(days)

    @rule(what=some(SOLD), keep=some((None, 0, 1, 2, 4)), days=DAYS)
    def removes_unused(self, what: str, keep: int | None, days: int) -> None:
        self.lives.both(
            partial(self.real.removes_unused, NAMES[what], keep),
            partial(self.naive.remove_unused, what, keep),
        )
        self.lives.wait(days)

    @rule(what=some(SOLD), now=st.booleans(), days=DAYS)
    def unsubscribes(self, what: str, now: bool, days: int) -> None:
        self.lives.both(
            partial(self.real.unsubscribes, NAMES[what], now),
            partial(self.naive.unsubscribe, what, now),
        )
        self.lives.wait(days)

    @rule(what=some(SOLD), days=DAYS)
    def resumes(self, what: str, days: int) -> None:
        self.lives.both(
            partial(self.real.resumes, NAMES[what]), partial(self.naive.resume, what)
        )
        self.lives.wait(days)

    # Paying.

    @rule(answer=some(("ok", "soft", "hard")), days=DAYS)
    def bank_answers(self, answer: str, days: int) -> None:
        self.real.card(BANK[answer])
        self.naive.bank = answer
        self.lives.wait(days)

    @rule(kind=some(tuple(MethodKind)), days=DAYS)
    def replaces_method(self, kind: MethodKind, days: int) -> None:
        self.lives.both(
            partial(self.real.replaces_method, "works", kind), self.naive.replace_method
        )
        self.lives.wait(days)

    @precondition(lambda self: self.naive.owed)
    @rule(days=DAYS)
    def pays_now(self, days: int) -> None:
        self.lives.both(self.real.pays_now, self.naive.pay_now)
        self.lives.wait(days)

    @precondition(lambda self: self.naive.open)
    @rule(cents=CENTS, days=DAYS)
    def pays_part(self, cents: int, days: int) -> None:
        page = self.real.opens_hosted_page(f"{cents / 100:.2f}")
        self.lives.both(
            partial(self.real.pays_at_hosted_page, page), partial(self.naive.pay_part, cents)
        )
        self.lives.wait(days)

    @rule(cents=CENTS, days=DAYS)
    def is_given_credit(self, cents: int, days: int) -> None:
        self.lives.both(
            partial(credits, self.world, self.real, f"{cents / 100:.2f}"),
            partial(self.naive.credit, cents),
        )
        self.lives.wait(days)

    @precondition(lambda self: self.naive.open)
    @rule(data=st.data(), days=DAYS)
    def is_freed_of_an_invoice(self, data: st.DataObject, days: int) -> None:
        rows = self.naive.invoices
        number = data.draw(some([n for n, row in enumerate(rows) if row.owed]))
        self.lives.both(
            partial(corrects, self.world, corrections.void_invoice, self.real, number + 1),
            partial(self.naive.void, number),
        )
        self.lives.wait(days)

    @rule(days=some((1, 5, 30, 60)))
    def waits(self, days: int) -> None:
        self.lives.wait(days)

    @rule(days=some((2, 9, 40)))
    def worker_is_down(self, days: int) -> None:
        self.lives.sleep(days)


@contextmanager
def _a_world() -> Iterator[World]:
    """A world whose life is undone at its end, as a test's is."""
    around = transaction.atomic()
    around._from_testcase = True
    with around:
        yield World()
        transaction.set_rollback(True)


def test_any_life_is_what_the_naive_model_says_m5_p12(db: None) -> None:
    """Invoices, balance, debt, licenses and state agree with the model after every step."""

    class LifeInAWorld(Life):
        def __init__(self) -> None:
            super().__init__()
            self.around = _a_world()
            self.world = self.around.__enter__()

        def teardown(self) -> None:
            self.around.__exit__(None, None, None)

    run_state_machine_as_test(LifeInAWorld, settings=settings(stateful_step_count=8))
