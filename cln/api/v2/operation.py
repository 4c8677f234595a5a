"""Declares an operation: what it needs, what it answers; everything operations share is done here.

A view gets a `V2Request` and typed arguments, makes one call downward and returns plain data. It is
declared once, and the declaration is what routes, permissions, the OpenAPI document, its page and
the test that walks all routes are made of.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Generic, Literal, TypeVar, cast

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from ninja.params.models import Query, QueryModel

from cln import clock
from cln.accounts.access import Permission
from cln.api.arguments import wants_bare
from cln.api.v2 import idempotency
from cln.api.v2.body import json_body
from cln.api.v2.callers import ApiToken, ClnToken, V2Request

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
View = Callable[..., object]
Data = TypeVar("Data")

_KEY_PARAMETER: Final[Mapping[str, Any]] = {
    "in": "header",
    "name": idempotency.HEADER,
    "schema": {"type": "string", "pattern": rf"^[!-~]{{1,{idempotency.LENGTH_MOST}}}$"},
    "description": "Makes the call safe to repeat: it is carried out once.",
}


class Envelope(Schema, Generic[Data]):
    """What partners' doors answer (V2-5); bare data where the request asks for it."""

    success: Literal[True]
    message: None
    type: None
    data: Data


@dataclass(frozen=True, slots=True)
class Declared:
    """An operation as it was declared."""

    method: Method
    path: str
    needs: Permission
    is_partners: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A group of operations: where they are, whom they let in, how they answer."""

    router: Router
    root: str
    is_partners: bool = False

    def operation(
        self,
        method: Method,
        path: str,
        *,
        needs: Permission,
        answers: Any,
        status: int = 200,
        joins: bool = False,
        needs_key: bool = False,
    ) -> Callable[[View], View]:
        """Declare one. `joins`: its verb joins a transaction, so an idempotent call's answer
        commits with it; `needs_key`: not without an `Idempotency-Key`.
        """
        model = Envelope[answers] if self.is_partners else answers

        def declare(view: View) -> View:
            run = _runner(self, view, status=status, joins=joins)
            parameter = {**_KEY_PARAMETER, "required": needs_key}
            self.router.add_api_operation(
                path,
                [method],
                run,
                auth=[(ClnToken if self.is_partners else ApiToken)(needs)],
                response={status: model},
                operation_id=f"{self.root.replace('/', '_')}_{view.__name__}".strip("_"),
                openapi_extra={"parameters": [parameter]} if method != "GET" else None,
            )
            DECLARED.append(Declared(method, self.root + path, needs, self.is_partners))
            return view

        return declare


DECLARED: Final[list[Declared]] = []


class EitherModel(QueryModel):
    """Arguments of partners' doors: in the query, as documented, or in a JSON body (V2-2)."""

    @classmethod
    def get_request_data(cls, request: HttpRequest, api: Any, path_params: Any) -> Any:
        """The body's members, and over them those of the query."""
        query = super().get_request_data(request, api, path_params) or {}
        return json_body(request) | query


class Either(Query):  # type: ignore[misc] # ninja derives its own the same way
    """Marks arguments that come in the query or in a JSON body."""

    _model = EitherModel

    @classmethod
    def _param_source(cls) -> str:
        return "query"


def rendered(data: object, status: int = 200) -> HttpResponse:
    """Data as compact JSON."""
    text = json.dumps(data, separators=(",", ":"), default=_plain)
    return HttpResponse(text, status=status, content_type="application/json")


def _runner(door: Door, view: View, *, status: int, joins: bool) -> Callable[..., HttpResponse]:
    """The view between its instant and its answer, with the view's own signature."""

    @functools.wraps(view)
    def run(request: V2Request, **values: Any) -> HttpResponse:
        request.now = clock.now()

        def carry_out() -> HttpResponse:
            data = view(request, **values)
            if door.is_partners and not wants_bare(request):
                data = {"success": True, "message": None, "type": None, "data": data}
            return rendered(data, status)

        if request.method == "GET":
            return carry_out()
        return idempotency.once(request, carry_out, joins=joins)

    run.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
    return cast(Callable[..., HttpResponse], run)


def _plain(value: object) -> object:
    """Instants in UTC with a Z, days, and exact numbers as JSON writes them."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    raise TypeError(f"{type(value).__name__} is not plain data")
