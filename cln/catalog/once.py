"""What is on sale, asked once for a page.

The parts of a page ask for products, prices, rates and rules on their own, most of them for the
same. While a page is shown that only shows something, the same question gets the same answer; so
its figures stand on one state of the catalog, and it is read once. What changes anything reads
anew each time, and nothing is remembered beyond the page.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

_answers: Final[ContextVar[dict[Hashable, Any] | None]] = ContextVar("answers", default=None)


@contextlib.contextmanager
def asking_once() -> Iterator[None]:
    """Within this, functions marked `asked_once` answer the same question from memory."""
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def asked_once(read: Callable[P, T]) -> Callable[P, T]:
    """Mark a function that reads the catalog; its arguments are hashable, its answer not changed
    by anybody.
    """

    @functools.wraps(read)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        answers = _answers.get()
        if answers is None:
            return read(*args, **kwargs)
        question = (read, args, tuple(sorted(kwargs.items())))
        if question not in answers:
            answers[question] = read(*args, **kwargs)
        return cast(T, answers[question])

    return answer
