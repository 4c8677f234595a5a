"""What our own agent needs: signing keys of leases, incidents, sightings of machines, clones."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class LeaseKey(models.Model):
    """An Ed25519 key that signs leases; the private half is sealed (cln.vault)."""

    kid = models.CharField(max_length=20, unique=True)
    public = models.BinaryField(max_length=32)
    cipher = models.BinaryField()
    created_at = models.DateTimeField()
    # Exactly one signs; a retired one is published until its last lease has run out.
    signs = models.BooleanField(default=True)
    published_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["signs"], condition=Q(signs=True), name="lease_key_one_signs"
            ),
            models.CheckConstraint(
                condition=Q(signs=True, published_until=None)
                | Q(signs=False, published_until__isnull=False),
                name="lease_key_retired_has_end",
            ),
        ]


class LeaseIncident(models.Model):
    """An outage of ours that an operator declared: every lease stretches."""

    starts_at = models.DateTimeField()
    stretch_days = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["ended_at"],
                condition=Q(ended_at=None),
                nulls_distinct=False,
                name="lease_incident_one_open",
            ),
        ]


class MachineTrace(models.Model):
    """Which boot of a machine the server's secret was seen from; written when it changes."""

    server = models.OneToOneField(
        "licensing.Server", primary_key=True, on_delete=models.PROTECT, related_name="trace"
    )
    boot = models.CharField(max_length=36, blank=True)
    former_boots = ArrayField(models.CharField(max_length=36), default=list, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)


class CloneCase(models.Model):
    """Two machines with one secret: the owner is asked which of them is right."""

    server = models.ForeignKey(
        "licensing.Server", on_delete=models.PROTECT, related_name="clone_cases"
    )
    established_boots = ArrayField(models.CharField(max_length=36), default=list)
    established_fingerprint = models.CharField(max_length=64, blank=True)
    established_address = models.GenericIPAddressField(null=True)
    newcomer_boots = ArrayField(models.CharField(max_length=36), default=list)
    newcomer_fingerprint = models.CharField(max_length=64, blank=True)
    newcomer_address = models.GenericIPAddressField(null=True)
    found_at = models.DateTimeField()
    # Until then both work; afterwards the newcomer waits for a decision.
    decide_by = models.DateTimeField()
    # The mail to the owner is queued by a worker.
    asked_at = models.DateTimeField(null=True, blank=True)
    # "" = open, "accepted": the newcomer has a license of its own, "established" or "newcomer":
    # that one keeps the server, the other one is refused.
    decision = models.CharField(max_length=12, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    # Of the accepted newcomer: its own registration, whose sealed secret it fetches.
    successor = models.OneToOneField(
        "licensing.Server", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    cipher = models.BinaryField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(decision__in=["", "accepted", "established", "newcomer"]),
                name="clone_case_decision",
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_at=None)
                | (~Q(decision="") & Q(decided_at__isnull=False)),
                name="clone_case_decided_has_instant",
            ),
            models.UniqueConstraint(
                fields=["server"], condition=Q(decision=""), name="clone_case_one_open"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["found_at"], condition=Q(asked_at=None), name="clone_case_to_ask"),
        ]
