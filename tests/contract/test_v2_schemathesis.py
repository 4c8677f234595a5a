"""Schemathesis reads the OpenAPI document and calls every operation with what it says is good, and
with what it says is not: no 500, and every answer as the document says.

It does not ask that all that is good by its types succeeds: rules say no to much of it, by 409, 410
and 422. It asks that nothing of a wrong type does.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from ninja import Schema
from pytest_django import Settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from cln.wsgi import application
from tests.contract.test_v2_doors import a_world
from tests.v2 import a_v2_client, routed

pytestmark = pytest.mark.django_db

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
EXAMPLES = 150 if DEEP else 3
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


@contextmanager
def one_connection() -> Iterator[None]:
    """Keep the test's connection between requests, as Django's own test client does."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.mark.long
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_as_the_document_says(
    mode: GenerationMode, settings: Settings
) -> None:
    settings.CLN_API_RATE = 10_000_000
    client = a_v2_client()
    known = a_world(client, 1)
    headers = {"Authorization": f"Bearer {client.token}"}

    with one_connection():
        schema = schemathesis.openapi.from_wsgi("/api/v2/openapi.json", application)
        schema.config.generation.update(with_security_parameters=False)  # the token is ours
        # Whoever sends too much hears that before what else is wrong with it.
        rejection = schema.config.checks.negative_data_rejection
        rejection.expected_statuses = [*rejection.expected_statuses, "413"]
        operations = [result.ok() for result in schema.get_all_operations()]
        attacked = [one.label for one in operations if attack(one, mode, known, headers)]

    assert len(operations) > 60
    assert len(attacked) > (60 if mode is GenerationMode.POSITIVE else 45)


def attack(
    operation: Any, mode: GenerationMode, known: dict[str, str], headers: dict[str, str]
) -> bool:
    """Call one operation many times, half of the time with the ids of things that are there.

    False where there is no wrong call, because nothing is said that has a type.
    """

    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    @settings_of_attack
    def call(case: Case, is_known: bool) -> None:
        if is_known and mode is GenerationMode.POSITIVE:
            case.path_parameters = {name: known[name] for name in case.path_parameters}
        case.call_and_validate(headers=headers, checks=CHECKS)

    try:
        call()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, operation.label
        said = {parameter.definition["in"] for parameter in operation.iter_parameters()}
        assert said <= {"path"}, operation.label  # and every text may stand in a path
        return False
    return True


def settings_of_attack(test: Any) -> Any:
    """A bounded number of examples, the same every time but in deep runs."""
    return settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=not DEEP,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(test)


def test_every_shape_of_the_document_has_a_name_of_its_own() -> None:
    """Ninja keeps shapes by their names, and lets the second of a name win."""
    shapes, waiting = [], [Schema]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__module__.startswith("cln.api.v2"):
            shapes.append(one.__name__)

    assert len(shapes) > 60
    assert [name for name, count in Counter(shapes).items() if count > 1] == []


def test_the_document_is_openapi_3_1_and_its_page_needs_no_script_and_no_other_host() -> None:
    document = json.loads(Client().get("/api/v2/openapi.json").content)
    page = Client().get("/api/v2/docs")

    assert document["openapi"] == "3.1.0"
    schemes = {"ApiToken", "ClnToken", "ServerSecret"}
    assert set(document["components"]["securitySchemes"]) == schemes
    assert routed() - {"openapi.json", "docs"} == {
        path.removeprefix("/api/v2/") for path in document["paths"]
    }
    body = page.content.decode()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f"{method.upper()} {path}" in body.replace("&#x27;", "'")
            assert f'id="{operation["operationId"]}"' in body
    main = body[body.index("<main") : body.index("</main>")]
    assert "<script" not in main
    assert "style=" not in main
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", main)
    assert "unsafe" not in page["Content-Security-Policy"]
