"""Long lists of addresses as their account reads them: how far they are, and their results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from cln.domain.errors import Refusal
from cln.licensing.address_list_models import AddressList, AddressListLine

KEPT_FOR: Final = timedelta(days=90)


class UnknownAddressList(Refusal):
    """There is no such list in this account."""

    code: ClassVar[str] = "unknown_address_list"


@dataclass(frozen=True, slots=True)
class ListRow:
    """A list and how far it is; all but `total` count lines."""

    public_id: str
    action: str
    actor: str
    created_at: datetime
    finished_at: datetime | None
    total: int
    done: int
    refused: int
    left_out: int

    @property
    def worked(self) -> int:
        """Lines of which the result is known."""
        return self.done + self.refused + self.left_out


def lists_of(account_id: int, *, limit: int, offset: int = 0) -> tuple[ListRow, ...]:
    """The lists of an account, the newest first."""
    rows = AddressList.objects.filter(account=account_id).order_by("-pk")[offset : offset + limit]
    return tuple(_row(row) for row in rows)


def count_lists(account_id: int) -> int:
    """How many there are."""
    return AddressList.objects.filter(account=account_id).count()


def list_row(*, account_id: int, public_id: str) -> ListRow:
    """One of them. Refuses `unknown_address_list`."""
    row = AddressList.objects.filter(account=account_id, public_id=public_id).first()
    if row is None:
        raise UnknownAddressList("There is no such list.", "Lists are kept for 90 days.")
    return _row(row)


def results_of(*, account_id: int, public_id: str, only: str = "") -> Iterator[AddressListLine]:
    """The lines of a list in their order, of one result only or of all."""
    lines = AddressListLine.objects.filter(
        address_list__account=account_id, address_list__public_id=public_id
    )
    lines = lines.filter(result=only) if only else lines
    return lines.order_by("number").iterator()


def forget_lists(*, now: datetime) -> int:
    """Drop finished lists that nobody needs any more; how many rows."""
    return AddressList.objects.filter(finished_at__lt=now - KEPT_FOR).delete()[0]


def _row(row: AddressList) -> ListRow:
    return ListRow(
        public_id=row.public_id,
        action=row.action,
        actor=row.actor,
        created_at=row.created_at,
        finished_at=row.finished_at,
        total=row.total,
        done=row.done,
        refused=row.refused,
        left_out=row.left_out,
    )
