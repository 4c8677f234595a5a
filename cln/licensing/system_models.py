"""What stock RHN clients tell of their machine, and what they are asked to do."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class System(models.Model):
    """A server that registered over RHN: the values its systemid signs, and its profile."""

    server = models.OneToOneField(
        "licensing.Server", primary_key=True, on_delete=models.PROTECT, related_name="system"
    )
    profile_name = models.CharField(max_length=253)
    # Signed by the systemid as they are here; os_release follows upgrades of the machine.
    os_release = models.CharField(max_length=40)
    architecture = models.CharField(max_length=100)
    username = models.CharField(max_length=150)
    release_name = models.CharField(max_length=100, blank=True)
    client_version = models.CharField(max_length=40, blank=True)
    capabilities = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    smbios = models.JSONField(default=dict, blank=True)
    # As the client's refresh_hw_profile sent it; null = never (--nohardware).
    hardware = models.JSONField(null=True, blank=True)
    hardware_at = models.DateTimeField(null=True, blank=True)
    # Rows of name, version, release, epoch, arch; null = never (--nopackages).
    packages = models.JSONField(null=True, blank=True)
    packages_at = models.DateTimeField(null=True, blank=True)
    uptime_seconds = models.PositiveBigIntegerField(null=True, blank=True)


class SystemAction(models.Model):
    """Something a machine is to do at its next check-in; handed out until it reports."""

    server = models.ForeignKey(
        "licensing.Server", on_delete=models.PROTECT, related_name="system_actions"
    )
    method = models.CharField(max_length=60)
    scheduled_at = models.DateTimeField()
    # How often it was handed out: a machine that never reports must not be asked for ever.
    deliveries = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)
    # The client's: 0 = done, 6 = it does not know the method, others = failed.
    status = models.IntegerField(null=True, blank=True)
    message = models.CharField(max_length=500, blank=True)
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(finished_at=None, status=None) | Q(finished_at__isnull=False),
                name="system_action_status_when_finished",
            ),
            models.UniqueConstraint(
                fields=["server", "method"],
                condition=Q(finished_at=None),
                name="system_action_open_once",
            ),
        ]
