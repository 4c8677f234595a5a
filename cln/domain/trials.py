"""Trials: once per account and product, not extendable, never for ELS (T1, T2, T4)."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar

from cln.domain.errors import Refusal
from cln.domain.licensing import AccountBlocked
from cln.domain.lines import long_date
from cln.domain.rules import Rules


class TrialNotOffered(Refusal):
    """The catalog has no trial for this license type."""

    code: ClassVar[str] = "trial_not_offered"


class TrialAlreadyUsed(Refusal):
    """The account has had its trial of this product."""

    code: ClassVar[str] = "trial_already_used"


class AlreadyPaid(Refusal):
    """The account has a paid subscription of this product."""

    code: ClassVar[str] = "already_paid"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFacts:
    """`days` is the catalog's length, None if no trial is offered; `server_limit` None is
    unlimited; `started_on` is the day of the product's earlier trial in this account.
    """

    product: str
    on: date
    days: int | None
    server_limit: int | None = 1
    started_on: date | None = None
    has_subscription: bool = False
    is_blocked: bool = False


@dataclass(frozen=True, slots=True)
class TrialTerms:
    """The trial runs up to, not including, `ends_on`; `server_limit` None is unlimited."""

    ends_on: date
    server_limit: int | None


def decide_trial(facts: TrialFacts) -> TrialTerms:
    """The terms of a trial that starts now (T1, T2).

    Refusals: `account_blocked`, `trial_not_offered`, `already_paid`, `trial_already_used`.
    """
    if facts.is_blocked:
        raise AccountBlocked.because_of_debt()
    if facts.days is None:
        raise TrialNotOffered(f"There is no trial of {facts.product}.", "You can buy it at once.")
    if facts.has_subscription:
        raise AlreadyPaid(
            f"You have bought {facts.product} already.", "Add licenses instead of starting a trial."
        )
    if facts.started_on is not None:
        raise TrialAlreadyUsed(
            f"Your trial of {facts.product} started on {long_date(facts.started_on)}. "
            "A trial can be had once and is not extended.",
            "Buy a license: your key and your servers stay as they are.",
            started_on=facts.started_on,
        )
    return TrialTerms(facts.on + timedelta(days=facts.days), facts.server_limit)


def trial_notice_due(
    ends_on: date, last_notice_on: date | None, on: date, rules: Rules
) -> int | None:
    """Days left named by the notice to send on a day, or None: 7, 3, 1; only the newest due one.

    Once the trial has ended there is nothing left to announce.
    """
    if on >= ends_on:
        return None
    due = [
        days
        for days in rules.trial_notice_days
        if (last_notice_on or date.min) < ends_on - timedelta(days=days) <= on
    ]
    return due[-1] if due else None
