"""One interval per product, removing the unused, unnecessary KernelCare (Q2, Q6, S3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.calendar import Interval
from cln.domain.pricing import BadQuantity
from cln.domain.quantities import (
    IntervalConflict,
    KeepBelowUsed,
    NothingUnused,
    RemovalFacts,
    check_interval,
    decide_removal,
    unneeded_kernelcare,
)


def test_monthly_beside_yearly_of_one_product_is_refused_q2() -> None:
    """Q2."""
    with pytest.raises(IntervalConflict) as refused:
        check_interval(product="CloudLinux OS", wanted=Interval.YEAR, running=[Interval.MONTH])

    assert refused.value.code == "interval_conflict"
    assert refused.value.message == (
        "Your CloudLinux OS licenses are paid by the month, so these cannot be paid by the year."
    )
    assert refused.value.fix == "Buy them by the month."


@pytest.mark.parametrize("running", [[], [Interval.YEAR, Interval.YEAR]])
def test_the_same_interval_or_a_first_one_is_accepted_q2(running: list[Interval]) -> None:
    """Q2."""
    wanted = check_interval(product="KernelCare", wanted=Interval.YEAR, running=running)

    assert wanted is Interval.YEAR


@pytest.mark.parametrize(
    ("facts", "removed"),
    [
        (RemovalFacts(held=10, used=4), 6),
        (RemovalFacts(held=10, used=0), 10),
        (RemovalFacts(held=10, used=4, keep=7), 3),
        (RemovalFacts(held=10, used=4, keep=4), 6),
        (RemovalFacts(held=10, used=0, keep=0), 10),
    ],
)
def test_the_unused_are_removed_down_to_those_in_use_or_a_chosen_number_q6(
    facts: RemovalFacts, removed: int
) -> None:
    """Q6."""
    assert decide_removal(facts) == removed


@pytest.mark.parametrize(
    ("used", "keep", "sentence"),
    [
        (4, 3, "4 servers are in use, so 3 licenses are not enough."),
        (2, 1, "2 servers are in use, so 1 license is not enough."),
        (1, 0, "1 server is in use, so 0 licenses are not enough."),
    ],
)
def test_keeping_fewer_than_are_in_use_is_refused_q6(used: int, keep: int, sentence: str) -> None:
    """Q6."""
    with pytest.raises(KeepBelowUsed) as refused:
        decide_removal(RemovalFacts(held=10, used=used, keep=keep))

    assert (refused.value.code, refused.value.message) == ("keep_below_used", sentence)


@pytest.mark.parametrize(
    "facts",
    [
        RemovalFacts(held=4, used=4),
        RemovalFacts(held=4, used=2, keep=4),
        RemovalFacts(held=4, used=2, keep=9),
        RemovalFacts(held=2, used=3),
    ],
)
def test_where_nothing_is_unused_nothing_is_removed_q6(facts: RemovalFacts) -> None:
    """Q6."""
    with pytest.raises(NothingUnused) as refused:
        decide_removal(facts)

    assert refused.value.code == "nothing_unused"


@pytest.mark.parametrize("keep", [-1, 1.5, True, "3"])
def test_a_number_to_keep_that_is_none_is_refused_q6(keep: int) -> None:
    """Q6."""
    with pytest.raises(BadQuantity):
        decide_removal(RemovalFacts(held=4, used=0, keep=keep))


@given(held=st.integers(0, 50), used=st.integers(0, 50), keep=st.none() | st.integers(0, 50))
def test_a_removal_never_takes_a_license_in_use_q6(held: int, used: int, keep: int | None) -> None:
    """Q6."""
    try:
        removed = decide_removal(RemovalFacts(held, used, keep))
    except (KeepBelowUsed, NothingUnused):
        return
    assert 0 < removed <= held - used


@pytest.mark.parametrize(
    ("held", "servers", "covered", "unneeded"),
    [(10, 10, 0, 0), (12, 10, 0, 0), (10, 10, 4, 4), (10, 8, 4, 6), (3, 10, 4, 0), (0, 4, 4, 0)],
)
def test_kernelcare_under_imunify_becomes_unnecessary_s3(
    held: int, servers: int, covered: int, unneeded: int
) -> None:
    """S3."""
    counted = unneeded_kernelcare(held=held, servers=servers, covered_by_imunify=covered)

    assert counted == unneeded


def test_more_covered_servers_than_servers_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="among"):
        unneeded_kernelcare(held=1, servers=1, covered_by_imunify=2)
