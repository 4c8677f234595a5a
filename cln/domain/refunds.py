"""What an operator may refund (P10)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import ClassVar

from cln.domain.errors import Refusal
from cln.domain.money import BadAmount, format_cents, half_up, split_cents
from cln.domain.rules import Rules


class RefundTooLarge(Refusal):
    """More than is left of the payment or of the invoice line."""

    code: ClassVar[str] = "refund_too_large"


class RefundTooLate(Refusal):
    """The refund period is over and no reason is given."""

    code: ClassVar[str] = "refund_too_late"


class RefundNeedsReason(Refusal):
    """Post-paid licenses are refunded with a reason only."""

    code: ClassVar[str] = "refund_needs_reason"


class RefundNotCertified(Refusal):
    """The customer has not certified that the programs are removed."""

    code: ClassVar[str] = "refund_not_certified"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFacts:
    """A refund somebody asks for. `creditable_cents` is what is left of the lines to credit."""

    cents: int
    on: date
    paid_on: date
    payment_cents: int
    refunded_cents: int
    creditable_cents: int | None = None
    is_postpaid: bool = False
    is_removal_certified: bool = False
    reason: str = ""


def check_refund(facts: RefundFacts, rules: Rules) -> None:
    """Return if the refund is allowed (P10); a reason overrides time and certificate.

    Refusals: `bad_amount`, `refund_too_large`, `refund_needs_reason`, `refund_too_late`,
    `refund_not_certified`.
    """
    if facts.cents <= 0:
        raise BadAmount("A refund is more than nothing.", given=format_cents(facts.cents))
    left = facts.payment_cents - facts.refunded_cents
    if facts.creditable_cents is not None:
        left = min(left, facts.creditable_cents)
    if facts.cents > left:
        raise RefundTooLarge(
            f"Only {format_cents(left)} can still be refunded.",
            f"Refund {format_cents(left)} or less." if left else "It is refunded in full.",
            left_cents=left,
        )
    if not facts.reason.strip():
        _check_without_reason(facts, rules)


def _check_without_reason(facts: RefundFacts, rules: Rules) -> None:
    if facts.is_postpaid:
        raise RefundNeedsReason(
            "Post-paid licenses are billed for days already used.",
            "Give a reason to refund them all the same.",
        )
    if facts.on > facts.paid_on + timedelta(days=rules.refund_days):
        raise RefundTooLate(
            f"The payment is more than {rules.refund_days} days old.",
            "Give a reason to refund it all the same.",
            paid_on=facts.paid_on,
        )
    if not facts.is_removal_certified:
        raise RefundNotCertified(
            "The customer has not certified that the programs are removed.",
            "Ask for the certification, or give a reason.",
        )


@dataclass(frozen=True, slots=True)
class Creditable:
    """What can still be credited of an invoice line; `line` is its id, cents."""

    line: int
    cents: int


def spread_credit(
    cents: int, *, lines: Sequence[Creditable], taxes: Sequence[Creditable]
) -> tuple[Creditable, ...]:
    """Cut a refund into parts of lines, each in proportion to what is left of it.

    Tax goes back with what it was charged on; a refund of all that is left leaves nothing of any
    line. `cents` is at most what is left of all.
    """
    net, tax = _left(lines), _left(taxes)
    assert 0 < cents <= net + tax, "checked before"
    tax_part = half_up(Fraction(cents * tax, net + tax))
    return _cut(cents - tax_part, lines) + _cut(tax_part, taxes)


def with_tax(
    wanted: Sequence[Creditable], *, lines: Sequence[Creditable], taxes: Sequence[Creditable]
) -> tuple[Creditable, ...]:
    """The net parts that somebody chose, line by line, and the tax that belongs to them.

    Refusals: `refund_too_large` for more than is left of a line, `bad_amount`.
    """
    left = {line.line: line.cents for line in lines}
    for part in wanted:
        if part.cents <= 0:
            raise BadAmount("A refund is more than nothing.", given=format_cents(part.cents))
        if part.cents > left.get(part.line, 0):
            raise RefundTooLarge(
                f"Only {format_cents(left.get(part.line, 0))} of that line can still be refunded.",
                "Choose less, or another line.",
                left_cents=left.get(part.line, 0),
            )
    net, tax = _left(lines), _left(taxes)
    tax_part = half_up(Fraction(_left(wanted) * tax, net)) if net else 0
    return tuple(wanted) + _cut(tax_part, taxes)


def refunded_units(quantity: Fraction, *, line_cents: int, credited_cents: int) -> int:
    """How many whole licenses a credit of their line has given back: those paid back in full."""
    return math.floor(quantity * Fraction(credited_cents, line_cents)) if line_cents else 0


def _left(parts: Sequence[Creditable]) -> int:
    return sum(part.cents for part in parts)


def _cut(cents: int, lines: Sequence[Creditable]) -> tuple[Creditable, ...]:
    if not cents:
        return ()
    shares = split_cents(cents, [line.cents for line in lines])
    return tuple(
        Creditable(line.line, share) for line, share in zip(lines, shares, strict=True) if share
    )
