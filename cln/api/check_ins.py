"""The one way of all doors to a check-in: together with those that come at the same moment."""

from __future__ import annotations

from collections.abc import Sequence

from cln import clock
from cln.api.gathering import Gathering
from cln.domain.errors import Refusal
from cln.licensing.check_ins import CheckIn, Contact, Report, check_in_many, contact_of

BATCH_MAX = 100


def check_in(*, secret: str, address: str, report: Report) -> CheckIn:
    """Note that a server lives and tell it what its license is worth; returns after the commit.

    Refuses `unknown_server`, `server_removed`, `bad_address`.
    """
    answer = _gathering.ask(contact_of(secret=secret, address=address, report=report))
    if isinstance(answer, Refusal):
        raise answer
    return answer


def _carry_out(contacts: Sequence[Contact]) -> Sequence[CheckIn | Refusal]:
    return check_in_many(contacts, now=clock.now())


_gathering: Gathering[Contact, CheckIn | Refusal] = Gathering(
    _carry_out, most=BATCH_MAX, same=lambda contact: contact.secret_hash
)
