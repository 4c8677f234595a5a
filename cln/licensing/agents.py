"""What our own agent does: a check-in that brings a lease, and the same after a registration."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cln import ids
from cln.domain.leases import next_check_in
from cln.enums import ServerStatus
from cln.licensing import leases, servers
from cln.licensing.clones import Handover, note_machine
from cln.licensing.lease_keys import incident_notice
from cln.licensing.models import MachineTrace, Server
from cln.licensing.registration import plain_text, secret_hash

FINGERPRINT_LENGTH = 64
BOOT_LENGTH = 36


class CheckInVerb(Protocol):
    """Writes a check-in and returns after the commit."""

    def __call__(self, *, secret: str, address: str, report: servers.Report) -> servers.CheckIn:
        """Refuses `unknown_server`, `server_removed`, `bad_address`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What an agent says of the machine it runs on, and which lease it holds (its tag)."""

    fingerprint: str = ""
    boot: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What a check-in of our agent brings. `handover`: the identity to use from now on."""

    worth: servers.CheckIn
    lease: leases.LeaseAnswer
    next_check_in_at: datetime
    incident: str | None = None
    handover: Handover | None = None


def check_in_agent(
    *,
    secret: str,
    address: str,
    report: servers.Report,
    presented: Presented,
    check_in: CheckInVerb | None = None,
    now: datetime,
) -> AgentAnswer:
    """A check-in with a lease: two reads and one write, and nothing more is written unless the
    machine has restarted. The lease is signed only where the caller does not hold it.

    `check_in` writes the check-in in a door's own way, together with others that come at once.
    Refuses what `check_in` refuses, and `clone_refused`.
    """
    seen, handover = _seen(secret), None
    if seen is not None and seen.status == ServerStatus.ACTIVE:
        handover = note_machine(
            seen,
            boot=plain_text(presented.boot, BOOT_LENGTH),
            fingerprint=_fingerprint(presented),
            address=address,
            now=now,
        )
    write = check_in or functools.partial(servers.check_in, now=now)
    worth = write(secret=secret, address=address, report=report)
    assert seen is not None, "check_in refuses what is unknown"
    return _answer(seen, worth, presented, handover, now=now)


def first_answer(server: Server, *, presented: Presented, now: datetime) -> AgentAnswer:
    """What comes with a registration: the first lease, and the boot the machine registered from."""
    seen = leases.seen_by_agents().get(pk=server.pk)
    # One that is there stays: whoever registers again with a secret is judged at its check-in.
    MachineTrace.objects.get_or_create(
        server=seen,
        defaults={
            "boot": plain_text(presented.boot, BOOT_LENGTH),
            "fingerprint": _fingerprint(presented),
        },
    )
    worth = servers.license_of(server_id=server.pk, now=now)
    return _answer(seen, worth, presented, now=now)


def current_lease(*, secret: str, presented: Presented, now: datetime) -> AgentAnswer:
    """The lease without a check-in: one server's monitoring does not hide that it is silent.

    Refuses `unknown_server`, `server_removed`, `clone_refused`.
    """
    server = servers.find_server(secret=secret, now=now)
    seen = leases.seen_by_agents().get(pk=server.pk)
    worth = servers.license_of(server_id=server.pk, now=now)
    return _answer(seen, worth, presented, now=now)


def _answer(
    seen: Server,
    worth: servers.CheckIn,
    presented: Presented,
    handover: Handover | None = None,
    *,
    now: datetime,
) -> AgentAnswer:
    lease = leases.lease_of(
        seen, worth, fingerprint=_fingerprint(presented), tag=presented.tag, now=now
    )
    stretched = seen.__dict__["stretch_days"] is not None
    return AgentAnswer(
        worth=worth,
        lease=lease,
        next_check_in_at=next_check_in(seen.public_id, now=now),
        incident=incident_notice(now=now) if stretched else None,
        handover=handover,
    )


def _seen(secret: str) -> Server | None:
    secret = secret.strip()
    if ids.SECRET_SHAPE.fullmatch(secret) is None:
        return None
    return leases.seen_by_agents().filter(secret_hash=secret_hash(secret)).first()


def _fingerprint(presented: Presented) -> str:
    return plain_text(presented.fingerprint, FINGERPRINT_LENGTH)
