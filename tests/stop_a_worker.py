"""Tell a worker to stop at each step of its start, in one process: `python -m tests.stop_a_worker`.

Ends with 1, and the tracebacks of all threads, when a worker does not stop.
"""

from __future__ import annotations

import asyncio
import faulthandler
import selectors
import signal

import django
from django.core.management import call_command
from django.db import connection

# More than the event loop takes from the worker's first step until it waits for jobs.
STEPS_OF_A_START = 60
PATIENCE_SECONDS = 25


class SelectorThatSignals(selectors.DefaultSelector):
    """Sends this process `told` when the event loop waits for the `steps`th time."""

    def __init__(self, told: signal.Signals, steps: int) -> None:
        super().__init__()
        self._told = told
        self.steps_left = steps

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Count once the worker has its handlers; before, a signal just ends the process."""
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            if self.steps_left == 0:
                signal.raise_signal(self._told)
            self.steps_left -= 1
        return super().select(timeout)


class OneLoop(asyncio.DefaultEventLoopPolicy):
    """Lets `asyncio.run` use a selector of ours."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        super().__init__()
        self._selector = selector

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make the loop."""
        return asyncio.SelectorEventLoop(self._selector)


def stop_at(step: int) -> None:
    """Start a worker, tell it at this step, wait for its end; it must have signed off."""
    selector = SelectorThatSignals((signal.SIGTERM, signal.SIGINT)[step % 2], step)
    asyncio.set_event_loop_policy(OneLoop(selector))
    faulthandler.dump_traceback_later(PATIENCE_SECONDS, exit=True)
    call_command("worker")
    faulthandler.cancel_dump_traceback_later()
    assert selector.steps_left < 0, f"the worker ended by itself before step {step}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_workers")
        assert cursor.fetchone() == (0,), f"told at step {step}, the worker did not sign off"


if __name__ == "__main__":
    django.setup()
    for step in range(STEPS_OF_A_START):
        stop_at(step)
