"""Topping up a reseller's deposit by itself (R4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import ClassVar

from cln.domain.errors import Refusal
from cln.domain.money import format_cents
from cln.domain.rules import Rules


class BadAutopayTarget(Refusal):
    """The target balance lies below the balance that starts a top-up."""

    code: ClassVar[str] = "bad_autopay_target"


class AutopayMode(StrEnum):
    """Whether and when the deposit is topped up."""

    ADD_FUNDS = "add_funds"
    REPAY = "repay"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class AutopayRule:
    """The reseller's choice; `target_cents` matters to `add_funds` only."""

    mode: AutopayMode = AutopayMode.REPAY
    target_cents: int = 0


def check_autopay_rule(rule: AutopayRule, rules: Rules) -> AutopayRule:
    """The rule, if it can be followed. Refusals: `bad_autopay_target`."""
    if rule.mode is AutopayMode.ADD_FUNDS and rule.target_cents < rules.autopay_floor_cents:
        floor = format_cents(rules.autopay_floor_cents)
        raise BadAutopayTarget(
            f"The target balance must be at least {floor}.",
            f"Funds are added when the balance falls below {floor}.",
            floor_cents=rules.autopay_floor_cents,
        )
    return rule


def decide(balance_cents: int, rule: AutopayRule, rules: Rules) -> int | None:
    """Cents to charge now in one top-up, or None (R4)."""
    match rule.mode:
        case AutopayMode.ADD_FUNDS if balance_cents < rules.autopay_floor_cents:
            missing = rule.target_cents - balance_cents
            return missing if missing > 0 else None
        case AutopayMode.REPAY if balance_cents < 0:
            return max(rules.autopay_minimum_cents, -balance_cents)
        case _:
            return None


def next_try(declines: int, rules: Rules | None = None) -> timedelta | None:
    """How long to wait after this many declines in a row (at least 1); None: stop and mail."""
    assert declines >= 1, "there is something to wait for"
    hours = (rules or Rules()).autopay_retry_hours
    return timedelta(hours=hours[declines - 1]) if declines <= len(hours) else None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a rule would have done: its charges by day, and where the balance went; cents."""

    charges: tuple[tuple[date, int], ...]
    lowest_cents: int
    balance_cents: int

    @property
    def total_cents(self) -> int:
        """Σ of the charges."""
        return sum(cents for _, cents in self.charges)


def replay(
    balance_cents: int,
    changes: Iterable[tuple[date, int]],
    rule: AutopayRule,
    rules: Rules,
    *,
    on: date,
) -> Replay:
    """Follow a rule through changes of a balance, oldest first, if every charge succeeds.

    The changes are those that no top-up made. `on` is the day the rule begins; it decides first.
    """
    charges: list[tuple[date, int]] = []
    lowest = balance_cents
    for day, change in ((on, 0), *changes):
        balance_cents += change
        lowest = min(lowest, balance_cents)
        wanted = decide(balance_cents, rule, rules)
        if wanted is not None:
            charges.append((day, wanted))
            balance_cents += wanted
    return Replay(tuple(charges), lowest, balance_cents)
