"""`cln lease-incident`: declare an outage of ours, which stretches every lease; or end it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cln import clock
from cln.domain.errors import Refusal
from cln.licensing.lease_keys import (
    declare_incident,
    end_incident,
    incident_notice,
    open_incident,
)


class Command(BaseCommand):
    """Exit 0 when done, 1 on a refusal."""

    help = "Show, declare or end an incident; while one is declared, every lease is stretched."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take an action; `declare` needs days and a reason."""
        parser.add_argument("action", choices=["show", "declare", "end"])
        parser.add_argument("--days", type=int, default=0, help="by how many days leases stretch")
        parser.add_argument("--reason", default="", help="what has happened, for the audit log")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the signed notice, to be published where servers can still reach it."""
        now = clock.now()
        try:
            if options["action"] == "declare":
                declare_incident(days=options["days"], reason=options["reason"], now=now)
            elif options["action"] == "end":
                end_incident(now=now)
        except Refusal as refusal:
            raise CommandError(f"{refusal.message} {refusal.fix}".strip()) from refusal
        incident = open_incident()
        if incident is None:
            self.stdout.write("No incident is declared.")
            return
        self.stdout.write(
            f"Since {incident.starts_at:%Y-%m-%d %H:%M} UTC leases stretch by "
            f"{incident.stretch_days} days: {incident.reason}"
        )
        self.stdout.write(f'{{"incident":"{incident_notice(now=now)}"}}')
