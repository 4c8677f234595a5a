"""What came of each invoice that somebody tried to pay, for the browser that did it (P5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages

from cln.accounts.standing import is_blocked
from cln.enums import UNFINISHED_ATTEMPT, AttemptState
from cln.flows.collection import InvoiceResult
from cln.web import Request

ROWS_MAX = 20
Row = dict[str, Any]


def keep(request: Request, key: str, results: Iterable[InvoiceResult]) -> None:
    """Add results; a later one of the same invoice takes the place of the former."""
    new = [_row(request, result) for result in results]
    numbers = {row["number"] for row in new}
    old = [row for row in kept(request, key) if row["number"] not in numbers]
    request.session[key] = (old + new)[-ROWS_MAX:]


def tell_unblocked(request: Request) -> None:
    """A toast where what has just been paid ended the block of the account (P8)."""
    if not is_blocked(request.account):
        return
    request.account.refresh_from_db(fields=["dunning_state"])
    if not is_blocked(request.account):
        messages.success(request, "The account is not blocked any more.")


def kept(request: Request, key: str) -> list[Row]:
    """What was kept, oldest first."""
    rows: list[Row] = request.session.get(key, [])
    return rows


def taken(request: Request, key: str) -> list[Row]:
    """What was kept, to be shown once."""
    rows: list[Row] = request.session.pop(key, [])
    return rows


def _row(request: Request, result: InvoiceResult) -> Row:
    return {
        "number": result.number,
        "cents": result.amount_cents,
        "is_paid": result.state == AttemptState.SUCCEEDED,
        "is_waiting": result.state in UNFINISHED_ATTEMPT,
        "words": f"{result.sentence} {result.fix}".strip(),
        "on": f"{request.now:%Y-%m-%d}",
    }
