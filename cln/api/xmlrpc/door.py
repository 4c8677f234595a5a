"""The HTTP around XML-RPC: POST in, 200 with a result or a fault out."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from cln.api.xmlrpc.codec import Call, MalformedXml, Value, read_call, write_fault, write_result
from cln.shedding import Overloaded, passing

log = logging.getLogger(__name__)

CHUNK = 65_536
DISCARDED_MAX = 32 * 2**20
"""Bytes of a body that is too long which are read, and forgotten, before it is refused."""


class Fault(Exception):
    """What a method answers instead of a result."""

    def __init__(self, code: int, text: str) -> None:
        """`code` and `text` as this door's protocol has them."""
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Answered:
    """A result with headers of its own."""

    value: Value
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """How a door says what is nobody's refusal."""

    malformed: Fault
    broken: Fault
    busy: Fault


Method = Callable[[HttpRequest, Call], "Value | Answered"]


def xml_rpc_door(
    *, trouble: Trouble, body_max: int, headers: dict[str, str] | None = None
) -> Callable[[Method], Callable[[HttpRequest], HttpResponse]]:
    """Make a door of a function that answers calls; bodies above `body_max` bytes are refused.

    Every fault is HTTP 200: clients show any other status as a broken connection (rhn.md §1).
    """

    def make(answer: Method) -> Callable[[HttpRequest], HttpResponse]:
        @csrf_exempt
        @functools.wraps(answer)
        def door(request: HttpRequest) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            response = _answered(answer, request, trouble, body_max)
            response["Cache-Control"] = "no-store"
            for name, value in (headers or {}).items():
                response[name] = value
            return response

        return door

    return make


def _answered(
    answer: Method, request: HttpRequest, trouble: Trouble, body_max: int
) -> HttpResponse:
    try:
        with passing(request.path_info):
            result = answer(request, read_call(_body(request, body_max)))
    except Fault as fault:
        return _fault(fault)
    except (MalformedXml, UnreadablePostError):
        return _fault(trouble.malformed)
    except Overloaded:
        return _fault(trouble.busy)
    except DatabaseError:
        log.exception("the database did not carry out an XML-RPC call")
        return _fault(trouble.busy)
    except Exception:
        # A bug of ours: to the log with all of it, to the wire with nothing of it.
        log.exception("an XML-RPC call broke")
        return _fault(trouble.broken)
    if isinstance(result, Answered):
        return HttpResponse(
            write_result(result.value), content_type="text/xml", headers=result.headers
        )
    return HttpResponse(write_result(result), content_type="text/xml")


def _body(request: HttpRequest, body_max: int) -> bytes:
    """The body, of at most `body_max` bytes. Raises MalformedXml where it is longer."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > body_max:
        # A client that is still sending would see a broken pipe instead of the fault.
        left = DISCARDED_MAX
        while left > 0 and (chunk := request.read(CHUNK)):
            left -= len(chunk)
        raise MalformedXml("The body is too long.")
    return request.read(body_max)


def _fault(fault: Fault) -> HttpResponse:
    return HttpResponse(write_fault(fault.code, fault.text), content_type="text/xml")
