"""What our own agent does: a check-in that brings a lease, and the same after a registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cln.domain.errors import Refusal
from cln.domain.leases import next_check_in
from cln.licensing import leases, servers
from cln.licensing.check_ins import Contact, check_in_many, contact_of
from cln.licensing.clones import Handover, note_machine
from cln.licensing.lease_keys import incident_notice
from cln.licensing.models import MachineTrace, Server
from cln.licensing.registration import plain_text

FINGERPRINT_LENGTH = 64
BOOT_LENGTH = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What an agent says of the machine it runs on, and which lease it holds (its tag)."""

    fingerprint: str = ""
    boot: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class AgentContact:
    """A check-in of our agent that waits to be written."""

    contact: Contact
    presented: Presented


@dataclass(frozen=True, slots=True)
class Noted:
    """A check-in that was written: the server as it was found, what its license is worth."""

    server: leases.SeenServer
    worth: servers.CheckIn
    handover: Handover | None
    users: int | None


@dataclass(frozen=True, slots=True)
class Users:
    """How many users a server last told of, and how many its license allows; None = unknown, or
    without limit. `message`: what is wrong with that (AI-6).
    """

    told: int | None
    limit: int | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """What a check-in of our agent brings. `handover`: the identity to use from now on."""

    worth: servers.CheckIn
    lease: leases.LeaseAnswer
    users: Users
    is_by_address: bool
    next_check_in_at: datetime
    incident: str | None = None
    handover: Handover | None = None


def check_in_agent(
    *, secret: str, address: str, report: servers.Report, presented: Presented, now: datetime
) -> AgentAnswer:
    """A check-in with a lease. Refuses what `check_in` refuses, and `clone_refused`."""
    contact = contact_of(secret=secret, address=address, report=report)
    [noted] = note_agents([AgentContact(contact, presented)], now=now)
    if isinstance(noted, Refusal):
        raise noted
    return answer_agent(noted, presented=presented, now=now)


def note_agents(agents: Sequence[AgentContact], *, now: datetime) -> list[Noted | Refusal]:
    """Check-ins of our agents, each server named once; answers or refusals in the same order.

    One read and one write for all of them, and nothing more is written unless a machine has
    restarted. Refusals: those of `check_in_many`, and `clone_refused`.
    """
    hashes = [agent.contact.secret_hash for agent in agents]
    seen = leases.seen_by_secrets(hashes)
    refused: dict[bytes, Refusal] = {}
    handovers: dict[bytes, Handover | None] = {}
    for agent in agents:
        name = agent.contact.secret_hash
        try:
            handovers[name] = _machine(seen.get(name), agent, now)
        except Refusal as refusal:
            refused[name] = refusal
    told = {agent.contact.secret_hash: agent.contact.report.users for agent in agents}
    let_in = [agent.contact for agent in agents if agent.contact.secret_hash in handovers]
    worths = {
        contact.secret_hash: worth
        for contact, worth in zip(let_in, check_in_many(let_in, now=now), strict=True)
    }
    return [
        worth
        if isinstance(worth := refused.get(name) or worths[name], Refusal)
        else Noted(seen[name], worth, handovers[name], told[name])
        for name in hashes
    ]


def answer_agent(noted: Noted, *, presented: Presented, now: datetime) -> AgentAnswer:
    """What a check-in that was noted brings; the lease is signed where the caller has it not."""
    server = noted.server if noted.users is None else replace(noted.server, users=noted.users)
    return _answer(server, noted.worth, presented, noted.handover, now=now)


def first_answer(server: Server, *, presented: Presented, now: datetime) -> AgentAnswer:
    """What comes with a registration: the first lease, and the boot the machine registered from."""
    seen = leases.seen_by_id(server.pk)
    # One that is there stays: whoever registers again with a secret is judged at its check-in.
    if not seen.has_trace and presented.boot:
        MachineTrace.objects.get_or_create(
            server=server,
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
    seen = leases.seen_by_id(server.pk)
    worth = servers.license_of(server_id=server.pk, now=now)
    return _answer(seen, worth, presented, now=now)


def _answer(
    seen: leases.SeenServer,
    worth: servers.CheckIn,
    presented: Presented,
    handover: Handover | None = None,
    *,
    now: datetime,
) -> AgentAnswer:
    lease = leases.lease_of(
        seen, worth, fingerprint=_fingerprint(presented), tag=presented.tag, now=now
    )
    stretched = seen.stretch_days is not None
    return AgentAnswer(
        worth=worth,
        lease=lease,
        users=_users(seen),
        is_by_address=seen.by_address,
        next_check_in_at=next_check_in(seen.public_id, now=now),
        incident=incident_notice(now=now) if stretched else None,
        handover=handover,
    )


def _users(seen: leases.SeenServer) -> Users:
    """A license is not taken away for it: the band is the customer's to change (U-32)."""
    if seen.users is None or seen.user_limit is None or seen.users <= seen.user_limit:
        return Users(seen.users, seen.user_limit)
    allowed = f"{seen.license_name} allows {seen.user_limit}"
    message = f"The server has {seen.users} users; {allowed}. Choose a license type for more."
    return Users(seen.users, seen.user_limit, message)


def _machine(
    server: leases.SeenServer | None, agent: AgentContact, now: datetime
) -> Handover | None:
    if server is None or not server.is_running:
        return None
    return note_machine(
        server,
        boot=plain_text(agent.presented.boot, BOOT_LENGTH),
        fingerprint=_fingerprint(agent.presented),
        address=agent.contact.address,
        now=now,
    )


def _fingerprint(presented: Presented) -> str:
    return plain_text(presented.fingerprint, FINGERPRINT_LENGTH)
