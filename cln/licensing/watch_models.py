"""What the watch over silent servers keeps: windows, our own outages, and how many checked in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from cln.accounts.models import Account


class MaintenanceWindow(models.Model):
    """A time in which silence of a group's servers means nothing; half-open."""

    group = models.ForeignKey(
        "licensing.ServerGroup", on_delete=models.CASCADE, related_name="windows"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    note = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(starts_at__lt=F("ends_at")), name="maintenance_window_has_time"
            ),
        ]


class Outage(models.Model):
    """A time in which we ourselves could not take check-ins; half-open, append-only."""

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(db_index=True)
    why = models.CharField(max_length=100)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(began_at__lt=F("ended_at")), name="outage_has_time"),
        ]


class CheckInTally(models.Model):
    """How many check-ins one process took in five minutes; a row per process, so none waits."""

    at = models.DateTimeField()
    writer = models.IntegerField()
    count = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["at", "writer"], name="check_in_tally_unique"),
        ]


class Watch(models.Model):
    """The scanner's own memory: the row without an account; and when each account was written to.

    One digest in an hour: what falls silent or comes back meanwhile waits for the next one.
    """

    account = models.ForeignKey(Account, null=True, on_delete=models.CASCADE, related_name="+")
    mailed_at = models.DateTimeField(null=True, blank=True)
    # Of the system's clock, also in a sandbox whose clock was moved: it measures our own absence.
    scanned_at = models.DateTimeField(null=True, blank=True)
    # Since when alerts are held because we suspect ourselves; null = they go out.
    held_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account"],
                nulls_distinct=False,
                name="watch_one_scanner",
            ),
        ]
