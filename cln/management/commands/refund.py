"""`cln refund`: give money back for a paid invoice, or say to the cent what that would do (P10)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cln import clock
from cln.billing.models import Invoice
from cln.domain.errors import Refusal
from cln.domain.money import money_text, parse_amount
from cln.flows.refunds import Preview, Wish, preview_refund, refund


class Command(BaseCommand):
    """Show the exact figures; without --dry-run do it as well."""

    help = "Give back part or all of a paid invoice; with --dry-run only show the exact figures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say which invoice, how much of what, and why."""
        parser.add_argument("invoice", help="its number, like CBI-000001")
        parser.add_argument("--amount", help="with tax, like 12.34; default: all that is left")
        parser.add_argument(
            "--line",
            action="append",
            default=[],
            metavar="POSITION=NET",
            help="net of one line, like 1=5.00; may be given several times, instead of --amount",
        )
        parser.add_argument("--reason", default="", help="stands on the credit note")
        parser.add_argument(
            "--certified",
            action="store_true",
            help="the customer has certified that the programs are removed",
        )
        parser.add_argument(
            "--keep-licenses", action="store_true", help="leave the refunded licenses in place"
        )
        parser.add_argument("--operator", default="", help="who does it; needed to do it")
        parser.add_argument("--dry-run", action="store_true", help="show, change nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Refusals of `flows.refunds.refund` end with their sentence and exit status 1."""
        now = clock.now()
        if not options["dry_run"] and not options["operator"].strip():
            raise CommandError("Say who does it: --operator NAME; or only look: --dry-run.")
        try:
            account_id, wish = _wish(options)
            figures = preview_refund(account_id=account_id, wish=wish, now=now)
            self.stdout.write(_as_text(figures))
            if options["dry_run"]:
                self.stdout.write("Nothing was changed.")
                return
            done = refund(
                operator=options["operator"].strip(), account_id=account_id, wish=wish, now=now
            )
        except Refusal as refusal:
            raise CommandError(f"{refusal.message} {refusal.fix}".strip()) from None
        states = ", ".join(done.states) or "nothing to give back to a payment method"
        total = money_text(done.total_cents, figures.currency)
        self.stdout.write(f"Credit note {done.number}, {total}; at the gateway: {states}.")


def _wish(options: dict[str, Any]) -> tuple[int, Wish]:
    row = Invoice.objects.filter(number=options["invoice"]).first()
    if row is None:
        raise CommandError(f"There is no invoice {options['invoice']!r}.")
    if options["amount"] and options["line"]:
        raise CommandError("Give an amount or lines, not both.")
    return row.account_id, Wish(
        invoice=row.public_id,
        amount_cents=parse_amount(options["amount"]) if options["amount"] else None,
        lines=dict(_line(text) for text in options["line"]) or None,
        reason=options["reason"],
        is_removal_certified=options["certified"],
        remove_licenses=not options["keep_licenses"],
    )


def _line(text: str) -> tuple[int, int]:
    position, _, net = text.partition("=")
    if not position.isdecimal():
        raise CommandError(f"{text!r} is no line; write its position and an amount, like 1=5.00.")
    return int(position), parse_amount(net)


def _as_text(figures: Preview) -> str:
    rows = [(f"Refund of invoice {figures.number}", figures.total_cents)]
    rows += [(f"  {title}", cents) for title, cents in figures.lines]
    rows += [(f"  to {label}", cents) for label, cents in figures.cash]
    if figures.balance_cents:
        rows.append(("  to the account's balance", figures.balance_cents))
    width = max(len(words) for words, _ in rows) + 2
    told = [f"{words:<{width}}{money_text(cents, figures.currency)}" for words, cents in rows]
    return "\n".join([*told, f"Licenses removed with it: {figures.licenses}"])
