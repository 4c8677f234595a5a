"""The OpenAPI 3.1 document, and a page of ours that shows it without a script or a foreign host."""

from __future__ import annotations

import functools
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from ninja import NinjaAPI

from cln.api.limits import check, count_stranger
from cln.api.v2 import agent_paths
from cln.api.v2.callers import V2Request
from cln.api.v2.operation import rendered

DESCRIPTION: Final = (
    "Keys, servers, IP licenses, subscriptions, invoices and webhooks of an account. Every error "
    "is a problem (RFC 9457) with a code that does not change. Changing calls take an "
    "Idempotency-Key. Doors that take a signed CLN token answer in the envelope of REST v1; "
    "`?envelope=0` takes it off."
)
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail", "fix", "request_id"],
    "properties": {
        "type": {"const": "about:blank"},
        "title": {"type": "string", "description": "The name of the HTTP status."},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Says to a program what it is; stays."},
        "detail": {"type": "string", "description": "Says it to a person."},
        "fix": {"type": "string", "description": "The way out, where there is one."},
        "request_id": {"type": "string", "description": "What our log knows the call by."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "says": {"type": "string"}},
            },
        },
    },
}
_RATE_HEADERS: Final = {
    "RateLimit-Limit": "Calls a minute.",
    "RateLimit-Remaining": "Calls left now.",
    "RateLimit-Reset": "Seconds until all of them are back.",
}
_ERRORS: Final = (400, 401, 403, 404, 409, 410, 413, 422, 429, 503)


def openapi_json(api: NinjaAPI) -> Callable[[V2Request], HttpResponse]:
    """`GET /api/v2/openapi.json`."""

    def view(request: V2Request) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        request.rate = count_stranger(request)
        check(request.rate)
        return HttpResponse(_text(api), content_type="application/json")

    return view


def browsable(api: NinjaAPI) -> Callable[[HttpRequest], HttpResponse]:
    """`GET /api/v2/docs`: the document as a page."""

    def view(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        whole = document(api)
        context = {"info": whole["info"], "groups": _groups(whole)}
        return render(request, "api/reference.html", context)

    return view


@functools.cache
def _text(api: NinjaAPI) -> bytes:
    return rendered(document(api)).content


@functools.cache
def document(api: NinjaAPI) -> dict[str, Any]:
    """The document: what the operations declare, with the errors and headers all of them have."""
    whole = dict(api.get_openapi_schema(path_prefix="/api/v2/"))
    whole["servers"] = [{"url": "/"}]
    whole["components"]["schemas"]["Problem"] = _PROBLEM
    whole["components"]["responses"] = {
        str(status): _problem_response(HTTPStatus(status)) for status in _ERRORS
    }
    whole["components"]["headers"] = {
        name: {"schema": {"type": "integer"}, "description": text}
        for name, text in _RATE_HEADERS.items()
    }
    whole["components"]["securitySchemes"]["ServerSecret"] = agent_paths.SCHEME
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _RATE_HEADERS}
    for operations in whole["paths"].values():
        for operation in operations.values():
            if {"ClnToken": []} in operation["security"]:
                operation["security"].insert(0, {"ApiToken": []})
            for response in operation["responses"].values():
                response["headers"] = headers
    whole["paths"] |= agent_paths.agent_paths()
    errors = {str(code): {"$ref": f"#/components/responses/{code}"} for code in _ERRORS}
    for operations in whole["paths"].values():
        for operation in operations.values():
            answers = {str(status): one for status, one in operation["responses"].items()}
            operation["responses"] = answers | errors
    return whole


def _problem_response(status: HTTPStatus) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": status.phrase,
        "content": {"application/problem+json": {"schema": schema}},
    }


def _groups(whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations by tag, each with what a reader asks: arguments, body, answer."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in whole["paths"].items():
        for method, operation in operations.items():
            tag = operation["tags"][0]
            groups.setdefault(tag, []).append(_row(whole, path, method.upper(), operation))
    return [{"tag": tag, "operations": rows} for tag, rows in groups.items()]


def _row(
    whole: dict[str, Any], path: str, method: str, operation: dict[str, Any]
) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    [answer] = [
        one["content"]["application/json"]["schema"]
        for status, one in operation["responses"].items()
        if status.startswith("2")
    ]
    return {
        "anchor": operation["operationId"],
        "method": method,
        "path": path,
        "description": operation.get("description", ""),
        "arguments": [
            *({**one, "kind": _kind(one["schema"])} for one in operation["parameters"]),
            *_members(whole, body.get("schema", {}), where="body"),
        ],
        "answer": _members(whole, answer, where="answer"),
    }


def _members(whole: dict[str, Any], schema: dict[str, Any], *, where: str) -> list[dict[str, Any]]:
    """The members of an object, one level deep, and two through an envelope or a list."""
    schema = _resolved(whole, schema)
    if "data" in schema.get("properties", {}):
        schema = _resolved(whole, schema["properties"]["data"])
    if schema.get("type") == "array":
        schema = _resolved(whole, schema["items"])
    required = schema.get("required", [])
    return [
        {
            "in": where,
            "name": name,
            "kind": _kind(one),
            "required": name in required,
            "description": one.get("description", ""),
        }
        for name, one in schema.get("properties", {}).items()
    ]


def _resolved(whole: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = whole["components"]["schemas"][name] if name else schema
    return found


def _kind(schema: dict[str, Any]) -> str:
    """A type in a word or two."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "anything"))
