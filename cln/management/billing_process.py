"""A process that bills, as a benchmark starts it: imported before Django is set up."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Job:
    """What a process did with a chunk of accounts; `memory_mib` is its peak since it began.

    `database_seconds` is the processor time of its connection's process in the database, 0 where
    that runs on another machine.
    """

    process: int
    invoices: int
    parked: int
    cpu_seconds: float
    database_seconds: float
    memory_mib: float


def begin(url: str, everybody: Barrier) -> None:
    """Set up a fresh process with the database of `url`; it is ready when all are."""
    os.environ["CLN_DATABASE_URL"] = url
    import django

    django.setup()
    everybody.wait()


def bill(account_ids: Sequence[int], now: datetime) -> Job:
    """Bill a chunk as a worker does."""
    from cln.flows import billing_run

    database = _database_process()
    before, spent_before = time.process_time(), _processor_seconds(database)
    result = billing_run.bill_accounts(account_ids=account_ids, now=now)
    return Job(
        process=os.getpid(),
        invoices=result.invoices,
        parked=result.parked,
        cpu_seconds=time.process_time() - before,
        database_seconds=_processor_seconds(database) - spent_before,
        memory_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )


def _database_process() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _processor_seconds(process: int) -> float:
    """User and system time so far (proc(5)), 0 for what is not a PostgreSQL of this machine."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    name, _, rest = stat.rpartition(")")
    if "postgres" not in name:
        return 0.0
    fields = rest.split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
