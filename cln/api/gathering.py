"""Group commit: those who come while a batch is being written make up the next one.

Nobody waits for company: a check-in that comes alone is written at once. While its commit waits
for the disk, others come; the first of them writes them all in one statement and one commit, and
each gets his answer after that commit, never before. There is no thread that could die: the batch
is written by one of those who wait for it, on his own connection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Gathering(Generic[Asked, Answer]):
    """Hands what many threads ask to one function, in batches."""

    def __init__(
        self,
        carry_out: Callable[[Sequence[Asked]], Sequence[Answer]],
        *,
        most: int,
        same: Callable[[Asked], Hashable] | None = None,
    ) -> None:
        """`carry_out` gets at most `most`, and answers in their order.

        Of those that are the `same` by a key, a batch has one only: writes of one row.
        """
        self._carry_out, self._most, self._same = carry_out, most, same
        self._lock = threading.Lock()
        self._waiting: list[_Waiter[Asked, Answer]] = []
        self._is_led = False

    def ask(self, asked: Asked) -> Answer:
        """The answer to one question; raises what the batch it was in has raised."""
        mine: _Waiter[Asked, Answer] = _Waiter(asked)
        with self._lock:
            self._waiting.append(mine)
            leads, self._is_led = not self._is_led, True
        if not leads:
            mine.turn.acquire()
        if not mine.is_done:
            self._lead()
        if mine.trouble is not None:
            raise mine.trouble
        return mine.answer

    def _lead(self) -> None:
        """Carry out one batch, the leader's own among it, and call the next leader."""
        batch = self._next_batch()
        try:
            self._answer(batch)
        finally:
            for waiter in batch:
                waiter.is_done = True
            with self._lock:
                self._is_led = bool(self._waiting)
                heir = self._waiting[0] if self._waiting else None
            for waiter in batch:
                waiter.turn.release()
            if heir is not None:
                heir.turn.release()

    def _answer(self, batch: Sequence[_Waiter[Asked, Answer]]) -> None:
        """Carry the batch out; what breaks it, but is no trouble of the database, breaks alone."""
        try:
            answers = self._carry_out([waiter.asked for waiter in batch])
            for waiter, answer in zip(batch, answers, strict=True):
                waiter.answer = answer
        except Exception as trouble:
            if len(batch) > 1 and not isinstance(trouble, (OperationalError, InterfaceError)):
                for waiter in batch:
                    self._answer([waiter])
                return
            for waiter in batch:
                waiter.trouble = trouble  # each of them raises it in his own thread

    def _next_batch(self) -> list[_Waiter[Asked, Answer]]:
        """The longest waiting; who asks for the same as one of them waits for the next batch."""
        with self._lock:
            batch: dict[Hashable, _Waiter[Asked, Answer]] = {}
            left = []
            for waiter in self._waiting:
                key = id(waiter) if self._same is None else self._same(waiter.asked)
                if len(batch) < self._most and key not in batch:
                    batch[key] = waiter
                else:
                    left.append(waiter)
            self._waiting = left
        return [*batch.values()]


class _Waiter(Generic[Asked, Answer]):
    """One question and the lock its thread waits at: until it is answered or leads."""

    __slots__ = ("answer", "asked", "is_done", "trouble", "turn")
    answer: Answer

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.is_done = False
        self.trouble: Exception | None = None
        self.turn = threading.Lock()
        self.turn.acquire()
