"""Every switch and day count an operator may set, with the default of the billing rules."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import ClassVar, Self

from cln.domain.errors import Refusal


class UnknownSetting(Refusal):
    """There is no setting of that name."""

    code: ClassVar[str] = "unknown_setting"


class BadSetting(Refusal):
    """The value does not fit the setting."""

    code: ClassVar[str] = "bad_setting"


class UsageRating(StrEnum):
    """How post-paid licenses count in a month (R2)."""

    DAILY = "daily"
    FULL_MONTH = "full_month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The operator's settings. Day counts are calendar days, amounts are cents."""

    proration_survives_removal: bool = False  # Q7
    yearly_proration_sweep: bool = False  # Q11
    usage_rating: UsageRating = UsageRating.DAILY  # R2
    payment_terms_days: int = 0  # P2
    retry_days: tuple[int, ...] = (0, 3, 7, 14)  # P2, after issue
    reminder_days: tuple[int, ...] = (7, 14, 21, 28)  # P6, after issue
    block_after_days: int = 30  # P7, after the oldest due date
    suspend_after_block_days: int = 7  # P7, after the real block day
    end_after_days: int = 90  # P7, after the oldest due date
    void_unpaid_order_days: int = 7  # Q3
    refund_days: int = 30  # P10, after payment
    autopay_floor_cents: int = 10_000  # R4 add funds: charged below it
    autopay_minimum_cents: int = 2_000  # R4 repay: smallest charge
    autopay_retry_hours: tuple[int, ...] = (1, 6, 24)  # R4
    trial_notice_days: tuple[int, ...] = (7, 3, 1)  # before a trial ends

    @classmethod
    def from_overrides(cls, overrides: Mapping[str, object]) -> Self:
        """The defaults with some settings replaced.

        Refusals: `unknown_setting`, `bad_setting` (wrong type, negative, days not in order).
        """
        defaults = cls()
        known = {field.name: getattr(defaults, field.name) for field in fields(cls)}
        for name, value in overrides.items():
            if name not in known:
                raise UnknownSetting(
                    f"There is no setting {name!r}.",
                    f"Known settings: {', '.join(sorted(known))}.",
                    setting=name,
                )
            known[name] = _checked(name, value, known[name])
        return cls(**known)


def _checked(name: str, value: object, default: object) -> object:
    """Return the value in the type of its default, or refuse it (`bad_setting`)."""
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        wanted = "true or false"
    elif isinstance(default, UsageRating):
        if isinstance(value, str) and value in set(UsageRating):
            return UsageRating(value)
        wanted = " or ".join(UsageRating)
    elif isinstance(default, tuple):
        if isinstance(value, (list, tuple)) and _in_order(value, falling=default[0] > default[-1]):
            return tuple(value)
        wanted = "a list of whole numbers in the order of the default"
    else:
        if _is_count(value):
            return value
        wanted = "a whole number, not negative"
    raise BadSetting(f"The setting {name!r} must be {wanted}.", setting=name, given=repr(value))


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= 100_000_000


def _in_order(values: list[object] | tuple[object, ...], *, falling: bool) -> bool:
    counts = [value for value in values if isinstance(value, int) and _is_count(value)]
    if len(counts) != len(values):
        return False
    return counts == sorted(set(counts), reverse=falling)
