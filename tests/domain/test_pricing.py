"""Volume tiers, tier scopes, dated lists and quantities (Q1, Q5)."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.calendar import Interval
from cln.domain.pricing import (
    BadPriceList,
    BadQuantity,
    PriceList,
    PriceUnknown,
    ScopeHolding,
    SurchargeRate,
    Tier,
    check_quantity,
    els6_surcharge,
    imunify_email_surcharge,
    list_in_force,
    scope_quantity,
)
from tests.domain.make import day, prices

CLOUDLINUX = prices((1, 1400), (2, 1200), (5, 1000), (50, 900))


@st.composite
def price_lists(draw: st.DrawFn) -> PriceList:
    """Any list the catalog accepts."""
    starts = draw(st.lists(st.integers(2, 900), max_size=5, unique=True))
    units = draw(
        st.lists(st.integers(0, 10_000), min_size=len(starts) + 1, max_size=len(starts) + 1)
    )
    return prices(*zip([1, *sorted(starts)], sorted(units, reverse=True), strict=True))


@pytest.mark.parametrize(
    ("quantity", "cents"), [(1, 1400), (2, 1200), (4, 1200), (5, 1000), (49, 1000), (797, 900)]
)
def test_one_unit_price_is_chosen_by_the_whole_quantity_q1(quantity: int, cents: int) -> None:
    """Q1: 797 x 9.00 in the vendor's own cart."""
    assert CLOUDLINUX.unit_cents(quantity) == cents


@given(a_list=price_lists(), quantity=st.integers(1, 1000))
def test_more_units_never_raise_the_unit_price_q1(a_list: PriceList, quantity: int) -> None:
    """Q1."""
    assert a_list.unit_cents(quantity + 1) <= a_list.unit_cents(quantity)


def test_the_next_tier_is_the_next_cheaper_step() -> None:
    assert CLOUDLINUX.current_tier(4) == Tier(2, 1200)
    assert CLOUDLINUX.next_tier(4) == Tier(5, 1000)
    assert CLOUDLINUX.next_tier(50) is None


def test_a_price_of_no_units_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="quantity"):
        CLOUDLINUX.unit_cents(0)


@pytest.mark.parametrize(
    "tiers",
    [
        (),
        ((2, 100),),
        ((1, 100), (1, 90)),
        ((1, 100), (5, 90), (3, 80)),
        ((1, 100), (5, 101)),
        ((1, -1),),
    ],
)
def test_tiers_that_are_no_volume_prices_are_refused(tiers: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(BadPriceList) as refused:
        prices(*tiers)

    assert refused.value.code == "bad_price_list"


def test_the_newest_effective_list_is_in_force() -> None:
    """Q1."""
    old = prices((1, 500), id=1, effective="2025-01-01")
    new = prices((1, 600), id=2, effective="2026-03-01")
    amended = prices((1, 550), id=3, effective="2026-03-01")

    assert list_in_force([new, old], day("2026-02-28")) == old
    assert list_in_force([new, old], day("2026-03-01")) == new
    assert list_in_force([amended, new, old], day("2026-03-01")) == amended


def test_a_license_without_a_price_in_force_is_sold_on_request_only() -> None:
    future = prices((1, 500), effective="2027-01-01")

    with pytest.raises(PriceUnknown) as refused:
        list_in_force([future], day("2026-12-31"))

    assert refused.value.code == "price_unknown"
    assert refused.value.facts == {"on": day("2026-12-31")}


@pytest.mark.parametrize("quantity", [1, 100_000])
def test_a_whole_quantity_in_bounds_can_be_bought(quantity: int) -> None:
    assert check_quantity(quantity) == quantity


@pytest.mark.parametrize("quantity", [0, -1, 100_001, 10**400 // 10**380, 1.0, "5", True, None])
def test_a_quantity_that_cannot_be_bought_is_refused(quantity: object) -> None:
    with pytest.raises(BadQuantity) as refused:
        check_quantity(quantity)

    assert refused.value.code == "bad_quantity"


def test_all_bands_of_a_scope_count_together_q1() -> None:
    """Q1: a cart of 1 + 3 + 1 Imunify360 licenses shows the prices for 5."""
    others = [ScopeHolding(3), ScopeHolding(1)]

    assert scope_quantity(1, others, day("2026-01-01")) == 5


@pytest.mark.parametrize(("on", "counted"), [("2026-02-27", 5), ("2026-02-28", 2)])
def test_a_subscription_that_ends_on_a_day_no_longer_counts_on_it_q1(on: str, counted: int) -> None:
    """Q1."""
    others = [ScopeHolding(3, ends_on=day("2026-02-28"))]

    assert scope_quantity(2, others, day(on)) == counted


ELS6 = (
    SurchargeRate(day("2021-12-01"), 20),
    SurchargeRate(day("2020-12-01"), 10),
    SurchargeRate(day("2022-12-01"), 30),
)


@pytest.mark.parametrize(
    ("on", "percent"),
    [
        ("2020-11-30", 0),
        ("2020-12-01", 10),
        ("2021-11-30", 10),
        ("2021-12-01", 20),
        ("2022-12-01", 30),
        ("2030-01-01", 30),
    ],
)
def test_the_els_rate_follows_the_invoice_date_s1(on: str, percent: int) -> None:
    """S1."""
    surcharge = els6_surcharge(license_type="cloudlinux", servers=2, rates=ELS6)

    assert surcharge is not None
    assert surcharge.percent_on(day(on)) == percent


@pytest.mark.parametrize(("license_type", "servers"), [("cloudlinux_pro", 2), ("cloudlinux", 0)])
def test_other_editions_and_no_servers_carry_no_els_surcharge_s1(
    license_type: str, servers: int
) -> None:
    """S1: none for Shared Pro."""
    assert els6_surcharge(license_type=license_type, servers=servers, rates=ELS6) is None


def test_imunify_email_is_ten_percent_of_each_enabled_server_s2() -> None:
    """S2."""
    surcharge = imunify_email_surcharge(servers=3)

    assert surcharge is not None
    assert (surcharge.servers, surcharge.percent_on(date(2024, 6, 1))) == (3, 10)
    assert surcharge.is_addon
    assert imunify_email_surcharge(servers=0) is None


def test_an_interval_knows_its_months() -> None:
    assert (Interval.MONTH.months, Interval.YEAR.months) == (1, 12)
