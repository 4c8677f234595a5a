"""Backups of an account: what there is, and its changes, which join the caller's transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.db.models import Q, QuerySet

from cln import ids
from cln.accounts.audit import record
from cln.backups.models import Backup
from cln.database.prepared import fetch_tuples
from cln.domain.addresses import canonical_address
from cln.domain.errors import Refusal
from cln.enums import ServerStatus
from cln.licensing.access import UnknownServer
from cln.licensing.models import Server

SIZE_MAX_GB: Final = 10_000
SEARCH_MAX: Final = 253


class UnknownBackup(Refusal):
    """There is no such backup in this account."""

    code: ClassVar[str] = "unknown_backup"


class BackupExists(Refusal):
    """The server has a backup already."""

    code: ClassVar[str] = "backup_exists"


class BadBackupSize(Refusal):
    """A backup cannot have that size."""

    code: ClassVar[str] = "bad_backup_size"


@dataclass(frozen=True, slots=True)
class BackupRow:
    """A backup as lists show it; `server_id` is empty where its server does not run any more."""

    number: int
    public_id: str
    server_id: str
    hostname: str
    address: str
    data_center: str
    size_gb: int
    used_gb: int


def backups_of(account_id: int) -> tuple[BackupRow, ...]:
    """The backups of an account, the oldest first."""
    return tuple(row_of(backup) for backup in _kept(account_id).order_by("pk"))


def backups_named(account_id: int, ids: Sequence[str]) -> dict[str, str]:
    """What the servers of backups are called, by the backup's public id; also of removed ones."""
    rows = Backup.objects.filter(account=account_id, public_id__in=ids).select_related("server")
    return {row.public_id: row.server.hostname or str(row.server.address) for row in rows}


def backups_on(account_id: int, servers: Sequence[str]) -> list[str]:
    """Public ids of the backups of these servers, also of removed ones."""
    rows = Backup.objects.filter(account=account_id, server__public_id__in=servers)
    return list(rows.values_list("public_id", flat=True))


def has_backups(account_id: int) -> bool:
    """Whether there is any."""
    return bool(fetch_tuples(_ANY, (account_id,)))


_ANY: Final = "SELECT 1 FROM backups_backup WHERE account_id = %s AND removed_at IS NULL LIMIT 1"


def get_backup(*, account_id: int, public_id: str = "", number: int = 0) -> Backup:
    """A backup by one of its two names. Refuses `unknown_backup`."""
    found = _kept(account_id).filter(Q(public_id=public_id) | Q(pk=number)).first()
    if found is None:
        raise UnknownBackup("There is no such backup.", "Choose one from your list of backups.")
    return found


def running_server(*, account_id: int, text: str) -> Server:
    """The running server of this id, hostname or address; of several registrations of a machine
    the first. Refuses `unknown_server`.
    """
    text = text.strip().replace("\0", "")[:SEARCH_MAX]
    named = Q(public_id=text) | Q(hostname__iexact=text)
    with contextlib.suppress(Refusal):
        named |= Q(address=canonical_address(text))
    mine = Server.objects.filter(account=account_id, status=ServerStatus.ACTIVE)
    server = mine.filter(named).order_by("pk").first() if text else None
    if server is None:
        raise UnknownServer(
            "None of your servers that run has this id, name or address.",
            "Copy one of them from your list of servers.",
        )
    return server


def add(*, server: Server, size_gb: int, data_center: str, actor: str, now: datetime) -> Backup:
    """Room for a server, due to be told to the provider. Refuses `backup_exists`,
    `bad_backup_size`.
    """
    _check_free(server)
    _check_size(size_gb)
    backup = Backup.objects.create(
        public_id=ids.public_id("bkp"),
        account_id=server.account_id,
        server=server,
        data_center=data_center,
        size_gb=size_gb,
        created_at=now,
        settle_at=now,
    )
    _record(backup, "backup_created", actor, now, size_gb=size_gb, data_center=data_center)
    return backup


def resize(backup: Backup, *, delta_gb: int, actor: str, now: datetime) -> None:
    """More or less room; not less than is used. Refuses `bad_backup_size`."""
    size_gb = backup.size_gb + delta_gb
    _check_size(size_gb, used_gb=backup.used_gb)
    before, backup.size_gb, backup.settle_at = backup.size_gb, size_gb, now
    backup.save(update_fields=["size_gb", "settle_at"])
    _record(backup, "backup_resized", actor, now, size_gb=[before, size_gb])


def remove(backup: Backup, *, actor: str, now: datetime) -> None:
    """Deactivate it: its files are gone for good (BK-1)."""
    backup.removed_at = backup.settle_at = now
    backup.save(update_fields=["removed_at", "settle_at"])
    _record(backup, "backup_removed", actor, now, size_gb=backup.size_gb)


def relink(backup: Backup, *, server: Server, actor: str, now: datetime) -> None:
    """Give a backup to another server. Refuses `backup_exists`."""
    _check_free(server)
    before, backup.server = backup.server.public_id, server
    backup.save(update_fields=["server"])
    _record(backup, "backup_relinked", actor, now, server=[before, server.public_id])


def row_of(backup: Backup) -> BackupRow:
    """A backup, with its server, as lists show it."""
    server = backup.server
    return BackupRow(
        number=backup.pk,
        public_id=backup.public_id,
        server_id=server.public_id if server.status == ServerStatus.ACTIVE else "",
        hostname=server.hostname,
        address=server.address,
        data_center=backup.data_center,
        size_gb=backup.size_gb,
        used_gb=backup.used_gb,
    )


def _kept(account_id: int) -> QuerySet[Backup]:
    mine = Backup.objects.filter(account=account_id, removed_at=None)
    return mine.select_related("server")


def _check_free(server: Server) -> None:
    if Backup.objects.filter(server=server, removed_at=None).exists():
        raise BackupExists(
            f"{server.hostname or server.address} has a backup already.",
            "Resize that one, or deactivate it first.",
        )


def _check_size(size_gb: int, *, used_gb: int = 0) -> None:
    least = max(1, used_gb)
    if not least <= size_gb <= SIZE_MAX_GB:
        raise BadBackupSize(
            f"A backup has from 1 to {SIZE_MAX_GB:,} GB, and at least what is used of it: "
            f"{least} GB here. {size_gb:,} GB is not possible."
        )


def _record(backup: Backup, verb: str, actor: str, now: datetime, **details: object) -> None:
    record(
        account_id=backup.account_id,
        actor=actor,
        verb=verb,
        subject=backup.public_id,
        details=details,
        now=now,
    )
