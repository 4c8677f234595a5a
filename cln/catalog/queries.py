"""What is on sale and at which price, read for flows, screens and the pure core."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Final

from django.db.models import Q

from cln.catalog import models
from cln.catalog.once import asked_once
from cln.catalog.prices import price_book
from cln.database.prepared import columns, fetch_tuples, instance, width
from cln.domain.calendar import Interval
from cln.domain.errors import Refusal
from cln.domain.pricing import PriceList, PriceUnknown, SurchargeRate, Tier, list_in_force
from cln.domain.rules import Rules

USUAL_CURRENCY = "USD"


class UnknownLicenseType(Refusal):
    """There is no such license type."""

    code: ClassVar[str] = "unknown_license_type"


class UnknownCurrency(Refusal):
    """Nothing is sold in that currency."""

    code: ClassVar[str] = "unknown_currency"


@dataclass(frozen=True, slots=True)
class LicenseTypeRow:
    """A license type for screens; `priced` = it can be bought without asking for a price."""

    code: str
    name: str
    product: str
    product_name: str
    product_summary: str
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


@asked_once
def products() -> tuple[ProductRow, ...]:
    """All products, in the order of the catalog."""
    return tuple(ProductRow(*row) for row in fetch_tuples(_PRODUCTS, ()))


@asked_once
def get_license_type(code: str) -> models.LicenseType:
    """Return the license type with its product. Refuses UnknownLicenseType."""
    try:
        return models.LicenseType.objects.select_related("product").get(code=code)
    except models.LicenseType.DoesNotExist:
        raise UnknownLicenseType(
            f"There is no license type “{code[:40]}”.",
            "Choose one from the list of products.",
        ) from None


def license_type_of_ip_type(ip_type: int) -> models.LicenseType:
    """The license type with this number on the wires (facts §2.1). Refuses UnknownLicenseType."""
    row = models.LicenseType.objects.select_related("product").filter(ip_type=ip_type).first()
    if row is None:
        raise UnknownLicenseType(f"There is no license type {ip_type}.")
    return row


def license_type_of_key_code(code: str) -> models.LicenseType:
    """The license type with this code on the wires (facts §2.1). Refuses UnknownLicenseType."""
    named = models.LicenseType.objects.select_related("product").filter(key_code=code)
    row = named.first() if code else None
    if row is None:
        raise UnknownLicenseType(f"There is no license type “{code[:40]}”.")
    return row


def wire_names() -> dict[str, tuple[int | None, str]]:
    """IP type and key code of every license type, by its code; either may be missing."""
    rows = models.LicenseType.objects.values_list("code", "ip_type", "key_code")
    return {code: (ip_type, key_code) for code, ip_type, key_code in rows}


def key_names(products: Collection[str]) -> dict[str, str]:
    """What the license types with keys are called on the wires, by their code: the key code, in
    lower case, or where there is none the code itself.
    """
    rows = models.LicenseType.objects.filter(has_keys=True, product__code__in=products)
    return {
        code: (key_code or code).lower() for code, key_code in rows.values_list("code", "key_code")
    }


def sold_by_address(*, account_id: int, currency: str, on: date) -> tuple[models.LicenseType, ...]:
    """The license types the account can hold at addresses: those with a price in force for it."""
    lists = models.PriceList.objects.filter(
        Q(account=None) | Q(account=account_id),
        interval=Interval.MONTH,
        currency=currency,
        effective_on__lte=on,
    )
    rows = models.LicenseType.objects.select_related("product").filter(
        ip_type__isnull=False, pk__in=lists.values("license_type")
    )
    return tuple(rows.order_by("ip_type"))


@asked_once
def currencies(*, on: date) -> tuple[str, ...]:
    """The currencies with a public price list in force on a day, the usual one first."""
    lists = models.PriceList.objects.filter(account=None, effective_on__lte=on)
    found = set(lists.values_list("currency", flat=True))
    return tuple(sorted(found, key=lambda one: (one != USUAL_CURRENCY, one)))


def checked_currency(text: str, *, on: date) -> str:
    """The currency an account can have; empty = the usual one. Refusals: `unknown_currency`."""
    currency = text.strip().upper() or USUAL_CURRENCY
    known = currencies(on=on)
    if currency != USUAL_CURRENCY and currency not in known:
        raise UnknownCurrency(
            f"Nothing is sold in {currency[:10]!r}.",
            f"Choose one of {', '.join(known)}." if known else "",
        )
    return currency


@asked_once
def license_types(
    *, product: str | None = None, currency: str = USUAL_CURRENCY
) -> tuple[LicenseTypeRow, ...]:
    """All license types, or those of one product, in the order of the catalog; `priced` is meant
    in the currency.
    """
    found = [
        row
        for row in license_types_by_id().values()
        if product is None or row.product.code == product
    ]
    priced = _priced(currency)
    return tuple(
        LicenseTypeRow(
            code=row.code,
            name=row.name,
            product=row.product.code,
            product_name=row.product.name,
            product_summary=row.product.summary,
            install_command=row.product.install_command,
            tier_scope=row.tier_scope,
            has_keys=row.has_keys,
            user_limit=row.user_limit,
            trial_days=row.trial_days,
            trial_servers=row.trial_servers,
            priced=row.pk in priced,
        )
        for row in sorted(found, key=lambda row: (row.product.position, row.position, row.pk))
    )


@asked_once
def _priced(currency: str) -> frozenset[int]:
    """The license types with a public price list in the currency, by row id."""
    return frozenset(pk for (pk,) in fetch_tuples(_PRICED, (currency,)))


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What one license costs on a day, by how many are held; no tiers: on request only."""

    license_type: LicenseTypeRow
    monthly: tuple[Tier, ...]
    yearly: tuple[Tier, ...]

    @property
    def columns(self) -> tuple[tuple[Tier, Tier | None], ...]:
        """Each monthly tier with the yearly one for as many."""
        yearly = {tier.from_quantity: tier for tier in self.yearly}
        return tuple((tier, yearly.get(tier.from_quantity)) for tier in self.monthly)


def prices(*, currency: str, on: date, account_id: int | None = None) -> tuple[PriceRow, ...]:
    """Every license type with the prices in force on a day: the public ones, or the account's."""
    book = price_book(account_ids=[account_id] if account_id else [])

    def tiers(license_type: str, interval: Interval) -> tuple[Tier, ...]:
        lists = book.lists(
            license_type=license_type, interval=interval, currency=currency, account_id=account_id
        )
        try:
            return list_in_force(lists, on).tiers
        except PriceUnknown:
            return ()

    return tuple(
        PriceRow(row, tiers(row.code, Interval.MONTH), tiers(row.code, Interval.YEAR))
        for row in license_types(currency=currency)
    )


def price_lists_for(
    *, license_type: str, interval: Interval, currency: str, account_id: int | None = None
) -> tuple[PriceList, ...]:
    """The lists of one license type, as `PriceBook.lists` gives them."""
    book = price_book(account_ids=[account_id] if account_id else [])
    return book.lists(
        license_type=license_type, interval=interval, currency=currency, account_id=account_id
    )


@asked_once
def rules() -> Rules:
    """The operator's switches and day counts: the defaults with the overrides of the one row."""
    rows = fetch_tuples(_RULES, ())
    return Rules.from_overrides(json.loads(rows[0][0]) if rows else {})


@asked_once
def surcharge_rates(code: str) -> tuple[SurchargeRate, ...]:
    """The dated percentages of one surcharge (S1), oldest first."""
    rows = fetch_tuples(_SURCHARGE_RATES, (code,))
    return tuple(SurchargeRate(from_on=from_on, percent=percent) for from_on, percent in rows)


@asked_once
def tax_rates() -> tuple[tuple[str, date, int], ...]:
    """Country, first day and basis points of every rate that was, is or will be in force."""
    return tuple(tuple(row) for row in fetch_tuples(_TAX_RATES, ()))


@asked_once
def license_types_by_id() -> dict[int, models.LicenseType]:
    """Every license type with its product, by row id."""
    found = {}
    for row in fetch_tuples(_LICENSE_TYPES, ()):
        one = instance(models.LicenseType, row)
        one.product = instance(models.Product, row, start=width(models.LicenseType))
        found[one.pk] = one
    return found


def ids_of_product(code: str) -> list[int]:
    """The license types of a product, by row id: cheaper for long lists than a join."""
    return [pk for pk, row in license_types_by_id().items() if row.product.code == code]


# Asked by nearly every page: a query set takes longer to write these than PostgreSQL to answer.
_PRODUCTS: Final = "SELECT code, name, install_command FROM catalog_product ORDER BY position, id"
_LICENSE_TYPES: Final = f"""
SELECT {columns(models.LicenseType, "t")}, {columns(models.Product, "p")}
FROM catalog_licensetype t JOIN catalog_product p ON p.id = t.product_id"""
_PRICED: Final = """
SELECT DISTINCT license_type_id FROM catalog_pricelist
WHERE account_id IS NULL AND currency = %s"""
_RULES: Final = "SELECT overrides::text FROM catalog_operatorrules ORDER BY id LIMIT 1"
_SURCHARGE_RATES: Final = """
SELECT from_on, percent FROM catalog_surchargerate WHERE code = %s ORDER BY from_on"""
_TAX_RATES: Final = "SELECT country, from_on, basis_points FROM catalog_taxrate"
