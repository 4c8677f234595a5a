"""What a simulation file says, once it has been read: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from cln.domain.autopay import AutopayMode
from cln.domain.calendar import Interval
from cln.domain.pricing import Tier
from cln.enums import AccountKind, MethodKind


class ScenarioError(Exception):
    """The file cannot be played; the place is counted from 1, as editors do."""

    def __init__(self, reason: str, *, line: int, column: int) -> None:
        """Keep the place and the reason; the text is what the command prints."""
        super().__init__(f"line {line}, column {column}: {reason}")
        self.reason = reason
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list that takes the place of the catalog's; no `effective_on` = since ever."""

    license_type: str
    interval: Interval
    currency: str
    effective_on: date | None
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Autopay:
    """How a reseller's deposit is topped up; cents."""

    mode: AutopayMode
    target_cents: int


@dataclass(frozen=True, slots=True)
class Party:
    """An account as it is when the timeline begins; `deposit_cents` is a reseller's."""

    name: str
    kind: AccountKind
    method: MethodKind | None
    deposit_cents: int = 0
    autopay: Autopay | None = None

    @property
    def billing_email(self) -> str:
        """Where its invoices go."""
        return f"billing@{self.name}.example"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing an account does at an instant (UTC); `account` is empty for `advance`.

    `number` counts the entries of the file from 1.
    """

    at: datetime
    account: str
    verb: str
    fields: Mapping[str, Any]
    number: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole file; `until` is an instant whose due work is still done."""

    settings: Mapping[str, object]
    prices: tuple[Prices, ...]
    parties: tuple[Party, ...]
    timeline: tuple[Entry, ...]
    until: datetime
    starts_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        """The accounts exist from the first instant on."""
        first = self.timeline[0].at if self.timeline else self.until
        object.__setattr__(self, "starts_at", first)
