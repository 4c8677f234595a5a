"""The table of every list: search, filters, sort and page live in the URL; CSV; bulk selection.

A page describes its table once (`Table`) and answers with it:

    table = Table(name="servers", columns=(...), read=..., count=..., row="servers/row.html", ...)
    return table.answer(request, "servers/list.html", context)

and its template says `{% include "parts/table.html" %}`. `read` and `count` are thin calls of a
`queries.py`, which keeps the allow-list of sort columns; at most `COUNT_MAX` rows are counted, so
a list of 100,000 costs what its page costs. HTMX swaps the table, everything works without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Generic, TypeVar, cast

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext

from cln.console.csv_files import csv_answer
from cln.listing import COUNT_MAX
from cln.web import Request

T = TypeVar("T")

PER_PAGE: Final = 50
PAGE_MAX: Final = 2_000
CSV_ROWS_MAX: Final = 100_000
CSV_CHUNK: Final = 5_000
SELECTED_MAX: Final = 1_000
SEARCH_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column. `key` is also its sort key where the queries allow it; `csv` what a file says."""

    key: str
    label: str
    csv: Callable[[T], object] | None = None
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """A choice above the table; only its own values are ever passed on. A date has no choices."""

    key: str
    label: str
    choices: Sequence[tuple[str, str]] = ()
    is_date: bool = False


@dataclass(frozen=True, slots=True)
class Bulk:
    """What can be done with the ticked rows: a POST of their ids to `url`."""

    label: str
    url: str
    icon: str = "trash"
    is_danger: bool = False


@dataclass(frozen=True, slots=True)
class Empty:
    """What a list without rows teaches: why it is empty, and the one thing to do."""

    title: str
    text: str = ""
    icon: str = "inbox"
    action: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What the URL asks for, after the allow-lists."""

    search: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    sort: str = ""
    descending: bool = False
    page: int = 1

    @property
    def is_narrowed(self) -> bool:
        """Whether rows may be missing because somebody searched or filtered."""
        return bool(self.search) or any(self.filters.values())

    def day(self, name: str) -> date | None:
        """A filter of days; None where it is empty or no day."""
        try:
            return date.fromisoformat(self.filters[name])
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[T]):
    """A list and how it is shown. `sort`: the key it starts with, `-key` for descending.

    `row_name` is what a screen reader says of the row's tick box.
    """

    name: str
    columns: Sequence[Column[T]]
    read: Callable[[Query, int, int], Sequence[T]]
    count: Callable[[Query], int]
    row: str
    row_id: Callable[[T], str] | None = None
    row_name: Callable[[T], str] | None = None
    sorts: Collection[str] = ()
    sort: str = ""
    filters: Sequence[Filter] = ()
    search: str = ""
    bulk: Sequence[Bulk] = ()
    empty: Empty = Empty("Nothing here yet")
    noun: str = "row"

    def answer(
        self, request: Request, template: str, context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        """The page; for HTMX the table alone; with `format=csv` all rows of the view as a file."""
        query = self.asked(request.GET)
        if request.GET.get("format") == "csv":
            titles = [column.label for column in self._in_csv()]
            name = f"{self.name}-{request.now:%Y-%m-%d}"
            # A stream is no HttpResponse to the type checker, but all the doors treat it as one.
            return cast(HttpResponse, csv_answer(name, titles, self._cells(query)))
        shown = Shown.of(self, query)
        swapped = request.htmx and request.htmx.target in (None, shown.dom_id)
        template = "parts/table.html#rows" if swapped else template
        return render(request, template, {**(context or {}), "table": shown})

    def asked(self, given: QueryDict) -> Query:
        """Read the URL; what is not on an allow-list counts as not there."""
        sort = given.get("sort", "")
        if sort.removeprefix("-") not in self.sorts:
            sort = self.sort
        page = given.get("page", "1")
        return Query(
            search=given.get("q", "").strip()[:SEARCH_MAX].replace("\0", ""),
            filters={one.key: _allowed(one, given.get(one.key, "")) for one in self.filters},
            sort=sort.removeprefix("-"),
            descending=sort.startswith("-"),
            page=min(int(page), PAGE_MAX) if page.isdecimal() and int(page[:9]) else 1,
        )

    def selection(self, posted: QueryDict) -> Selection:
        """What a bulk action was sent for: the ticked rows, or all that match the view."""
        everything = posted.get("all") == "1"
        return Selection(
            ids=() if everything else tuple(posted.getlist("id")[:SELECTED_MAX]),
            query=self.asked(QueryDict(posted.get("view", ""))) if everything else None,
        )

    def _in_csv(self) -> list[Column[T]]:
        return [column for column in self.columns if column.csv]

    def _cells(self, query: Query) -> Iterator[list[object]]:
        columns = [column.csv for column in self._in_csv() if column.csv]
        for offset in range(0, CSV_ROWS_MAX, CSV_CHUNK):
            rows = self.read(query, CSV_CHUNK, offset)
            for row in rows:
                yield [value(row) for value in columns]
            if len(rows) < CSV_CHUNK:
                return


@dataclass(frozen=True, slots=True)
class Selection:
    """`query` None: exactly `ids`; else every row that the query finds."""

    ids: tuple[str, ...]
    query: Query | None

    def __bool__(self) -> bool:
        return bool(self.ids) or self.query is not None


def _nothing(_row: object) -> str:
    return ""


def _allowed(one: Filter, value: str) -> str:
    if one.is_date:
        return value if len(value) == 10 and value[:4].isdecimal() else ""
    return value if value in {choice for choice, _ in one.choices} else ""


@dataclass(frozen=True, slots=True)
class Head:
    """A column's heading: where a click leads, and how the list is sorted by it now."""

    label: str
    numeric: bool
    key: str
    url: str
    direction: str  # "", "ascending", "descending"


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """One page of a table, ready for its template."""

    table: Table[T]
    query: Query
    rows: Sequence[tuple[str, str, T]]
    total: int
    has_next: bool

    @classmethod
    def of(cls, table: Table[T], query: Query) -> Shown[T]:
        """Read one page; a page behind the end is the last one."""
        total = table.count(query)
        if total <= COUNT_MAX:
            last = max(1, -(-total // PER_PAGE))
            query = _at_page(query, min(query.page, last))
        rows = table.read(query, PER_PAGE + 1, (query.page - 1) * PER_PAGE) if total else ()
        ids, names = table.row_id or _nothing, table.row_name or _nothing
        shown = [(ids(row), names(row), row) for row in rows[:PER_PAGE]]
        return cls(table, query, shown, total, len(rows) > PER_PAGE)

    @property
    def dom_id(self) -> str:
        """What HTMX swaps."""
        return f"table-{self.table.name}"

    @property
    def heads(self) -> list[Head]:
        """The headings, each with the link that sorts by it or turns it round."""
        heads = []
        for column in self.table.columns:
            can, now = column.key in self.table.sorts, column.key == self.query.sort
            turned = f"-{column.key}" if now and not self.query.descending else column.key
            direction = ("descending" if self.query.descending else "ascending") if now else ""
            url = self._url(sort=turned, page="") if can else ""
            heads.append(Head(column.label, column.numeric, column.key, url, direction))
        return heads

    @property
    def sort_choices(self) -> list[tuple[str, str, bool]]:
        """(value, words, is chosen) of the list that sorts on a phone, where no headings are."""
        now = self.sort_value
        pairs = [
            (f"{sign}{one.key}", words % {"label": gettext(one.label)})
            for one in self.table.columns
            if one.key in self.table.sorts
            for sign, words in (
                ("", gettext("%(label)s, ascending")),
                ("-", gettext("%(label)s, descending")),
            )
        ]
        return [(value, words, value == now) for value, words in pairs]

    @property
    def sort_value(self) -> str:
        """The sort as the URL writes it."""
        return f"-{self.query.sort}" if self.query.descending else self.query.sort

    @property
    def filters(self) -> list[tuple[Filter, str]]:
        """Each filter with its present value."""
        return [(one, self.query.filters[one.key]) for one in self.table.filters]

    @property
    def first(self) -> int:
        """The number of the first row of this page."""
        return (self.query.page - 1) * PER_PAGE + 1

    @property
    def last(self) -> int:
        """The number of the last row of this page."""
        return self.first + len(self.rows) - 1

    @property
    def total_words(self) -> str:
        """How many match: exact up to the budget."""
        return f"{self.total:,}" if self.total <= COUNT_MAX else f"more than {COUNT_MAX:,}"

    @property
    def newer_url(self) -> str:
        """The page before this one."""
        return self._url(page=str(self.query.page - 1)) if self.query.page > 1 else ""

    @property
    def older_url(self) -> str:
        """The page after this one."""
        return self._url(page=str(self.query.page + 1)) if self.has_next else ""

    @property
    def csv_url(self) -> str:
        """This view as a file."""
        has_csv = any(column.csv for column in self.table.columns)
        return self._url(page="", format="csv") if has_csv else ""

    @property
    def view(self) -> str:
        """This view as a query string, for a bulk action on all that match."""
        return self._url(page="").removeprefix("?")

    def _url(self, **changes: str) -> str:
        sort = "" if self.sort_value == self.table.sort else self.sort_value
        page = str(self.query.page) if self.query.page > 1 else ""
        parts = {"q": self.query.search, **self.query.filters, "sort": sort, "page": page}
        given = QueryDict(mutable=True)
        given.update({name: value for name, value in (parts | changes).items() if value})
        return f"?{given.urlencode()}"


def _at_page(query: Query, page: int) -> Query:
    return Query(
        search=query.search,
        filters=query.filters,
        sort=query.sort,
        descending=query.descending,
        page=page,
    )
