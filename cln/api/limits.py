"""How often machines may come: failing registrations and wrong tokens per address, contacts per
server.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from cln import clock, rates
from cln.api.arguments import bearer
from cln.domain.errors import Refusal
from cln.domain.words import counted
from cln.rates import Allowance, Rate
from cln.web import client_address

GUESSES: Final = frozenset(
    {"unknown_key", "unknown_ip_license", "bad_move_code", "unknown_server", "server_removed"}
)
"""Refusals that say that a secret was guessed; what a customer can put right is not counted."""
TRIES: Final = Allowance(most=30, seconds=600)
STRANGERS_SECONDS: Final = 60
BURST = 120
PER_SECOND = 2.0
SERVERS_REMEMBERED = 20_000

View = Callable[[HttpRequest], HttpResponse]


class TooManyTries(Refusal):
    """The address or the server has asked too often."""

    code: ClassVar[str] = "too_many_tries"


class TooManyRequests(Refusal):
    """More calls in a minute than are allowed."""

    code: ClassVar[str] = "too_many_requests"


TOO_OFTEN: Final = (TooManyTries, TooManyRequests)


class Buckets:
    """Token buckets of this process, by a hash of what was presented; the oldest are forgotten.

    A server that runs wild is stopped here without a question to the database. Another process
    has buckets of its own: the limit is a fence, not an account.
    """

    def __init__(self) -> None:
        """Begin with full buckets."""
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, secret: str, *, at: float) -> float:
        """Take one token at an instant in seconds; for how many seconds to wait, 0 = taken."""
        name = hashlib.blake2b(secret.encode(), digest_size=16).digest()
        with self._lock:
            level, seen = self._levels.pop(name, (float(BURST), at))
            level = min(float(BURST), level + max(0.0, at - seen) * PER_SECOND)
            is_free = level >= 1
            self._levels[name] = (level - 1 if is_free else level, at)
            if len(self._levels) > SERVERS_REMEMBERED:
                self._levels.popitem(last=False)
        return 0.0 if is_free else (1 - level) / PER_SECOND

    def clear(self) -> None:
        """Fill every bucket."""
        with self._lock:
            self._levels.clear()


servers: Final = Buckets()


def limited_per_server(view: View) -> View:
    """Refuse `too_many_tries` to a server beyond 120 contacts at once or 2 a second."""

    @functools.wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        count_server(bearer(request))
        return view(request)

    return answer


def limited_per_address(view: View) -> View:
    """Refuse `too_many_tries` to an address (a /64 of IPv6) that has guessed 30 times in ten
    minutes. Only failures cost a write.
    """

    @functools.wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        with counting_tries(request):
            return view(request)

    return answer


@contextmanager
def counting_tries(request: HttpRequest) -> Iterator[None]:
    """The same around what registers at a door whose refusals are not problems."""
    subject = f"tries:{rates.network_of(client_address(request))}"
    wait = rates.standing(subject, TRIES).wait_seconds
    if wait:
        raise _too_many("Too many tries from your address have failed.", wait)
    try:
        yield
    except Refusal as refusal:
        if refusal.code in GUESSES:
            rates.count(subject, TRIES)
        raise


def count_server(secret: str) -> None:
    """Count a contact of a server, by what it shows as its own. Refuses `too_many_tries`."""
    wait = servers.take(secret, at=clock.system_now().timestamp())
    if wait:
        raise _too_many("This server asks too often.", int(wait) + 1)


def count_stranger(request: HttpRequest) -> Rate:
    """Count a call that proved nothing: a budget per IPv4 address or IPv6 /64 (security §5).

    Whoever shows a good token is not counted, and not stopped by those who share his address.
    """
    network = rates.network_of(client_address(request))
    allowance = Allowance(settings.CLN_API_STRANGERS_RATE, STRANGERS_SECONDS)
    return rates.count(f"address:{network}", allowance)


def check(rate: Rate) -> None:
    """Refuse `too_many_requests` where nothing is left."""
    if rate.wait_seconds:
        raise TooManyRequests(
            f"More than {rate.most} calls in a minute.",
            f"Wait {counted(rate.wait_seconds, 'second')}, and spread the calls.",
            retry_after=rate.wait_seconds,
        )


def _too_many(message: str, seconds: int) -> TooManyTries:
    return TooManyTries(message, f"Try again in {counted(seconds, 'second')}.", retry_after=seconds)
