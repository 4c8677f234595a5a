"""Filling the catalog from its file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Any

from django.db import connection, transaction

from cln.catalog.models import LicenseType, PriceList, PriceTier, Product, SurchargeRate
from cln.domain.calendar import Interval
from cln.domain.money import parse_amount

CURRENCY = "USD"
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

    Rows that exist are never changed: operators may have edited them, and a dated price list is
    history. May be run any number of times.
    """
    if text is None:
        text = resources.files("cln.catalog").joinpath("catalog.toml").read_text("utf-8")
    data = tomllib.loads(text)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CATALOG_LOCK])
        return Loaded(
            products=sum(_add_product(row) for row in data.get("product", [])),
            license_types=sum(_add_license_type(row) for row in data.get("license_type", [])),
            price_lists=sum(
                _add_price_list(row, effective_on=data["effective_on"])
                for row in data.get("license_type", [])
                if "tiers" in row
            ),
            surcharge_rates=sum(_add_surcharge_rate(row) for row in data.get("surcharge", [])),
        )


def _add_product(row: dict[str, Any]) -> bool:
    defaults = {name: value for name, value in row.items() if name != "code"}
    return Product.objects.get_or_create(code=row["code"], defaults=defaults)[1]


def _add_license_type(row: dict[str, Any]) -> bool:
    defaults = {name: value for name, value in row.items() if name not in {"code", "tiers"}}
    defaults["product"] = Product.objects.get(code=row["product"])
    return LicenseType.objects.get_or_create(code=row["code"], defaults=defaults)[1]


def _add_price_list(row: dict[str, Any], *, effective_on: date) -> bool:
    price_list, created = PriceList.objects.get_or_create(
        license_type=LicenseType.objects.get(code=row["code"]),
        account=None,
        interval=Interval.MONTH,
        currency=CURRENCY,
        effective_on=effective_on,
    )
    if created:
        PriceTier.objects.bulk_create(
            PriceTier(
                price_list=price_list,
                from_quantity=tier["from"],
                unit_cents=parse_amount(tier["unit"]),
            )
            for tier in row["tiers"]
        )
    return created


def _add_surcharge_rate(row: dict[str, Any]) -> bool:
    return SurchargeRate.objects.get_or_create(
        code=row["code"], from_on=row["from_on"], defaults={"percent": row["percent"]}
    )[1]
