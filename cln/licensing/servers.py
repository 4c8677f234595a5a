"""What a registered server does afterwards: check in, leave, come back from a wrong reinstall."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import transaction

from cln import ids
from cln.accounts.audit import record
from cln.domain.addresses import canonical_address
from cln.domain.errors import Refusal
from cln.domain.silence import PERIOD
from cln.enums import ServerStatus
from cln.licensing import included, removal
from cln.licensing.access import get_server, lock_pool
from cln.licensing.check_ins import (
    CheckIn,
    Contact,
    LicenseState,
    Report,
    check_in,
    check_in_many,
    gone,
    license_of,
    unknown,
)
from cln.licensing.events import server_registered, servers_removed
from cln.licensing.models import Server
from cln.licensing.registration import secret_hash
from cln.licensing.seats import begin_anew

UNDO_HOURS = 72
__all__ = [
    "CheckIn",
    "LicenseState",
    "Report",
    "check_in",
    "check_in_proven",
    "find_server",
    "license_of",
    "undo_reinstall",
    "undo_until",
    "unregister",
]


class NotAReinstall(Refusal):
    """The server did not replace another one."""

    code: ClassVar[str] = "not_a_reinstall"


class UndoTooLate(Refusal):
    """A reinstall can be undone for 72 hours."""

    code: ClassVar[str] = "undo_too_late"


def check_in_proven(*, server_id: int, address: str, report: Report, now: datetime) -> CheckIn:
    """A check-in of a server (by primary key) that has proven itself in another way.

    Refuses `server_removed`, `bad_address`.
    """
    shown = Server.objects.values_list("secret_hash", flat=True).get(pk=server_id)
    contact = Contact(bytes(shown), canonical_address(address), report)
    [answer] = check_in_many([contact], now=now)
    if isinstance(answer, Refusal):
        raise answer
    return answer


def find_server(*, secret: str, now: datetime) -> Server:
    """The running server that presents its secret. Refuses `unknown_server`, `server_removed`."""
    return _found(secret, now=now)


def unregister(*, secret: str, now: datetime) -> Server:
    """Remove the server that presents its secret. Refuses `unknown_server`, `server_removed`."""
    server = _found(secret, now=now)
    with transaction.atomic():
        return removal.remove_server(
            account_id=server.account_id,
            server=server.public_id,
            why="Unregistered on the server",
            now=now,
        )


def undo_until(server: Server) -> datetime | None:
    """As long a running server's seat can go back to the registration it replaced."""
    if server.supersedes_id is None or server.status != ServerStatus.ACTIVE:
        return None
    return server.registered_at + timedelta(hours=UNDO_HOURS)


def undo_reinstall(*, account_id: int, server: str, actor: str, now: datetime) -> Server:
    """Take back a wrong "same machine": the replaced registration returns to its seat.

    `server` is the public id of the registration that took over; it is removed and may register
    anew. Refuses `unknown_server`, `server_removed`, `not_a_reinstall`, `undo_too_late` (72 h).
    """
    with transaction.atomic():
        new = get_server(account_id=account_id, public_id=server)
        lock_pool(account_id=account_id, license_type_id=new.license_type_id)
        new = get_server(account_id=account_id, public_id=server)
        if new.supersedes_id is None:
            raise NotAReinstall("This server did not replace another one.")
        if new.status != ServerStatus.ACTIVE:
            raise removal.ServerGone("This server has been removed before.")
        if now > new.registered_at + timedelta(hours=UNDO_HOURS):
            raise UndoTooLate(
                f"A reinstall can be undone for {UNDO_HOURS} hours.",
                "Register the other machine again.",
            )
        Server.objects.filter(pk=new.pk).update(
            status=ServerStatus.REMOVED,
            removed_at=now,
            removed_why="The reinstall was undone",
            alert_after=None,
        )
        replaced = Server.objects.get(pk=new.supersedes_id)
        assert replaced.removed_at is not None, "a replaced registration knows since when"
        begin_anew([replaced], until=replaced.removed_at.date(), now=now)
        # The seat goes back as it is, counters untouched: exactly one of the two held it.
        Server.objects.filter(pk=new.supersedes_id).update(
            status=ServerStatus.ACTIVE,
            removed_at=None,
            removed_why="",
            takes_seat=new.takes_seat,
            key=new.key,
            license_type=new.license_type,
            alert_after=now + PERIOD,
            alert_waits=True,
        )
        old = Server.objects.select_related("license_type__product").get(pk=new.supersedes_id)
        servers_removed([new], why="The reinstall was undone", now=now)
        server_registered(old, reinstalled=False, now=now)
        record(
            account_id=account_id,
            actor=actor,
            verb="reinstall_undone",
            subject=old.public_id,
            details={"instead_of": new.public_id},
            now=now,
        )
        if old.license_type.product.code == included.INCLUDED_WITH:
            included.settle(account_id=account_id, machines=[new, old], now=now)
    return old


def _found(secret: str, *, now: datetime) -> Server:
    secret = secret.strip()
    if ids.SECRET_SHAPE.fullmatch(secret) is None:
        raise unknown()
    server = Server.objects.filter(secret_hash=secret_hash(secret)).first()
    if server is None:
        raise unknown()
    if server.status != ServerStatus.ACTIVE:
        raise gone(server.pk, now=now)
    return server
