"""Reads JSON bodies: one object, of text that can be stored, no larger than it need be."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from django.http import HttpRequest
from ninja import Schema
from ninja.parser import Parser
from pydantic import ConfigDict

from cln.api.arguments import BadArgument, BadRequestBody
from cln.domain.errors import Refusal

BYTES_MOST: Final = 1_000_000


class TooLarge(Refusal):
    """The body is larger than any call needs."""

    code: ClassVar[str] = "too_large"


class Sent(Schema):
    """What one of our own calls takes in its body. A member that means nothing is refused: a limit
    that is written wrong must not become a key without one. Partners' calls take anything more.
    """

    model_config = ConfigDict(extra="forbid")


class StrictParser(Parser):
    """Reads bodies for ninja."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """Refuses `bad_request_body`, `bad_argument`."""
        return json_body(request)


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object in the body, {} where there is none.

    Refuses `bad_request_body`; `bad_argument` for text that no database keeps.
    """
    if not request.body:
        return {}
    if request.content_type not in ("application/json", ""):
        raise BadRequestBody("The body is not JSON.", "Send Content-Type: application/json.")
    try:
        value = json.loads(request.body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRequestBody("The body is not JSON.", "Send one JSON object.") from None
    if not isinstance(value, dict):
        raise BadRequestBody("The body is not a JSON object.", "Send one JSON object.")
    check_storable(value)
    return value


def check_storable(value: object) -> None:
    """Refuse `bad_argument` for a NUL or half a surrogate pair anywhere in the value."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and not _is_storable(one):
            raise BadArgument("A text holds characters that are no text.", "Leave them out.")


def _is_storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
