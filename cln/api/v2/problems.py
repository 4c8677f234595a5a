"""How REST v2 says no: one shape (RFC 9457); the status is a refusal's own or its code's."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse

from cln.api.envelope import RETRY_AFTER_SECONDS, come_again, problem_response
from cln.api.refusals import v2_status
from cln.domain.errors import Refusal

# The doors of facts §8, whose clients read v1's members of an error too (V2-4).
PARTNER_ROOTS: Final = (
    "/api/v2/cl/",
    "/api/v2/els/",
    "/api/v2/features",
    "/api/v2/imunify/",
    "/api/v2/ip-license/",
    "/api/v2/kernelcare/",
)


def refused(request: HttpRequest, refusal: Refusal, **more: object) -> HttpResponse:
    """A refusal as a problem."""
    return problem(
        request,
        v2_status(refusal.code),
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
