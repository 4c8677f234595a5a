"""A subscription as a pile of units, each with its own days and price (Q4–Q11, Q13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from tests.naive.paper import SCOPES, Invoice, Line, Shop, boundary, half_up


@dataclass
class Unit:
    """One license in the running period."""

    price: int
    since: date
    layer: int
    invoice: Invoice | None = None
    """What it has been billed by; none while it waits for the next invoice."""
    until: date | None = None
    """The day it was closed; none means that it is charged to the period's end."""
    removal: int = 0
    """Which removal closed it: each makes a line of its own (Q8)."""
    held: bool = True
    worth: int = 0
    """The dearest edition that the unit has been charged for (Q13)."""


@dataclass
class Piece:
    """The price difference of an edition for the rest of a period (Q13)."""

    quantity: int
    difference: int
    """Of all its units together; some may have been charged for the dearer edition before."""
    since: date
    is_billed: bool = False


@dataclass
class Subscription:
    """What one account holds of one license type."""

    license_type: str
    interval: str
    anchor: date
    is_granted: bool = False
    k: int = 0
    ends_on: date | None = None
    is_over: bool = False
    units: list[Unit] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    layers: int = 0
    removals: int = 0
    swept: int = 0

    @property
    def scope(self) -> str:
        return SCOPES[self.license_type]

    @property
    def start(self) -> date:
        return boundary(self.anchor, self.interval, self.k)

    @property
    def end(self) -> date:
        return boundary(self.anchor, self.interval, self.k + 1)

    @property
    def held(self) -> list[Unit]:
        return [unit for unit in self.units if unit.held]

    @property
    def quantity(self) -> int:
        return len(self.held)

    def share(self, unit_cents: int, quantity: int, since: date, until: date) -> int:
        """Multiply first, divide once, round once (M3)."""
        days = Fraction((until - since).days, (self.end - self.start).days)
        return half_up(unit_cents * quantity * days)

    def add(self, quantity: int, price: int, today: date) -> None:
        """Refill what is paid or charged to the end anyway; the rest is a layer (Q8)."""
        idle = [unit for unit in self.units if not unit.held and unit.until is None]
        back = sorted(idle, key=lambda one: (one.invoice is None, one.layer))[:quantity]
        for unit in back:
            unit.held = True
        quantity -= len(back)
        if self.license_type == "cloudlinux_pro":
            self.charge_difference(back, price, today)
        self.layers += 1
        self.units += [Unit(price, today, self.layers, worth=price) for _ in range(quantity)]

    def remove(self, quantity: int, today: date, survives: bool) -> list[Unit]:
        """The newest layers first; what is not paid yet is closed today (Q7, Q8)."""
        self.removals += 1
        newest = sorted(self.held, key=lambda one: (one.invoice is None, one.layer), reverse=True)
        for unit in newest[:quantity]:
            unit.held = False
            if unit.invoice is None and not survives:
                unit.until, unit.removal = today, self.removals
        return newest[:quantity]

    def pending(self, until: date | None = None) -> list[Line]:
        """What waits for the next invoice; `until` is an end before the period's (Q9, Q10)."""
        waiting: dict[tuple[int, int, date], list[Unit]] = {}
        for unit in self.units:
            if unit.invoice is None:
                last = unit.until or until or self.end
                waiting.setdefault((unit.layer, unit.removal, last), []).append(unit)
        lines = [
            self._line(len(same), same[0].price, same[0].since, last)
            for (_, _, last), same in waiting.items()
        ]
        for piece in self.pieces:
            if not piece.is_billed:
                cents = self.share(piece.difference, 1, piece.since, self.end)
                unit_cents = half_up(Fraction(piece.difference, piece.quantity))
                quantity = Fraction(piece.quantity)
                lines.append(Line("proration", quantity, unit_cents, piece.since, self.end, cents))
        return [line for line in lines if line.start < line.end]

    def _line(self, quantity: int, unit: int, since: date, until: date) -> Line:
        cents = self.share(unit, quantity, since, until)
        return Line("proration", Fraction(quantity), unit, since, until, cents)

    def bill_pending(self, invoice: Invoice | None) -> None:
        """From now on it is paid for; what was closed is done with."""
        for unit in self.units:
            if unit.invoice is None and unit.until is None:
                unit.invoice = invoice
        self.units = [unit for unit in self.units if unit.until is None]
        for piece in self.pieces:
            piece.is_billed = True

    def renew(self, price: int, invoice: Invoice) -> None:
        """A new period, in which everything held is paid in advance (Q9)."""
        quantity = self.quantity
        self.k += 1
        self.pieces, self.swept = [], 0
        self.units = [Unit(price, self.start, 0, invoice, worth=price) for _ in range(quantity)]

    def change_edition(self, license_type: str, price: int, today: date) -> None:
        """All units at once; the difference of the rest of the period, never less than 0 (Q13)."""
        self.license_type = license_type
        self.charge_difference(self.held, price, today)

    def charge_difference(self, units: list[Unit], price: int, today: date) -> None:
        """Units that were paid for a cheaper edition pay the rest, each once (Q13)."""
        difference = sum(max(0, price - unit.worth) for unit in units)
        if difference:
            self.pieces.append(Piece(len(units), difference, today))
        for unit in units:
            unit.worth = max(price, unit.worth)

    def next_sweep(self) -> date:
        """The next monthly day on which a yearly subscription's layers are invoiced (Q11)."""
        return boundary(self.anchor, "month", self.k * 12 + self.swept + 1)

    def sweep_is_due(self, today: date, shop: Shop) -> bool:
        yearly = shop.sweeps and self.interval == "year"
        return yearly and self.next_sweep() < self.end and self.next_sweep() <= today
