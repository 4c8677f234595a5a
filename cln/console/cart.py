"""The cart: lines in the session, and the token that makes Pay happen once.

Only what is wanted lies here. Prices never do: the server works them out each time.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from django.contrib.sessions.backends.base import SessionBase

from cln.flows.purchase import Bought

KEY = "cart"
LAST = "last_order"


@dataclass(frozen=True, slots=True)
class CartLine:
    """What somebody wants to buy."""

    license_type: str
    quantity: int
    interval: str


@dataclass(frozen=True, slots=True)
class LastOrder:
    """What became of the cart that was paid last."""

    token: str
    results: tuple[Mapping[str, object], ...]


def lines(session: SessionBase) -> tuple[CartLine, ...]:
    """The lines, in the order they were put in."""
    return tuple(CartLine(**line) for line in (session.get(KEY) or {}).get("lines", []))


def token(session: SessionBase) -> str:
    """The token of this cart, "" for an empty one. It changes when the cart is paid."""
    return str((session.get(KEY) or {}).get("token", ""))


def put(session: SessionBase, line: CartLine) -> None:
    """Set the line of a license type; a second time replaces it.

    Changed lines are another order, so they get another token.
    """
    kept = [old for old in lines(session) if old.license_type != line.license_type]
    _store(session, [*kept, line])


def drop(session: SessionBase, license_type: str) -> None:
    """Take a line out."""
    _store(session, [line for line in lines(session) if line.license_type != license_type])


def finish(session: SessionBase, paid_token: str, results: list[Mapping[str, object]]) -> None:
    """Empty the cart and keep what became of it, for the page that shows it."""
    session.pop(KEY, None)
    session[LAST] = {"token": paid_token, "results": results}


def last_order(session: SessionBase) -> LastOrder | None:
    """What became of the cart that was paid last in this session."""
    found = session.get(LAST)
    return LastOrder(found["token"], tuple(found["results"])) if found else None


def result_of(bought: Bought, *, name: str) -> Mapping[str, object]:
    """A purchase as the result page needs it."""
    payment = bought.payment
    return {
        "name": name,
        "license_type": bought.license_type,
        "quantity": bought.quantity,
        "held": bought.held,
        "is_addition": bought.is_addition,
        "invoice_number": bought.invoice_number,
        "state": payment.state if payment else "",
        "sentence": payment.sentence if payment else "",
        "fix": payment.fix if payment else "",
        "amount_cents": payment.amount_cents if payment else 0,
    }


def _store(session: SessionBase, new: list[CartLine]) -> None:
    if new:
        session[KEY] = {"token": secrets.token_urlsafe(16), "lines": [asdict(line) for line in new]}
    else:
        session.pop(KEY, None)
