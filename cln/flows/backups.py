"""Backups: what is wanted is written first, then the provider is told, and told again until it is.

CloudLinux Backup was retired (P-50): what exists is kept, and nothing new is made unless the
operator turns that on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.conf import settings
from django.db import transaction

from cln.accounts.locks import lock_account
from cln.accounts.standing import refuse_if_blocked
from cln.backups import services
from cln.backups.models import Backup
from cln.backups.providers import ProviderUnreachable, Room, provider
from cln.domain.errors import Refusal
from cln.licensing.models import Server

ASKED_AGAIN: Final = timedelta(days=1)
"""How often a provider is asked what is used."""
TRIED_AGAIN: Final = timedelta(minutes=10)
SETTLED_AT_ONCE: Final = 500


class ProductRetired(Refusal):
    """The product is not offered any more."""

    code: ClassVar[str] = "product_retired"


class UnknownDataCenter(Refusal):
    """The provider has no such data center."""

    code: ClassVar[str] = "unknown_data_center"


def is_offered() -> bool:
    """Whether new backups are made: the operator says so (`CLN_BACKUP_CREATION`)."""
    return bool(settings.CLN_BACKUP_CREATION and settings.CLN_BACKUP_PROVIDER)


def check_offered() -> None:
    """Refuses `product_retired` where no new backups are made."""
    if not is_offered():
        raise ProductRetired("CloudLinux Backup was retired on 2023-10-01.")


def data_centers() -> Mapping[str, str]:
    """Code → place of the provider's data centers; empty without a provider."""
    keeper = provider()
    return keeper.data_centers() if keeper else {}


def management_url(public_id: str) -> str:
    """Where the data of a backup is managed; "" where nowhere."""
    keeper = provider()
    return keeper.management_url(public_id) if keeper else ""


def create_backup(
    *, server: Server, size_gb: int, data_center: str, actor: str, now: datetime
) -> services.BackupRow:
    """Room for a server of the account that asks. Refusals: `product_retired`, `account_blocked`,
    `unknown_data_center`, `backup_exists`, `bad_backup_size`.
    """
    check_offered()
    if data_center not in data_centers():
        raise UnknownDataCenter(
            f"There is no data center “{data_center[:20]}”.",
            f"Choose one of: {', '.join(data_centers())}.",
        )
    with transaction.atomic(durable=True):
        refuse_if_blocked(lock_account(server.account_id))
        backup = services.add(
            server=server, size_gb=size_gb, data_center=data_center, actor=actor, now=now
        )
    return _settled(backup, now)


def resize_backup(
    *, account_id: int, public_id: str, delta_gb: int, actor: str, now: datetime
) -> services.BackupRow:
    """More room, or less. Refusals: `unknown_backup`, `bad_backup_size`."""
    with transaction.atomic(durable=True):
        lock_account(account_id)
        backup = services.get_backup(account_id=account_id, public_id=public_id)
        services.resize(backup, delta_gb=delta_gb, actor=actor, now=now)
    return _settled(backup, now)


def remove_backup(
    *, account_id: int, public_id: str, actor: str, now: datetime
) -> services.BackupRow:
    """Deactivate a backup; what it was. Refusals: `unknown_backup`."""
    with transaction.atomic(durable=True):
        lock_account(account_id)
        backup = services.get_backup(account_id=account_id, public_id=public_id)
        services.remove(backup, actor=actor, now=now)
    return _settled(backup, now)


def relink_backup(
    *, account_id: int, public_id: str, server: str, actor: str, now: datetime
) -> services.BackupRow:
    """Give a backup to another server, named by id, hostname or address. Refusals:
    `unknown_backup`, `unknown_server`, `backup_exists`.
    """
    with transaction.atomic(durable=True):
        lock_account(account_id)
        backup = services.get_backup(account_id=account_id, public_id=public_id)
        running = services.running_server(account_id=account_id, text=server)
        services.relink(backup, server=running, actor=actor, now=now)
    return services.row_of(backup)


def settle_due(*, now: datetime) -> None:
    """Tell the provider what is wanted, and ask what is used, of every backup that is due."""
    due = Backup.objects.filter(settle_at__lte=now).order_by("settle_at", "pk")
    for backup in due.select_related("server")[:SETTLED_AT_ONCE]:
        _settle(backup, now)


def _settled(backup: Backup, now: datetime) -> services.BackupRow:
    _settle(backup, now)
    return services.row_of(backup)


def _settle(backup: Backup, now: datetime) -> None:
    """Tell the provider about one backup; where it cannot be told now, later."""
    used_gb = _told(backup)
    if used_gb is None:
        settle_at: datetime | None = now + TRIED_AGAIN
    else:
        settle_at = None if backup.removed_at else now + ASKED_AGAIN
        backup.used_gb = used_gb
    # Whoever changed it meanwhile tells the provider after us.
    same = Backup.objects.filter(pk=backup.pk, size_gb=backup.size_gb, removed_at=backup.removed_at)
    same.update(used_gb=backup.used_gb, settle_at=settle_at)


def _told(backup: Backup) -> int | None:
    """The GB used of a backup, after the provider heard of it; None where it did not."""
    keeper = provider()
    try:
        if keeper is None:
            return None
        if backup.removed_at is None:
            return keeper.keep(Room(backup.public_id, backup.data_center, backup.size_gb))
        keeper.drop(backup.public_id)
    except ProviderUnreachable:
        return None
    return backup.used_gb
