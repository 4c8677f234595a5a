"""Undoing a removal: the server is what it was, if there is still room for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.db import transaction
from django.db.models import F

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.domain.silence import PERIOD
from cln.enums import ServerStatus
from cln.licensing import included
from cln.licensing.access import Pool, get_server, lock_pool
from cln.licensing.events import server_registered
from cln.licensing.models import ActivationKey, Server
from cln.licensing.moves import check_room, take_seat
from cln.licensing.removal import BY_A_PERSON
from cln.licensing.seats import begin_anew

PUT_BACK_HOURS: Final = 72


class CannotPutBack(Refusal):
    """The removal cannot be undone: too late, or not removed by hand, or its key is gone."""

    code: ClassVar[str] = "cannot_put_back"


def put_back_until(server: Server) -> datetime | None:
    """As long the removal of a server by a person can be undone; None = it cannot."""
    if server.status != ServerStatus.REMOVED or server.removed_at is None or server.by_address:
        return None
    if not server.removed_why.startswith(BY_A_PERSON):
        return None
    return server.removed_at + timedelta(hours=PUT_BACK_HOURS)


def put_back(*, account_id: int, server: str, actor: str, now: datetime) -> Server:
    """Undo the removal of a server (by public id) by a person: same key, same secret, same history.

    Refusals: `unknown_server`, `cannot_put_back` (after 72 hours, removed by something else, its
    key is gone, or the machine has registered again), `key_limit_reached`, `no_license`,
    `no_free_seat`.
    """
    with transaction.atomic():
        row = get_server(account_id=account_id, public_id=server)
        pool = lock_pool(account_id=account_id, license_type_id=row.license_type_id)
        row = get_server(account_id=account_id, public_id=server)
        key = _checked(row, pool, now=now)
        if row.takes_seat:
            check_room(key)
            take_seat(pool, row.license_type)
            ActivationKey.objects.filter(pk=key.pk).update(used=F("used") + 1)
        assert row.removed_at is not None, "a removed server knows since when"
        begin_anew([row], until=row.removed_at.date(), now=now)
        Server.objects.filter(pk=row.pk).update(
            status=ServerStatus.ACTIVE,
            removed_at=None,
            removed_why="",
            alert_after=now + PERIOD,
            alert_waits=True,
        )
        server_registered(row, reinstalled=False, now=now)
        record(
            account_id=account_id,
            actor=actor,
            verb="server_put_back",
            subject=row.public_id,
            details={"hostname": row.hostname},
            now=now,
        )
        if row.license_type.product.code in (included.INCLUDED_WITH, included.INCLUDED_PRODUCT):
            included.settle(account_id=account_id, machines=[row], now=now)
    return get_server(account_id=account_id, public_id=server)


def _checked(row: Server, pool: Pool, *, now: datetime) -> ActivationKey:
    until = put_back_until(row)
    if until is None or now > until:
        raise CannotPutBack(
            f"A removal by hand can be undone for {PUT_BACK_HOURS} hours; this one cannot.",
            "Register the server again.",
        )
    key = pool.keys.get(row.key_id or 0)
    if key is None:
        raise CannotPutBack("Its activation key has been removed.", "Register it with another key.")
    again = Server.objects.filter(
        account=row.account_id,
        license_type=row.license_type_id,
        status=ServerStatus.ACTIVE,
        hostname=row.hostname,
        address=row.address,
    )
    if again.exists():
        raise CannotPutBack("The machine has registered again since.", "There is nothing to undo.")
    return key
