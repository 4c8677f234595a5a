"""`cln bench wire --outage`: kill the database under check-ins, and see what is lost: nothing.

Half of the fleet is about to count as silent and tries to check in only while the database is away;
the scanner looks as soon as it is back, before any of them has come through. Whoever is alarmed
then is alarmed by our own outage.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError
from django.db import connection, connections

from cln import clock
from cln.accounts.models import Account
from cln.database import EmbeddedServer
from cln.domain.silence import GRACE, PERIOD
from cln.flows import alerts
from cln.licensing.models import Outage, Server
from cln.management import fleet
from cln.management.driver import Driver
from cln.management.prepare import prepare_database
from cln.management.wire_bench import serving

CONNECTIONS: Final = 32
BEFORE_SECONDS: Final = 1.0
AFTERWARDS_SECONDS: Final = 2.0


class Log:
    """What was acknowledged: the latest instant at which an answered check-in had been asked."""

    def __init__(self, numbers: Iterable[int]) -> None:
        """`numbers` are those of the servers, in the order of the requests."""
        self._numbers = [*numbers]
        self.acknowledged: dict[int, datetime] = {}
        self.came_through: list[datetime] = []

    def hear(self, request: int, status: int, seconds: float) -> None:
        """Note an answer that took so many seconds; for the driver."""
        if status == 200:
            now = clock.system_now()
            self.acknowledged[self._numbers[request]] = now - timedelta(seconds=seconds)
            self.came_through.append(now)

    def lost(self) -> int:
        """How many servers were heard earlier, as the table has it, than they were told."""
        known = dict(Server.objects.values_list("public_id", "last_check_in_at"))
        return sum(
            1
            for number, asked_at in self.acknowledged.items()
            if (noted := known[f"srv_{number:020d}"]) is None or noted < asked_at
        )


def run(*, servers: int, seconds: float, workers: int = 1) -> dict[str, object]:
    """Kill the embedded database for some seconds under load; the report says what came of it.

    Refuses, with CommandError, a database of your own: its server is not ours to kill.
    """
    server = EmbeddedServer(Path(os.environ["CLN_DATA_DIR"]))
    if server.process_id() is None:
        raise CommandError("The outage needs the embedded database; unset CLN_DATABASE_URL.")
    prepare_database()
    if Account.objects.exists():
        raise CommandError("The outage needs a database without accounts.")
    fleet.add_servers(fleet.make_accounts(now=clock.now()), range(servers), now=clock.now())
    with serving(workers=workers) as port, ThreadPoolExecutor(1) as side:
        steady, all_of_them = range(1, servers, 2), range(servers)
        before, log = Log(steady), Log(all_of_them)
        statuses = _drive(port, before, steady, seconds=BEFORE_SECONDS)
        _make_due(servers, seconds)
        alerts.scan(now=clock.now())
        silent_before = _alarmed()  # on a slow machine some have fallen silent by now
        away = side.submit(_outage, server, seconds)
        length = seconds + AFTERWARDS_SECONDS + servers / 1_000
        statuses += _drive(port, log, all_of_them, seconds=length)
        back_at, alarmed = away.result()
        connections.close_all()  # this thread's was cut, too
        alerts.scan(now=clock.now())
        report = _report(log, back_at, alarmed=len((alarmed | _alarmed()) - silent_before)) | {
            "outage_seconds": seconds,
            "statuses": {str(status): n for status, n in sorted(statuses.items())},
            "lost": log.lost() + _lost_before(before, log),
        }
        alerts.scan(now=clock.now() + PERIOD + 10 * GRACE)
    server.stop()
    return report | {"alerts_a_day_later_without_check_ins": len(_alarmed())}


def _drive(port: int, log: Log, numbers: Iterable[int], *, seconds: float) -> Counter[int]:
    driver = Driver(port, connections=CONNECTIONS, heard=log.hear)
    try:
        return driver.run([fleet.check_in_of(n) for n in numbers], seconds=seconds).statuses
    finally:
        driver.close()


def _make_due(servers: int, seconds: float) -> None:
    """Every second server falls silent during the outage, evenly spread over it."""
    due = [f"srv_{number:020d}" for number in range(0, servers, 2)]
    first, step = clock.now() - PERIOD - GRACE, timedelta(seconds=2 * seconds / servers)
    values: list[Any] = [PERIOD, first, step, due]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE licensing_server SET last_check_in_at = due.at, alert_after = due.at + %s
            FROM (
                SELECT id, %s + row_number() OVER (ORDER BY id) * %s AS at
                FROM licensing_server WHERE public_id = ANY(%s)
            ) AS due WHERE due.id = licensing_server.id
            """,
            values,
        )


def _outage(server: EmbeddedServer, seconds: float) -> tuple[datetime, set[int]]:
    """Kill the database, start it again, and scan at once; when it was back, and who is alarmed."""
    process = server.process_id()
    assert process is not None, "the database runs"
    os.kill(process, signal.SIGKILL)
    time.sleep(seconds)
    server.start()
    back_at = clock.system_now()
    try:
        alerts.scan(now=clock.now())
        return back_at, _alarmed()
    finally:
        connection.close()


def _report(log: Log, back_at: datetime, *, alarmed: int) -> dict[str, Any]:
    again = [at for at in log.came_through if at > back_at]
    return {
        "acknowledged": len(log.came_through),
        "seconds_until_the_first_check_in_after_it": (
            round((min(again) - back_at).total_seconds(), 2) if again else None
        ),
        "false_alerts": alarmed,
        "outages_noted": Outage.objects.count(),
    }


def _lost_before(before: Log, log: Log) -> int:
    """What was acknowledged before the outage and not asked again since."""
    before.acknowledged = {
        number: at for number, at in before.acknowledged.items() if number not in log.acknowledged
    }
    return before.lost()


def _alarmed() -> set[int]:
    return set(Server.objects.filter(alerted_at__isnull=False).values_list("pk", flat=True))
