"""The one way of all doors to a check-in: together with those that come at the same moment."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from django.db import InterfaceError, OperationalError

from cln import clock
from cln.api.gathering import Gathering
from cln.domain.errors import Refusal
from cln.licensing import watch
from cln.licensing.agents import (
    AgentAnswer,
    AgentContact,
    Noted,
    Presented,
    answer_agent,
    note_agents,
)
from cln.licensing.check_ins import CheckIn, Contact, Report, check_in_many, contact_of

log = logging.getLogger(__name__)
BATCH_MAX: Final = 100


def check_in(*, secret: str, address: str, report: Report) -> CheckIn:
    """Note that a server lives and tell it what its license is worth; returns after the commit.

    Refuses `unknown_server`, `server_removed`, `bad_address`.
    """
    answer = _servers.ask(contact_of(secret=secret, address=address, report=report))
    if isinstance(answer, Refusal):
        raise answer
    return answer


def check_in_agent(
    *, secret: str, address: str, report: Report, presented: Presented
) -> tuple[AgentAnswer, datetime]:
    """The same for our agent, with its lease; also the instant at which it was noted.

    Refuses what `check_in` refuses, and `clone_refused`.
    """
    contact = contact_of(secret=secret, address=address, report=report)
    answer, now = _agents.ask(AgentContact(contact, presented))
    if isinstance(answer, Refusal):
        raise answer
    return answer_agent(answer, presented=presented, now=now), now


def _note_servers(contacts: Sequence[Contact]) -> Sequence[CheckIn | Refusal]:
    with _outage.watched():
        return check_in_many(contacts, now=clock.now())


def _note_agents(agents: Sequence[AgentContact]) -> Sequence[tuple[Noted | Refusal, datetime]]:
    with _outage.watched():
        now = clock.now()
        return [(answer, now) for answer in note_agents(agents, now=now)]


class _Outage:
    """Since when this process cannot take check-ins; the first that succeeds writes it down.

    So no silence counts for that time, also where the scanner of alerts ran on undisturbed.
    """

    def __init__(self) -> None:
        """Begin well."""
        self._since: datetime | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Carry out a batch."""
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            if self._since is None:
                self._since = clock.system_now()
                log.warning("check-ins are refused since the database failed: %s", error)
            raise
        if self._since is not None:
            # In this order: an outage is noted a moment too long rather than too short.
            now = clock.now()
            away, self._since = clock.system_now() - self._since, None
            log.warning("check-ins are taken again after %s", away)
            watch.note_outage(began_at=now - away, ended_at=now, why="check-ins failed")


_outage: Final = _Outage()
_servers: Final = Gathering(_note_servers, most=BATCH_MAX, same=lambda contact: contact.secret_hash)
_agents: Final = Gathering(
    _note_agents, most=BATCH_MAX, same=lambda agent: agent.contact.secret_hash
)
