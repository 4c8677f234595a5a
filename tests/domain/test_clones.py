"""Which boots of a machine follow one another, and which ones cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cln.domain.clones import REMEMBERED, Machine, Side, Sighting, remember, side_of, sight

OLD = Machine(boots=("a",), fingerprint="one")
NEW = Machine(boots=("b",), fingerprint="two")


@pytest.mark.parametrize(
    ("boot", "current", "former", "expected"),
    [
        ("", "a", ["b"], Sighting.SILENT),
        ("a", "a", [], Sighting.SAME),
        ("b", "a", [], Sighting.RESTARTED),
        ("b", "", [], Sighting.RESTARTED),
        ("c", "b", ["a"], Sighting.RESTARTED),
        ("a", "b", ["a"], Sighting.CLONE),
        ("a", "c", ["b", "a"], Sighting.CLONE),
    ],
)
def test_a_boot_that_comes_back_is_a_second_machine(
    boot: str, current: str, former: list[str], expected: Sighting
) -> None:
    assert sight(boot, current=current, former=former) is expected


@given(st.lists(st.uuids().map(str), unique=True, min_size=1, max_size=40))
def test_a_machine_that_only_restarts_is_never_taken_for_two(boots: list[str]) -> None:
    current, former = "", []
    for boot in boots:
        assert sight(boot, current=current, former=former) is Sighting.RESTARTED
        current, former = boot, remember(current, former)
        assert sight(boot, current=current, former=former) is Sighting.SAME
        assert len(former) <= REMEMBERED


@given(st.uuids().map(str), st.uuids().map(str))
def test_two_machines_are_told_apart_at_the_third_check_in(one: str, two: str) -> None:
    former = remember(one, [])

    assert (sight(one, current=two, former=former) is Sighting.CLONE) == (one != two)


def test_the_latest_former_boot_comes_first_and_none_twice() -> None:
    assert remember("c", ["b", "c", "a"]) == ["c", "b", "a"]
    assert remember("", []) == []


@pytest.mark.parametrize(
    ("boot", "fingerprint", "expected"),
    [
        ("a", "two", Side.ESTABLISHED),
        ("b", "one", Side.NEWCOMER),
        ("c", "one", Side.ESTABLISHED),
        ("c", "two", Side.NEWCOMER),
        ("c", "three", None),
        ("c", "", None),
        ("", "two", Side.NEWCOMER),
    ],
)
def test_the_boot_tells_which_of_two_machines_it_is_and_else_the_hardware(
    boot: str, fingerprint: str, expected: Side | None
) -> None:
    side = side_of(boot=boot, fingerprint=fingerprint, established=OLD, newcomer=NEW)

    assert side is expected


def test_copies_with_the_same_fingerprint_are_told_apart_by_boots_only() -> None:
    twin = Machine(boots=("b",), fingerprint="one")

    assert side_of(boot="b", fingerprint="one", established=OLD, newcomer=twin) is Side.NEWCOMER
    assert side_of(boot="c", fingerprint="one", established=OLD, newcomer=twin) is None
