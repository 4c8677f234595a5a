"""What programs present at REST v2, and what they were answered."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q


class ApiToken(models.Model):
    """A program's credential (security §3): shown once, found by a keyed hash, never whole again.

    What it may do is what its scopes, its owner's role *and* the state of the account allow, asked
    at every call: a login that loses a right loses it in its tokens too.
    """

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(
        "accounts.Account", on_delete=models.PROTECT, related_name="api_tokens"
    )
    # The owner: whose role bounds it, and whom the audit names.
    login = models.ForeignKey("accounts.Login", on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField(max_length=60)
    token_hash = models.BinaryField(max_length=32)
    last4 = models.CharField(max_length=4)
    # Values of access.Permission.
    scopes = ArrayField(models.CharField(max_length=30))
    # All instants are the system's, also in a sandbox whose clock was moved (ADR 49).
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    # At most a minute old: not every call writes it.
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["token_hash"], name="api_token_hash_unique"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="api_token_expires_later"
            ),
            models.CheckConstraint(condition=Q(scopes__len__gt=0), name="api_token_has_scopes"),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "-id"], name="api_token_by_account")]


class ApiRequest(models.Model):
    """A call with an `Idempotency-Key`: claimed before it is carried out, answered afterwards.

    `cipher` is empty while the call runs; answers may hold keys and secrets, so they are sealed.
    """

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=100)
    input_hash = models.CharField(max_length=64)
    # The system's instant: a claim older than its lease belongs to a process that died.
    claimed_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    cipher = models.BinaryField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "key"], name="api_request_key_unique"),
            models.CheckConstraint(
                condition=Q(status=None, cipher=None)
                | Q(status__isnull=False, cipher__isnull=False),
                name="api_request_answered_whole",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["claimed_at"], name="api_request_by_age")]
