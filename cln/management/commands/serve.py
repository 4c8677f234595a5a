"""`cln serve`: everything CLN needs, in one process tree."""

from __future__ import annotations

import os
import signal
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from cln import clock
from cln.flows.demo import ensure_demo
from cln.management.commands.demo import as_text
from cln.management.prepare import prepare_database
from cln.management.processes import ChildFailed, Children
from cln.management.services import start_services


class Command(BaseCommand):
    """Migrate, load the catalog, start web server and worker, and wait for a signal."""

    help = "Serve CLN: database, migrations, catalog, web server and worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say where to listen and whether to make demo data."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on")
        parser.add_argument("--demo", action="store_true", help="make demo data on the first start")
        parser.add_argument("--web", type=int, default=2, help="number of web processes")
        parser.add_argument("--workers", type=int, default=1, help="number of workers")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Serve until SIGTERM or Ctrl-C; refuses a port in use and a database that is down."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        host, port = str(options["host"]), int(options["port"])
        _refuse_taken_port(host, port)
        url = f"http://{host}:{port}"
        if "CLN_BASE_URL" not in os.environ:
            os.environ["CLN_BASE_URL"] = settings.CLN_BASE_URL = url
        try:
            prepare_database()
            demo = ensure_demo(now=clock.now()) if options["demo"] else None
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}") from error
        except KeyboardInterrupt:
            return
        try:
            with Children() as children:
                start_services(children, host, port, web=options["web"], workers=options["workers"])
                if children.wait_until_ready(f"{url}/readyz"):
                    if demo is not None:
                        self.stdout.write(as_text(demo))
                    self.stdout.write(f"CLN is up at {url}")
                    self.stdout.flush()
                    children.wait()
        except ChildFailed as error:
            raise CommandError(str(error)) from error


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Port {port} of {host} cannot be used ({error}). "
                "Choose another: make run PORT=8001, or cln serve --port 8001."
            ) from error
