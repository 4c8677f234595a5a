"""Ctrl-C between two steps of a long run, and not in the middle of one.

Raised wherever Python happens to be, a KeyboardInterrupt gets lost now and then: Django's
`atomic` replaces one that comes during a commit by a database error, which the work of the next
account takes for a busy row; a template's `{% if %}` takes it for False; a finalizer drops it.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def interrupted_between_steps() -> Iterator[Callable[[], None]]:
    """Yield what to call between steps: it raises the KeyboardInterrupt of a Ctrl-C before it.

    A second Ctrl-C is raised at once. Only in the main thread.
    """
    presses = 0

    def note(_signal: int, _frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        if presses > 1:
            raise KeyboardInterrupt

    def check() -> None:
        if presses:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
