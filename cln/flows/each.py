"""One account's trouble never stops the due work of the others."""

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from django.db import OperationalError

log = logging.getLogger(__name__)
Due = TypeVar("Due")


def each(due: Iterable[Due], verb: Callable[[Due], object]) -> int:
    """Do the verb to everything that is due; returns how many there were.

    What fails is logged, stays due and is tried again by the next run; what another process
    holds for longer than the lock timeout waits for it, too.
    """
    count = 0
    for one in due:
        count += 1
        try:
            verb(one)
        except OperationalError as error:
            log.warning("%s of %s waits for the next run: %s", verb.__qualname__, one, error)
        except Exception:
            # The broad catch: a bug in one account's data must not stop everybody's work.
            log.exception("%s of %s failed; it stays due", verb.__qualname__, one)
    return count


def in_chunks(due: Iterable[Due], size: int) -> Iterator[list[Due]]:
    """Cut what is due into lists of at most `size`, reading no further than the next one."""
    waiting = iter(due)
    while chunk := list(islice(waiting, size)):
        yield chunk
