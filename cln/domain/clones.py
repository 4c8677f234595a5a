"""One secret from two boots at once is a clone (security §1).

A machine that restarts gets a new boot id and never has the old one again. So when a boot id comes
back after another one had taken its place, two machines share one secret: the older boot is the
established machine, the one between is the newcomer.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

BOTH_WORK = timedelta(hours=72)
"""As long the owner has to decide; until then nobody is refused."""
REMEMBERED = 8
"""Former boots that are kept: a clone shows itself within a few check-ins."""


class Sighting(StrEnum):
    """What the boot id of a check-in tells of the machine."""

    SILENT = "silent"  # none was sent
    SAME = "same"
    RESTARTED = "restarted"
    CLONE = "clone"


class Side(StrEnum):
    """Of the two machines of a clone."""

    ESTABLISHED = "established"
    NEWCOMER = "newcomer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What is known of one of the two: its boots, and its fingerprint ("" unknown)."""

    boots: tuple[str, ...]
    fingerprint: str = ""


def sight(boot: str, *, current: str, former: Collection[str]) -> Sighting:
    """What a boot id means after `current` and the `former` ones."""
    if not boot:
        return Sighting.SILENT
    if boot == current:
        return Sighting.SAME
    if boot in former:
        return Sighting.CLONE
    return Sighting.RESTARTED


def remember(current: str, former: Sequence[str]) -> list[str]:
    """The former boots after `current` has ended, the latest first."""
    known = [current, *(boot for boot in former if boot != current)]
    return [boot for boot in known if boot][:REMEMBERED]


def side_of(*, boot: str, fingerprint: str, established: Machine, newcomer: Machine) -> Side | None:
    """Which of the two calls; None where nothing tells."""
    for side, machine in ((Side.ESTABLISHED, established), (Side.NEWCOMER, newcomer)):
        if boot and boot in machine.boots:
            return side
    if not fingerprint or established.fingerprint == newcomer.fingerprint:
        return None
    if fingerprint == newcomer.fingerprint:
        return Side.NEWCOMER
    return Side.ESTABLISHED if fingerprint == established.fingerprint else None
