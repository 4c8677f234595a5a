"""Pages of long lists: an opaque cursor says after which row to go on.

A cursor names a row, not a number of rows, so that nothing is skipped or told twice when rows are
added meanwhile. It is signed for the account and the list: another one's is garbage.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, TypeVar

from ninja import Field, Schema

from cln import vault
from cln.api.v2.callers import V2Request
from cln.domain.errors import Refusal

PAGE_MOST: Final = 200
_SIGNATURE: Final = 12
Row = TypeVar("Row")


class BadCursor(Refusal):
    """The cursor is not one that this list gave to this account."""

    code: ClassVar[str] = "bad_cursor"


class PageWish(Schema):
    """Which page of a list."""

    limit: int = Field(50, ge=1, le=PAGE_MOST, description="Rows per page.")
    cursor: str = Field("", max_length=200, description="`next_cursor` of the page before.")


def after(request: V2Request, wish: PageWish, kind: str) -> str:
    """The id after which the page begins, "" for the first. Refuses `bad_cursor`."""
    if not wish.cursor:
        return ""
    try:
        raw = base64.urlsafe_b64decode(wish.cursor.encode("ascii") + b"==")
        signature, row_id = raw[:_SIGNATURE], raw[_SIGNATURE:].decode("ascii")
    except (ValueError, binascii.Error):
        raise _bad() from None
    if not row_id or not hmac.compare_digest(signature, _sign(request, kind, row_id)):
        raise _bad()
    return row_id


def page(
    request: V2Request,
    wish: PageWish,
    kind: str,
    *,
    rows: Sequence[Row],
    id_of: Callable[[Row], object],
    shown: Callable[[Row], Any],
) -> dict[str, Any]:
    """The answer: `rows` are up to one more than were asked for, which says that there are more."""
    here = rows[: wish.limit]
    more = len(rows) > wish.limit
    return {
        "data": [shown(row) for row in here],
        "next_cursor": _cursor(request, kind, str(id_of(here[-1]))) if more else None,
    }


def _cursor(request: V2Request, kind: str, row_id: str) -> str:
    raw = _sign(request, kind, row_id) + row_id.encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _sign(request: V2Request, kind: str, row_id: str) -> bytes:
    text = f"{request.caller.account_id}\x00{kind}\x00{row_id}"
    return vault.lookup_hash("cursor", text)[:_SIGNATURE]


def _bad() -> BadCursor:
    return BadCursor("The cursor is not one of this list.", "Begin without a cursor.")
