"""A load generator that costs little: prepared bytes over kept connections, one thread, one epoll.

What it costs itself is part of its report: on a machine where server and load share the cores, that
share is missing to the server. With a `rate` requests leave by the clock, whether the server keeps
up or not, and the time of each counts from when it should have left; without one each connection
asks again as soon as it is answered.
"""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

ANSWER_TIMEOUT_SECONDS = 60.0
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(slots=True)
class Driven:
    """What a load brought. `statuses` counts answers; 0 is a connection that broke."""

    seconds: float = 0.0
    own_cpu_seconds: float = 0.0
    web_cpu_seconds: float = 0.0
    database_cpu_seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def per_second(self) -> float:
        """Answers with 2xx in a second."""
        return sum(n for status, n in self.statuses.items() if status // 100 == 2) / self.seconds

    def percentile(self, share: float) -> float:
        """The time in ms within which this share of the answers came; 0 without answers."""
        ordered = sorted(self.latencies_ms) or [0.0]
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)

    def as_json(self) -> dict[str, object]:
        """Rates and percentiles, rounded for reading."""
        return {
            "per_second": round(self.per_second, 1),
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            "p50_ms": self.percentile(0.50),
            "p99_ms": self.percentile(0.99),
            "max_ms": self.percentile(1),
            "cpu_us_per_request": {
                "generator": self._each(self.own_cpu_seconds),
                "web": self._each(self.web_cpu_seconds),
                "database": self._each(self.database_cpu_seconds),
            },
        }

    def _each(self, seconds: float) -> int:
        return round(seconds / max(1, len(self.latencies_ms)) * 1e6)


def http(
    path: str, body: str = "", *, method: str = "", headers: Sequence[str] = (), host: str = ""
) -> bytes:
    """The bytes of a request; a body makes it a POST of JSON."""
    lines = [f"{method or ('POST' if body else 'GET')} {path} HTTP/1.1"]
    lines += [f"Host: {host or 'localhost'}", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
    return "\r\n".join([*lines, "", body]).encode()


class Driver:
    """Sends requests over `connections` to a port of this machine, again and again."""

    def __init__(
        self,
        port: int,
        *,
        connections: int,
        heard: Callable[[int, int, float], None] | None = None,
    ) -> None:
        """`heard` is told a request's number, the status of its answer and the seconds it took."""
        self._port, self._heard = port, heard
        self._epoll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._sent: dict[int, tuple[float, int]] = {}  # by descriptor: since when, which request
        self._heads: dict[int, bytes] = {}
        self._wanted = connections
        self._idle: list[int] = []

    def run(
        self, requests: Sequence[bytes], *, seconds: float, rate: float | None = None
    ) -> Driven:
        """Drive for some seconds and wait for the answers that are still out."""
        driven = Driven()
        begun, cpu = time.perf_counter(), time.process_time()
        ends, due, number = begun + seconds, begun, 0
        while (present := time.perf_counter()) < ends or self._sent:
            if present < ends:
                self._connect()
                while self._idle and (rate is None or due <= present):
                    self._send(requests, number, since=present if rate is None else due)
                    number, due = number + 1, due + (1 / rate if rate else 0)
            elif present > ends + ANSWER_TIMEOUT_SECONDS:
                break
            # With every connection busy only an answer helps; to look without a rest would cost the
            # server, which is late already, a part of its cores.
            waits = rate is None or not self._idle
            patience = 0.2 if waits else max(0.0, min(due - present, 0.2))
            for descriptor, _ in self._epoll.poll(patience):
                self._receive(descriptor, driven)
        driven.seconds = time.perf_counter() - begun
        driven.own_cpu_seconds = time.process_time() - cpu
        return driven

    def close(self) -> None:
        """Hang up."""
        for open_socket in self._sockets.values():
            open_socket.close()
        self._epoll.close()

    def _connect(self) -> None:
        while len(self._sockets) < self._wanted:
            new = socket.create_connection(("127.0.0.1", self._port), timeout=10)
            new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            new.setblocking(False)
            self._sockets[new.fileno()] = new
            self._epoll.register(new.fileno(), select.EPOLLIN)
            self._idle.append(new.fileno())

    def _send(self, requests: Sequence[bytes], number: int, *, since: float) -> None:
        descriptor = self._idle.pop()
        self._sent[descriptor] = (since, number % len(requests))
        try:
            self._sockets[descriptor].sendall(requests[number % len(requests)])
        except OSError:
            return  # the broken connection is heard of by epoll

    def _receive(self, descriptor: int, driven: Driven) -> None:
        try:
            data = self._sockets[descriptor].recv(262_144)
        except OSError:
            data = b""
        if not data:
            self._lost(descriptor, driven)
            return
        data = self._heads.pop(descriptor, b"") + data
        if not _is_whole(data):
            self._heads[descriptor] = data
            return
        self._note(descriptor, int(data[9:12]), driven)
        self._idle.append(descriptor)

    def _lost(self, descriptor: int, driven: Driven) -> None:
        self._epoll.unregister(descriptor)
        self._sockets.pop(descriptor).close()
        self._heads.pop(descriptor, None)
        if descriptor in self._sent:
            self._note(descriptor, 0, driven)
        else:
            self._idle.remove(descriptor)

    def _note(self, descriptor: int, status: int, driven: Driven) -> None:
        since, number = self._sent.pop(descriptor)
        seconds = time.perf_counter() - since
        driven.latencies_ms.append(seconds * 1000)
        driven.statuses[status] += 1
        if self._heard is not None:
            self._heard(number, status, seconds)


def _is_whole(data: bytes) -> bool:
    """Whether the answer is complete; our server says the length of each."""
    head = data.find(_END_OF_HEAD)
    if head < 0:
        return False
    at = data.lower().find(_LENGTH, 0, head)
    length = int(data[at + len(_LENGTH) : data.find(b"\r\n", at)]) if at >= 0 else 0
    return len(data) >= head + len(_END_OF_HEAD) + length
