"""The right to run servers and the servers that use it. No money in here."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Collate

from cln.accounts.models import Account, ServerAccount
from cln.catalog.models import LicenseType, Product
from cln.enums import EntitlementKind, ServerStatus, one_of
from cln.licensing.add_on_models import AddOnSpan
from cln.licensing.address_list_models import AddressList, AddressListLine
from cln.licensing.agent_models import (
    CloneCase,
    LeaseIncident,
    LeaseKey,
    MachineTrace,
)
from cln.licensing.patch_models import KernelPatch, PatchReport, ServerTag
from cln.licensing.system_models import System, SystemAction
from cln.licensing.watch_models import CheckInTally, MaintenanceWindow, Outage, Watch

__all__ = [
    "ActivationKey",
    "AddOnSpan",
    "AddressList",
    "AddressListLine",
    "CheckInTally",
    "CloneCase",
    "Entitlement",
    "FeatureSetting",
    "IpLicense",
    "KernelPatch",
    "LeaseIncident",
    "LeaseKey",
    "MachineTrace",
    "MaintenanceWindow",
    "Outage",
    "PatchReport",
    "RefusedRegistration",
    "Server",
    "ServerGroup",
    "ServerTag",
    "System",
    "SystemAction",
    "Trial",
    "TrialAddress",
    "Watch",
]

# Version 6 as its major one: `6`, `6.10`, `CentOS 6.10`, `el6`.
OLD_VERSIONS = "^[^0-9]*6([^0-9]|$)"


class Entitlement(models.Model):
    """How many servers of a license type an account may run, and until when.

    Written by flows when money settles or a trial starts; registration reads only this.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entitlements")
    license_type = models.ForeignKey(LicenseType, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10)
    # null = unlimited (KernelCare trials, resellers' keys).
    quantity = models.PositiveIntegerField(null=True)
    used = models.PositiveIntegerField(default=0)
    # First instant at which servers have no right to run any more; null = open end.
    valid_until = models.DateTimeField(null=True)
    # Blocked accounts: no new registrations; suspended: running servers lost the license (P7).
    suspended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            one_of("kind", EntitlementKind, name="entitlement_kind"),
            models.UniqueConstraint(fields=["account", "license_type"], name="entitlement_unique"),
            models.CheckConstraint(
                condition=Q(quantity__isnull=True) | Q(used__lte=F("quantity")),
                name="entitlement_pool_not_exceeded",
            ),
        ]


class Trial(models.Model):
    """Once per account and product, by constraint (T1); a due column ends it (T4)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="trials")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    license_type = models.ForeignKey(LicenseType, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    # Due column: the next notice (−7, −3, −1 days) or the end itself; null = over.
    next_step_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    converted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "product"], name="trial_once_per_product"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_step_at"],
                condition=Q(next_step_at__isnull=False),
                name="trial_step_due",
            ),
        ]


class TrialAddress(models.Model):
    """An address that has run a trial of a product, under any account (T3)."""

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    address = models.GenericIPAddressField()
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    first_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["product", "address"], name="trial_address_unique"),
        ]


class ActivationKey(models.Model):
    """Registers servers up to a limit. The text itself is encrypted; a keyed hash finds it."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="keys")
    license_type = models.ForeignKey(LicenseType, on_delete=models.PROTECT, related_name="+")
    lookup_hash = models.BinaryField(max_length=32)
    cipher = models.BinaryField()
    last4 = models.CharField(max_length=4)
    # 0 = unlimited (facts K-4).
    limit = models.PositiveIntegerField(default=0)
    used = models.PositiveIntegerField(default=0)
    note = models.CharField(max_length=100, blank=True)
    # Networks servers may register from, canonical text; empty = any.
    cidrs = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    sticky_on = models.DateField(null=True, blank=True)
    is_default = models.BooleanField(default=False)
    # A token of a reseller's server account, whose limit counts over all its tokens.
    server_account = models.ForeignKey(
        ServerAccount, null=True, blank=True, on_delete=models.PROTECT, related_name="tokens"
    )
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["lookup_hash"], name="key_text_unique"),
            models.UniqueConstraint(
                fields=["account", "license_type"],
                condition=Q(is_default=True, removed_at__isnull=True),
                name="key_one_default",
            ),
            models.CheckConstraint(
                condition=Q(limit=0) | Q(used__lte=F("limit")),
                name="key_limit_not_exceeded",
            ),
        ]


class ServerGroup(models.Model):
    """A named set of servers of one account (facts §4.6)."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="server_groups")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=200, blank=True)
    # How long its servers may be overdue before they count as silent; null = as everywhere.
    grace = models.DurationField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "name"], name="server_group_name_unique"),
        ]


class Server(models.Model):
    """One registration of one machine for one license type; its secret is its identity."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="servers")
    license_type = models.ForeignKey(LicenseType, on_delete=models.PROTECT, related_name="+")
    key = models.ForeignKey(
        ActivationKey, null=True, on_delete=models.PROTECT, related_name="servers"
    )
    # What the agent presents; a keyed hash, the text is shown once at registration.
    secret_hash = models.BinaryField(max_length=32)
    status = models.CharField(max_length=12, default=ServerStatus.ACTIVE)
    # False where Imunify360 on the same machine includes this license (S3).
    takes_seat = models.BooleanField(default=True)
    # It has no key: the IP license at its address is its right, and leaves with it.
    by_address = models.BooleanField(default=False)
    # Since which day it takes a seat of this license type; null = since it was registered (R8).
    seat_since = models.DateField(null=True, blank=True)
    hostname = models.CharField(max_length=253, blank=True)
    address = models.GenericIPAddressField()
    machine_uuid = models.CharField(max_length=64, blank=True)
    os_version = models.CharField(max_length=40, blank=True)
    kernel = models.CharField(max_length=120, blank=True)
    users = models.PositiveIntegerField(null=True, blank=True)
    group = models.ForeignKey(
        ServerGroup,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="servers",
    )
    registered_at = models.DateTimeField()
    # Written by every check-in, so never in an index: only then is the new row version cheap (HOT).
    last_check_in_at = models.DateTimeField(null=True, blank=True)
    # How often it is expected; null = as everywhere.
    period = models.DurationField(null=True, blank=True)
    # Due column of "Systems Not Checking In": not before this instant need anybody look whether it
    # is silent. A check-in leaves it as it is, the scanner moves it on; null = not watched.
    alert_after = models.DateTimeField(null=True, blank=True)
    # Whether `alert_after` may be later than the instant from which lists call the server silent:
    # its alert waits for a pause or for the next digest, or it was just put back.
    alert_waits = models.BooleanField(default=False, db_default=False)
    # Since when it counts as silent, written by the scanner, cleared by a check-in.
    alerted_at = models.DateTimeField(null=True, blank=True)
    # How often the owner has been told of this silence.
    alerts_sent = models.PositiveSmallIntegerField(default=0)
    # Due column: the owner is to be told that it is back, not before this instant.
    recovery_after = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    removed_why = models.CharField(max_length=120, blank=True)
    # A reinstall keeps the row it replaced, for undo and history (security §1).
    supersedes = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="superseded_by",
    )

    class Meta:
        constraints: ClassVar = [
            one_of("status", ServerStatus, name="server_status"),
            models.UniqueConstraint(fields=["secret_hash"], name="server_secret_unique"),
            models.CheckConstraint(
                condition=Q(status="active", removed_at__isnull=True)
                | (~Q(status="active") & Q(removed_at__isnull=False)),
                name="server_removed_has_instant",
            ),
            models.CheckConstraint(
                condition=Q(by_address=False) | Q(key=None, takes_seat=False),
                name="server_by_address_takes_no_seat",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["account", "license_type", "id"],
                # So that bills count (S2, R8) without a look at the rest of the row.
                include=["by_address", "takes_seat", "seat_since", "registered_at"],
                condition=Q(status="active"),
                name="server_active",
            ),
            models.Index(
                # The order of a key's page.
                fields=["key", "registered_at", "id"],
                # So that bills count those of a key (S2) without a look at the rest of the row.
                include=["account", "license_type", "by_address"],
                condition=Q(status="active"),
                name="server_by_key",
            ),
            models.Index(
                fields=["account", "group"],
                condition=Q(status="active", group__isnull=False),
                name="server_in_group",
            ),
            # A machine that registers again is found among any number of servers (security §1).
            models.Index(
                fields=["machine_uuid"],
                condition=Q(status="active") & ~Q(machine_uuid=""),
                name="server_by_machine",
            ),
            # The orders of the console's list that a check-in does not change.
            models.Index(
                fields=["account", "registered_at", "id"],
                condition=Q(status="active"),
                name="server_list_by_age",
            ),
            models.Index(
                fields=["account", "hostname", "id"],
                condition=Q(status="active"),
                name="server_list_by_name",
            ),
            models.Index(
                fields=["address"],
                condition=Q(status="active"),
                name="server_by_address",
            ),
            # Few take no seat where Imunify360 includes their license (S3).
            models.Index(
                fields=["account", "license_type"],
                condition=Q(status="active", takes_seat=False, by_address=False),
                name="server_included",
            ),
            # What bills count: of 100,000 servers those on version 6 (S1).
            models.Index(
                fields=["account", "license_type"],
                condition=Q(status="active", by_address=False, os_version__regex=OLD_VERSIONS),
                name="server_old_version",
            ),
            # What a reseller's running month has to look at one by one (R8).
            models.Index(
                fields=["account", "removed_at"],
                condition=Q(removed_at__isnull=False),
                name="server_gone",
            ),
            models.Index(
                fields=["alert_after"],
                condition=Q(alert_after__isnull=False),
                name="server_alert_due",
            ),
            # Who is silent, among 100,000, without a look at the rest (`licensing.standing`).
            models.Index(
                fields=["account"],
                condition=Q(status="active") & (Q(alerted_at__isnull=False) | Q(alert_waits=True)),
                name="server_told_or_waits",
            ),
            models.Index(
                fields=["account", "alert_after"],
                condition=Q(status="active", alerted_at__isnull=True),
                name="server_alert_of_account",
            ),
            models.Index(
                fields=["recovery_after"],
                condition=Q(recovery_after__isnull=False),
                name="server_recovery_due",
            ),
        ]


class SeatSpan(models.Model):
    """Days on which a server took a seat of a license type that it does not take any more, while
    it is or was registered (R8). Append-only: written by `licensing.seats` before a change.
    """

    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="seat_spans")
    license_type = models.ForeignKey(LicenseType, on_delete=models.PROTECT, related_name="+")
    from_on = models.DateField()
    # Half-open: the first day without the seat.
    until_on = models.DateField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(from_on__lt=F("until_on")), name="seat_span_has_days"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["until_on"], name="seat_span_by_end")]


class RefusedRegistration(models.Model):
    """Why a server was not let in, for the page of its key (ux.md, key details)."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    key = models.ForeignKey(ActivationKey, on_delete=models.CASCADE, related_name="refused")
    at = models.DateTimeField()
    code = models.CharField(max_length=40)
    message = models.TextField()
    fix = models.TextField(blank=True)
    hostname = models.CharField(max_length=253, blank=True)
    address = models.GenericIPAddressField(null=True)


class IpLicense(models.Model):
    """A license bound to one address, no key; counted by days held (R2)."""

    public_id = models.CharField(max_length=40, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="ip_licenses")
    license_type = models.ForeignKey(LicenseType, on_delete=models.PROTECT, related_name="+")
    # Copy of license_type.product: one band of a product per address.
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    address = models.GenericIPAddressField()
    hostname = models.CharField(max_length=253, blank=True)
    els_allowed = models.BooleanField(default=False)
    added_at = models.DateTimeField()
    added_on = models.DateField()
    removed_at = models.DateTimeField(null=True, blank=True)
    removed_on = models.DateField(null=True, blank=True)
    registered_at = models.DateTimeField(null=True, blank=True)
    last_check_in_at = models.DateTimeField(null=True, blank=True)
    # KernelCare's custom monitoring key, as a keyed hash; machines may share one.
    monitoring_hash = models.BinaryField(max_length=32, null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["address", "license_type"],
                condition=Q(removed_at__isnull=True),
                name="ip_license_held_once",
            ),
            models.UniqueConstraint(
                fields=["address", "product"],
                condition=Q(removed_at__isnull=True),
                name="ip_license_one_band",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["monitoring_hash"],
                condition=Q(monitoring_hash__isnull=False, removed_at=None),
                name="ip_license_monitored",
            ),
            # The order of the console's list, the newest first.
            models.Index(
                fields=["account", "added_at", "id"],
                condition=Q(removed_at=None),
                name="ip_license_list_by_age",
            ),
            # What the running month counts, and its statement in the order of its lines (R2).
            models.Index(
                fields=["account", "license_type", "added_on"],
                condition=Q(removed_on=None),
                name="ip_license_by_day",
            ),
            # Those of them that no machine has registered by: mostly few.
            models.Index(
                fields=["account", "license_type"],
                condition=Q(removed_on=None, registered_at=None),
                name="ip_license_unheard",
            ),
            models.Index(
                F("account"),
                F("license_type"),
                Collate(Func(F("address"), function="host", output_field=models.TextField()), "C"),
                include=["added_on"],
                condition=Q(removed_on=None),
                name="ip_license_counted",
            ),
            models.Index(
                fields=["account", "removed_on"],
                condition=Q(removed_on__isnull=False),
                name="ip_license_given_back",
            ),
        ]


class FeatureSetting(models.Model):
    """A feature switched on or off for an account, a key, a server or an IP license, which is its
    server's level (F-1); absent = unset (F-2).
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="features")
    key = models.ForeignKey(ActivationKey, null=True, on_delete=models.CASCADE, related_name="+")
    server = models.ForeignKey(Server, null=True, on_delete=models.CASCADE, related_name="+")
    ip_license = models.ForeignKey(
        IpLicense, null=True, on_delete=models.CASCADE, related_name="features"
    )
    feature = models.CharField(max_length=40)
    enabled = models.BooleanField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "key", "server", "ip_license", "feature"],
                nulls_distinct=False,
                name="feature_setting_unique",
            ),
            models.CheckConstraint(
                condition=Q(key=None, server=None)
                | Q(key=None, ip_license=None)
                | Q(server=None, ip_license=None),
                name="feature_setting_one_level",
            ),
        ]
