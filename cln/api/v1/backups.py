"""Backups, `/api/ab/*` (facts §7.11): what there is, and new ones where offered."""

from __future__ import annotations

import re

from cln.api.arguments import BadArgument
from cln.api.v1.calls import Call, signed
from cln.api.v1.imunify import PRODUCTS
from cln.backups.services import BackupRow, backups_of, get_backup, has_backups
from cln.flows import backups as flows
from cln.licensing.lookups import server_of_id

_DELTA = re.compile(r"[+-]?[0-9]{1,6}")


@signed(refused=[], verb="HEAD")
def list_all(call: Call) -> object:
    """Every backup of the account; one without any is told of the end (P-50)."""
    _check_served(call)
    return [_row(row) for row in backups_of(call.account_id)]


@signed(refused=[])
def create(call: Call) -> object:
    """Room for a server of Imunify360, where the operator offers that."""
    flows.check_offered()
    server = server_of_id(
        account_id=call.account_id, text=call.filled("server_id"), products=PRODUCTS
    )
    row = flows.create_backup(
        server=server,
        size_gb=call.number("size") or 0,
        data_center=call.filled("datacenter"),
        actor=call.actor,
        now=call.now,
    )
    return [_row(row)]


@signed(refused=[])
def resize(call: Call) -> object:
    """More room, or less where `delta` is negative."""
    backup = _backup(call)
    delta = call.filled("delta")
    if _DELTA.fullmatch(delta) is None:
        raise BadArgument("“delta” must be a whole number, how many GB more or less.")
    row = flows.resize_backup(
        account_id=call.account_id,
        public_id=backup,
        delta_gb=int(delta),
        actor=call.actor,
        now=call.now,
    )
    return [_row(row)]


@signed(refused=[])
def remove(call: Call) -> object:
    """Deactivate a backup; what it was."""
    row = flows.remove_backup(
        account_id=call.account_id, public_id=_backup(call), actor=call.actor, now=call.now
    )
    return [_row(row)]


def _check_served(call: Call) -> None:
    """Refuses `product_retired` to an account that has no backup and can get none."""
    if not has_backups(call.account_id):
        flows.check_offered()


def _backup(call: Call) -> str:
    """The public id of the backup the call names. Refuses `unknown_backup`, `bad_argument`."""
    _check_served(call)
    number = call.number("backup_id")
    if number is None:
        raise BadArgument("Backup id is required")
    return get_backup(account_id=call.account_id, number=number).public_id


def _row(row: BackupRow) -> dict[str, object]:
    return {
        "serverId": row.server_id,
        "size": row.size_gb,
        "backupId": row.number,
        "datacenter": row.data_center,
    }
