"""Backups of servers as we keep account of them; the data itself lies at a provider."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cln.accounts.models import Account
from cln.licensing.models import Server


class Backup(models.Model):
    """So much room for one server's data in one data center; never billed (ADR 127)."""

    # Also what the provider knows it by.
    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="backups")
    # It stays when its server is removed: the data is there until somebody deactivates the backup.
    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="backups")
    data_center = models.CharField(max_length=20)
    size_gb = models.PositiveIntegerField()
    # As the provider told it last.
    used_gb = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)
    # Due column: when the provider is told and asked again; null = it has dropped the backup.
    settle_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(size_gb__gte=1), name="backup_has_room"),
            models.UniqueConstraint(
                fields=["server"], condition=Q(removed_at=None), name="backup_one_per_server"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account", "id"], condition=Q(removed_at=None), name="backup_kept"
            ),
            models.Index(
                fields=["settle_at"], condition=Q(settle_at__isnull=False), name="backup_due"
            ),
        ]


class SandboxBackup(models.Model):
    """What the sandbox provider keeps: the other side's memory, our rules never read it."""

    reference = models.CharField(max_length=40, unique=True)
    data_center = models.CharField(max_length=20)
    size_gb = models.PositiveIntegerField()
    since = models.DateTimeField()
