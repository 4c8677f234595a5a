"""Trials (T1, T2, T4); the address rule T3 is in test_licensing."""

from dataclasses import replace
from typing import Any

import pytest

from cln.domain.errors import Refusal
from cln.domain.licensing import AccountBlocked
from cln.domain.rules import Rules
from cln.domain.trials import (
    AlreadyPaid,
    TrialAlreadyUsed,
    TrialFacts,
    TrialNotOffered,
    TrialTerms,
    decide_trial,
    trial_notice_due,
)
from tests.domain.make import day

ASKED = TrialFacts(product="Imunify360", on=day("2026-01-31"), days=14)


def test_a_trial_lasts_as_long_as_the_catalog_says_t1() -> None:
    """T1, T2: Imunify360 14 days and one server, KernelCare 30 and any number."""
    kernelcare = replace(ASKED, product="KernelCare", days=30, server_limit=None)

    assert decide_trial(ASKED) == TrialTerms(day("2026-02-14"), 1)
    assert decide_trial(kernelcare) == TrialTerms(day("2026-03-02"), None)


@pytest.mark.parametrize(
    ("change", "refusal", "code"),
    [
        ({"days": None}, TrialNotOffered, "trial_not_offered"),
        ({"started_on": day("2025-01-01")}, TrialAlreadyUsed, "trial_already_used"),
        ({"has_subscription": True}, AlreadyPaid, "already_paid"),
        ({"is_blocked": True}, AccountBlocked, "account_blocked"),
    ],
)
def test_a_trial_is_refused_with_its_reason_t1(
    change: dict[str, Any], refusal: type[Refusal], code: str
) -> None:
    """T1, T4: once, never for ELS, not extendable, not beside a paid one, not when blocked."""
    with pytest.raises(refusal) as refused:
        decide_trial(replace(ASKED, **change))

    assert refused.value.code == code
    assert refused.value.fix


def test_a_used_trial_names_its_day_t4() -> None:
    """T4."""
    with pytest.raises(TrialAlreadyUsed, match=r"started on 1 Jan 2025\."):
        decide_trial(replace(ASKED, started_on=day("2025-01-01")))


@pytest.mark.parametrize(
    ("noticed", "today", "notice"),
    [
        (None, "2026-02-06", None),
        (None, "2026-02-07", 7),
        ("2026-02-07", "2026-02-10", None),
        ("2026-02-07", "2026-02-11", 3),
        (None, "2026-02-13", 1),
        ("2026-02-13", "2026-02-13", None),
        (None, "2026-02-14", None),
    ],
)
def test_a_notice_is_sent_seven_three_and_one_day_before_the_end(
    noticed: str | None, today: str, notice: int | None
) -> None:
    """T4: only the newest due one, and none once it is over."""
    last = day(noticed) if noticed else None

    assert trial_notice_due(day("2026-02-14"), last, day(today), Rules()) == notice
