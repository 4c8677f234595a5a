"""A billing day of many accounts, measured in a database that is dropped afterwards.

What is timed is what workers do: the due accounts, found once, are billed in the chunks that the
queue hands out, by one or two processes that share nothing but the database. Beside it stands what
the machine can do at most: the very same rows, written by COPY into copies of their tables.
"""

from __future__ import annotations

import tempfile
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from datetime import time as time_of_day
from itertools import repeat
from typing import Any

from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from psycopg import sql
from psycopg.conninfo import make_conninfo

from cln.billing.models import Invoice, InvoiceLine, Subscription, Transfer
from cln.catalog import queries as catalog
from cln.domain.invoicing import accrued, upcoming
from cln.flows import billing_run
from cln.flows.books import check_books
from cln.flows.facts import Facts
from cln.flows.tasks import ACCOUNTS_PER_CHUNK
from cln.flows.upcoming import upcoming_invoices
from cln.management.billing_process import begin, bill
from cln.management.population import DUE_ON, populate
from cln.management.prepare import prepare_database
from cln.management.throwaway import throwaway_database
from cln.notifications.models import Message

NOW = datetime.combine(DUE_ON, time_of_day(6), tzinfo=UTC)
WRITTEN = (Invoice, InvoiceLine, Transfer, Message)
"""The tables a billing day writes rows into."""
PREVIEWS = 50


def measure(url: str, *, accounts: int, workers: int, check: bool) -> dict[str, object]:
    """Bill a fresh population of at least `accounts` accounts with `workers` processes."""
    with throwaway_database(url, durable=True):
        prepare_database()
        populate(accounts)
        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
        newest = [_newest_id(model._meta.db_table) for model in WRITTEN]
        subscriptions = Subscription.objects.count()
        report: dict[str, object] = {
            "accounts": len(billing_run.due_accounts(through=DUE_ON)),
            "subscriptions": subscriptions,
            "workers": workers,
            "preview_ms": _preview_ms(),
        }
        report |= {"queries_per_invoice": _queries_per_invoice()}
        report |= _billing_day(workers)
        report["copy"] = copied = _copy_again(newest)
        report["times_copy"] = round(float(report["seconds"]) / copied["seconds"], 2)
        report["nothing_due_seconds"] = _nothing_due()
        report["periods_billed_twice"] = _billed_twice()
        if check:
            report["book_differences"] = len(check_books())
        return report


def _billing_day(workers: int) -> dict[str, Any]:
    started = time.perf_counter()
    due = billing_run.due_accounts(through=DUE_ON)
    chunks = [due[i : i + ACCOUNTS_PER_CHUNK] for i in range(0, len(due), ACCOUNTS_PER_CHUNK)]
    with _processes(workers) as pool:
        list(pool.map(bill, [[]] * workers, repeat(NOW)))  # connections and imports are no part of the day
        ready = time.perf_counter()
        jobs = list(pool.map(bill, chunks, repeat(NOW)))
        seconds = time.perf_counter() - ready
    invoices = sum(job.invoices for job in jobs)
    return {
        "invoices": invoices,
        "parked": sum(job.parked for job in jobs),
        "seconds": round(seconds, 2),
        "found_due_in_seconds": round(ready - started, 3),
        "invoices_per_second": round(invoices / seconds, 1),
        "worker_cpu_ms_per_invoice": round(
            1000 * sum(job.cpu_seconds for job in jobs) / max(1, invoices), 3
        ),
        "worker_memory_mib": max(job.memory_mib for job in jobs),
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


def _queries_per_invoice() -> float:
    """Statements of one chunk, billed in this process, for each of its invoices."""
    due = billing_run.due_accounts(through=DUE_ON)
    due = due[: min(ACCOUNTS_PER_CHUNK, 1 + len(due) // 4)]
    with CaptureQueriesContext(connection) as statements:
        result = billing_run.bill_accounts(account_ids=due, now=NOW)
    return round(len(statements) / max(1, result.invoices), 4)


def _preview_ms() -> dict[str, float]:
    """How long the next invoice of an account, and of a wish to add a license, takes to foresee."""
    due = billing_run.due_accounts(through=DUE_ON)
    sample = due[:: max(1, len(due) // PREVIEWS)][:PREVIEWS]
    upcoming_invoices(account_id=sample[0])
    taken = []
    for account_id in sample:
        started = time.perf_counter()
        upcoming_invoices(account_id=account_id)
        taken.append(1000 * (time.perf_counter() - started))
    return {"median": round(sorted(taken)[len(taken) // 2], 2), "max": round(max(taken), 2)}


def _nothing_due() -> float:
    started = time.perf_counter()
    result = billing_run.run_due(now=NOW)
    seconds = time.perf_counter() - started
    assert result.invoices == 0, "everything was billed"
    return round(seconds, 4)


def _billed_twice() -> int:
    """Lines that share their subscription, their source and a day with another line."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT FROM billing_invoiceline WHERE kind = 'recurring' "
            "GROUP BY subscription_id, lower(period) HAVING count(*) > 1) AS twice"
        )
        return int(cursor.fetchone()[0])


def _newest_id(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT coalesce(max(id), 0) FROM {}").format(sql.Identifier(table))
        )
        return int(cursor.fetchone()[0])


def _copy_again(newest: list[int]) -> dict[str, Any]:
    """Write the rows of the billing day once more, by COPY, each table in one statement.

    The tables are copies with the same indexes and checks, without triggers and foreign keys.
    """
    rows, seconds = 0, 0.0
    for model, since in zip(WRITTEN, newest, strict=True):
        table = model._meta.db_table
        names = {
            "table": sql.Identifier(table),
            "again": sql.Identifier(f"again_{table}"),
            "since": sql.Literal(since),
        }
        with connection.cursor() as cursor, tempfile.TemporaryFile() as kept:
            cursor.execute(sql.SQL("CREATE TABLE {again} (LIKE {table} INCLUDING ALL)").format(**names))
            read = "COPY (SELECT * FROM {table} WHERE id > {since} ORDER BY id) TO STDOUT (FORMAT binary)"
            with cursor.copy(sql.SQL(read).format(**names)) as copy:
                for block in copy:
                    kept.write(block)
            kept.seek(0)
            started = time.perf_counter()
            with cursor.copy(sql.SQL("COPY {again} FROM STDIN (FORMAT binary)").format(**names)) as copy:
                while block := kept.read(1 << 16):
                    copy.write(block)
            seconds += time.perf_counter() - started
            rows += cursor.rowcount
    return {"rows": rows, "seconds": round(seconds, 3)}
