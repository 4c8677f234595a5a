"""Post-paid licenses by the days held (R2, R8)."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.calendar import Period
from cln.domain.lines import LineKind
from cln.domain.pricing import PriceUnknown, imunify_email_surcharge
from cln.domain.rules import UsageRating
from cln.domain.usage import Holding, days_held, part_of, rate_days, rate_usage, shares_of
from tests.domain.make import day, prices

APRIL = Period(day("2026-04-01"), day("2026-05-01"))
PRICES = (prices((1, 1000), (3, 700)),)


def held(subject: str, start: str, end: str | None = None) -> Holding:
    """A stretch of days."""
    return Holding(subject, day(start), day(end) if end else None)


def test_each_license_counts_by_its_days_over_the_days_of_the_month_r2() -> None:
    """R2."""
    usage = rate_usage(
        [held("192.0.2.1", "2026-01-15"), held("192.0.2.2", "2026-04-11", "2026-04-21")],
        APRIL,
        PRICES,
    )

    assert usage is not None
    assert (usage.licenses, usage.quantity, usage.unit_cents) == (2, Fraction(4, 3), 1000)
    assert usage.amount_cents == 13_33
    assert [(share.subject, share.days, share.amount_cents) for share in usage.shares] == [
        ("192.0.2.1", 30, 10_00),
        ("192.0.2.2", 10, 3_33),
    ]


def test_the_tier_counts_the_distinct_licenses_of_the_month_r2() -> None:
    """R2: three licenses that were never held on the same day."""
    usage = rate_usage(
        [
            held("192.0.2.1", "2026-04-01", "2026-04-11"),
            held("192.0.2.2", "2026-04-11", "2026-04-21"),
            held("192.0.2.3", "2026-04-21", "2026-05-01"),
            held("192.0.2.1", "2026-04-21", "2026-04-22"),
        ],
        APRIL,
        PRICES,
    )

    assert usage is not None
    assert (usage.licenses, usage.unit_cents, usage.quantity) == (3, 700, Fraction(31, 30))


def test_a_whole_month_switch_counts_every_license_in_full_r2() -> None:
    """R2 switch."""
    usage = rate_usage(
        [held("192.0.2.1", "2026-04-30"), held("192.0.2.2", "2026-04-01", "2026-04-02")],
        APRIL,
        PRICES,
        UsageRating.FULL_MONTH,
    )

    assert usage is not None
    assert usage.quantity == 2
    assert usage.amount_cents == 20_00
    assert usage.draft(title="CloudLinux OS").why == ("2 × 10.00 for the month 1 Apr – 1 May 2026")


@pytest.mark.parametrize(
    "holding",
    [
        held("192.0.2.1", "2026-05-01"),
        held("192.0.2.1", "2026-01-01", "2026-04-01"),
        held("192.0.2.1", "2026-04-10", "2026-04-10"),
    ],
)
@pytest.mark.parametrize("mode", UsageRating)
def test_what_was_not_held_for_a_day_of_the_month_is_not_billed_r2(
    holding: Holding, mode: UsageRating
) -> None:
    """R2: same day = nothing."""
    assert rate_usage([holding], APRIL, PRICES, mode) is None


def test_a_day_counts_once_however_many_stretches_touch_it() -> None:
    """R2, R8: a server that was removed and registered again on one day."""
    stretches = [
        held("srv", "2026-04-10", "2026-04-20"),
        held("srv", "2026-04-05", "2026-04-12"),
        held("srv", "2026-04-12", "2026-04-15"),
        held("srv", "2026-04-25"),
    ]

    assert days_held(stretches, APRIL) == {"srv": 21}


def test_the_line_explains_its_license_days() -> None:
    """R2."""
    usage = rate_usage([held("192.0.2.1", "2026-04-11", "2026-04-21")], APRIL, PRICES)
    assert usage is not None

    line = usage.draft(title="CloudLinux OS", source="usage:cloudlinux")

    assert line.title == "CloudLinux OS, 1 Apr – 1 May 2026"
    assert line.why == "1 × 10.00 × 10/30 license days (1 Apr – 1 May 2026)"
    assert (line.kind, line.source, line.period) == (LineKind.USAGE, "usage:cloudlinux", APRIL)
    assert (line.quantity, line.unit_cents, line.amount_cents) == (Fraction(1, 3), 1000, 3_33)


def test_the_list_in_force_when_the_month_begins_prices_it() -> None:
    """R2, Q1."""
    lists = (prices((1, 1000), id=1), prices((1, 2000), id=2, effective="2026-04-02"))

    usage = rate_usage([held("192.0.2.1", "2026-04-01")], APRIL, lists)

    assert usage is not None
    assert (usage.price_list_id, usage.amount_cents) == (1, 10_00)


def test_a_license_first_priced_inside_the_month_takes_that_price() -> None:
    """R2."""
    lists = (
        prices((1, 1500), id=1, effective="2026-04-10"),
        prices((1, 2000), id=2, effective="2026-04-20"),
    )

    usage = rate_usage([held("192.0.2.1", "2026-04-16")], APRIL, lists)

    assert usage is not None
    assert (usage.price_list_id, usage.amount_cents) == (1, 7_50)


@pytest.mark.parametrize("lists", [(), (prices((1, 1000), effective="2026-05-01"),)])
def test_usage_without_a_price_in_the_month_is_refused(lists: tuple[()]) -> None:
    with pytest.raises(PriceUnknown):
        rate_usage([held("192.0.2.1", "2026-04-01")], APRIL, lists)


@given(
    stretches=st.lists(
        st.tuples(st.sampled_from("abcde"), st.integers(-10, 40), st.integers(0, 40)), max_size=12
    ),
    cents=st.integers(0, 5000),
)
def test_shares_add_up_to_the_line_and_days_to_a_count_by_day_r2(
    stretches: list[tuple[str, int, int]], cents: int
) -> None:
    """R2."""
    holdings = [
        Holding(subject, _april(start), _april(start + length))
        for subject, start, length in stretches
    ]

    usage = rate_usage(holdings, APRIL, (prices((1, cents)),))

    by_day = {
        subject: {
            offset
            for other, start, length in stretches
            if other == subject
            for offset in range(max(0, start), min(30, start + length))
        }
        for subject, _, _ in stretches
    }
    expected = {subject: len(days) for subject, days in by_day.items() if days}
    assert days_held(holdings, APRIL) == expected
    if usage is None:
        assert not expected
    else:
        assert sum(share.amount_cents for share in usage.shares) == usage.amount_cents
        assert sum(share.quantity for share in usage.shares) == usage.quantity


def _april(offset: int) -> date:
    return APRIL.start + timedelta(days=offset)


@pytest.mark.parametrize("mode", UsageRating)
def test_a_page_of_shares_is_a_piece_of_all_of_them(mode: UsageRating) -> None:
    """R2: counted by days, the total is the same, and so are the cents of each license."""
    days = [("a", 30), ("b", 7), ("c", 7), ("d", 1)]
    usage = rate_usage(
        [Holding(subject, _april(0), _april(held)) for subject, held in days],
        APRIL,
        PRICES,
        mode,
    )
    counted = rate_days({30: 1, 7: 2, 1: 1}, APRIL, PRICES, mode)

    assert usage is not None
    assert counted is not None
    assert (counted.licenses, counted.amount_cents) == (usage.licenses, usage.amount_cents)
    assert shares_of(counted, days[:3], mode, after=1) == usage.shares[1:3]


def test_an_addon_costs_its_rate_of_the_licenses_that_have_it_at_the_price_of_all_s2() -> None:
    """S2: one of four has it, for ten days; the tier is that of the four. Rounded once."""
    total = rate_days({30: 3, 10: 1}, APRIL, PRICES)
    surcharge = imunify_email_surcharge(servers=1)
    assert total is not None
    assert surcharge is not None

    some, none = part_of(total, {10: 1}), part_of(total, {})
    whole = part_of(total, {10: 1}, UsageRating.FULL_MONTH)

    assert none is None
    assert some is not None
    assert whole is not None
    line = some.addon(surcharge)
    assert (line.kind, line.source, line.amount_cents) == (
        LineKind.ADDON,
        "addon:imunify_email",
        23,
    )
    assert (line.quantity, line.unit_cents, line.period) == (Fraction(1, 3), 700, APRIL)
    assert whole.addon(surcharge).amount_cents == 70
