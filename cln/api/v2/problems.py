"""How REST v2 says no: one shape (RFC 9457), one rule from a refusal's code to its status."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse

from cln.api.envelope import RETRY_AFTER_SECONDS, come_again, problem_response
from cln.domain.errors import Refusal

# A code that begins with unknown_ is 404, one with bad_ is 422, everything else is a conflict with
# how things stand (409); but for these.
EXCEPTIONS: Final[Mapping[str, HTTPStatus]] = {
    "bad_cursor": HTTPStatus.BAD_REQUEST,
    "bad_request_body": HTTPStatus.BAD_REQUEST,
    "idempotency_key_missing": HTTPStatus.BAD_REQUEST,
    "auth_failed": HTTPStatus.UNAUTHORIZED,
    "account_blocked": HTTPStatus.FORBIDDEN,
    "address_not_public": HTTPStatus.FORBIDDEN,
    "ip_not_in_range": HTTPStatus.FORBIDDEN,
    "license_expired": HTTPStatus.FORBIDDEN,
    "not_allowed": HTTPStatus.FORBIDDEN,
    "scope_not_yours": HTTPStatus.FORBIDDEN,
    "trial_expired": HTTPStatus.FORBIDDEN,
    "trial_ip_used": HTTPStatus.FORBIDDEN,
    "not_subscribed": HTTPStatus.NOT_FOUND,
    "server_removed": HTTPStatus.GONE,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "idempotency_key_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "note_too_long": HTTPStatus.UNPROCESSABLE_ENTITY,
    "request_key_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_license_type": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_feature": HTTPStatus.UNPROCESSABLE_ENTITY,
    "webhook_address": HTTPStatus.UNPROCESSABLE_ENTITY,
    "too_many_requests": HTTPStatus.TOO_MANY_REQUESTS,
}
# The doors of facts §8, whose clients read v1's members of an error too (V2-4).
PARTNER_ROOTS: Final = (
    "/api/v2/cl/",
    "/api/v2/els/",
    "/api/v2/features",
    "/api/v2/imunify/",
    "/api/v2/ip-license/",
    "/api/v2/kernelcare/",
)


def status_of(code: str) -> HTTPStatus:
    """The HTTP status of a refusal's code."""
    if code in EXCEPTIONS:
        return EXCEPTIONS[code]
    if code.startswith("unknown_"):
        return HTTPStatus.NOT_FOUND
    if code.startswith("bad_"):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.CONFLICT


def refused(request: HttpRequest, refusal: Refusal, **more: object) -> HttpResponse:
    """A refusal as a problem."""
    return problem(
        request,
        status_of(refusal.code),
        code=refusal.code,
        detail=refusal.message,
        fix=refusal.fix,
        **more,
    )


def problem(
    request: HttpRequest,
    status: HTTPStatus,
    *,
    code: str,
    detail: str,
    fix: str = "",
    **more: object,
) -> HttpResponse:
    """The one shape; partners' doors add `success`, `message` and `data` (V2-4)."""
    if request.path.startswith(PARTNER_ROOTS):
        more |= {"success": False, "message": detail, "data": None}
    return problem_response(request, status, code=code, detail=detail, fix=fix, more=more)


def busy(request: HttpRequest) -> HttpResponse:
    """The database is down or too busy."""
    return come_again(
        problem(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            code="try_again",
            detail="The service is busy.",
            fix=f"Try again in {RETRY_AFTER_SECONDS} seconds.",
        )
    )
