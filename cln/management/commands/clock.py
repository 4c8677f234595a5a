"""`cln clock`: read and move the sandbox clock."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cln import clock
from cln.flows.time_travel import travel_to

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class Command(BaseCommand):
    """Show the clock, or move it forward and do all work that falls due in between."""

    help = "Show or move the sandbox clock: show, advance 31d, set 2026-02-28T12:00."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take an action and, but for `show`, how far or where to."""
        parser.add_argument("action", choices=["show", "advance", "set"])
        parser.add_argument("to", nargs="?", default="", help="31d, 12h, 2w; or an ISO instant")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Refuses to go back, and to move at all in production."""
        action, to = options["action"], options["to"]
        try:
            if action == "advance":
                travel_to(clock.now() + _span(to))
            elif action == "set":
                travel_to(_instant(to))
        except clock.ClockError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{clock.now():%Y-%m-%d %H:%M:%S} UTC")


def _span(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if match is None:
        raise CommandError(f"{text!r} is no span of time; write 12h, 31d or 2w.")
    return int(match[1]) * _UNITS[match[2]]


def _instant(text: str) -> datetime:
    """Read an ISO date or instant; without an offset it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{text!r} is no instant; write 2026-02-28 or 2026-02-28T12:00."
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
