"""Messages that still have to leave, and those that have left."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cln.accounts.models import Account
from cln.catalog.models import Product
from cln.enums import MessageKind, one_of


class Message(models.Model):
    """An outbox row. `dedupe` makes two mails for one event impossible (billing §9)."""

    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, default=MessageKind.EMAIL)
    template = models.CharField(max_length=60)
    to = models.CharField(max_length=254)
    subject = models.CharField(max_length=200)
    body = models.TextField()
    dedupe = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField()
    # Due column: not before this instant; null once sent or given up.
    send_after = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [one_of("kind", MessageKind, name="message_kind")]
        indexes: ClassVar = [
            models.Index(
                fields=["send_after"],
                condition=Q(send_after__isnull=False),
                name="message_due",
            ),
            models.Index(fields=["account", "-created_at"], name="message_by_account"),
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
