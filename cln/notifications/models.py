"""Messages that still have to leave, and those that have left."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from cln.accounts.models import Account
from cln.catalog.models import Product
from cln.enums import MessageKind, one_of


class WebhookEndpoint(models.Model):
    """Where an account wants to hear of events, and the secret that proves that we are it."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=250)
    # Signs deliveries, so it must be read again: encrypted, shown once.
    cipher = models.BinaryField()
    last4 = models.CharField(max_length=4)
    # The secret before, which signs beside it until then; all empty where there is none.
    old_cipher = models.BinaryField(null=True)
    old_last4 = models.CharField(max_length=4, blank=True)
    old_until = models.DateTimeField(null=True, blank=True)
    # Values of events.EventType.
    events = ArrayField(models.CharField(max_length=40))
    created_at = models.DateTimeField()
    # Since when no delivery has arrived; written by the worker, emptied by the next that does.
    failing_since = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_why = models.CharField(max_length=200, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(events__len__gt=0), name="webhook_has_events"),
            models.CheckConstraint(
                condition=Q(old_until=None, old_cipher=None, old_last4="")
                | Q(old_until__isnull=False, old_cipher__isnull=False) & ~Q(old_last4=""),
                name="webhook_old_secret_ends",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account"],
                condition=Q(removed_at=None, disabled_at=None),
                name="webhook_listening",
            ),
        ]


class Message(models.Model):
    """An outbox row. `dedupe` makes two mails for one event impossible (billing §9).

    A webhook's `template` is the event's type, its `subject` the event's id, its `body` the bytes
    that are signed and sent.
    """

    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, default=MessageKind.EMAIL)
    template = models.CharField(max_length=60)
    to = models.CharField(max_length=254)
    # What the template says; with it the mail is written when it leaves.
    context = models.JSONField(default=dict)
    # As they left; empty before, and where mail does not leave (sandbox).
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField(blank=True)
    endpoint = models.ForeignKey(
        WebhookEndpoint, null=True, on_delete=models.PROTECT, related_name="deliveries"
    )
    dedupe = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField()
    # Due column: not before this instant; null once sent or given up.
    send_after = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    # Webhooks: the HTTP status of the latest try; null = no answer.
    response_status = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            one_of("kind", MessageKind, name="message_kind"),
            models.CheckConstraint(
                condition=Q(kind="email", endpoint=None)
                | Q(kind="webhook", endpoint__isnull=False),
                name="message_webhook_has_endpoint",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["send_after"],
                condition=Q(send_after__isnull=False),
                name="message_due",
            ),
            models.Index(fields=["account", "-created_at"], name="message_by_account"),
            models.Index(
                fields=["endpoint", "-id"],
                condition=Q(endpoint__isnull=False),
                name="message_by_endpoint",
            ),
        ]


class ReportSubscription(models.Model):
    """Who gets the reports of a product (facts A-15)."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="reports")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    active = models.BooleanField(default=True)
    emails = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "product"], name="report_subscription_once"),
        ]
