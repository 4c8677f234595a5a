"""A client of REST v2: it sends JSON and reads problems as strictly as they are documented."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver

from cln import clock
from cln.accounts.access import PERMISSIONS
from cln.accounts.models import Account, Login
from cln.accounts.tokens import create_token
from cln.enums import AccountKind, Role
from tests.v1 import ApiClient, a_client

ROOT = "/api/v2"
PROBLEM = ["type", "title", "status", "code", "detail", "fix"]


@dataclass
class V2Client:
    """A program with a token."""

    account: Account
    token: str
    browser: Client = field(default_factory=Client)

    def send(self, method: str, path: str, body: object = None, /, **headers: str) -> HttpResponse:
        """One call; every answer says where the account's limit stands and is not stored."""
        extra = {"Authorization": f"Bearer {self.token}"}
        extra |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = "" if body is None else json.dumps(body)
        answer = self.browser.generic(
            method, f"{ROOT}/{path}", data, content_type="application/json", headers=extra
        )
        assert answer["Cache-Control"] == "no-store"
        return answer

    def ask(self, method: str, path: str, body: object = None, /, **headers: str) -> Any:
        """The decoded body of an answer that succeeded."""
        answer = self.send(method, path, body, **headers)
        assert answer.status_code in (200, 201), answer.content
        assert answer["Content-Type"] == "application/json"
        return json.loads(answer.content)

    def data(self, method: str, path: str, body: object = None, /) -> Any:
        """The data in the envelope of a partners' door."""
        envelope = self.ask(method, path, body)
        assert list(envelope) == ["success", "message", "type", "data"]
        assert envelope["success"] is True
        assert envelope["message"] is envelope["type"] is None
        return envelope["data"]

    def refused(
        self, method: str, path: str, body: object = None, /, **headers: str
    ) -> tuple[int, str]:
        """Status and code of a problem."""
        return problem_of(self.send(method, path, body, **headers))


def problem_of(answer: HttpResponse) -> tuple[int, str]:
    """Status and code of a problem that has every member, in order."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    problem = json.loads(answer.content)
    assert list(problem)[:6] == PROBLEM
    assert problem["type"] == "about:blank"
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    assert problem["request_id"] == answer["X-Request-ID"]
    return answer.status_code, problem["code"]


def token_for(
    account: Account, *, scopes: list[str] | None = None, login: Login | None = None
) -> str:
    """A token of a login of the account, with all its role's rights unless `scopes` are given."""
    owner = login or Login.objects.get(account=account, is_primary=True)
    _, text = create_token(
        account_id=account.pk,
        login=owner.username,
        name="test",
        scopes=scopes if scopes is not None else [*PERMISSIONS[Role(owner.role)]],
        granted=PERMISSIONS[Role.FULL],
        actor="test",
        now=clock.system_now(),
    )
    return text


def a_v2_client(
    login: str = "acme",
    *,
    kind: AccountKind = AccountKind.RESELLER,
    scopes: list[str] | None = None,
) -> V2Client:
    """A reseller of that name (or a customer) with a token of its primary login."""
    return with_token(a_client(login, kind=kind), scopes=scopes)


def with_token(program: ApiClient, *, scopes: list[str] | None = None) -> V2Client:
    """The same account's program, with an API token."""
    return V2Client(program.account, token_for(program.account, scopes=scopes))


def routed() -> set[str]:
    """Every address under /api/v2 that leads somewhere, its ids as the document writes them."""
    patterns = [
        str(entry.pattern)
        for resolver in get_resolver().url_patterns
        for entry in getattr(resolver, "url_patterns", [])
    ]
    return {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", pattern.removeprefix("api/v2/"))
        for pattern in patterns
        if pattern.startswith("api/v2/")
    }
