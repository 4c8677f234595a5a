"""`cln worker`: carries due work; run as many, on as many hosts, as the load asks for."""

from __future__ import annotations

import logging
import time
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand
from django.db import OperationalError, connections
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException

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
        """Run the worker; while the database is away, try again every five seconds."""
        while True:
            try:
                self._work(options)
            except (ConnectorException, OperationalError) as error:
                if options["until_idle"]:
                    raise
                log.warning("the database is away, the worker tries again: %s", error.__cause__)
                connections.close_all()
                time.sleep(RETRY_SECONDS)
            else:
                return

    def _work(self, options: dict[str, Any]) -> None:
        """Over a connection of its own that listens for new jobs."""
        connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
        with app.replace_connector(connector) as worker_app:
            worker_app.run_worker(
                concurrency=options["concurrency"],
                wait=not options["until_idle"],
                shutdown_graceful_timeout=10,
                delete_jobs="successful",
            )
