"""The lines of units that came, went or changed edition inside a period (Q4-Q8, Q13)."""

from datetime import date
from fractions import Fraction

from cln.domain.calendar import Period
from cln.domain.layers import Layer, PeriodState, Piece
from cln.domain.lines import (
    TIMES,
    LineDraft,
    LineKind,
    days_text,
    long_date,
    product_text,
    span_text,
)
from cln.domain.money import prorate
from cln.domain.subscriptions import ChangeKind


def proration_lines(
    *, title: str, state: PeriodState, period: Period, until: date
) -> tuple[LineDraft, ...]:
    """The pending lines of a period, oldest first, with the open layers charged up to `until`.

    What came and went on one day makes no line (Q7).
    """
    lines = [_piece_line(title, piece, period) for piece in state.closed]
    lines += [_layer_line(title, layer, period, until) for layer in state.layers]
    return tuple(sorted((line for line in lines if line.period.days), key=_order))


def _order(line: LineDraft) -> tuple[date, tuple[int, ...], str]:
    numbers = tuple(int(part) for part in line.source.split(":") if part.isdigit())
    return line.period.start, numbers, line.source


def _layer_line(title: str, layer: Layer, period: Period, until: date) -> LineDraft:
    used = Period(layer.added_on, max(layer.added_on, until))
    return _line(
        source=f"proration:{layer.change_id}",
        title=title,
        reason=f"Added {layer.units} on {long_date(layer.added_on)}",
        used=used,
        of_days=period.days,
        units=layer.units,
        full_cents=layer.units * layer.unit_cents,
        price_list_id=layer.price_list_id,
        note=layer.note,
    )


def _piece_line(title: str, piece: Piece, period: Period) -> LineDraft:
    source = f"proration:{piece.change_id}"
    on = long_date(piece.from_on)
    match piece.kind:
        case ChangeKind.UPGRADE:
            reason = f"Price difference for the new edition of {piece.units} from {on}"
        case ChangeKind.ADD:
            reason = f"Price difference for the new edition of {piece.units} taken back on {on}"
            source += ":edition"
        case _:
            reason = f"Added {piece.units} on {on}, removed on {long_date(piece.until_on)}"
            source += f":{piece.closing_id}"
    return _line(
        source=source,
        title=title,
        reason=reason,
        used=Period(piece.from_on, piece.until_on),
        of_days=period.days,
        units=piece.units,
        full_cents=piece.full_cents,
        price_list_id=piece.price_list_id,
        note=piece.note,
    )


def _line(
    *,
    source: str,
    title: str,
    reason: str,
    used: Period,
    of_days: int,
    units: int,
    full_cents: int,
    price_list_id: int | None,
    note: str,
) -> LineDraft:
    """One proration line; differences that do not divide by the units are shown as 1 x sum."""
    unit_cents, left = divmod(full_cents, units)
    quantity = units if left == 0 else 1
    unit_cents = unit_cents if left == 0 else full_cents
    share = days_text(used, of_days)
    tail = f" [{note}]" if note else ""
    return LineDraft(
        kind=LineKind.PRORATION,
        source=source,
        title=f"{title}, {span_text(used)}",
        why=f"{reason}: {product_text(quantity, unit_cents)} {TIMES} {share}{tail}",
        quantity=Fraction(quantity),
        unit_cents=unit_cents,
        period=used,
        amount_cents=prorate(
            unit_cents=unit_cents, quantity=quantity, days=used.days, of_days=of_days
        ),
        price_list_id=price_list_id,
    )
