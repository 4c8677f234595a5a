"""Patch levels of KernelCare: what servers say they run, and what the operator says there is."""

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
