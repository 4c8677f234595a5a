"""Buying and giving back units: what may be asked (Q2, Q6, S3)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from cln.domain.calendar import Interval
from cln.domain.errors import Refusal
from cln.domain.pricing import BadQuantity
from cln.domain.words import counted


class IntervalConflict(Refusal):
    """The account pays this product by another interval (Q2)."""

    code: ClassVar[str] = "interval_conflict"


class KeepBelowUsed(Refusal):
    """More servers are in use than should be kept (Q6)."""

    code: ClassVar[str] = "keep_below_used"


class NothingUnused(Refusal):
    """Every license is in use, or the number to keep is what is held (Q6)."""

    code: ClassVar[str] = "nothing_unused"


def check_interval(*, product: str, wanted: Interval, running: Iterable[Interval]) -> Interval:
    """The interval, if every live subscription of the product has the same (Q2).

    Refusals: `interval_conflict`.
    """
    other = next((interval for interval in running if interval is not wanted), None)
    if other is not None:
        raise IntervalConflict(
            f"Your {product} licenses are paid by the {other}, so these cannot be paid by the "
            f"{wanted}.",
            f"Buy them by the {other}.",
            running=str(other),
        )
    return wanted


@dataclass(frozen=True, slots=True)
class RemovalFacts:
    """`held` licenses, `used` by servers, and how many to keep (None: those in use)."""

    held: int
    used: int
    keep: int | None = None


def decide_removal(facts: RemovalFacts) -> int:
    """How many units "remove unused" takes away (Q6). Removing the last one ends the product.

    Refusals: `bad_quantity`, `keep_below_used`, `nothing_unused`.
    """
    keep = facts.used if facts.keep is None else facts.keep
    if type(keep) is not int or keep < 0:
        raise BadQuantity("The number to keep must be a whole number.", given=str(keep)[:40])
    if keep < facts.used:
        raise KeepBelowUsed(
            f"{counted(facts.used, 'server is', 'servers are')} in use, so "
            f"{counted(keep, 'license is', 'licenses are')} not enough.",
            "Remove servers first, or keep more licenses.",
            used=facts.used,
        )
    if keep >= facts.held:
        raise NothingUnused(
            f"There is nothing to remove: {facts.held} held, {facts.used} in use.",
            "Remove a server first to free its license.",
            held=facts.held,
            used=facts.used,
        )
    return facts.held - keep


def unneeded_kernelcare(*, held: int, servers: int, covered_by_imunify: int) -> int:
    """KernelCare licenses that have become unnecessary (S3).

    `servers` run KernelCare, `covered_by_imunify` of them under a paid, active Imunify360.
    """
    assert 0 <= covered_by_imunify <= servers, "the covered servers are among the servers"
    return max(0, held - (servers - covered_by_imunify)) if covered_by_imunify else 0
