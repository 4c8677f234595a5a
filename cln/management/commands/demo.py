"""`cln demo`: make the demo data and say how to sign in."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cln import clock
from cln.flows.demo import ensure_demo
from cln.management.prepare import prepare_database


class Command(BaseCommand):
    """Make the demo data where it is missing and print it."""

    help = "Make demo data (sandbox only) and print its logins, API secrets and keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say how to print."""
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Refuses in production mode."""
        if settings.CLN_MODE != "sandbox":
            raise CommandError("Demo data belongs into a sandbox; CLN_MODE is production.")
        prepare_database()
        demo = ensure_demo(now=clock.now())
        self.stdout.write(json.dumps(demo) if options["json"] else as_text(demo))


def as_text(demo: dict[str, Any]) -> str:
    """The demo's logins and keys for people."""
    # A data directory from before the second customer has none.
    people = [one for one in ("customer", "customer_eur", "reseller", "operator") if one in demo]
    lines = [f"Sign in at {demo['url']}/console/auth/login"]
    lines += [
        f"  {person:<12} {demo[person]['login']:<12} {demo[person]['password']}"
        for person in people
    ]
    lines += ["Activation keys of the customer:"]
    lines += [f"  {license_type:<14} {key}" for license_type, key in demo["keys"].items()]
    return "\n".join(lines)
