"""The catalog: its file, its dated prices, the operator's switches."""

from __future__ import annotations

from datetime import date

import pytest

from cln.accounts.models import Account
from cln.catalog import queries
from cln.catalog.models import LicenseType, OperatorRules, PriceList, PriceTier, Product
from cln.catalog.services import Loaded, load_catalog
from cln.domain.calendar import Interval
from cln.domain.pricing import PriceList as DomainList
from cln.domain.pricing import SurchargeRate, Tier, list_in_force
from cln.domain.rules import BadSetting
from tests.licensing import an_account

pytestmark = pytest.mark.django_db

OWN_FILE = """
effective_on = 2025-01-01
[[product]]
code = "kernelcare"
name = "Something else"
position = 9
[[license_type]]
code = "kernelcare"
product = "kernelcare"
name = "Something else"
tier_scope = "elsewhere"
tiers = [{from = 1, unit = "99.00"}]
"""


def test_loading_the_catalog_twice_adds_nothing_the_second_time() -> None:
    assert load_catalog() == Loaded(5, 29, 14, 3)
    assert load_catalog() == Loaded(0, 0, 0, 0)


def test_a_product_of_an_older_release_learns_what_it_is_for() -> None:
    load_catalog()
    Product.objects.filter(code="els").update(summary="")
    Product.objects.filter(code="kernelcare").update(summary="Patches. No reboots.")

    assert load_catalog() == Loaded(0, 0, 0, 0)

    assert Product.objects.get(code="els").summary.startswith("Security updates for systems")
    assert Product.objects.get(code="kernelcare").summary == "Patches. No reboots."


def test_loading_never_changes_what_an_operator_has_edited() -> None:
    load_catalog()
    Product.objects.filter(code="kernelcare").update(name="Live patching")
    PriceTier.objects.filter(price_list__license_type__code="kernelcare", from_quantity=1).update(
        unit_cents=400
    )

    load_catalog()

    assert Product.objects.get(code="kernelcare").name == "Live patching"
    assert _kernelcare(Interval.MONTH)[0].unit_cents(1) == 400


def test_a_later_file_adds_a_dated_list_beside_the_one_that_exists() -> None:
    load_catalog()

    assert load_catalog(OWN_FILE) == Loaded(0, 0, 1, 0)

    assert [one.effective_on for one in _kernelcare(Interval.MONTH)] == [
        date(2010, 1, 1),
        date(2025, 1, 1),
    ]
    assert LicenseType.objects.get(code="kernelcare").name == "KernelCare"


def test_prices_of_the_catalog_are_the_published_monthly_ones() -> None:
    load_catalog()

    (only,) = _kernelcare(Interval.MONTH)

    assert only.tiers == (Tier(1, 395), Tier(2, 295), Tier(50, 255), Tier(500, 225))
    assert (only.license_type, only.currency) == ("kernelcare", "USD")


def test_a_year_costs_ten_months_until_a_yearly_list_is_in_force() -> None:
    load_catalog()
    _a_list("kernelcare", Interval.YEAR, date(2026, 1, 1), unit_cents=3000)

    lists = _kernelcare(Interval.YEAR)

    assert list_in_force(lists, date(2025, 12, 31)).unit_cents(1) == 3950
    assert list_in_force(lists, date(2026, 1, 1)).unit_cents(1) == 3000
    assert {one.interval for one in lists} == {Interval.YEAR}


def test_an_accounts_own_list_rules_alone_from_its_first_day_on() -> None:
    zenith = an_account("Zenith")
    _a_list("kernelcare", Interval.MONTH, date(2026, 1, 1), unit_cents=100, account=zenith)
    _a_list("kernelcare", Interval.MONTH, date(2026, 6, 1), unit_cents=500)

    own = _kernelcare(Interval.MONTH, account=zenith)

    assert list_in_force(own, date(2025, 12, 31)).unit_cents(1) == 395
    assert list_in_force(own, date(2026, 7, 1)).unit_cents(1) == 100
    assert list_in_force(_kernelcare(Interval.MONTH), date(2026, 7, 1)).unit_cents(1) == 500


def test_a_license_type_without_prices_has_no_list() -> None:
    load_catalog()

    lists = queries.price_lists_for(
        license_type="cloudlinux_pro", interval=Interval.MONTH, currency="USD"
    )

    assert lists == ()
    priced = {row.code: row.priced for row in queries.license_types(product="cloudlinux")}
    assert priced == {
        "cloudlinux": True,
        "cloudlinux_pro": False,
        "cloudlinux_solo": False,
        "cloudlinux_admin": False,
    }


def test_an_unknown_license_type_is_refused() -> None:
    load_catalog()

    with pytest.raises(queries.UnknownLicenseType) as refused:
        queries.get_license_type("windows")

    assert refused.value.code == "unknown_license_type"
    assert refused.value.message == "There is no license type “windows”."


def test_the_surcharge_schedule_of_version_6_is_catalog_data_s1() -> None:
    load_catalog()

    assert queries.surcharge_rates("els6") == (
        SurchargeRate(date(2020, 12, 1), 10),
        SurchargeRate(date(2021, 12, 1), 20),
        SurchargeRate(date(2022, 12, 1), 30),
    )


def test_rules_are_the_defaults_with_the_operators_overrides() -> None:
    assert queries.rules().block_after_days == 30
    OperatorRules.objects.create(overrides={"block_after_days": 45})

    assert queries.rules().block_after_days == 45
    assert queries.rules().refund_days == 30


def test_a_wrong_override_is_refused_and_not_guessed() -> None:
    OperatorRules.objects.create(overrides={"block_after_days": "soon"})

    with pytest.raises(BadSetting):
        queries.rules()


def _kernelcare(interval: Interval, account: Account | None = None) -> tuple[DomainList, ...]:
    return queries.price_lists_for(
        license_type="kernelcare",
        interval=interval,
        currency="USD",
        account_id=None if account is None else account.pk,
    )


def _a_list(
    license_type: str,
    interval: Interval,
    effective_on: date,
    *,
    unit_cents: int,
    account: Account | None = None,
) -> None:
    row = PriceList.objects.create(
        license_type=LicenseType.objects.get(code=license_type),
        account=account,
        interval=interval,
        currency="USD",
        effective_on=effective_on,
    )
    PriceTier.objects.create(price_list=row, from_quantity=1, unit_cents=unit_cents)
