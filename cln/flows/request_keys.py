"""Orders that are sent again: the same request key never buys twice (architecture §5)."""

import hashlib
import json
from datetime import datetime
from typing import Any, ClassVar

from cln.accounts.models import Account, IdempotentRequest
from cln.domain.errors import Refusal


class RequestKeyReused(Refusal):
    """The same request key came with another order."""

    code: ClassVar[str] = "request_key_reused"


def answered(*, account: Account, key: str, asked: dict[str, Any]) -> dict[str, Any] | None:
    """What the same request did before. Refusals: `request_key_reused`."""
    row = IdempotentRequest.objects.filter(account=account, key=key).first()
    if row is None:
        return None
    if row.input_hash != _hash(asked):
        raise RequestKeyReused(
            "This form was sent before with another order.", "Open the page again and retry."
        )
    return dict(row.answer)


def remember(
    *,
    account: Account,
    key: str,
    asked: dict[str, Any],
    answer: dict[str, Any],
    now: datetime,
) -> None:
    """Joins: keep the answer of a request, so that the same one is not done twice."""
    IdempotentRequest.objects.create(
        account=account, key=key, input_hash=_hash(asked), answer=answer, created_at=now
    )


def _hash(asked: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
