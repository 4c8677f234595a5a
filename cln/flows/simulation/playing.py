"""Living through a timeline: the worker's work at its own instants, the entries at theirs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cln import clock
from cln.domain.errors import Refusal
from cln.flows import timeline
from cln.flows.simulation.scenario import Entry, Scenario
from cln.flows.simulation.stage import Stage, set_stage
from cln.flows.simulation.verbs import act

Progress = Callable[[datetime], object]


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry, or an invoice it wanted paid, that the business said no to."""

    at: datetime
    account: str
    verb: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Played:
    """The stage at the end, and what was refused on the way; the rest is in the database."""

    scenario: Scenario
    stage: Stage
    refused: tuple[Refused, ...]


def play(scenario: Scenario, *, progress: Progress | None = None) -> Played:
    """Play a whole file on the present, empty and migrated, sandbox database.

    What is due at an instant is done before the first entry of that instant; the entries of one
    instant follow each other in the order of the file. A refused entry changes nothing and the
    run goes on. `progress` is told each instant that was reached.
    """
    stage = set_stage(scenario)
    refused: list[Refused] = []
    present = scenario.starts_at
    clock.move_to(present)
    for entry in scenario.timeline:
        if entry.at > present:
            _live_until(entry.at, since=present, progress=progress)
            present = entry.at
        refused += _refusals(stage, entry)
    _live_until(scenario.until, since=present, progress=progress)
    return Played(scenario, stage, tuple(refused))


def _refusals(stage: Stage, entry: Entry) -> list[Refused]:
    try:
        not_tried = act(stage, entry)
    except Refusal as refusal:
        return [_refused(entry, refusal.code, refusal.message, refusal.fix)]
    return [
        _refused(entry, result.code, f"Invoice {result.number}: {result.sentence}", result.fix)
        for result in not_tried
    ]


def _refused(entry: Entry, code: str, message: str, fix: str) -> Refused:
    return Refused(entry.at, entry.account, entry.verb, code, f"{message} {fix}".strip())


def _live_until(instant: datetime, *, since: datetime, progress: Progress | None) -> None:
    timeline.run_until(instant, since=since, move_clock=lambda at: _reach(at, progress))


def _reach(instant: datetime, progress: Progress | None) -> None:
    """Set the clock, which only the sandbox gateway reads, and say how far we are."""
    # Between two stops the clock runs on by itself, perhaps past the next one: it never goes back.
    if instant > clock.now():
        clock.move_to(instant)
    if progress is not None:
        progress(instant)
