"""Two lives of one customer, side by side: in the real system, and in the naive model.

Each verb is done to both. What one refuses the other refuses; after each verb and each wait both
show the same invoices, money, licenses and state, to the cent and to the day.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from cln.billing import queries as billing
from cln.domain.errors import Refusal
from cln.flows import timeline
from cln.licensing import queries as licensing
from tests.cast import PRODUCTS
from tests.naive.customer import No
from tests.naive.paper import Invoice, Shop
from tests.naive.reseller import Reseller as Naive
from tests.partners import Reseller
from tests.world import World, instant

NAMES = {code: name for name, code in PRODUCTS.items()}


class BriefWorld(World):
    """A world in which each promise is kept once a step, for there are thousands of steps."""

    def on(self, when: str) -> World:
        """Live through all that is due until a moment."""
        until = instant(when)
        timeline.run_until(until, since=self.now)
        self.now = until
        return self

    def nothing_more_is_due(self) -> None:
        """The worker comes by, as after every click."""
        timeline.run_due(now=self.now)

    def enters(self, license_type: str, interval: str, since: date, steps: dict[int, int]) -> None:
        """The operator enters a price list of the model's."""
        self.otto.prices(
            NAMES[license_type],
            {step: f"{Decimal(cents) / 100:.2f}" for step, cents in steps.items()},
            effective=since.isoformat(),
            yearly=interval == "year",
        )

    def proves(self) -> None:
        """Bill and collect again: nothing comes of it (M5); the books are clean (P12)."""
        super().nothing_more_is_due()


class Lives:
    """One customer of the world, and the same one on paper."""

    def __init__(self, world: BriefWorld, shop: Shop, start: date, tax_percent: int) -> None:
        self.world, self.shop = world, shop
        world.otto.sets(
            proration_survives_removal=shop.survives,
            yearly_proration_sweep=shop.sweeps,
            usage_rating="full_month" if shop.full_month else "daily",
        )
        if tax_percent:
            world.otto.taxes("GB", percent=tax_percent)
        world.now = instant(start.isoformat())
        account = world.customer("acme", country="GB" if tax_percent else "").account_id
        self.real = Reseller(world, "acme", account)
        self.naive = Naive(shop, start, tax=tax_percent * 100)

    # What happens to both.

    def both(self, days: int, really: Callable[[], object], on_paper: Callable[[], object]) -> None:
        """Do it in both, and let days go by; a refusal is the same in both."""
        expected = found = ""
        try:
            on_paper()
        except No as no:
            expected = str(no)
        try:
            really()
        except Refusal as refusal:
            found = refusal.code
        self._agree([found, *self._seen()], [expected, *self._foreseen()])
        if not days:
            self.world.proves()
            return
        until = self.naive.today + timedelta(days=days)
        self.naive.live_until(until)
        self.world.on(until.isoformat())
        self.world.proves()
        self._agree(self._seen(), self._foreseen())

    def sleep(self, days: int) -> None:
        """The worker is down for so long, and catches up."""
        until = self.naive.today + timedelta(days=days)
        self.naive.sleep_until(until)
        self.world.wakes_up_on(until.isoformat())
        self.world.proves()
        self._agree(self._seen(), self._foreseen())

    def number(self, on_paper: int) -> int:
        """Which of the real invoices, from 1, an invoice of the model is."""
        rows = billing.invoices_of(self.real.account_id, oldest_first=True)
        wanted = _on_paper(self.naive.invoices[on_paper])
        return 1 + [_as_read(row) for row in rows].index(wanted)

    # What both show.

    def _seen(self) -> list[str]:
        pk, now = self.real.account_id, self.world.now
        rights: dict[str, int | None] = dict.fromkeys(self._types(), 0)
        for row in licensing.entitlements_of(pk):
            is_over = row.valid_until is not None and row.valid_until <= now
            rights[row.license_type] = 0 if is_over else row.quantity
        held = dict.fromkeys(self._types(), 0)
        held |= {row.license_type: row.quantity for row in billing.subscriptions_of(pk)}
        balance, owed = billing.balance_cents(pk), billing.amount_due_cents(pk)
        return [
            *sorted(_as_read(row) for row in billing.invoices_of(pk, oldest_first=True)),
            f"balance {balance}, owes {owed + max(0, -balance)}, {self.real.status}",
            *(f"{name}: holds {held[name]}, may run {rights[name]}" for name in self._types()),
        ]

    def _foreseen(self) -> list[str]:
        naive = self.naive
        held = {name: sum(one.quantity for one in naive.live(name)) for name in self._types()}
        return [
            *sorted(_on_paper(one) for one in naive.invoices),
            f"balance {naive.balance}, owes {naive.owed}, {naive.state}",
            *(
                f"{name}: holds {held[name]}, may run {naive.allowed(name)}"
                for name in self._types()
            ),
        ]

    def _agree(self, found: list[str], expected: list[str]) -> None:
        if found != expected:
            rows = difflib.unified_diff(expected, found, "model", "system", n=0, lineterm="")
            raise AssertionError("\n".join([f"{self.naive.today}", *rows]))

    def _types(self) -> list[str]:
        return sorted({name for name, *_ in self.shop.lists})


def _as_read(row: billing.InvoiceRow) -> str:
    lines = [
        _line(
            line.kind,
            Fraction(line.quantity),
            line.unit_cents,
            (line.starts_on, line.ends_on),
            line.amount_cents,
        )
        for line in row.lines
    ]
    head = f"{row.issued_on} {row.license_type} {row.purpose} {row.status} {row.total_cents}"
    return " ".join([head, f"({row.due_cents} due)", *sorted(lines)])


def _on_paper(one: Invoice) -> str:
    lines = [
        _line(line.kind, line.quantity, line.unit, (line.start, line.end), line.cents)
        for line in one.lines
    ]
    head = f"{one.issued} {one.license_type} {one.purpose} {one.status} {one.total}"
    return " ".join([head, f"({one.owed} due)", *sorted(lines)])


def _line(kind: str, quantity: Fraction, unit: int, days: tuple[date, date], cents: int) -> str:
    """A line; of days of a tax nothing is specified; six places of a quantity are shown (R2)."""
    if kind == "tax":
        return f"[tax {cents}]"
    return f"[{kind} {float(round(quantity, 6)):g} × {unit} {days[0]}..{days[1]} {cents}]"
