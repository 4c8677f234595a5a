"""What stands before every REST v2 view: size, text, errors, headers; nothing leaves as HTML."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from cln.api.arguments import BadArgument, BadRequestBody
from cln.api.v2 import limits
from cln.api.v2.body import BYTES_MOST, TooLarge, check_storable
from cln.api.v2.problems import busy, problem, refused
from cln.domain.errors import Refusal
from cln.shedding import passing

ERRORS_SHOWN = 10
_WORDS = {"extra_forbidden": "There is no such argument"}


def entrance(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The door in front of a ninja view. What can be got can be asked for its head, too."""

    @csrf_exempt
    @functools.wraps(view)
    def door(request: HttpRequest, **parts: Any) -> HttpResponse:
        try:
            with passing(request.path_info):
                _check_size(request)
                check_storable([request.path, *request.GET.keys(), *_values(request)])
                response = _as_get(view)(request, **parts)
        except Refusal as refusal:
            response = refused(request, refusal)
        except TooManyFieldsSent:
            response = refused(request, BadArgument("There are too many arguments."))
        except (OperationalError, InterfaceError):
            response = busy(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response = _other_methods(request, response["Allow"])
        return _finished(request, response)

    return door


def _as_get(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view for a HEAD as for a GET: ninja knows no HEAD, and the web server sends no body."""

    def asked(request: HttpRequest, **parts: Any) -> HttpResponse:
        method = request.method
        request.method = "GET" if method == "HEAD" else method
        try:
            return view(request, **parts)
        finally:
            request.method = method

    return asked


def install_errors(api: NinjaAPI) -> None:
    """Let every error that a view may raise become a problem."""
    handlers: dict[type[Exception], Callable[..., HttpResponse]] = {
        Refusal: refused,
        ValidationError: _invalid,
        HttpError: _unparsed,
        InterfaceError: lambda request, _: busy(request),
        OperationalError: lambda request, _: busy(request),
        UnreadablePostError: _unreadable,
        RequestDataTooBig: _unreadable,
    }
    for error, handler in handlers.items():
        api.add_exception_handler(error, handler)


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """What is wrong with which argument, the first in the sentence, all in `errors`."""
    errors = [
        {"where": _place(one["loc"]), "says": _WORDS.get(one["type"]) or str(one["msg"])[:200]}
        for one in error.errors[:ERRORS_SHOWN]
    ]
    first = errors[0]
    return refused(
        request,
        BadArgument(f"{first['where'][:80]}: {first['says']}.", "See /api/v2/docs."),
        errors=errors,
    )


def _place(path: Sequence[object]) -> str:
    """Where an argument stands in what was sent: ninja puts our own name of a body into its path,
    which no caller has written.
    """
    parts = [*map(str, path)]
    return ".".join(parts[:1] + parts[2:] if parts[0] == "body" else parts)


def _unparsed(request: HttpRequest, error: Exception) -> HttpResponse:
    """What our parser said, which ninja has wrapped into an error of its own."""
    cause = error.__cause__
    known = cause if isinstance(cause, Refusal) else BadRequestBody("The body cannot be read.")
    return refused(request, known)


def _unreadable(request: HttpRequest, error: Exception) -> HttpResponse:
    if isinstance(error, RequestDataTooBig):
        return refused(request, _too_large())
    return refused(request, BadRequestBody("The body cannot be read."))


def _other_methods(request: HttpRequest, allowed: str) -> HttpResponse:
    response = problem(
        request,
        HTTPStatus.METHOD_NOT_ALLOWED,
        code="method_not_allowed",
        detail=f"Use {allowed.replace(', ', ' or ')}.",
    )
    response["Allow"] = allowed
    return response


def _check_size(request: HttpRequest) -> None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > BYTES_MOST:
        raise _too_large()


def _too_large() -> TooLarge:
    return TooLarge(f"The body is larger than {BYTES_MOST:,} bytes.", "Send less at once.")


def _values(request: HttpRequest) -> list[str]:
    return [value for name in request.GET for value in request.GET.getlist(name)]


def _finished(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Headers that every answer has; an unchanged one is not sent again (RFC 9110 §13)."""
    rate = getattr(request, "rate", None)
    if rate is not None:
        limits.show(response, rate)
    response.headers.setdefault("Cache-Control", "no-store")
    if request.method in {"GET", "HEAD"} and response.status_code == HTTPStatus.OK:
        etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        response["ETag"] = etag
        if etag in [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]:
            response.status_code = HTTPStatus.NOT_MODIFIED
            response.content = b""
            del response["Content-Type"]
    return response
