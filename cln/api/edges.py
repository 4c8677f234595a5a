"""Answers that no door gives: no such address, a bug. Below an API's root they have its own form.

A program that gets a page of HTML reports that it is not JSON, and hides what is wrong.
"""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from cln import web
from cln.api.envelope import come_again, v1_edge
from cln.api.v2.problems import problem

V2_ROOTS: Final = ("/api/v2", "/api/v2/")
V1_ROOTS: Final = ("/api", "/api/", "/clweb/api", "/clweb/api/")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    return _in_its_form(
        request,
        HTTPStatus.NOT_FOUND,
        code="no_such_door",
        message="There is nothing at this address.",
        fix="See /api/v2/docs for what there is.",
    ) or web.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: what cannot be a request of anybody's."""
    return _in_its_form(
        request,
        HTTPStatus.BAD_REQUEST,
        code="bad_request_body",
        message="The request cannot be read.",
    ) or web.bad_request(request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500; says so when it is the database that is down."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        busy = _in_its_form(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            code="try_again",
            message="Unexpected server error",
        )
        return web.server_error(request) if busy is None else come_again(busy)
    return _in_its_form(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        code="broken",
        message="Unexpected server error",
    ) or web.server_error(request)


def _in_its_form(
    request: HttpRequest, status: HTTPStatus, *, code: str, message: str, fix: str = ""
) -> HttpResponse | None:
    """The answer as the API below whose root the address lies has it; None for pages."""
    if _is_below(request.path, V2_ROOTS):
        return problem(request, status, code=code, detail=message, fix=fix)
    if _is_below(request.path, V1_ROOTS):
        return v1_edge(request, status, code=code, message=message)
    return None


def _is_below(path: str, roots: tuple[str, ...]) -> bool:
    return path in roots or path.startswith(tuple(root for root in roots if root.endswith("/")))
