"""What stands on a sheet: words and figures, already written as people read them.

A sheet knows nothing of invoices. Whoever fills it decides what is said; `template.typ` decides
where it stands. All of it travels as JSON and is printed as it is: nothing in it is markup.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


class Tone(StrEnum):
    """How a mark looks: done, to be done, or not valid any more."""

    GOOD = "good"
    DUE = "due"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Mark:
    """The word beside the number: "PAID"."""

    text: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Party:
    """One side: a heading ("Billed to"), a name and the lines beneath it."""

    heading: str
    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; figures are set to the right."""

    title: str
    is_figure: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row; `why` stands in small letters beneath the first cell."""

    cells: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, whose first column takes the room that the others leave; its head is repeated.

    `foot` is a last row in strong letters, as long as a row, or empty.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    note: str = ""
    foot: tuple[str, ...] = ()
    block: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Sum:
    """A figure under the tables; `why` is the calculation behind it."""

    label: str
    text: str
    why: str = ""
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """The figures that a document comes to."""

    rows: tuple[Sum, ...]
    block: Literal["sums"] = "sums"


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence of its own; `url` makes it a way to somewhere."""

    text: str
    url: str = ""
    block: Literal["note"] = "note"


Block = Table | Sums | Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A document. `made_at` is its date for machines: the same sheet gives the same bytes."""

    title: str
    number: str
    mark: Mark | None
    is_void: bool = False
    facts: tuple[tuple[str, str], ...]
    seller: Party
    customer: Party
    blocks: tuple[Block, ...]
    made_at: datetime

    def as_json(self) -> str:
        """Everything the template is told."""
        told = asdict(self)
        del told["made_at"]
        return json.dumps(told, ensure_ascii=False)
