"""`cln bench wire`: how many check-ins, checks and registrations a second, and what limits them.

Database, web server and load share the cores of one machine, so every figure stands beside two
others of the same minutes: what pgbench's simple update does to the same database, and what an
empty page of the same web server does under the same load. Each is the best of some rounds.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from cln import clock
from cln.accounts.models import Account
from cln.database.programs import postgres_programs
from cln.flows import alerts
from cln.licensing.models import Server
from cln.management import cpu_time, fleet
from cln.management.driver import Driven, Driver, http
from cln.management.prepare import prepare_database
from cln.management.processes import Children
from cln.management.services import start_services

WEB_PROCESSES: Final = 2
CONNECTIONS: Final = 96
BELOW_THE_GATE: Final = 48
"""Validation gives way beyond 32 at once in each of two processes."""
SMALL_FLEET: Final = 10_000
STEADY_RATE: Final = 1_500
WARM_UP_SECONDS: Final = 1.5
PRODUCTION: Final = {
    "CLN_MODE": "production",
    "CLN_BASE_URL": "https://localhost",
    "CLN_TRUSTED_PROXIES": "127.0.0.1/32",
}


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked: over so many connections, by the clock where there is a rate."""

    requests: Sequence[bytes]
    connections: int = CONNECTIONS
    rate: float | None = None


def run(*, servers: int, seconds: float, rounds: int) -> dict[str, object]:
    """Fill a database of its own with a fleet, measure, and report.

    Refuses, with CommandError, a database that has accounts.
    """
    prepare_database()
    if Account.objects.exists():
        raise CommandError(
            "The benchmark fills a database with invented accounts; unset CLN_DATABASE_URL to give "
            "it one of its own, or name an empty one."
        )
    now = clock.now()
    invented = fleet.make_accounts(now=now)
    fleet.add_servers(invented, range(SMALL_FLEET), now=now)
    secret = fleet.make_partner(now=now)
    with serving() as port:
        bench = Bench(port, seconds, rounds)
        report = bench.reference()
        report["check_in"] = bench.measured(_check_ins(SMALL_FLEET))
        report["check_in_at_1500_a_second"] = bench.measured(
            Load(_check_ins(SMALL_FLEET).requests, rate=STEADY_RATE)
        )
        report["ipl_check"] = bench.measured(_checks(secret))
        report["license_check_by_address"] = bench.measured(_public_checks())
        report["ipl_list_of_10000"] = bench.measured(
            Load([fleet.signed("/api/ipl/list.json", secret)], connections=1)
        )
        keys = fleet.key_texts(invented)
        report["registration_on_50_keys"] = bench.measured(_registrations(keys, since=0))
        report["registration_on_one_key"] = bench.measured(_registrations(keys[:1], since=10**6))
        if servers > SMALL_FLEET:
            fleet.add_servers(invented, range(SMALL_FLEET, servers), now=now)
            report["check_in_again"] = bench.measured(_check_ins(SMALL_FLEET))
            report[f"check_in_of_{servers}"] = bench.measured(_check_ins(servers))
    report["alert_scan"] = {"servers": Server.objects.count(), "seconds": _scan_seconds(now)}
    return report


class Bench:
    """Measures loads on one port, each as the best of some rounds."""

    def __init__(self, port: int, seconds: float, rounds: int) -> None:
        """`seconds` is the length of one round."""
        self._port, self._seconds, self._rounds = port, seconds, rounds
        self._pgbench = self._empty = 0.0

    def reference(self) -> dict[str, object]:
        """What limits everything else: pgbench and an empty page."""
        self._pgbench = max(pgbench(self._seconds) for _ in range(self._rounds))
        empty = self._best(Load([http("/healthz")]))
        self._empty = empty.per_second
        return {
            "pgbench_simple_update_per_second": self._pgbench,
            "empty_page": empty.as_json(),
        }

    def measured(self, load: Load) -> dict[str, object]:
        """The best round of a load, with its ratio to both references."""
        best = self._best(load)
        references = {"to_pgbench": self._pgbench, "to_empty_page": self._empty}
        ratios = {name: round(best.per_second / rate, 3) for name, rate in references.items()}
        return best.as_json() | ratios

    def _best(self, load: Load) -> Driven:
        with driving(self._port, load.connections) as driver:
            driver.run(load.requests, seconds=WARM_UP_SECONDS)
            rounds = [self._round(driver, load) for _ in range(self._rounds)]
        if load.rate is not None:
            return min(rounds, key=lambda driven: driven.percentile(0.99))
        return max(rounds, key=lambda driven: driven.per_second)

    def _round(self, driver: Driver, load: Load) -> Driven:
        web, database = os.getpid(), _database_server()
        before = cpu_time.of_descendants(web), cpu_time.of_descendants(database)
        driven = driver.run(load.requests, seconds=self._seconds, rate=load.rate)
        driven.web_cpu_seconds = cpu_time.of_descendants(web) - before[0]
        driven.database_cpu_seconds = cpu_time.of_descendants(database) - before[1]
        return driven


@contextlib.contextmanager
def serving(*, workers: int = 0) -> Iterator[int]:
    """A web server as in production, and workers; yields its port."""
    with Children() as children, socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
        probe.close()
        os.environ.update(PRODUCTION, CLN_SECRET_KEY=settings.SECRET_KEY)
        start_services(children, "127.0.0.1", port, web=WEB_PROCESSES, workers=workers)
        children.wait_until_ready(f"http://127.0.0.1:{port}/readyz")
        yield port
        # Nothing that was started has ended by itself, whatever happened to the database.
        children.wait_until_ready(f"http://127.0.0.1:{port}/readyz")


@contextlib.contextmanager
def driving(port: int, connections: int) -> Iterator[Driver]:
    """A driver that hangs up at the end."""
    driver = Driver(port, connections=connections)
    with contextlib.closing(driver):
        yield driver


def pgbench(seconds: float) -> float:
    """Simple updates a second of PostgreSQL's own benchmark, durable, 16 clients."""
    program = str(postgres_programs(None) / "pgbench")
    url = os.environ["CLN_DATABASE_URL"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pgbench_accounts') IS NULL")
        if cursor.fetchone() == (True,):
            subprocess.run([program, "-i", "-q", "-s", "10", url], check=True, capture_output=True)
    words = ["-n", "-N", "-c", "16", "-j", "2", "-T", str(max(1, round(seconds))), url]
    done = subprocess.run([program, *words], check=True, capture_output=True, text=True)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    assert rate, done.stdout
    return round(float(rate[1]), 1)


def _database_server() -> int:
    """The first process of the database, which is the parent of all others."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cpu_time.parent_of(int(cursor.fetchone()[0]))


def _check_ins(servers: int) -> Load:
    """Check-ins of 20,000 servers at most, spread over the whole fleet."""
    step = max(1, servers // 20_000)
    return Load([fleet.check_in_of(number) for number in range(0, servers, step)])


def _checks(secret: str) -> Load:
    paths = (f"/api/ipl/check.json?ip={fleet.address_of(number)}" for number in range(1_000))
    return Load([fleet.signed(path, secret) for path in paths], connections=BELOW_THE_GATE)


def _public_checks() -> Load:
    callers = (f"X-Forwarded-For: {fleet.address_of(number)}" for number in range(1_000))
    return Load([http("/api/kcare/check.json", headers=[caller]) for caller in callers])


def _registrations(keys: Sequence[str], *, since: int) -> Load:
    return Load(
        [
            fleet.registration_of(since + number, keys[number % len(keys)])
            for number in range(50_000)
        ],
        connections=32,
    )


def _scan_seconds(now: datetime) -> float:
    """The shortest of three scans in which nobody is due."""
    Server.objects.filter(alert_after__lte=now).update(alert_after=now.replace(year=now.year + 1))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        alerts.scan(now=now)
        times.append(time.perf_counter() - begun)
    return round(min(times), 4)
