"""`/install/*`: the agent, its units and an installer that knows their checksums. Public."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

AGENT_DIR = settings.PACKAGE_DIR.parent / "agent"
FILES: Mapping[str, str] = {
    "cln-agent": "text/x-python",
    "cln-agent.service": "text/plain",
    "cln-agent.timer": "text/plain",
}
INSTALLER = "cln-install.sh"


@require_safe
def download(request: HttpRequest, name: str) -> HttpResponse:
    """One of the files as it is, or the installer filled in for this server."""
    if name == INSTALLER:
        return _file(_installer(request), "text/x-shellscript")
    if name not in FILES:
        raise Http404
    return _file(_content(name), FILES[name])


@require_safe
def checksums(request: HttpRequest) -> HttpResponse:
    """SHA-256 of every file, in the form that `sha256sum -c` reads."""
    contents = {name: _content(name) for name in FILES} | {INSTALLER: _installer(request)}
    lines = [f"{hashlib.sha256(body).hexdigest()}  {name}" for name, body in contents.items()]
    return _file(("\n".join(lines) + "\n").encode(), "text/plain")


def _installer(request: HttpRequest) -> bytes:
    text = (AGENT_DIR / INSTALLER).read_text(encoding="utf-8")
    values = {"SERVER": _server(request)}
    for name in FILES:
        key = name.removeprefix("cln-").replace(".", "_").upper()
        values[f"{key}_SHA256"] = hashlib.sha256(_content(name)).hexdigest()
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text.encode()


def _server(request: HttpRequest) -> str:
    """Our configured address: a forged Host must not send servers elsewhere. A sandbox, which
    is found under many names, answers under the one it was asked by.
    """
    if settings.CLN_MODE != "sandbox":
        return str(settings.CLN_BASE_URL)
    return request.build_absolute_uri("/").rstrip("/")


def _content(name: str) -> bytes:
    return (AGENT_DIR / name).read_bytes()


def _file(body: bytes, kind: str) -> HttpResponse:
    response = HttpResponse(body, content_type=f"{kind}; charset=utf-8")
    response["Cache-Control"] = "no-cache"
    return response
