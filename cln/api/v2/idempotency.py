"""`Idempotency-Key`: a call that is repeated is carried out once and answered twice.

The key is claimed in a transaction of its own before the call is carried out. What happens next
depends on the verb: one that joins commits together with its answer; the flows of money commit by
themselves, and each of them may be run twice (`request_key`, or a state that cannot be left again).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.db import connection, transaction
from django.http import HttpResponse

from cln import clock, vault
from cln.accounts.models import ApiRequest
from cln.accounts.upkeep import KEPT_FOR
from cln.api.arguments import BadArgument
from cln.api.v2.callers import V2Request
from cln.domain.errors import Refusal

HEADER: Final = "Idempotency-Key"
LENGTH_MOST: Final = 80
# Longer than any call may take: an older claim belongs to a process that died.
LEASE: Final = timedelta(minutes=5)
_KEY = re.compile(rf"[\x21-\x7e]{{1,{LENGTH_MOST}}}", re.ASCII)
_CLAIM = """
INSERT INTO accounts_apirequest AS r (account_id, key, input_hash, claimed_at)
VALUES (%(account)s, %(key)s, %(hash)s, %(now)s)
ON CONFLICT (account_id, key) DO UPDATE
SET claimed_at = excluded.claimed_at, input_hash = excluded.input_hash, status = NULL, cipher = NULL
WHERE (r.status IS NULL AND r.claimed_at < %(dead)s AND r.input_hash = excluded.input_hash)
      OR r.claimed_at < %(old)s
RETURNING id
"""


class KeyReused(Refusal):
    """The same key came with another call."""

    code: ClassVar[str] = "idempotency_key_reused"


class KeyMissing(Refusal):
    """What moves money needs a key."""

    code: ClassVar[str] = "idempotency_key_missing"


class InProgress(Refusal):
    """The same call is being carried out just now."""

    code: ClassVar[str] = "request_in_progress"


def key_of(request: V2Request) -> str:
    """The key that was sent, "" where none was. Refuses `bad_argument`."""
    key = request.headers.get(HEADER)
    if key is None:
        return ""
    if _KEY.fullmatch(key) is None:
        raise BadArgument(
            f"{HEADER} has 1 to {LENGTH_MOST} visible ASCII characters.", "Use a UUID."
        )
    return key


def required_key(request: V2Request) -> str:
    """The key that was sent. Refuses `bad_argument`, `idempotency_key_missing`."""
    key = key_of(request)
    if not key:
        raise KeyMissing(
            f"This call moves money, so it needs the header {HEADER}.",
            "Make a UUID per order, and send it again when you repeat the call.",
        )
    return key


def once(request: V2Request, carry_out: Callable[[], HttpResponse], *, joins: bool) -> HttpResponse:
    """Carry a call out, or answer what it was answered before. `joins`: verb and answer commit
    together. Refusals are not kept: they changed nothing, so the call may be tried again.

    Refuses `bad_argument`, `idempotency_key_reused`, `request_in_progress`.
    """
    key = key_of(request)
    if not key:
        return carry_out()
    claim = _claim(request, key, now=clock.system_now())
    if isinstance(claim, HttpResponse):
        return claim
    try:
        with transaction.atomic() if joins else contextlib.nullcontext():
            response = carry_out()
            ApiRequest.objects.filter(pk=claim).update(
                status=response.status_code, cipher=vault.seal(response.content.decode())
            )
    except BaseException:
        ApiRequest.objects.filter(pk=claim, status=None).delete()
        raise
    return response


def _claim(request: V2Request, key: str, *, now: datetime) -> int | HttpResponse:
    account, asked = request.caller.account_id, _input_hash(request)
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "account": account,
                "key": key,
                "hash": asked,
                "now": now,
                "dead": now - LEASE,
                "old": now - KEPT_FOR,
            },
        )
        claimed = cursor.fetchone()
    if claimed is not None:
        return int(claimed[0])
    row = ApiRequest.objects.filter(account=account, key=key).first()
    if row is not None and row.input_hash != asked:
        raise KeyReused(
            "This key was sent with another call, or with other arguments.",
            "Make a new key per call.",
        )
    if row is None or row.status is None or row.cipher is None:
        raise InProgress("The same call is being carried out.", "Ask again in a moment.")
    response = HttpResponse(
        vault.unseal(row.cipher), status=row.status, content_type="application/json"
    )
    response["Idempotent-Replayed"] = "true"
    return response


def _input_hash(request: V2Request) -> str:
    """Method, path, arguments and body; not the token, which may be another one by then. JSON
    counts by what it says: the program that repeats a call may write its members anew.
    """
    query = sorted((name, value) for name, value in request.GET.items() if name != "token")
    parts = (request.method or "", request.path, repr(query), request.content_type or "")
    head = "\x00".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(head + b"\x00" + _meaning(request.body)).hexdigest()


def _meaning(body: bytes) -> bytes:
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return body
