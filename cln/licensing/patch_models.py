"""What KernelCare's servers say of themselves, and which patches the operator says there are."""

from typing import ClassVar

from django.db import models


class PatchReport(models.Model):
    """The kernel and patch level a server told last; a row of its own keeps check-ins cheap."""

    server = models.OneToOneField(
        "licensing.Server", primary_key=True, on_delete=models.PROTECT, related_name="patches"
    )
    kernel_id = models.CharField(max_length=120)
    level = models.PositiveIntegerField()
    reported_at = models.DateTimeField()


class ServerTag(models.Model):
    """A word that somebody on the server chose for it, to find it by (`kcarectl --tag`)."""

    server = models.OneToOneField(
        "licensing.Server", primary_key=True, on_delete=models.PROTECT, related_name="tagged"
    )
    tag = models.CharField(max_length=100)
    reported_at = models.DateTimeField()


class KernelPatch(models.Model):
    """A patch level that exists for a kernel; the operator's list, replaced as a whole."""

    kernel_id = models.CharField(max_length=120)
    level = models.PositiveIntegerField()
    # A sticky tag wants only what was released before its day.
    released_on = models.DateField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kernel_id", "level"], name="kernel_patch_unique"),
        ]
