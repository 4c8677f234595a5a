"""`cln lease-keys`: show the keys that sign leases, or let a new one sign."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cln import clock
from cln.domain.errors import Refusal
from cln.licensing.lease_keys import published_keys, rotate_lease_key


class Command(BaseCommand):
    """Exit 0 when done, 1 on a refusal."""

    help = "Show the public keys of leases, or rotate them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Nothing: show. `--rotate`: a new key signs from now on."""
        parser.add_argument("--rotate", action="store_true", help="let a new key sign from now on")
        parser.add_argument(
            "--withdraw-old",
            action="store_true",
            help="with --rotate: publish no older key any more, one has leaked",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Refuses a third key while leases of the first are out."""
        if options["withdraw_old"] and not options["rotate"]:
            raise CommandError("--withdraw-old goes with --rotate.")
        if options["rotate"]:
            try:
                rotate_lease_key(withdraw_old=options["withdraw_old"], now=clock.now())
            except Refusal as refusal:
                raise CommandError(f"{refusal.message} {refusal.fix}".strip()) from refusal
        for key in published_keys(now=clock.now()):
            role = "signs" if key["signs"] else "verifies only"
            self.stdout.write(f"{key['kid']}  {key['public']}  {role}")
