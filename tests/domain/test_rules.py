"""Operator settings: known names, right types."""

import pytest

from cln.domain.rules import BadSetting, Rules, UnknownSetting, UsageRating


def test_the_defaults_are_those_of_the_billing_rules() -> None:
    rules = Rules()

    assert (rules.proration_survives_removal, rules.yearly_proration_sweep) == (False, False)
    assert rules.usage_rating == "daily"
    assert (rules.payment_terms_days, rules.retry_days) == (0, (0, 3, 7, 14))
    assert rules.reminder_days == (7, 14, 21, 28)
    assert (rules.block_after_days, rules.suspend_after_block_days, rules.end_after_days) == (
        30,
        7,
        90,
    )
    assert (rules.void_unpaid_order_days, rules.refund_days) == (7, 30)
    assert (rules.autopay_floor_cents, rules.autopay_minimum_cents) == (10_000, 2_000)
    assert rules.autopay_retry_hours == (1, 6, 24)


def test_settings_are_replaced_by_name() -> None:
    rules = Rules.from_overrides(
        {
            "proration_survives_removal": True,
            "usage_rating": "full_month",
            "retry_days": [0, 5],
            "trial_notice_days": [5, 1],
            "block_after_days": 10,
        }
    )

    assert rules == Rules(
        proration_survives_removal=True,
        usage_rating=UsageRating.FULL_MONTH,
        retry_days=(0, 5),
        trial_notice_days=(5, 1),
        block_after_days=10,
    )


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(UnknownSetting, match="retry_dayz") as refused:
        Rules.from_overrides({"retry_dayz": [1]})

    assert refused.value.code == "unknown_setting"
    assert "retry_days" in refused.value.fix


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proration_survives_removal", 1),
        ("proration_survives_removal", "yes"),
        ("usage_rating", "weekly"),
        ("usage_rating", 1),
        ("block_after_days", True),
        ("block_after_days", -1),
        ("block_after_days", 1.5),
        ("block_after_days", "30"),
        ("block_after_days", 100_000_001),
        ("retry_days", 3),
        ("retry_days", [3, 0]),
        ("retry_days", [0, 0]),
        ("retry_days", [0, "3"]),
        ("retry_days", [-1]),
        ("trial_notice_days", [1, 7]),
    ],
)
def test_a_value_that_does_not_fit_its_setting_is_refused(name: str, value: object) -> None:
    with pytest.raises(BadSetting, match=name) as refused:
        Rules.from_overrides({name: value})

    assert refused.value.code == "bad_setting"
