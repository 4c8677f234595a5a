"""What a request says and from where: texts by name, and the caller's address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, QueryDict, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from cln.domain.errors import Refusal
from cln.web import client_address

BARE: Final = "application/vnd.cln.bare+json"


class BadRequestBody(Refusal):
    """The body is not what its content type says."""

    code: ClassVar[str] = "bad_request_body"


class BadArgument(Refusal):
    """An argument is missing or not of its kind."""

    code: ClassVar[str] = "bad_argument"


def lenient_arguments(request: HttpRequest) -> dict[str, str]:
    """Arguments of the first API: query before body; a body that cannot be read is no body.

    Its clients send JSON content types with empty bodies, and numbers as texts (facts V1-6, V1-7).
    """
    try:
        body = _body(request)
    except BadRequestBody:
        body = {}
    try:
        query = {name: str(value) for name, value in request.GET.items()}
    except TooManyFieldsSent:
        query = {}
    return body | query


def strict_arguments(request: HttpRequest) -> dict[str, str]:
    """Arguments of a JSON or form body. Refuses `bad_request_body`, `bad_argument`."""
    return _body(request)


def whole_number(arguments: Mapping[str, str], name: str, *, most: int) -> int | None:
    """A number from 0 to `most`, None where absent. Refuses `bad_argument`."""
    text = arguments.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) > most:
        raise BadArgument(f"“{name}” must be a whole number from 0 to {most:,}.")
    return int(text)


def required(arguments: Mapping[str, str], name: str) -> str:
    """A text that is there and not blank. Refuses `bad_argument`."""
    text = arguments.get(name, "").strip()
    if not text:
        raise BadArgument(f"“{name}” is required.", f"Send it as the argument {name}.")
    return text


def bearer(request: HttpRequest) -> str:
    """The secret of `Authorization: Bearer …`; empty where there is none."""
    scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def wants_bare(request: HttpRequest) -> bool:
    """Whether an answer is asked for without its envelope (facts V2-5)."""
    return request.GET.get("envelope") == "0" or BARE in request.headers.get("Accept", "")


def caller_address(request: HttpRequest, arguments: Mapping[str, str]) -> str:
    """The address the request comes from; IP licensing stands on it (security §1).

    In a sandbox, where all servers share one machine, an `ip` argument is believed.
    """
    if settings.CLN_MODE == "sandbox" and arguments.get("ip"):
        return arguments["ip"]
    return client_address(request)


def _body(request: HttpRequest) -> dict[str, str]:
    try:
        if request.content_type == "application/json":
            return _texts(_json_object(request.body))
        form = request.POST if request.method == "POST" else _form(request)
        return {name: str(value) for name, value in form.items()}
    except (
        MultiPartParserError,
        UnreadablePostError,
        RequestDataTooBig,
        TooManyFieldsSent,
    ) as error:
        raise BadRequestBody("The body of the request cannot be read.") from error


def _form(request: HttpRequest) -> QueryDict:
    """The form in the body of a PUT or DELETE, which Django leaves unread."""
    is_form = request.content_type == "application/x-www-form-urlencoded"
    try:
        return QueryDict(request.body if is_form else b"", encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadRequestBody("The body is not a form.") from error


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise BadRequestBody("The body is not JSON.", "Send one JSON object.") from None
    if not isinstance(value, dict):
        raise BadRequestBody("The body is not a JSON object.", "Send one JSON object.")
    return value


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    texts = {}
    for name, value in values.items():
        if isinstance(value, (list, dict)):
            raise BadRequestBody(f"“{name[:40]}” must be a text or a number.")
        if value is not None:
            texts[name] = str(value)
    return texts
