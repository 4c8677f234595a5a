"""What can be bought and at which price; data with dates, never code."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from cln.domain.calendar import Interval
from cln.enums import one_of


class Product(models.Model):
    """A family on sale: CloudLinux OS, KernelCare, Imunify360, ImunifyAV+, ELS."""

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=100)
    # What it is for, in a sentence, for somebody who has never heard of it.
    summary = models.CharField(max_length=200, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    # What to run on a server; {key} and {url} are filled in.
    install_command = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return self.code


class LicenseType(models.Model):
    """A variant of a product with its codes on the wires (facts §2.1)."""

    code = models.CharField(max_length=40, unique=True)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="license_types")
    name = models.CharField(max_length=100)
    position = models.PositiveSmallIntegerField(default=0)
    ip_type = models.PositiveIntegerField(null=True, blank=True, unique=True)
    key_code = models.CharField(max_length=40, blank=True)
    key_prefix = models.CharField(max_length=20, blank=True)
    has_keys = models.BooleanField(default=True)
    user_limit = models.PositiveIntegerField(null=True, blank=True)
    # Types with the same scope count together when a price tier is picked (Q1).
    tier_scope = models.CharField(max_length=40)
    # 0 = no trial (T1); servers null = unlimited (T2).
    trial_days = models.PositiveSmallIntegerField(default=0)
    trial_servers = models.PositiveSmallIntegerField(null=True, blank=True)

    def __str__(self) -> str:
        return self.code


class PriceList(models.Model):
    """Prices of a license type from a day on; of one account where `account` is set (R-17)."""

    license_type = models.ForeignKey(
        LicenseType, on_delete=models.PROTECT, related_name="price_lists"
    )
    account = models.ForeignKey(
        "accounts.Account",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    interval = models.CharField(max_length=10)
    currency = models.CharField(max_length=3)
    effective_on = models.DateField()

    class Meta:
        constraints: ClassVar = [
            one_of("interval", Interval, name="price_list_interval"),
            models.UniqueConstraint(
                fields=[
                    "license_type",
                    "account",
                    "interval",
                    "currency",
                    "effective_on",
                ],
                nulls_distinct=False,
                name="price_list_unique",
            ),
        ]


class PriceTier(models.Model):
    """Unit price (cents) for everybody who holds at least `from_quantity`."""

    price_list = models.ForeignKey(PriceList, on_delete=models.CASCADE, related_name="tiers")
    from_quantity = models.PositiveIntegerField()
    unit_cents = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["price_list", "from_quantity"], name="price_tier_unique"
            ),
            models.CheckConstraint(
                condition=Q(from_quantity__gte=1, unit_cents__gte=0),
                name="price_tier_sane",
            ),
        ]


class SurchargeRate(models.Model):
    """A dated percentage of S1: `code` names the surcharge, e.g. `els6`."""

    code = models.CharField(max_length=40)
    from_on = models.DateField()
    percent = models.PositiveSmallIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["code", "from_on"], name="surcharge_rate_unique"),
        ]


class TaxRate(models.Model):
    """VAT or sales tax of a country from a day on, in hundredths of a percent."""

    country = models.CharField(max_length=2)
    from_on = models.DateField()
    basis_points = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["country", "from_on"], name="tax_rate_unique"),
        ]


class OperatorRules(models.Model):
    """The one row of operator switches that differ from `domain.rules.Rules`' defaults."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    overrides = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="operator_rules_one_row"),
        ]
