"""What is on sale and at which price, read for flows, screens and the pure core."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar

from django.db.models import Q

from cln.catalog import models
from cln.domain.calendar import Interval
from cln.domain.errors import Refusal
from cln.domain.pricing import PriceList, SurchargeRate, Tier
from cln.domain.rules import Rules

MONTHS_CHARGED_FOR_A_YEAR = 10
"""A year costs ten months until an operator sets yearly prices (product.md §1)."""


class UnknownLicenseType(Refusal):
    """There is no such license type."""

    code: ClassVar[str] = "unknown_license_type"


@dataclass(frozen=True, slots=True)
class LicenseTypeRow:
    """A license type for screens; `priced` = it can be bought without asking for a price."""

    code: str
    name: str
    product: str
    product_name: str
    install_command: str
    tier_scope: str
    has_keys: bool
    user_limit: int | None
    trial_days: int
    trial_servers: int | None
    priced: bool


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A product for navigation and headings."""

    code: str
    name: str
    install_command: str


def products() -> tuple[ProductRow, ...]:
    """All products, in the order of the catalog."""
    rows = models.Product.objects.order_by("position", "pk")
    return tuple(ProductRow(row.code, row.name, row.install_command) for row in rows)


def get_license_type(code: str) -> models.LicenseType:
    """Return the license type with its product. Refuses UnknownLicenseType."""
    try:
        return models.LicenseType.objects.select_related("product").get(code=code)
    except models.LicenseType.DoesNotExist:
        raise UnknownLicenseType(
            f"There is no license type “{code[:40]}”.",
            "Choose one from the list of products.",
        ) from None


def license_types(*, product: str | None = None) -> tuple[LicenseTypeRow, ...]:
    """All license types, or those of one product, in the order of the catalog."""
    found = models.LicenseType.objects.select_related("product")
    if product is not None:
        found = found.filter(product__code=product)
    priced = set(
        models.PriceList.objects.filter(account=None).values_list("license_type_id", flat=True)
    )
    return tuple(
        LicenseTypeRow(
            code=row.code,
            name=row.name,
            product=row.product.code,
            product_name=row.product.name,
            install_command=row.product.install_command,
            tier_scope=row.tier_scope,
            has_keys=row.has_keys,
            user_limit=row.user_limit,
            trial_days=row.trial_days,
            trial_servers=row.trial_servers,
            priced=row.pk in priced,
        )
        for row in found.order_by("product__position", "position", "pk")
    )


def price_lists_for(
    *, license_type: str, interval: Interval, currency: str, account_id: int | None = None
) -> tuple[PriceList, ...]:
    """Every price list that was, is or will be in force, oldest first; empty = ask for a price.

    From the day of the account's first own list its own lists rule alone (facts R-17). Where no
    yearly list is in force yet, a year costs ten times the monthly list.
    """
    rows = (
        models.PriceList.objects.filter(license_type__code=license_type, currency=currency)
        .filter(Q(account=None) | Q(account=account_id))
        .prefetch_related("tiers")
    )
    own = [row for row in rows if row.account_id is not None]
    general = [row for row in rows if row.account_id is None]
    return _succeeded(
        _of_interval(general, license_type=license_type, interval=interval),
        _of_interval(own, license_type=license_type, interval=interval),
    )


def rules() -> Rules:
    """The operator's switches and day counts: the defaults with the overrides of the one row."""
    row = models.OperatorRules.objects.first()
    return Rules.from_overrides(row.overrides if row is not None else {})


def surcharge_rates(code: str) -> tuple[SurchargeRate, ...]:
    """The dated percentages of one surcharge (S1), oldest first."""
    rows = models.SurchargeRate.objects.filter(code=code).order_by("from_on")
    return tuple(SurchargeRate(from_on=row.from_on, percent=row.percent) for row in rows)


def _of_interval(
    rows: Iterable[models.PriceList], *, license_type: str, interval: Interval
) -> tuple[PriceList, ...]:
    lists = sorted((_price_list(row, license_type) for row in rows), key=_effective_on)
    monthly = tuple(one for one in lists if one.interval is Interval.MONTH)
    if interval is Interval.MONTH:
        return monthly
    yearly = tuple(one for one in lists if one.interval is Interval.YEAR)
    return _succeeded(tuple(_for_a_year(one) for one in monthly), yearly)


def _succeeded(older: tuple[PriceList, ...], newer: tuple[PriceList, ...]) -> tuple[PriceList, ...]:
    """`older` until the first list of `newer` comes into force, then `newer` alone."""
    if not newer:
        return older
    first = newer[0].effective_on
    return tuple(one for one in older if one.effective_on < first) + newer


def _effective_on(price_list: PriceList) -> date:
    return price_list.effective_on


def _for_a_year(monthly: PriceList) -> PriceList:
    tiers = tuple(
        Tier(tier.from_quantity, tier.unit_cents * MONTHS_CHARGED_FOR_A_YEAR)
        for tier in monthly.tiers
    )
    return replace(monthly, interval=Interval.YEAR, tiers=tiers)


def _price_list(row: models.PriceList, license_type: str) -> PriceList:
    tiers = sorted((tier.from_quantity, tier.unit_cents) for tier in row.tiers.all())
    return PriceList(
        id=row.pk,
        license_type=license_type,
        interval=Interval(row.interval),
        currency=row.currency,
        effective_on=row.effective_on,
        tiers=tuple(Tier(from_quantity, unit_cents) for from_quantity, unit_cents in tiers),
    )
