"""Which server is this? The secret decides; hardware and names are hints.

Registering one machine twice must never use two seats nor be billed twice.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII)

# Serial numbers that whole batches of mainboards share; they identify nobody.
JUNK_UUIDS = frozenset(
    {
        "00020003-0004-0005-0006-000700080009",
        "03000200-0400-0500-0006-000700080009",
        "03020100-0504-0706-0809-0a0b0c0d0e0f",
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "12345678-1234-1234-1234-123456789abc",
        "12345678-90ab-cdef-1234-567890abcdef",
        "00112233-4455-6677-8899-aabbccddeeff",
        "01234567-89ab-cdef-0123-456789abcdef",
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
        "4c4c4544-0000-2010-8020-80c04f202020",
        "d41d8cd9-8f00-b204-e980-0998ecf8427e",
    }
)
# Names that every fresh installation has.
_JUNK_HOSTNAMES = frozenset({"", "localhost", "localhost.localdomain", "localhost6", "ubuntu"})


class MatchStrength(StrEnum):
    """How a registration relates to the servers we know."""

    SAME = "same"
    REINSTALL = "reinstall"
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineHints:
    """What a machine tells of itself. `proven_server_id`: the server whose secret it showed."""

    proven_server_id: int | None = None
    uuid: str = ""
    hostname: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCandidate:
    """A registered server of the same key, newest first."""

    server_id: int
    uuid: str = ""
    hostname: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class MachineMatch:
    """The known server it is (None when new), and how sure that is."""

    server_id: int | None
    strength: MatchStrength


NEW_MACHINE = MachineMatch(None, MatchStrength.NEW)


def match_machine(hints: MachineHints, candidates: Iterable[MachineCandidate]) -> MachineMatch:
    """Find the machine among the servers of its key.

    Same secret: the same server. Without it, the hardware UUID, or hostname *and* address, make a
    reinstall that takes over the seat; anything weaker is a new machine. Addresses are canonical.
    """
    known = tuple(candidates)
    for candidate in known:
        if candidate.server_id == hints.proven_server_id:
            return MachineMatch(candidate.server_id, MatchStrength.SAME)
    for recognises in (_same_hardware, _same_name_and_address):
        for candidate in known:
            if recognises(hints, candidate):
                return MachineMatch(candidate.server_id, MatchStrength.REINSTALL)
    return NEW_MACHINE


def usable_uuid(text: str) -> str | None:
    """The canonical hardware UUID, or None if it is missing, malformed or well-known junk."""
    uuid = text.strip().lower()
    if not _UUID.fullmatch(uuid) or uuid in JUNK_UUIDS or len(set(uuid) - {"-"}) == 1:
        return None
    return uuid


def usable_hostname(text: str) -> str | None:
    """The hostname as names are compared, or None if every fresh installation has it."""
    name = text.strip().rstrip(".").lower()
    return None if name in _JUNK_HOSTNAMES else name


def _same_hardware(hints: MachineHints, candidate: MachineCandidate) -> bool:
    uuid = usable_uuid(hints.uuid)
    return uuid is not None and uuid == usable_uuid(candidate.uuid)


def _same_name_and_address(hints: MachineHints, candidate: MachineCandidate) -> bool:
    name = usable_hostname(hints.hostname)
    return (
        name is not None
        and name == usable_hostname(candidate.hostname)
        and hints.address != ""
        and hints.address == candidate.address
    )
