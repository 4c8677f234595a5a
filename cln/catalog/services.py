"""Filling the catalog from its file."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Any

from django.db import connection, transaction

from cln.catalog.models import LicenseType, PriceList, PriceTier, Product, SurchargeRate
from cln.domain.calendar import Interval
from cln.domain.money import parse_amount

Row = dict[str, Any]
CURRENCY = "USD"
_NO_COLUMNS = {"product", "tiers", "tiers_in"}
CATALOG_LOCK = 0x636C6E01
"""Advisory lock: two processes that start at once load the catalog one after the other."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows were new; all zero when the catalog was already there."""

    products: int
    license_types: int
    price_lists: int
    surcharge_rates: int


def load_catalog(text: str | None = None) -> Loaded:
    """Add what `catalog.toml` (or `text` in its format) has and the database has not.

    What a row says is never changed: operators may have edited it, and a dated price list is
    history. A product without a summary is given the one of the file. May be run any number of
    times.
    """
    data = tomllib.loads(_text_on_file() if text is None else text)
    types = data.get("license_type", [])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CATALOG_LOCK])
        return Loaded(
            products=_add_products(data.get("product", [])),
            license_types=_add_license_types(types),
            price_lists=sum(
                _add_price_lists(tiers, currency=currency, effective_on=data["effective_on"])
                for currency, tiers in _tiers_by_currency(types).items()
            ),
            surcharge_rates=_add_surcharge_rates(data.get("surcharge", [])),
        )


def codes_on_file() -> tuple[str, ...]:
    """The codes of the license types in `catalog.toml`, read without a database."""
    return tuple(row["code"] for row in tomllib.loads(_text_on_file())["license_type"])


def _text_on_file() -> str:
    return resources.files("cln.catalog").joinpath("catalog.toml").read_text("utf-8")


def _add_products(rows: list[Row]) -> int:
    known = dict(Product.objects.values_list("code", "summary"))
    for row in rows:
        if row.get("summary") and known.get(row["code"]) == "":
            Product.objects.filter(code=row["code"]).update(summary=row["summary"])
    new = [Product(**row) for row in rows if row["code"] not in known]
    return len(Product.objects.bulk_create(new))


def _add_license_types(rows: list[Row]) -> int:
    known = set(LicenseType.objects.values_list("code", flat=True))
    products = {product.code: product for product in Product.objects.all()}
    new = [
        LicenseType(
            **{name: value for name, value in row.items() if name not in _NO_COLUMNS},
            product=products[row["product"]],
        )
        for row in rows
        if row["code"] not in known
    ]
    return len(LicenseType.objects.bulk_create(new))


def _tiers_by_currency(types: list[Row]) -> dict[str, dict[str, list[Row]]]:
    """The tiers of each license type that has any, by currency."""
    found: defaultdict[str, dict[str, list[Row]]] = defaultdict(dict)
    for row in types:
        if "tiers" in row:
            found[CURRENCY][row["code"]] = row["tiers"]
        for currency, tiers in row.get("tiers_in", {}).items():
            found[currency][row["code"]] = tiers
    return found


def _add_price_lists(tiers: dict[str, list[Row]], *, currency: str, effective_on: date) -> int:
    this_day = {
        "account": None,
        "interval": Interval.MONTH,
        "currency": currency,
        "effective_on": effective_on,
    }
    known = PriceList.objects.filter(**this_day).values("license_type")
    types = LicenseType.objects.filter(code__in=tiers).exclude(pk__in=known)
    new = PriceList.objects.bulk_create(
        PriceList(license_type=license_type, **this_day) for license_type in types
    )
    PriceTier.objects.bulk_create(
        PriceTier(
            price_list=price_list,
            from_quantity=tier["from"],
            unit_cents=parse_amount(tier["unit"]),
        )
        for price_list in new
        for tier in tiers[price_list.license_type.code]
    )
    return len(new)


def _add_surcharge_rates(rows: list[Row]) -> int:
    known = set(SurchargeRate.objects.values_list("code", "from_on"))
    new = [SurchargeRate(**row) for row in rows if (row["code"], row["from_on"]) not in known]
    return len(SurchargeRate.objects.bulk_create(new))
