"""A client of REST v1: it signs its requests and reads envelopes as strictly as the real ones."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client

from cln import clock
from cln.accounts.models import Account
from cln.accounts.services import create_account, create_login, rotate_api_secret
from cln.enums import AccountKind
from tests.licensing import NOW
from tests.shop import open_shop

ENVELOPE = ["success", "message", "type", "data"]


def token_of(login: str, secret: str, at: object) -> str:
    """The token as every client in the field builds it (V1-2)."""
    return f"{login}|{at}|{hashlib.sha1(f'{secret}{at}'.encode()).hexdigest()}"


@dataclass
class ApiClient:
    """An account's program: its login, its secret and the root it calls."""

    account: Account
    login: str
    secret: str
    root: str = "/api"

    @property
    def token(self) -> str:
        """A fresh token."""
        return token_of(self.login, self.secret, int(clock.system_now().timestamp()))

    def get(self, path: str, **arguments: object) -> HttpResponse:
        """GET with the token last, as the Node client sends it; `|` becomes %7C."""
        query = urlencode({**arguments, "token": self.token})
        answer = Client().get(f"{self.root}/{path}?{query}")
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        return answer

    def body(self, path: str, **arguments: object) -> str:
        """The bytes of the answer as text."""
        return self.get(path, **arguments).content.decode()

    def ask(self, path: str, **arguments: object) -> dict[str, Any]:
        """The envelope, all four keys in their order."""
        envelope = json.loads(self.body(path, **arguments))
        assert list(envelope) == ENVELOPE
        assert type(envelope["success"]) is bool
        return dict(envelope)

    def data(self, path: str, **arguments: object) -> Any:
        """The data of an answer that succeeded."""
        envelope = self.ask(path, **arguments)
        assert envelope["success"] is True, envelope
        assert envelope["type"] is None
        return envelope["data"]

    def refused(self, path: str, **arguments: object) -> tuple[str | None, Any]:
        """Type and data of a refusal, which also says a sentence."""
        envelope = self.ask(path, **arguments)
        assert envelope["success"] is False, envelope
        assert envelope["message"]
        return envelope["type"], envelope["data"]


def a_client(login: str = "acme", *, kind: AccountKind = AccountKind.RESELLER) -> ApiClient:
    """A reseller of that name (or a customer) with an API secret."""
    open_shop()
    account = create_account(company=login.title(), kind=kind, now=NOW)
    create_login(
        account_id=account.pk,
        email=f"{login}@{login}.example",
        username=login,
        password="correct-horse-7",
        is_primary=True,
        now=NOW,
    )
    secret = rotate_api_secret(account_id=account.pk, actor=login, now=NOW)
    return ApiClient(account, login, secret)


def as_v1(at: datetime | None) -> str | None:
    """The one date format of v1 but for ELS (V1-11), spelled out."""
    return None if at is None else f"{at:%Y-%m-%dT%H:%M}+0000"


def fits(printed: str, answered: str) -> bool:
    """Whether an answer is what a table prints; a key, an id or a date may stand for `…`."""
    parts = map(re.escape, printed.split("…"))
    return re.fullmatch("[A-Za-z0-9_:+./=-]+".join(parts), answered) is not None
