"""How answers and refusals look on each wire; nothing is decided here."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from cln.api.limits import TOO_OFTEN
from cln.api.refusals import agent_status
from cln.domain.errors import Refusal
from cln.shedding import passing

Verb = Literal["PUT", "DELETE", "HEAD", ""]
Form = Literal["json", "plain", "bare"]
"""`bare` is JSON without the envelope; a refusal keeps it, or it could not be told."""
RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What a v1 call answers; `type` is a stable code where something was refused."""

    data: object
    success: bool = True
    message: str = ""
    type: str | None = None


def v1_response(answer: Answer, form: Form) -> HttpResponse:
    """All four keys, always, in this order; HTTP 200 also for errors (facts V1-8, V1-9)."""
    if form == "plain":
        return _uncached(HttpResponse(_plain(answer), content_type="text/plain; charset=utf-8"))
    body: object = {
        "success": answer.success,
        "message": answer.message,
        "type": answer.type,
        "data": answer.data,
    }
    if form == "bare" and answer.success:
        body = answer.data
    text = json.dumps(body, separators=(",", ":"))
    return _uncached(HttpResponse(text, content_type="application/json"))


def v1_edge(request: HttpRequest, status: HTTPStatus, *, code: str, message: str) -> HttpResponse:
    """What is about the request and not about a call: v1's envelope with a status and its `code`.

    In lines where the path asks for them (V1-9, V1-12).
    """
    answer = Answer(None, success=False, message=message, type=code)
    if request.path.endswith(".plain"):
        response = v1_response(answer, "plain")
    else:
        envelope = json.loads(v1_response(answer, "json").content)
        text = json.dumps(envelope | {"code": status.value}, separators=(",", ":"))
        response = _uncached(HttpResponse(text, content_type="application/json"))
    response.status_code = status.value
    return response


def v2_response(data: Mapping[str, object], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    """A JSON object."""
    text = json.dumps(data, separators=(",", ":"))
    return _uncached(HttpResponse(text, status=status, content_type="application/json"))


def problem(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """An agent's refusal as RFC 9457 says it, with its code and the way out."""
    response = problem_response(
        request,
        agent_status(refusal.code),
        code=refusal.code,
        detail=refusal.message,
        fix=refusal.fix,
    )
    return _later(response, refusal)


def _later(response: HttpResponse, refusal: Refusal) -> HttpResponse:
    if "retry_after" in refusal.facts:
        response["Retry-After"] = str(refusal.facts["retry_after"])
    return response


def _v1_too_often(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    return v1_edge(
        request,
        HTTPStatus.TOO_MANY_REQUESTS,
        code=refusal.code,
        message=f"{refusal.message} {refusal.fix}",
    )


def v1_endpoint(
    view: Callable[[HttpRequest], Answer], *, verb: Verb = ""
) -> Callable[..., HttpResponse]:
    """Make a v1 door of `view`: GET and POST, no CSRF, JSON or plain; trouble is a 503.

    `verb` is what the papers say where it is neither; real clients send GET all the same (V1-6).
    It is HEAD where the door only reads: a HEAD never changes anything, though a GET may here.
    """

    @csrf_exempt
    @functools.wraps(view)
    def door(request: HttpRequest, form: Form) -> HttpResponse:
        if request.method not in {"GET", "POST", verb} - {""}:
            return _v1_method(request, ", ".join(filter(None, ("GET", "POST", verb))))
        try:
            with passing(request.path_info):
                return v1_response(view(request), form)
        except TOO_OFTEN as refusal:
            return _later(_v1_too_often(request, refusal), refusal)
        except (OperationalError, InterfaceError):
            trouble = Answer(None, success=False, message="Unexpected server error")
            return come_again(v1_response(trouble, form))

    return door


v1_reading = functools.partial(v1_endpoint, verb="HEAD")
"""The same of a view that only reads."""


def bare_endpoint(view: Callable[..., object]) -> Callable[..., HttpResponse]:
    """Make a door of `view`, which only reads, that answers JSON without the envelope; trouble is
    a 503.
    """

    @csrf_exempt
    @functools.wraps(view)
    def door(request: HttpRequest, **in_path: str) -> HttpResponse:
        if request.method not in {"GET", "HEAD", "POST"}:
            return _v1_method(request, "GET, POST, HEAD")
        try:
            with passing(request.path_info):
                data = view(request, **in_path)
        except TOO_OFTEN as refusal:
            return _later(_v1_too_often(request, refusal), refusal)
        except (OperationalError, InterfaceError):
            return come_again(_text("Unexpected server error"))
        text = json.dumps(data, separators=(",", ":"))
        return _uncached(HttpResponse(text, content_type="application/json"))

    return door


def text_endpoint(view: Callable[..., str]) -> Callable[..., HttpResponse]:
    """Make a door of `view` that answers lines for monitors, by GET; trouble is a 503."""

    @csrf_exempt
    @functools.wraps(view)
    def door(request: HttpRequest, **parts: str) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            response = _text("Use GET.")
            response.status_code = HTTPStatus.METHOD_NOT_ALLOWED.value
            response["Allow"] = "GET, HEAD"
            return response
        try:
            with passing(request.path_info):
                text = view(request, **parts)
        except TOO_OFTEN as refusal:
            response = _text(f"{refusal.message} {refusal.fix}")
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS.value
            return _later(response, refusal)
        except (OperationalError, InterfaceError):
            return come_again(_text("Unexpected server error"))
        return _text(text)

    return door


def v2_endpoint(
    view: Callable[[HttpRequest], HttpResponse], *, method: Literal["POST", "GET"] = "POST"
) -> Callable[..., HttpResponse]:
    """Make a v2 door of `view`: no CSRF, refusals as problems; trouble is a 503."""

    @csrf_exempt
    @functools.wraps(view)
    def door(request: HttpRequest) -> HttpResponse:
        if request.method not in ({"GET", "HEAD"} if method == "GET" else {method}):
            return _method_not_allowed(request, method)
        try:
            with passing(request.path_info):
                return view(request)
        except Refusal as refusal:
            return problem(request, refusal)
        except (OperationalError, InterfaceError):
            return come_again(
                problem_response(
                    request,
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    code="try_again",
                    detail="The service is busy.",
                    fix=f"Try again in {RETRY_AFTER_SECONDS} seconds.",
                )
            )

    return door


def _plain(answer: Answer) -> str:
    success = answer.success and answer.data is not False
    lines = [("success", success), *_plain_lines(answer.data)]
    if answer.message:
        lines.append(("message", answer.message))
    return "".join(f"{name}:{_plain_value(value)}\n" for name, value in lines)


def _plain_lines(data: object) -> list[tuple[str, object]]:
    """The items of `data`, one a line; a row of a list begins where its first name comes again.

    What has no name is called `data`. Booleans are told by `success` alone (AK-3).
    """
    match data:
        case None | bool():
            return []
        case Mapping():
            return list(data.items())
        case list():
            return [line for item in data for line in _plain_lines(item)]
    return [("data", data)]


def _plain_value(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ",".join(map(_plain_value, value))
    return " ".join(str(value).split())


def _text(text: str) -> HttpResponse:
    return _uncached(HttpResponse(f"{text}\n", content_type="text/plain; charset=utf-8"))


def problem_response(
    request: HttpRequest,
    status: HTTPStatus,
    *,
    code: str,
    detail: str,
    fix: str = "",
    more: Mapping[str, object] | None = None,
) -> HttpResponse:
    """An error as RFC 9457 says it; `more` are further members of the object."""
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
        "fix": fix,
        **(more or {}),
        "request_id": getattr(request, "request_id", ""),
    }
    response = HttpResponse(
        json.dumps(body, separators=(",", ":")),
        status=status,
        content_type="application/problem+json",
    )
    if status is HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return _uncached(response)


def _v1_method(request: HttpRequest, allowed: str) -> HttpResponse:
    response = v1_edge(
        request, HTTPStatus.METHOD_NOT_ALLOWED, code="method_not_allowed", message=_use(allowed)
    )
    response["Allow"] = allowed
    return response


def _use(allowed: str) -> str:
    return f"Use {allowed.replace(', ', ' or ')}."


def _method_not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    response = problem_response(
        request,
        HTTPStatus.METHOD_NOT_ALLOWED,
        code="method_not_allowed",
        detail=_use(allowed),
    )
    response["Allow"] = allowed
    return response


def come_again(response: HttpResponse) -> HttpResponse:
    """The same answer as a 503 that says when to try again."""
    response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
