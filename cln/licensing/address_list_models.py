"""Long lists of addresses that are worked off step by step, and what became of each."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from cln.accounts.models import Account
from cln.catalog.models import LicenseType
from cln.enums import AddressAction, AddressResult, one_of


class AddressList(models.Model):
    """What somebody asked for in one go; kept with its result for 90 days."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="address_lists")
    action = models.CharField(max_length=10)
    actor = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    # How many lines, and how many of each result; written with the results.
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField()
    left_out = models.PositiveIntegerField()
    # Due column: when it is gone on with; null = it is finished.
    work_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            one_of("action", AddressAction, name="address_list_action"),
            models.CheckConstraint(
                condition=Q(total__gte=F("done") + F("refused") + F("left_out")),
                name="address_list_counts",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-id"], name="address_list_latest"),
            models.Index(
                fields=["work_at"], condition=Q(work_at__isnull=False), name="address_list_due"
            ),
        ]


class AddressListLine(models.Model):
    """One address of a list. Its result is written in the transaction that brings it about."""

    address_list = models.ForeignKey(AddressList, on_delete=models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    # As it was typed where it is no address.
    address = models.CharField(max_length=60)
    license_type = models.ForeignKey(LicenseType, on_delete=models.PROTECT, related_name="+")
    result = models.CharField(max_length=10, default=AddressResult.WAITING)
    why = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            one_of("result", AddressResult, name="address_line_result"),
            models.UniqueConstraint(
                fields=["address_list", "number"], name="address_line_number_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["address_list", "number"],
                condition=Q(result="waiting"),
                name="address_line_waiting",
            ),
        ]
