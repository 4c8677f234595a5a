"""Group commit: those who come while a batch is being written make up the next one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cln.api.gathering import Gathering


class Slow:
    """Something that carries batches out: the first one waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self, asked: Sequence[int]) -> Sequence[int]:
        self.batches.append([*asked])
        if len(self.batches) == 1:
            self.begun.set()
            assert self.let_go.wait(10)
        return [number * 10 for number in asked]


def while_one_is_written(
    slow: Slow, gathering: Gathering[int, int], then: Sequence[int]
) -> list[int]:
    """Ask 0, and `then` while its batch is being written; the answers in order."""
    with ThreadPoolExecutor(len(then) + 1) as threads:
        first = threads.submit(gathering.ask, 0)
        assert slow.begun.wait(10)
        others = [threads.submit(gathering.ask, number) for number in then]
        while len(gathering._waiting) < len(then):
            threading.Event().wait(0.001)
        slow.let_go.set()
        return [job.result(10) for job in (first, *others)]


def by_itself(number: int) -> int:
    return number


def test_who_comes_alone_is_written_at_once() -> None:
    slow = Slow()
    slow.let_go.set()
    gathering = Gathering(slow, most=10, same=by_itself)

    assert [gathering.ask(1), gathering.ask(2)] == [10, 20]
    assert slow.batches == [[1], [2]]


def test_who_comes_meanwhile_shares_the_next_batch_and_gets_his_own_answer() -> None:
    slow = Slow()
    answers = while_one_is_written(slow, Gathering(slow, most=10, same=by_itself), [1, 2, 3])

    assert answers == [0, 10, 20, 30]
    assert [sorted(batch) for batch in slow.batches] == [[0], [1, 2, 3]]


def test_a_batch_has_a_largest_size_and_the_rest_is_not_forgotten() -> None:
    slow = Slow()
    answers = while_one_is_written(slow, Gathering(slow, most=2, same=by_itself), [1, 2, 3, 4, 5])

    assert answers == [0, 10, 20, 30, 40, 50]
    assert [len(batch) for batch in slow.batches] == [1, 2, 2, 1]


def test_the_same_server_twice_is_never_in_one_batch() -> None:
    slow = Slow()
    answers = while_one_is_written(slow, Gathering(slow, most=10, same=lambda n: n % 2), [1, 3, 2])

    assert answers == [0, 10, 30, 20]
    assert [sorted(n % 2 for n in batch) for batch in slow.batches] == [[0], [0, 1], [1]]


def test_trouble_reaches_everybody_in_the_batch_and_nobody_after_it() -> None:
    state = {"broken": True}

    def carry_out(asked: Sequence[int]) -> Sequence[int]:
        if state["broken"]:
            raise ConnectionError("the database is away")
        return asked

    gathering: Gathering[int, int] = Gathering(carry_out, most=10, same=by_itself)
    with pytest.raises(ConnectionError):
        gathering.ask(1)
    state["broken"] = False

    assert gathering.ask(2) == 2


def test_one_that_breaks_a_batch_breaks_alone() -> None:
    """A bug that one server's data uncovers must not keep the others from checking in."""
    slow = Slow()

    def carry_out(asked: Sequence[int]) -> Sequence[int]:
        slow(asked)
        if 2 in asked:
            raise ZeroDivisionError
        return asked

    gathering: Gathering[int, int] = Gathering(carry_out, most=10, same=by_itself)

    def ask(number: int) -> Any:
        try:
            return gathering.ask(number)
        except ZeroDivisionError:
            return "broken"

    shy: Callable[[int], Any] = ask
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(shy, 0)
        assert slow.begun.wait(10)
        others = [threads.submit(shy, number) for number in (1, 2, 3)]
        while len(gathering._waiting) < 3:
            threading.Event().wait(0.001)
        slow.let_go.set()
        answers = [job.result(10) for job in (first, *others)]

    assert answers == [0, 1, "broken", 3]


def test_a_thousand_at_once_all_get_their_answers() -> None:
    gathering: Gathering[int, int] = Gathering(
        lambda asked: [n + 1 for n in asked], most=7, same=lambda n: n % 50
    )

    with ThreadPoolExecutor(32) as threads:
        answers = [*threads.map(gathering.ask, range(1000))]

    assert answers == [*range(1, 1001)]
    assert gathering._waiting == []
