"""The one table of the clock."""

from typing import ClassVar

from django.db import models


class SandboxClock(models.Model):
    """How far the sandbox clock runs from the system's; at most one row, none before a move."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    # Added to the system's time; written by `cln.clock.move_to` alone.
    offset = models.DurationField()

    class Meta:
        db_table = "sandbox_clock"
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="sandbox_clock_has_one_row"),
        ]
