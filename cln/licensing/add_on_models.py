"""Who uses the paid add-ons of CloudLinux OS, as servers and panels report it."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from cln.enums import AddOn, one_of


class AddOnSpan(models.Model):
    """Since when a site of a server has had an add-on, and until when; begun and ended by reports.

    A server that is removed ends its spans without being asked: readers look at both.
    """

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="+")
    server = models.ForeignKey("licensing.Server", on_delete=models.PROTECT, related_name="+")
    product = models.CharField(max_length=20)
    primary_domain = models.CharField(max_length=253)
    # The user of the hosting panel; empty where the panel has none to name.
    username = models.CharField(max_length=64, blank=True)
    # How much of the CDN was ordered, in the vendor's own words; of AWP_CDN only.
    cdn_limit_type = models.CharField(max_length=10, blank=True)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            one_of("product", AddOn, name="add_on_known"),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")),
                name="add_on_ends_after_it_began",
            ),
            models.CheckConstraint(
                condition=Q(product=AddOn.CDN) ^ Q(cdn_limit_type=""),
                name="cdn_limit_of_cdn_only",
            ),
            models.UniqueConstraint(
                fields=["server", "product", "primary_domain", "username"],
                condition=Q(ended_at=None),
                name="add_on_begins_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "began_at"], name="add_ons_of_account"),
        ]
