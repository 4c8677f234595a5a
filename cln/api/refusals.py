"""How each refusal looks on each wire: one row a refusal, one column a wire.

A refusal without a row, or with nothing in a column, looks as that wire's rule has it: REST v1 says
its own sentence and code; REST v2 takes the status from the code (`unknown_…` 404, `bad_…` 422,
else 409); the agents' doors answer 400, KernelCare's `register_server` "no license left", the
partners' XML-RPC −1, and RHN that the system cannot be registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from typing import Final

from cln.domain.errors import Refusal


class Kcare(IntEnum):
    """Why KernelCare's `register_server` does not (facts §10.1)."""

    ACCOUNT_LOCKED = 1
    UNKNOWN_KEY = 2
    NO_LICENSE_LEFT = 3
    ADDRESS_NOT_ALLOWED = 4
    ADDRESS_HAD_TRIAL = 5


class Partner(IntEnum):
    """The faults of the partners' XML-RPC (X-2)."""

    INTERNAL_ERROR = 1
    NOT_AUTHORIZED = 10
    BAD_ARGUMENTS = 30
    BAD_ADDRESS = 40


class Rhn(IntEnum):
    """The faults of RHN, which travel as negative numbers (rhn.md §5)."""

    UNKNOWN_METHOD = 1
    BAD_LOGIN = 2
    INVALID_SYSTEM = 9
    BAD_ARGUMENTS = 21
    NOT_LICENSED = 31
    ABUSE = 49
    UNKNOWN_TOKEN = 60
    USAGE_LIMIT = 61
    REGISTRATION_REFUSED = 106
    ACCOUNT_BLOCKED = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is particular about a refusal; None = as the wire's rule has it."""

    v1: tuple[str, str | None] | None = None  # the message and type that old clients know
    v2: HTTPStatus | None = None
    agent: HTTPStatus | None = None
    kcare: Kcare | None = None
    partner: Partner | None = None
    rhn: Rhn | None = None


_BAD: Final = HTTPStatus.BAD_REQUEST
_FORBIDDEN: Final = HTTPStatus.FORBIDDEN
_NOT_FOUND: Final = HTTPStatus.NOT_FOUND
_CONFLICT: Final = HTTPStatus.CONFLICT
_INVALID: Final = HTTPStatus.UNPROCESSABLE_ENTITY
_TOO_MANY: Final = HTTPStatus.TOO_MANY_REQUESTS

TABLE: Final[Mapping[str, Row]] = {
    "account_blocked": Row(
        v2=_FORBIDDEN, agent=_FORBIDDEN, kcare=Kcare.ACCOUNT_LOCKED, rhn=Rhn.ACCOUNT_BLOCKED
    ),
    "address_not_public": Row(v2=_FORBIDDEN, agent=_FORBIDDEN, kcare=Kcare.ADDRESS_NOT_ALLOWED),
    # Who it is decides everything else; the old answer has no type.
    "auth_failed": Row(
        v1=("Authorization failed", None),
        v2=HTTPStatus.UNAUTHORIZED,
        partner=Partner.NOT_AUTHORIZED,
    ),
    "bad_address": Row(kcare=Kcare.ADDRESS_NOT_ALLOWED, partner=Partner.BAD_ADDRESS),
    "bad_argument": Row(partner=Partner.BAD_ARGUMENTS, rhn=Rhn.BAD_ARGUMENTS),
    "bad_cursor": Row(v2=_BAD),
    "bad_move_code": Row(agent=_FORBIDDEN),
    "bad_request_body": Row(v2=_BAD, partner=Partner.BAD_ARGUMENTS, rhn=Rhn.BAD_ARGUMENTS),
    "bound_to_address": Row(agent=_CONFLICT),
    "clone_refused": Row(agent=_CONFLICT),
    "edition_needs_newer_system": Row(agent=_FORBIDDEN),
    "els_not_allowed": Row(agent=_FORBIDDEN),
    "idempotency_key_missing": Row(v2=_BAD),
    "idempotency_key_reused": Row(v2=_INVALID),
    "ip_not_in_range": Row(v2=_FORBIDDEN, agent=_FORBIDDEN, kcare=Kcare.ADDRESS_NOT_ALLOWED),
    "key_limit_reached": Row(agent=_CONFLICT, kcare=Kcare.NO_LICENSE_LEFT, rhn=Rhn.USAGE_LIMIT),
    "license_expired": Row(v2=_FORBIDDEN, agent=_FORBIDDEN, kcare=Kcare.NO_LICENSE_LEFT),
    "not_allowed": Row(v2=_FORBIDDEN),
    "not_sold_by_address": Row(partner=Partner.BAD_ARGUMENTS),
    "not_subscribed": Row(v2=_NOT_FOUND),
    "note_too_long": Row(v2=_INVALID),
    "pool_exhausted": Row(agent=_CONFLICT, kcare=Kcare.NO_LICENSE_LEFT, rhn=Rhn.USAGE_LIMIT),
    "price_unknown": Row(partner=Partner.BAD_ARGUMENTS),
    "request_key_reused": Row(v2=_INVALID),
    "scope_not_yours": Row(v2=_FORBIDDEN),
    # A removed server is told from one that never was only where it has shown its secret.
    "server_removed": Row(
        v1=("Server not found", "unknown_server"),
        v2=HTTPStatus.GONE,
        agent=HTTPStatus.GONE,
        rhn=Rhn.INVALID_SYSTEM,
    ),
    "too_large": Row(v2=HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    "too_many_requests": Row(v2=_TOO_MANY, partner=Partner.NOT_AUTHORIZED, rhn=Rhn.ABUSE),
    "too_many_tries": Row(v2=_TOO_MANY, agent=_TOO_MANY, rhn=Rhn.ABUSE),
    "trial_expired": Row(v2=_FORBIDDEN, agent=_FORBIDDEN, kcare=Kcare.NO_LICENSE_LEFT),
    "trial_ip_used": Row(v2=_FORBIDDEN, agent=_FORBIDDEN, kcare=Kcare.ADDRESS_HAD_TRIAL),
    "unknown_feature": Row(v2=_INVALID),
    "unknown_group": Row(v1=("Group not found", "unknown_group")),
    "unknown_ip_license": Row(v1=("IP license not found", "unknown_ip_license"), agent=_NOT_FOUND),
    "unknown_key": Row(
        v1=("Key not found", "unknown_key"),
        agent=_NOT_FOUND,
        kcare=Kcare.UNKNOWN_KEY,
        rhn=Rhn.UNKNOWN_TOKEN,
    ),
    "unknown_license_type": Row(v2=_INVALID, partner=Partner.BAD_ARGUMENTS),
    # To an agent it is a credential that is wrong, to everybody else a thing that is not there.
    "unknown_server": Row(
        v1=("Server not found", "unknown_server"),
        agent=HTTPStatus.UNAUTHORIZED,
        rhn=Rhn.INVALID_SYSTEM,
    ),
    "webhook_address": Row(v2=_INVALID),
}
_NOTHING: Final = Row()


def row_of(code: str) -> Row:
    """What is particular about a refusal."""
    return TABLE.get(code, _NOTHING)


def v1_words(refusal: Refusal) -> tuple[str, str | None]:
    """Message and type in REST v1; the status is 200 (V1-9)."""
    own = f"{refusal.message} {refusal.fix}".strip(), refusal.code
    return row_of(refusal.code).v1 or own


def v2_status(code: str) -> HTTPStatus:
    """The HTTP status in REST v2."""
    if status := row_of(code).v2:
        return status
    if code.startswith("unknown_"):
        return _NOT_FOUND
    return _INVALID if code.startswith("bad_") else _CONFLICT


def agent_status(code: str) -> HTTPStatus:
    """The HTTP status at the doors of our agent and of ELS scripts."""
    return row_of(code).agent or _BAD


def kcare_number(code: str) -> Kcare:
    """The number that KernelCare's `register_server` answers."""
    return row_of(code).kcare or Kcare.NO_LICENSE_LEFT


def partner_fault(code: str) -> Partner | None:
    """The fault of the partners' XML-RPC; None = the answer −1."""
    return row_of(code).partner


def rhn_fault(code: str) -> Rhn:
    """The fault of RHN."""
    return row_of(code).rhn or Rhn.REGISTRATION_REFUSED
