"""The bookkeeping of units inside one period: paid units, layers and what was closed (Q8).

Example: 10 are paid, 3 are added on the 10th and 2 removed on the 20th. The 3 are a *layer*. The
removal takes the newest units first, so it closes 2 of the layer's 3 as a piece of their own,
charged from the 10th to the 20th, and 1 goes on to the period's end. Had 12 been removed instead,
9 paid units would be gone without credit, and the next 9 added would refill that gap for nothing.
"""

from dataclasses import dataclass, replace
from datetime import date

from cln.domain.subscriptions import Change, ChangeKind, SubscriptionFacts


@dataclass(frozen=True, slots=True)
class Layer:
    """Units added above what is paid, pending until the next invoice."""

    change_id: int
    units: int
    unit_cents: int
    added_on: date
    price_list_id: int | None
    note: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A pending charge whose end is known: `full_cents` is its price for a whole period.

    `kind` is that of the change that made it: a removal (closed units of a layer, `closing_id`
    names it), an upgrade (price difference, Q13), or an addition that brought units back which
    were away during an upgrade.
    """

    change_id: int
    closing_id: int | None
    kind: ChangeKind
    units: int
    full_cents: int
    from_on: date
    until_on: date
    price_list_id: int | None
    note: str


@dataclass(frozen=True, slots=True)
class Lot:
    """Units of one origin: of the layer `change_id`, or paid in advance if that is None.

    `unit_cents` is what each cost, `worth_cents` the edition price covered by now (an upgrade
    raises it, so the same difference is never charged twice). Lots that are not held are the gap
    that additions refill at no charge.
    """

    units: int
    unit_cents: int
    worth_cents: int
    change_id: int | None
    is_held: bool


@dataclass(frozen=True, slots=True)
class PeriodState:
    """What replaying the changes of a period leaves."""

    held: int
    paid: int
    paid_unit_cents: int
    layers: tuple[Layer, ...]
    closed: tuple[Piece, ...]
    lots: tuple[Lot, ...]

    @property
    def newest_held(self) -> Lot | None:
        """The units that a removal would take first."""
        return next((lot for lot in reversed(self.lots) if lot.is_held), None)


def fold(facts: SubscriptionFacts) -> PeriodState:
    """Replay the running period's changes (Q8); later ones wait for their own period.

    Sweeps come before other changes of their day, as all due work does.
    """
    replay, period = _Replay(facts), facts.period
    changes = [change for change in facts.changes if change.on < period.end]
    for change in sorted(changes, key=lambda c: (c.on, c.kind is not ChangeKind.SWEEP, c.id)):
        replay.apply(change)
    lots = tuple(replay.lots)
    return PeriodState(
        held=replay.held,
        paid=sum(lot.units for lot in lots if lot.change_id is None),
        paid_unit_cents=facts.paid_unit_cents,
        layers=tuple(replay.layers),
        closed=tuple(replay.closed),
        lots=lots,
    )


class _Replay:
    """The moving parts of `fold`; lots are ordered oldest first."""

    def __init__(self, facts: SubscriptionFacts) -> None:
        price = facts.paid_unit_cents
        self.end = facts.period.end
        self.survives = facts.rules.proration_survives_removal
        self.lots = [Lot(facts.paid, price, price, None, True)] if facts.paid else []
        self.layers: list[Layer] = []
        self.closed: list[Piece] = []
        self.edition_cents = 0  # the unit price of this period's upgrade, while it lasts

    @property
    def held(self) -> int:
        return sum(lot.units for lot in self.lots if lot.is_held)

    def apply(self, change: Change) -> None:
        match change.kind:
            case ChangeKind.ADD:
                self._add(change)
            case ChangeKind.REMOVE | ChangeKind.FREED:
                self._take(change)
            case ChangeKind.SWEEP:
                self.lots = [replace(lot, change_id=None) for lot in self.lots]
                self.layers, self.closed = [], []
            case ChangeKind.UPGRADE:
                self._upgrade(change)
            case ChangeKind.DOWNGRADE:
                self.edition_cents = 0
            case _:
                assert change.kind is ChangeKind.PURCHASE, "its units are `paid` already"

    def _add(self, change: Change) -> None:
        assert change.delta > 0, "an addition adds"
        rest, difference = change.delta, 0
        for lot in self._gap():
            units = min(rest, lot.units)
            missing = max(0, self.edition_cents - lot.worth_cents)
            difference += units * missing
            self._split(
                lot, units, replace(lot, is_held=True, worth_cents=lot.worth_cents + missing)
            )
            rest -= units
        self._charge_difference(change, change.delta - rest, difference)
        if rest:
            price = change.unit_cents
            self.lots.append(Lot(rest, price, price, change.id, True))
            self.layers.append(
                Layer(change.id, rest, price, change.on, change.price_list_id, change.note)
            )

    def _gap(self) -> list[Lot]:
        """Units to refill, the dearest first: what an upgrade has covered is not charged again."""
        gap = [lot for lot in self.lots if not lot.is_held]
        return sorted(gap, key=lambda lot: -lot.worth_cents)

    def _take(self, change: Change) -> None:
        rest = -change.delta
        assert 0 < rest <= self.held, "a removal takes units that are held"
        for lot in reversed([lot for lot in self.lots if lot.is_held]):
            units = min(rest, lot.units)
            if lot.change_id is not None and not self.survives:
                self._close(lot.change_id, units, change)
                self._split(lot, units, None)
            elif lot.change_id is None and change.kind is ChangeKind.FREED:
                self._split(lot, units, None)
            else:
                self._split(lot, units, replace(lot, is_held=False))
            rest -= units

    def _split(self, lot: Lot, units: int, part: Lot | None) -> None:
        """Let `units` of a lot become `part`, or go."""
        if units == 0:
            return
        index = next(i for i, candidate in enumerate(self.lots) if candidate is lot)
        kept = [replace(lot, units=lot.units - units)] if units < lot.units else []
        moved = [replace(part, units=units)] if part else []
        self.lots[index : index + 1] = kept + moved

    def _close(self, change_id: int, units: int, closing: Change) -> None:
        if units == 0:
            return
        layer = self.layers.pop()
        assert layer.change_id == change_id, "the newest units are those of the newest layer"
        if units < layer.units:
            self.layers.append(replace(layer, units=layer.units - units))
        self.closed.append(
            Piece(
                change_id=change_id,
                closing_id=closing.id,
                kind=closing.kind,
                units=units,
                full_cents=units * layer.unit_cents,
                from_on=layer.added_on,
                until_on=closing.on,
                price_list_id=layer.price_list_id,
                note=layer.note,
            )
        )

    def _upgrade(self, change: Change) -> None:
        price = change.unit_cents
        held = [lot for lot in self.lots if lot.is_held]
        difference = sum((price - lot.worth_cents) * lot.units for lot in held)
        self._charge_difference(change, self.held, max(0, difference))
        self.lots = [
            replace(lot, worth_cents=max(price, lot.worth_cents)) if lot.is_held else lot
            for lot in self.lots
        ]
        self.edition_cents = price

    def _charge_difference(self, change: Change, units: int, full_cents: int) -> None:
        if full_cents == 0:
            return
        self.closed.append(
            Piece(
                change_id=change.id,
                closing_id=None,
                kind=change.kind,
                units=units,
                full_cents=full_cents,
                from_on=change.on,
                until_on=self.end,
                price_list_id=change.price_list_id,
                note=change.note,
            )
        )
