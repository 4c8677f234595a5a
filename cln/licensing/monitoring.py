"""Custom monitoring keys: what a KernelCare IP license's machine chose for its monitors (AK-9)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from cln import vault
from cln.domain.addresses import canonical_address
from cln.domain.errors import Refusal
from cln.domain.silence import GRACE, PERIOD
from cln.licensing.models import IpLicense, Server
from cln.licensing.partners import LICENSED
from cln.licensing.patches import PatchState, patched

PRODUCT = "kernelcare"
_SHAPE = re.compile(r"[A-Za-z0-9]{16,32}", re.ASCII)
_PURPOSE = "monitoring-key"


class BadMonitoringKey(Refusal):
    """A monitoring key has 16 to 32 letters and digits."""

    code: ClassVar[str] = "bad_monitoring_key"


class NothingToMonitor(Refusal):
    """No KernelCare license is held at the address."""

    code: ClassVar[str] = "nothing_to_monitor"


@dataclass(frozen=True, slots=True)
class MonitoredRow:
    """A machine with an IP license; `is_silent` where it was heard of and is not any more."""

    hostname: str
    address: str
    is_silent: bool
    state: PatchState = PatchState.UPTODATE


def register_monitoring_key(*, address: str, text: str) -> None:
    """Let a key of the machine's own choice show it to monitors; several machines may share one.

    Only a hash is kept. Refusals: `bad_monitoring_key`, `bad_address`, `nothing_to_monitor`.
    """
    if _SHAPE.fullmatch(text) is None:
        raise BadMonitoringKey("A monitoring key has 16 to 32 letters and digits.")
    at = canonical_address(address)
    held = IpLicense.objects.filter(
        address=at, product__code=PRODUCT, removed_at=None, account__dunning_state__in=LICENSED
    )
    if not held.update(monitoring_hash=vault.lookup_hash(_PURPOSE, text)):
        raise NothingToMonitor(f"No KernelCare license is held at {at}.", "Add an IP license.")


def monitored_with(text: str, *, now: datetime) -> tuple[MonitoredRow, ...]:
    """The machines that chose this key, in the order of their licenses.

    One that runs our agent by its address has told its patch level.
    """
    if _SHAPE.fullmatch(text) is None:
        return ()
    rows = IpLicense.objects.filter(
        monitoring_hash=vault.lookup_hash(_PURPOSE, text), removed_at=None
    ).order_by("pk")
    states = _states({row.account_id for row in rows}, {row.address for row in rows})
    return tuple(
        MonitoredRow(
            row.hostname,
            row.address,
            is_silent=row.last_check_in_at is not None
            and row.last_check_in_at + PERIOD + GRACE < now,
            state=states.get((row.account_id, row.address), PatchState.UPTODATE),
        )
        for row in rows
    )


def _states(accounts: set[int], addresses: set[str]) -> dict[tuple[int, str], PatchState]:
    """How the servers by these addresses stand, where they have told."""
    found = Server.objects.filter(
        account__in=accounts,
        address__in=addresses,
        by_address=True,
        status="active",
        license_type__product__code=PRODUCT,
    ).values_list("account_id", "address", "public_id")
    told = patched(public_id for _, _, public_id in found)
    return {
        (account, address): told[public_id].state
        for account, address, public_id in found
        if public_id in told
    }
