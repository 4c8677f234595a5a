"""Ask a web server as fast as it answers, from processes of our own, and measure."""

from __future__ import annotations

import http.client
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

CLIENTS = 4


@dataclass(frozen=True, slots=True)
class Request:
    """One request; a body makes it a POST."""

    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a load brought: answers with 2xx, others, and how long each took."""

    seconds: float
    latencies_ms: tuple[float, ...]
    failed: int
    bodies: tuple[bytes, ...]

    def as_json(self) -> dict[str, object]:
        """Return rates and percentiles, rounded for reading."""
        ordered = sorted(self.latencies_ms)

        def percentile(share: float) -> float:
            return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)

        return {
            "requests": len(ordered),
            "failed": self.failed,
            "requests_per_second": round(len(ordered) / self.seconds, 1),
            "p50_ms": percentile(0.50),
            "p95_ms": percentile(0.95),
            "p99_ms": percentile(0.99),
        }


def measure(
    port: int, requests: Sequence[Request], *, seconds: float, repeat: bool = False
) -> Measured:
    """Send `requests` over kept connections, shared out to CLIENTS processes.

    Ends after `seconds`, or when all are sent; `repeat` begins again at the first.
    """
    shares = [requests[number::CLIENTS] for number in range(CLIENTS)]
    started = time.perf_counter()
    with ProcessPoolExecutor(CLIENTS, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(_client, port, share, seconds, repeat) for share in shares]
        parts = [job.result() for job in jobs]
    assert time.perf_counter() >= started
    return Measured(
        seconds=max(part.seconds for part in parts),
        latencies_ms=tuple(latency for part in parts for latency in part.latencies_ms),
        failed=sum(part.failed for part in parts),
        bodies=tuple(body for part in parts for body in part.bodies),
    )


def _client(port: int, requests: Sequence[Request], seconds: float, repeat: bool) -> Measured:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    latencies: list[float] = []
    bodies: list[bytes] = []
    failed = sent = 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds and (repeat or sent < len(requests)):
        request = requests[sent % len(requests)]
        sent += 1
        before = time.perf_counter()
        connection.request(
            "POST" if request.body else "GET", request.path, request.body, dict(request.headers)
        )
        response = connection.getresponse()
        body = response.read()
        latencies.append((time.perf_counter() - before) * 1000)
        if not 200 <= response.status < 300:
            failed += 1
        elif not repeat:
            bodies.append(body)
    taken = time.perf_counter() - started
    connection.close()
    return Measured(taken, tuple(latencies), failed, tuple(bodies))
