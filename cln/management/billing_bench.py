"""A billing day of many accounts, measured in a database that is dropped afterwards.

What is timed is what workers do: the due accounts, found once, are billed in the chunks that the
queue hands out, by one or two processes that share nothing but the database. Beside it stands what
the machine can do at most: the very same rows, written by COPY into copies of their tables.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from itertools import repeat
from typing import Any

from django.db import connection
from django.db.models import Max, Model
from django.test.utils import CaptureQueriesContext
from psycopg import sql
from psycopg.conninfo import make_conninfo

from cln.accounts.models import Account
from cln.billing.models import Invoice, InvoiceLine, Subscription, Transfer
from cln.domain.lines import LineKind
from cln.flows import billing_run
from cln.flows.books import check_books
from cln.flows.purchase import preview
from cln.flows.upcoming import upcoming_invoices
from cln.management.billing_process import begin, bill
from cln.management.population import DUE_ON, populate
from cln.management.prepare import prepare_database
from cln.management.throwaway import throwaway_database
from cln.notifications.models import Message

NOW = datetime.combine(DUE_ON, time_of_day(6), tzinfo=UTC)
BEFORE = NOW - timedelta(days=5)
WRITTEN = (Invoice, InvoiceLine, Transfer, Message)
"""The tables a billing day writes rows into."""
PREVIEWS = 50


def measure(url: str, *, accounts: int, workers: int) -> dict[str, Any]:
    """Bill a fresh population of at least `accounts` accounts with `workers` processes.

    The database is made beside the one of `url`, waits for the disk as that one does, and is
    dropped. Amounts of time are seconds where nothing else is said.
    """
    with throwaway_database(url, durable=True):
        prepare_database()
        populate(accounts)
        report: dict[str, Any] = {
            "accounts": Account.objects.count(),
            "subscriptions": Subscription.objects.count(),
            "workers": workers,
            "preview": _preview(),
            "statements": _statements(),
        }
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        newest = [_newest_id(model) for model in WRITTEN]
        report["billing"] = billing = _billing_day(workers)
        report["copy"] = copied = _copy_again(newest)
        report["times_copy"] = round(billing["seconds"] / copied["seconds"], 2)
        report["nothing_due"] = _nothing_due()
        report["checked"] = _checked()
        return report


def _billing_day(workers: int) -> dict[str, Any]:
    """Bill everybody who is due; what is timed begins with looking for them."""
    with _processes(workers) as pool:
        # Starting a process is no part of a billing day.
        list(pool.map(bill, [[]] * workers, repeat(NOW)))
        started = time.perf_counter()
        chunks = list(billing_run.due_accounts(through=DUE_ON))
        found = time.perf_counter()
        jobs = list(pool.map(bill, chunks, repeat(NOW)))
        seconds = time.perf_counter() - started
    invoices = sum(job.invoices for job in jobs)
    cpu, database_cpu = (
        round(1000 * sum(spent) / max(1, invoices), 3)
        for spent in ([job.cpu_seconds for job in jobs], [job.database_seconds for job in jobs])
    )
    return {
        "invoices": invoices,
        "parked": sum(job.parked for job in jobs),
        "seconds": round(seconds, 3),
        "finding_due_seconds": round(found - started, 3),
        "invoices_per_second": round(invoices / seconds, 1),
        "ms_per_invoice": round(1000 * seconds / max(1, invoices), 3),
        "worker_cpu_ms_per_invoice": cpu,
        "database_cpu_ms_per_invoice": database_cpu,
        "worker_peak_memory_mib": max((job.memory_mib for job in jobs), default=0.0),
        "processes_that_billed": len({job.process for job in jobs}),
    }


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield that many processes with a connection of their own to the present database."""
    context = multiprocessing.get_context("spawn")
    given = (_url(), context.Barrier(count))
    with ProcessPoolExecutor(count, context, initializer=begin, initargs=given) as pool:
        yield pool


def _url() -> str:
    database = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}
    parts = {word: database[name] for word, name in names.items() if database[name]}
    return make_conninfo(**parts, port=database["PORT"] or None)


def _statements() -> dict[str, object]:
    """Statements of one chunk, billed in this process, and of each of its invoices."""
    due = next(billing_run.due_accounts(through=DUE_ON))
    # A small population is not billed up by it.
    due = due[: 1 + len(due) // 4] if Account.objects.count() < 2 * len(due) else due
    with CaptureQueriesContext(connection) as statements:
        result = billing_run.bill_accounts(account_ids=due, now=NOW)
    return {
        "of_a_chunk": len(statements),
        "invoices_in_it": result.invoices,
        "per_invoice": round(len(statements) / max(1, result.invoices), 4),
    }


def _preview() -> dict[str, object]:
    """How long an account's upcoming invoices, and the cost of one license more, take to show."""
    bought = Subscription.objects.filter(next_billing_on=DUE_ON).order_by("id")
    sample = list(bought.values_list("account_id", "license_type__code")[:PREVIEWS])
    taken: dict[str, list[float]] = {"upcoming": [], "one_more": []}
    for account_id, code in sample:
        started = time.perf_counter()
        upcoming_invoices(account_id=account_id)
        shown = time.perf_counter()
        preview(account_id=account_id, license_type=code, quantity=1, interval=None, now=BEFORE)
        taken["one_more"].append(1000 * (time.perf_counter() - shown))
        taken["upcoming"].append(1000 * (shown - started))
    return {
        f"{what}_{word}_ms": round(figure, 2)
        for what, times in taken.items()
        for word, figure in (("median", statistics.median(times)), ("max", max(times)))
    }


def _nothing_due() -> dict[str, object]:
    """The same run again: nobody has anything due any more."""
    started = time.perf_counter()
    result = billing_run.run_due(now=NOW)
    seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 4), "invoices": result.invoices}


def _checked() -> dict[str, int]:
    """What must not be there, over all rows: each figure is 0."""
    with connection.cursor() as cursor:
        cursor.execute(_BILLED_TWICE)
        (twice,) = cursor.fetchone()
    on_the_day = InvoiceLine.objects.filter(kind=LineKind.RECURRING, period__startswith=DUE_ON)
    return {
        "book_differences": len(check_books()),
        "periods_billed_twice": int(twice),
        "subscriptions_not_billed": Subscription.objects.count()
        - on_the_day.values("subscription_id").distinct().count(),
    }


_BILLED_TWICE = """
SELECT count(*) FROM billing_invoiceline a JOIN billing_invoiceline b
    ON b.subscription_id = a.subscription_id AND b.id > a.id AND b.source = a.source
    AND a.kind <> 'tax' AND b.period && a.period
"""


def _newest_id(model: type[Model]) -> int:
    return int(model._base_manager.aggregate(newest=Max("pk"))["newest"] or 0)


def _copy_again(newest: list[int]) -> dict[str, Any]:
    """Write the rows of the billing day once more, by COPY, each table in one statement.

    The tables are copies with the same indexes and checks, without triggers and foreign keys.
    """
    rows, seconds = 0, 0.0
    for model, since in zip(WRITTEN, newest, strict=True):
        names = {
            "table": sql.Identifier(model._meta.db_table),
            "again": sql.Identifier(f"again_{model._meta.db_table}"),
            "since": sql.Literal(since),
        }
        with connection.cursor() as cursor, tempfile.TemporaryFile() as kept:
            cursor.execute(sql.SQL(_AGAIN).format(**names))
            with cursor.copy(sql.SQL(_READ).format(**names)) as copy:
                for block in copy:
                    kept.write(block)
            kept.seek(0)
            started = time.perf_counter()
            with cursor.copy(sql.SQL(_WRITE).format(**names)) as copy:
                while block := kept.read(1 << 16):
                    copy.write(block)
            seconds += time.perf_counter() - started
            rows += cursor.rowcount
    return {"rows": rows, "seconds": round(seconds, 3)}


_AGAIN = "CREATE TABLE {again} (LIKE {table} INCLUDING ALL)"
_READ = "COPY (SELECT * FROM {table} WHERE id > {since} ORDER BY id) TO STDOUT (FORMAT binary)"
_WRITE = "COPY {again} FROM STDIN (FORMAT binary)"
