"""Whatever a customer does, in any order, is what the naive model says (P12, M5, Q12).

Each life is a program that hypothesis writes: verbs, and days between them. The world keeps its
promises at every step (`tests/world.py`), and `tests/stories/lives.py` compares.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from functools import partial

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, seed, settings
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
from tests.stories.lives import NAMES, BriefWorld, Lives

SHARES = 4
STEPS = 12 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 5
SOLD = ("kernelcare", "cloudlinux", "imunify360_1", "imunify360_30")
STARTS = ("2026-01-31", "2026-03-15", "2028-02-29", "2027-12-30", "2020-11-29", "2025-02-01")
BANK = {"ok": "works", "soft": "declines", "hard": "expired"}
LISTS = [
    (name, interval, date(2011, 1, 1), steps)
    for name, interval, steps in (
        ("kernelcare", "month", {1: 395, 2: 295, 4: 249}),
        ("kernelcare", "year", {1: 3650, 3: 3599}),
        ("cloudlinux", "month", {1: 1400}),
        ("cloudlinux_pro", "month", {1: 2000}),
        ("imunify360_1", "month", {1: 1200, 5: 500}),
        ("imunify360_30", "month", {1: 2500, 5: 1007}),
    )
]
PLACES = {
    "kernelcare": "203.0.114",
    "cloudlinux": "203.0.115",
    "imunify360_1": "203.0.116",
    "imunify360_30": "203.0.116",
}
some = st.sampled_from
DAYS = some((0, 0, 0, 1, 2, 3, 7, 14, 20, 29, 31, 45))
CENTS = some((1, 99, 333, 1_000, 2_501, 10_000))


class Life(RuleBasedStateMachine):
    """Verbs of one account; each is followed by some days."""

    world: BriefWorld

    @initialize(
        start=some(STARTS),
        tax=some((0, 0, 20)),
        survives=st.booleans(),
        sweeps=st.booleans(),
        full_month=st.booleans(),
        interval=some(("month", "month", "year")),
        basket=st.lists(some(SOLD), min_size=1, max_size=3, unique=True),
        servers=some((1, 2, 5)),
        running=some((0, 1, 2)),
        days=DAYS,
    )
    def begins(
        self,
        start: str,
        tax: int,
        survives: bool,
        sweeps: bool,
        full_month: bool,
        interval: str,
        basket: list[str],
        servers: int,
        running: int,
        days: int,
    ) -> None:
        shop = Shop(list(LISTS), survives=survives, sweeps=sweeps, full_month=full_month)
        self.lives = Lives(self.world, shop, date.fromisoformat(start), tax)
        self.real, self.naive = self.lives.real, self.lives.naive
        self.names = 0
        for what in basket:
            self.buys(what, servers, interval, days)
        for _ in range(running):
            self.registers(basket[0], "8.9", 0)

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
            days,
            partial(self.real.buys, NAMES[what], servers, monthly),
            partial(self.naive.buy, what, servers, interval),
        )

    @rule(what=some(SOLD), keep=some((None, 0, 1, 2, 4)), days=DAYS)
    def removes_unused(self, what: str, keep: int | None, days: int) -> None:
        self.lives.both(
            days,
            partial(self.real.removes_unused, NAMES[what], keep),
            partial(self.naive.remove_unused, what, keep),
        )

    @rule(what=some(SOLD), now=st.booleans(), days=DAYS)
    def unsubscribes(self, what: str, now: bool, days: int) -> None:
        self.lives.both(
            days,
            partial(self.real.unsubscribes, NAMES[what], now),
            partial(self.naive.unsubscribe, what, now),
        )

    @rule(what=some(SOLD), days=DAYS)
    def resumes(self, what: str, days: int) -> None:
        self.lives.both(
            days, partial(self.real.resumes, NAMES[what]), partial(self.naive.resume, what)
        )

    # Servers, editions, trials.

    @precondition(lambda self: not self.naive.is_reseller)
    @rule(what=some(SOLD), days=DAYS)
    def tries(self, what: str, days: int) -> None:
        self.lives.both(
            days,
            partial(self.real.starts_trial, NAMES[what]),
            partial(self.naive.start_trial, what),
        )

    @rule(what=some(SOLD), version=some(("8.9", "6.10")), days=DAYS)
    def registers(self, what: str, version: str, days: int) -> None:
        if self.real.key(NAMES[what]) is None:
            return
        self.names += 1
        host, ip = f"web{self.names}", f"203.0.113.{self.names}"
        self.lives.both(
            days,
            partial(self.real.registers, host, NAMES[what], ip, version),
            partial(self.naive.register, host, what, version),
        )

    @precondition(lambda self: self.naive.servers)
    @rule(data=st.data(), cancel=st.booleans(), days=DAYS)
    def removes_a_server(self, data: st.DataObject, cancel: bool, days: int) -> None:
        host = self.a_host(data)
        self.lives.both(
            days,
            partial(self.real.removes_server, host, cancel),
            partial(self.naive.remove_server, host, cancel),
        )

    @precondition(lambda self: self.naive.servers)
    @rule(data=st.data(), to=some(SOLD[2:]), cancel=st.booleans(), days=DAYS)
    def converts(self, data: st.DataObject, to: str, cancel: bool, days: int) -> None:
        host = self.a_host(data)
        self.lives.both(
            days,
            partial(self.real.converts, host, NAMES[to], cancel),
            partial(self.naive.convert, host, to, cancel),
        )

    @precondition(lambda self: self.naive.has_bought & {"cloudlinux"})
    @rule(edition=some(("pro", "shared")), days=DAYS)
    def changes_edition(self, edition: str, days: int) -> None:
        self.lives.both(
            days,
            partial(self.real.changes_edition, edition),
            partial(self.naive.change_edition, edition),
        )

    def a_host(self, data: st.DataObject) -> str:
        return data.draw(some([server.host for server in self.naive.servers]))

    # As a reseller.

    @precondition(lambda self: self.naive.invoices and not self.naive.trials)
    @rule(cents=some((100, 5_000, 10_001, 50_000)), days=DAYS)
    def becomes_a_reseller(self, cents: int, days: int) -> None:
        self.lives.both(
            days,
            partial(becomes, self.real, f"{cents / 100:.2f}"),
            partial(self.naive.become_reseller, cents),
        )

    @precondition(lambda self: self.naive.is_reseller)
    @rule(what=some(SOLD), number=some((1, 2, 3)), days=DAYS)
    def holds_an_address(self, what: str, number: int, days: int) -> None:
        address = self.an_address(what, number)
        self.lives.both(
            days,
            partial(self.real.holds_ip, NAMES[what], address),
            partial(self.naive.hold_ip, what, address),
        )

    @precondition(lambda self: self.naive.is_reseller)
    @rule(what=some(SOLD), number=some((1, 2, 3)), days=DAYS)
    def gives_an_address_back(self, what: str, number: int, days: int) -> None:
        address = self.an_address(what, number)
        self.lives.both(
            days,
            partial(self.real.gives_back, NAMES[what], address),
            partial(self.naive.give_back_ip, what, address),
        )

    @precondition(lambda self: self.naive.is_reseller)
    @rule(number=some((1, 2, 3)), to=some(SOLD[2:]), days=DAYS)
    def converts_an_address(self, number: int, to: str, days: int) -> None:
        address = self.an_address(to, number)
        self.lives.both(
            days,
            partial(self.real.converts_ip, address, NAMES[to]),
            partial(self.naive.convert_ip, address, to),
        )

    @precondition(lambda self: self.naive.is_reseller)
    @rule(cents=some((100, 2_000, 30_000)), days=DAYS)
    def tops_up(self, cents: int, days: int) -> None:
        self.lives.both(
            days,
            partial(self.real.tops_up, f"{cents / 100:.2f}"),
            partial(self.naive.add_funds, cents),
        )

    @precondition(lambda self: self.naive.is_reseller)
    @rule(mode=some(("off", "repay", "add_funds")), fill=some((10_000, 30_000)), days=DAYS)
    def sets_autopay(self, mode: str, fill: int, days: int) -> None:
        self.lives.both(
            days,
            partial(self.real.sets_autopay, mode, f"{fill / 100:.2f}"),
            partial(self.naive.set_autopay, mode, fill),
        )

    def an_address(self, what: str, number: int) -> str:
        """Of its own per product, so that nothing is included with anything (S3)."""
        return f"{PLACES[what]}.{number}"

    # Paying.

    @rule(answer=some(("ok", "soft", "hard")), days=DAYS)
    def bank_answers(self, answer: str, days: int) -> None:
        def on_paper() -> None:
            self.naive.bank = answer

        self.lives.both(days, partial(self.real.card, BANK[answer]), on_paper)

    @rule(kind=some(tuple(MethodKind)), days=DAYS)
    def replaces_method(self, kind: MethodKind, days: int) -> None:
        self.lives.both(
            days, partial(self.real.replaces_method, "works", kind), self.naive.replace_method
        )

    @precondition(lambda self: self.naive.owed)
    @rule(days=DAYS)
    def pays_now(self, days: int) -> None:
        self.lives.both(days, self.real.pays_now, self.naive.pay_now)

    @precondition(lambda self: self.naive.open)
    @rule(cents=CENTS, days=DAYS)
    def pays_part(self, cents: int, days: int) -> None:
        page = self.real.opens_hosted_page(f"{cents / 100:.2f}")
        self.lives.both(
            days, partial(self.real.pays_at_hosted_page, page), partial(self.naive.pay_part, cents)
        )

    @rule(cents=CENTS, days=DAYS)
    def is_given_credit(self, cents: int, days: int) -> None:
        self.lives.both(
            days,
            partial(credits, self.world, self.real, f"{cents / 100:.2f}"),
            partial(self.naive.credit, cents),
        )

    @precondition(lambda self: self.naive.open)
    @rule(data=st.data(), days=DAYS)
    def is_freed_of_an_invoice(self, data: st.DataObject, days: int) -> None:
        rows = self.naive.invoices
        number = data.draw(some([n for n, row in enumerate(rows) if row.owed]))
        self.lives.both(
            days,
            partial(
                corrects, self.world, corrections.void_invoice, self.real, self.lives.number(number)
            ),
            partial(self.naive.void, number),
        )

    @precondition(lambda self: any(row.status == "paid" for row in self.naive.invoices))
    @rule(data=st.data(), cents=some((None, None, 1, 250)), days=DAYS)
    def is_refunded(self, data: st.DataObject, cents: int | None, days: int) -> None:
        rows = self.naive.invoices
        number = data.draw(some([n for n, row in enumerate(rows) if row.status == "paid"]))
        amount = None if cents is None else f"{cents / 100:.2f}"
        takes = cents is None and self.naive.is_as_billed() and not self.naive.left_some(number)
        self.lives.both(
            days,
            partial(
                refunds_to,
                self.world,
                self.real,
                self.lives.number(number),
                amount,
                reason="goodwill",
                remove_licenses=takes,
            ),
            partial(self.naive.refund, number, cents, takes),
        )

    @precondition(lambda self: any(row.purpose != "order" for row in self.naive.open))
    @rule(data=st.data(), days=DAYS)
    def is_written_off(self, data: st.DataObject, days: int) -> None:
        rows = self.naive.invoices
        number = data.draw(
            some([n for n, row in enumerate(rows) if row.owed and n not in self.naive.orders])
        )
        self.lives.both(
            days,
            partial(
                corrects, self.world, corrections.write_off, self.real, self.lives.number(number)
            ),
            partial(self.naive.write_off, number),
        )

    @rule(
        what=some(("kernelcare", "imunify360_1", "imunify360_30")),
        interval=some(("month", "month", "year")),
        ahead=some((0, 1, 12, 40)),
        steps=some(({1: 999}, {1: 1300, 3: 700})),
        days=DAYS,
    )
    def prices_change(
        self, what: str, interval: str, ahead: int, steps: dict[int, int], days: int
    ) -> None:
        since = self.naive.today + timedelta(days=ahead)
        if any(row[:3] == (what, interval, since) for row in self.naive.shop.lists):
            return

        def on_paper() -> None:
            self.naive.shop.lists.append((what, interval, since, steps))

        self.lives.both(days, partial(self.world.enters, what, interval, since, steps), on_paper)

    @rule(days=some((2, 9, 40)))
    def worker_is_down(self, days: int) -> None:
        self.lives.sleep(days)


@pytest.mark.long
@pytest.mark.parametrize("share", range(SHARES))
def test_any_life_is_what_the_naive_model_says_m5_p12(transactional_db: None, share: int) -> None:
    """Invoices, balance, debt, licenses and state agree with the model after every step.

    The examples are divided into shares, so that two processes can do them; where hypothesis is to
    find the same ones every time, each share finds its own.
    """

    shop = BriefWorld()
    for price_list in LISTS:
        shop.enters(*price_list)

    class LifeInAWorld(Life):
        def __init__(self) -> None:
            super().__init__()
            self.world = shop
            self.around = transaction.atomic()
            self.around._from_testcase = True  # flows ask for durable transactions
            self.around.__enter__()

        def teardown(self) -> None:
            transaction.set_rollback(True)
            self.around.__exit__(None, None, None)
            shop.customers.clear()

    if settings().derandomize:
        seed(share)(LifeInAWorld)
    how = settings(
        max_examples=settings().max_examples // SHARES,
        stateful_step_count=STEPS,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(LifeInAWorld, settings=how)
