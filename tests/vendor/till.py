"""What the vendor knows: money that moved, requests it remembers, what it was told to do wrong."""

from __future__ import annotations

import copy
import json
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class Verdict(StrEnum):
    """What the bank, or the wallet, says to a charge."""

    OK = "ok"
    SOFT = "soft"  # not enough money
    HARD = "hard"  # the card has expired, the agreement is cancelled
    AUTHENTICATE = "authenticate"  # 3-D Secure; nobody is there to do it
    ACTION = "action"  # the same, told as a state instead of an error
    LATER = "later"  # pending


class Fault(StrEnum):
    """What goes wrong with one request."""

    LOST_BEFORE = "lost_before"  # the connection breaks, nothing was done
    LOST_AFTER = "lost_after"  # it was done, the answer is lost
    ERROR_AFTER = "error_after"  # it was done, the answer is a 500
    SILENT_BEFORE = "silent_before"  # no answer within any patience, nothing was done
    SILENT_AFTER = "silent_after"  # it was done, no answer within any patience
    NONSENSE_AFTER = "nonsense_after"  # it was done, the answer is a proxy's page
    TOO_MANY = "too_many"  # 429: nothing was done


@dataclass(frozen=True)
class Taken:
    """Money that moved to the shop."""

    reference: str
    cents: int
    currency: str


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer in JSON."""

    status: int
    content: Any


@dataclass
class Till:
    """The vendor's memory; `lock` is held while a request is carried out.

    What stands in `beforehand` for a step happens before it is carried out, `meanwhile` after that
    and before it is answered.
    """

    now: datetime = datetime(2026, 1, 31, 9, tzinfo=UTC)
    bank: Verdict = Verdict.OK
    taken: list[Taken] = field(default_factory=list)
    given_back: list[Taken] = field(default_factory=list)
    things: dict[str, Json] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    beforehand: dict[str, Callable[[], None]] = field(default_factory=dict)
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _plans: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _answers: dict[tuple[str, str], tuple[datetime, str, Reply]] = field(default_factory=dict)
    _last_id: int = 0

    def plan(self, step: str, *faults: Fault) -> None:
        """The next requests of a step (`announce`, `charge`, `refund`, `look`…) go so."""
        self._plans[step].extend(faults)

    def next_fault(self, step: str) -> Fault | None:
        """What goes wrong with this request."""
        self.asked[step] += 1
        plans = self._plans[step]
        return plans.popleft() if plans else None

    def waits(self, **span: float) -> None:
        """Move the vendor's clock; what it had promised to remember, it may forget."""
        self.now += timedelta(**span)

    def once(
        self, vendor: str, key: str, request: Request, lives: timedelta, do: Callable[[], Reply]
    ) -> Reply:
        """Answer a key that is remembered as the first time, errors too; otherwise do it."""
        asked = json.dumps([request.method, request.path, request.body.decode()])
        kept = self._answers.get((vendor, key))
        if key and kept and self.now < kept[0]:
            if kept[1] != asked:
                return Reply(400, {"error": {"type": "idempotency_error", "message": key}})
            return kept[2]
        reply = copy.deepcopy(do())
        if key:
            self._answers[vendor, key] = (self.now + lives, asked, reply)
        return reply

    def new_id(self, prefix: str) -> str:
        """An id nobody has seen; the prefix names the kind."""
        self._last_id += 1
        return f"{prefix}{self._last_id:06d}"

    def memory(self) -> Json:
        """All that the vendor knows, to go back to."""
        names = ("now", "bank", "taken", "given_back", "things", "events", "_answers", "_last_id")
        return copy.deepcopy({name: getattr(self, name) for name in names})

    def goes_back_to(self, memory: Json) -> None:
        """Know what was known then, and nothing else; go wrong no more."""
        for name, value in copy.deepcopy(memory).items():
            setattr(self, name, value)
        for forgotten in (self.asked, self.beforehand, self.meanwhile, self._plans):
            forgotten.clear()

    def gives_back(self, back: Taken, *, given: bool) -> None:
        """Count a refund when it is given; one that comes back was none."""
        self.given_back = [other for other in self.given_back if other != back]
        self.given_back += [back] * given

    def tell(self, event: Json) -> None:
        """Keep a webhook for the test to deliver: at once, later, twice, never."""
        self.events.append(event)
