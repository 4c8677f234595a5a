"""Who gives way when there is more to do than threads to do it (security §6).

Each web process has so many threads. Of each class of door only so many requests are let in at
once, and the classes together never fill the process: some threads are always left for check-ins,
which are never refused here. What is refused hears at once when to come again, in the words of its
protocol; that costs a fraction of an answer, so the ones that queue behind it are not held up.
"""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.db import OperationalError


class Overloaded(OperationalError):
    """This door has no thread left; told like a database that is away: come again."""


class DoorClass(StrEnum):
    """Classes of doors, the first to give way first."""

    LIST = "list"
    PAGE = "page"
    PUBLIC = "public"
    VALIDATION = "validation"
    CHECK_IN = "check_in"


# Shares of a process's threads, in 64ths: 8 are left for check-ins, whatever comes.
SHARES: Final[Mapping[DoorClass, int]] = {
    DoorClass.LIST: 4,
    DoorClass.PAGE: 12,
    DoorClass.PUBLIC: 8,
    DoorClass.VALIDATION: 32,
}
_PATHS: Final = (
    (DoorClass.CHECK_IN, r"/api/v2/agent/(check-in|lease)|/XMLRPC/?|/RPC2"),
    (DoorClass.CHECK_IN, r"(/clweb)?/api/kcare/check(in)?\.(json|plain)"),
    (
        DoorClass.LIST,
        r"(/clweb)?/api/(.*/(list|servers|server|patchset)(\.json|\.plain)?|kcare/(nagios|patchset/).*)",
    ),
    (DoorClass.LIST, r"/console/.*\.(csv|pdf)"),
    (DoorClass.PUBLIC, r"/console/check-license|/clweb/public/license-lookup\.xhtml|/status"),
    (DoorClass.VALIDATION, r"(/clweb)?/(api|xmlrpc)/?.*"),
)
_CLASS_OF: Final = tuple((door, re.compile(path)) for door, path in _PATHS)


@functools.lru_cache(maxsize=256)
def class_of(path: str) -> DoorClass:
    """The class of the door behind a path; what is no door for machines is a page."""
    return next((door for door, known in _CLASS_OF if known.fullmatch(path)), DoorClass.PAGE)


@contextlib.contextmanager
def passing(path: str) -> Iterator[None]:
    """Be let in at a door, or raise Overloaded at once."""
    gate = _gates().get(class_of(path))
    if gate is None:
        yield
        return
    if not gate.acquire(blocking=False):
        raise Overloaded("too many requests of this kind at once")
    try:
        yield
    finally:
        gate.release()


def limits(threads: int) -> dict[DoorClass, int]:
    """How many requests of each class a process with so many threads lets in at once."""
    return {door: max(1, threads * share // 64) for door, share in SHARES.items()}


def _gates() -> Mapping[DoorClass, threading.Semaphore]:
    """The gates of this process; their sizes follow the setting."""
    global _made
    if _made is None or _made[0] != settings.CLN_WEB_THREADS:
        gates = {
            door: threading.Semaphore(most)
            for door, most in limits(settings.CLN_WEB_THREADS).items()
        }
        _made = (settings.CLN_WEB_THREADS, gates)
    return _made[1]


_made: tuple[int, Mapping[DoorClass, threading.Semaphore]] | None = None
