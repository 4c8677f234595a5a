"""Somebody who signs in and looks at pages, for benchmarks: cookies over one kept connection."""

from __future__ import annotations

import gzip
import http.client
import re
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from django.core.management.base import CommandError
from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Answer:
    """What came; `bytes` as they were transferred, packed where the server packs, with headers."""

    status: int
    text: str
    bytes: int


class Browser:
    """Keeps one connection and the cookies."""

    def __init__(self, port: int) -> None:
        """Talk to the server on that port of this machine."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookies: dict[str, str] = {}

    def sign_in(self, username: str, password: str) -> None:
        """Through the form that people use. CommandError when it does not let them in."""
        path = reverse("account_login")
        form = self.get(path).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        values = {"csrfmiddlewaretoken": token[1] if token else ""}
        values |= {"login": username, "password": password}
        answer = self._ask("POST", path, urlencode(values))
        if answer.status != 302:
            raise CommandError(f"Signing in answers {answer.status}.")

    def get(self, path: str) -> Answer:
        """Ask for a page or a file."""
        return self._ask("GET", path)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: str = "") -> Answer:
        headers = {"Accept-Encoding": "gzip", "Accept": "text/html"}
        if self._cookies:
            headers["Cookie"] = "; ".join(
                f"{name}={value}" for name, value in self._cookies.items()
            )
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body or None, headers)
        response = self._connection.getresponse()
        packed = response.read()
        for line in response.headers.get_all("Set-Cookie") or ():
            self._cookies |= {name: one.value for name, one in SimpleCookie(line).items()}
        is_packed = response.headers.get("Content-Encoding") == "gzip"
        data = gzip.decompress(packed) if is_packed else packed
        size = len(packed) + sum(len(n) + len(v) + 4 for n, v in response.headers.items())
        return Answer(response.status, data.decode(errors="replace"), size)
