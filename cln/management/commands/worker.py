"""`cln worker`: carries due work; run as many, on as many hosts, as the load asks for."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from argparse import ArgumentParser
from typing import Any, Final

import psycopg
from django.core.management.base import BaseCommand
from django.db import OperationalError, connections
from procrastinate import App
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

log = logging.getLogger(__name__)
RETRY_SECONDS: Final = 5


class Command(BaseCommand):
    """Run jobs until SIGTERM or Ctrl-C; a job in progress is finished first."""

    help = "Carry due work: billing, retries, dunning, mail. Several workers share it safely."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say how many jobs run side by side, and whether to end when none is left."""
        parser.add_argument("--concurrency", type=int, default=2, help="jobs side by side")
        parser.add_argument("--until-idle", action="store_true", help="end when no job waits")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the worker until it is told to stop; while the database is away, try again.

        A worker that loses the database ends, sometimes without an error.
        """
        while not self._is_told_to_stop:
            try:
                self._work(options)
            except (ConnectorException, OperationalError, psycopg.OperationalError) as error:
                # The last is a pool's that found no database at all: nobody wraps it.
                if options["until_idle"]:
                    raise
                log.warning("the worker lost the database: %s", error.__cause__ or error)
            if options["until_idle"]:
                return
            if not self._is_told_to_stop:
                log.warning("the worker tries again in %s seconds", RETRY_SECONDS)
                connections.close_all()
                time.sleep(RETRY_SECONDS)

    _is_told_to_stop = False

    def _work(self, options: dict[str, Any]) -> None:
        """Over a connection of its own that listens for new jobs."""
        connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
        with app.replace_connector(connector) as worker_app:
            asyncio.run(self._run(worker_app, options))

    async def _run(self, worker_app: App, options: dict[str, Any]) -> None:
        """Ask the worker to stop, never cancel it: while it starts, a cancellation gets lost (in
        the middle of a statement), or leaves a half-open pool behind whose tasks never end.
        """
        worker_app.perform_import_paths()  # type: ignore[no-untyped-call]
        worker = Worker(
            worker_app,
            concurrency=options["concurrency"],
            wait=not options["until_idle"],
            shutdown_graceful_timeout=10,
            delete_jobs="successful",
            install_signal_handlers=False,
        )

        def stop() -> None:
            self._is_told_to_stop = True
            worker.stop()  # type: ignore[no-untyped-call] # a job in progress is finished first

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        async with worker_app.open_async():
            # Nothing is awaited between this question and the worker's own beginning, where it
            # forgets that it was asked to stop.
            if not self._is_told_to_stop:
                await worker.run()  # type: ignore[no-untyped-call]
