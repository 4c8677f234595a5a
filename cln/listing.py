"""Lists that may be long: sorted by an allow-list, counted on a budget.

Every `queries.py` that serves a table keeps a mapping `sort key → column`; what a person types in
the address bar is looked up there and never reaches SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from django.db.models import F, Model, QuerySet

M = TypeVar("M", bound=Model)

# Beyond this a list says "more than": counting 100,000 rows on every page costs more than it tells.
COUNT_MAX: Final = 10_000


def ordered(
    rows: QuerySet[M], columns: Mapping[str, str], sort: str, *, descending: bool
) -> QuerySet[M]:
    """Sort by one of `columns`, what is unknown last, ties by age; KeyError for any other key."""
    name = columns[sort]
    tie = "-pk" if descending else "pk"
    if "__" not in name and not rows.model._meta.get_field(name).null:
        # Without NULLS LAST an index can give the order.
        return rows.order_by(f"-{name}" if descending else name, tie)
    column = F(name)
    by = column.desc(nulls_last=True) if descending else column.asc(nulls_last=True)
    return rows.order_by(by, tie)


def count_up_to(rows: QuerySet[M], most: int = COUNT_MAX) -> int:
    """How many rows there are, but at most `most + 1`, which means "more than `most`"."""
    return rows.order_by()[: most + 1].count()
