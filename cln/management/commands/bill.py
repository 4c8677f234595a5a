"""`cln bill`: run the billing day by hand."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cln import clock
from cln.domain.money import money_text
from cln.flows import billing_run, upcoming, usage_run


class Command(BaseCommand):
    """Issue what is due, or say what would be issued."""

    help = "Issue every invoice that is due; with --dry-run only say which."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say for which day, and whether for real."""
        parser.add_argument("--as-of", type=_day, metavar="DATE", help="a past or present day")
        parser.add_argument("--dry-run", action="store_true", help="show, issue nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Bill up to a day. A day to come can be looked at, not billed."""
        now = clock.now()
        on: date = options["as_of"] or now.date()
        if options["dry_run"]:
            self._show(on)
            return
        if on > now.date():
            raise CommandError(
                f"{on} has not come yet: look at it with --dry-run, or move the sandbox clock."
            )
        ahead = billing_run.run_due(now=now, through=on)
        usage = usage_run.run_due(now=now, through=on)
        self.stdout.write(
            f"{ahead.invoices + usage.invoices} invoices for {ahead.accounts + usage.accounts} "
            f"accounts; {ahead.parked + usage.parked} parked."
        )

    def _show(self, on: date) -> None:
        drafts = upcoming.dry_run(on=on) + usage_run.dry_run(on=on)
        for account, draft in drafts:
            net = money_text(draft.net_cents, account.currency)
            self.stdout.write(f"{draft.on}  {account.public_id}  {net} net")
            for line in draft.lines:
                amount = money_text(line.amount_cents, account.currency)
                self.stdout.write(f"    {line.title}: {amount}")
                self.stdout.write(f"      {line.why}")
        self.stdout.write(f"{len(drafts)} invoices would be issued; nothing was changed.")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a date; write it like 2026-02-28") from None
