"""`cln check-books`: derive every figure again and compare."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cln.accounts.models import Account
from cln.flows.books import Difference, check_books

_TITLES = Difference("account", "what", "expected", "found")


class Command(BaseCommand):
    """Exit 0 when the books are clean, 1 with a table of what differs."""

    help = "Derive every figure of the books again from its first events and show what differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Narrow the check to one account."""
        parser.add_argument("--account", default="", help="public id of one account: acc_…")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Refuses an account that is not there."""
        differences = check_books(account_id=_account_id(options["account"]))
        if not differences:
            self.stdout.write("The books are clean.")
            return
        self.stdout.write(_table([_TITLES, *differences]))
        raise CommandError(f"The books differ in {len(differences)} places.")


def _account_id(public_id: str) -> int | None:
    if not public_id:
        return None
    account = Account.objects.filter(public_id=public_id).first()
    if account is None:
        raise CommandError(f"There is no account {public_id!r}.")
    return account.pk


def _table(rows: list[Difference]) -> str:
    cells = [(row.account, row.what, row.expected, row.found) for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
