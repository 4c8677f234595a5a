"""A process that bills, as a benchmark starts it: imported before Django is set up."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.synchronize import Barrier


@dataclass(frozen=True, slots=True)
class Job:
    """What a process did with a chunk of accounts; `memory_mib` is its peak since it began."""

    process: int
    invoices: int
    parked: int
    cpu_seconds: float
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

    before = time.process_time()
    result = billing_run.bill_accounts(account_ids=account_ids, now=now)
    return Job(
        process=os.getpid(),
        invoices=result.invoices,
        parked=result.parked,
        cpu_seconds=time.process_time() - before,
        memory_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )
