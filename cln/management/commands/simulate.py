"""`cln simulate`: what would the next months bill?"""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand

from cln.catalog.services import codes_on_file
from cln.flows.simulation.parsing import parse
from cln.flows.simulation.playing import Progress, play
from cln.flows.simulation.report import report
from cln.flows.simulation.scenario import Scenario, ScenarioError
from cln.flows.simulation.tables import tables
from cln.management.interruption import interrupted_between_steps
from cln.management.main import database
from cln.management.throwaway import throwaway_database

BAR = 40


class Command(BaseCommand):
    """Play a timeline through the flows of production, on a database that is dropped afterwards."""

    help = "Play a file of accounts and what they do, and print what it would bill."
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file, and how to print."""
        parser.add_argument("file", type=Path, help="the timeline; see docs/operator/simulate.md")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Exit with status 2 and `line L, column C: reason` for a file that cannot be played."""
        scenario = self._read(options["file"])
        _enter_sandbox()
        with database("simulate"):
            told = _play(scenario)
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            self.stdout.write(tables(told))

    def _read(self, path: Path) -> Scenario:
        try:
            return parse(path.read_bytes(), license_types=codes_on_file())
        except ScenarioError as error:
            self._stop(str(error))
        except OSError as error:
            self._stop(f"{path} cannot be read: {error.strerror}")

    def _stop(self, reason: str) -> NoReturn:
        self.stderr.write(reason)
        sys.exit(2)


def _play(scenario: Scenario) -> dict[str, Any]:
    show = _progress_bar(scenario)
    with interrupted_between_steps() as check, throwaway_database(os.environ["CLN_DATABASE_URL"]):

        def step(at: datetime) -> None:
            check()
            show(at)

        check()
        return report(play(scenario, progress=step))


def _enter_sandbox() -> None:
    """Whatever this installation does in earnest, a simulation moves no money and sends no mail.

    Addresses are judged as in production.
    """
    settings.CLN_MODE = settings.CLN_GATEWAY = "sandbox"
    settings.EMAIL_BACKEND = "cln.notifications.backends.KeptInOutbox"
    settings.CLN_ALLOW_PRIVATE_ADDRESSES = False


def _progress_bar(scenario: Scenario) -> Progress:
    """A bar on a terminal; nothing where nobody looks."""
    if not sys.stderr.isatty():
        return lambda _: None
    span = (scenario.until - scenario.starts_at).total_seconds() or 1.0

    def show(at: datetime) -> None:
        done = round(BAR * (at - scenario.starts_at).total_seconds() / span)
        bar = "#" * done + "." * (BAR - done)
        end = "\n" if at >= scenario.until else ""
        sys.stderr.write(f"\r[{bar}] {at:%Y-%m-%d}{end}")
        sys.stderr.flush()

    return show
