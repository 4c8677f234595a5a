"""What a login has besides its password."""

from typing import ClassVar

from django.db import models


class TwoFactor(models.Model):
    """The authenticator app of a login; a row = it is asked for a code at sign-in."""

    login = models.OneToOneField(
        "accounts.Login", on_delete=models.CASCADE, related_name="two_factor"
    )
    cipher = models.BinaryField()
    # The step of the last code that was used: a code works once.
    last_step = models.BigIntegerField()
    turned_on_at = models.DateTimeField()


class Passkey(models.Model):
    """A key pair of a login, of which its device keeps the secret half."""

    login = models.ForeignKey("accounts.Login", on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=60)
    credential_id = models.BinaryField(max_length=1023, unique=True)
    # Device type, id and public key, as WebAuthn packs them.
    credential = models.BinaryField()
    # The device's own count of signatures; many devices always say 0.
    signs = models.BigIntegerField()
    added_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)


class EmailChange(models.Model):
    """Somebody wants, or has, another address for their login; the old one can take it back."""

    login = models.ForeignKey(
        "accounts.Login", on_delete=models.CASCADE, related_name="email_changes"
    )
    old = models.EmailField()
    new = models.EmailField()
    asked_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    # Taken back by the old address, or overtaken by a later change.
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["login"],
                condition=models.Q(confirmed_at=None, closed_at=None),
                name="email_change_one_open",
            ),
        ]


class RecoveryCode(models.Model):
    """A code for the day the phone is lost; works once, kept as a keyed hash."""

    login = models.ForeignKey(
        "accounts.Login", on_delete=models.CASCADE, related_name="recovery_codes"
    )
    code_hash = models.BinaryField(max_length=32)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["login", "code_hash"], name="recovery_code_unique"),
        ]
