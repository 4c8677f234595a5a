"""Moving a registration to another machine: a code from the old one, shown by the new one.

A code stores nothing: it is signed with what only the running registration has. Using it replaces
that registration, so it works once.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from django.db import transaction

from cln import vault
from cln.accounts.audit import record
from cln.domain.addresses import canonical_address
from cln.domain.errors import Refusal
from cln.enums import ServerStatus
from cln.licensing.access import LICENSING
from cln.licensing.door import Hints
from cln.licensing.models import Server
from cln.licensing.moves import BoundToAddress
from cln.licensing.registration import Registration, cleaned, register

CODE_LASTS = timedelta(hours=1)
_CODE = re.compile(r"mv_([A-Za-z0-9]{1,36})_([0-9]{1,12})_([0-9a-f]{32})", re.ASCII)


class BadMoveCode(Refusal):
    """The code is not one of ours, has run out, or was used."""

    code: ClassVar[str] = "bad_move_code"


@dataclass(frozen=True, slots=True)
class MoveCode:
    """What the new machine shows, and until when."""

    text: str
    expires_at: datetime


def move_code(server: Server, *, now: datetime) -> MoveCode:
    """A code for one hour with which another machine takes the seat of a running server over.

    Refuses `bound_to_address`.
    """
    if server.by_address:
        raise BoundToAddress(
            "This server lives by the IP license of its address.",
            "Add an IP license for the other address and register there: cln-agent register --ip",
        )
    expires_at = now + CODE_LASTS
    seconds = int(expires_at.timestamp())
    name = server.public_id.partition("_")[2]
    return MoveCode(f"mv_{name}_{seconds}_{_mac(server, seconds)}", expires_at)


def move_here(*, code: str, address: str, hints: Hints, now: datetime) -> Registration:
    """Take a seat over: this machine is registered in it, and the old one's secret stops working.

    The owner can take it back for 72 hours. Opens its own transaction. Refusals: `bad_move_code`,
    `server_removed`, and those of `register_server` but for seats.
    """
    old = _server_of(code, now=now)
    assert old.key is not None, "only servers with a key hand out codes"
    at, hints = canonical_address(address), cleaned(hints)
    with transaction.atomic():
        done = register(old.key, at, hints, moves=old, now=now)
        record(
            account_id=old.account_id,
            actor=LICENSING,
            verb="server_moved",
            subject=done.server.public_id,
            details={"from": old.public_id, "hostname": hints.hostname},
            address=at,
            now=now,
        )
    return done


def _server_of(code: str, *, now: datetime) -> Server:
    parts = _CODE.fullmatch(code.strip())
    if parts is None:
        raise _bad()
    server = (
        Server.objects.select_related("key__license_type__product")
        .filter(public_id=f"srv_{parts[1]}", status=ServerStatus.ACTIVE, key__removed_at=None)
        .first()
    )
    seconds = int(parts[2])
    if server is None or server.key is None:
        raise _bad()
    if not hmac.compare_digest(_mac(server, seconds), parts[3]):
        raise _bad()
    if now >= datetime.fromtimestamp(seconds, UTC):
        raise _bad()
    return server


def _mac(server: Server, seconds: int) -> str:
    text = f"{server.pk}\n{bytes(server.secret_hash).hex()}\n{seconds}"
    return vault.lookup_hash("move-code", text).hex()[:32]


def _bad() -> BadMoveCode:
    return BadMoveCode(
        "This code is wrong, has run out or was used.",
        "Ask for another one on the old machine: cln-agent move",
    )
