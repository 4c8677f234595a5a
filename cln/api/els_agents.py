"""ELS scripts ask for the token of their package repository (facts AE-1 to AE-3)."""

from __future__ import annotations

import json
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from cln import clock
from cln.api.arguments import caller_address, required, strict_arguments
from cln.api.envelope import RETRY_AFTER_SECONDS
from cln.api.limits import limited_per_address
from cln.api.refusals import agent_status
from cln.domain.errors import Refusal
from cln.licensing import services as licensing
from cln.shedding import passing

PRODUCT = "els"


@csrf_exempt
def register(request: HttpRequest) -> HttpResponse:
    """`{"token":"…"}`, compact: the scripts search for it as text. A refusal has no token in it."""
    if request.method != "POST":
        response = _answer({"message": "Use POST."}, HTTPStatus.METHOD_NOT_ALLOWED)
        response["Allow"] = "POST"
        return response
    try:
        with passing(request.path_info):
            return _register(request)
    except Refusal as refusal:
        status = agent_status(refusal.code)
        response = _answer({"message": f"{refusal.message} {refusal.fix}".strip()}, status)
        if "retry_after" in refusal.facts:
            response["Retry-After"] = str(refusal.facts["retry_after"])
        return response
    except (OperationalError, InterfaceError):
        trouble = {"message": "The service is busy. Try again."}
        response = _answer(trouble, HTTPStatus.SERVICE_UNAVAILABLE)
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


@limited_per_address
def _register(request: HttpRequest) -> HttpResponse:
    arguments = strict_arguments(request)
    done = licensing.register_server(
        key_text=required(arguments, "key"),
        address=caller_address(request, arguments),
        hints=licensing.Hints(hostname=arguments.get("host_name", "")),
        product=PRODUCT,
        now=clock.now(),
    )
    return _answer({"token": done.secret}, HTTPStatus.OK)


def _answer(data: dict[str, str], status: HTTPStatus) -> HttpResponse:
    text = json.dumps(data, separators=(",", ":"))
    response = HttpResponse(text, status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response
