"""What the web server loads: `granian --interface wsgi cln.wsgi:application`.

Servers and programs come by the thousand to a few doors whose paths never vary. These are found by
one look into a table and answered here, inside the same two layers as everywhere
(`RequestMiddleware`, Django's `SecurityMiddleware`). Django's handler would cost a fifth of a
check-in on top, for resolving and layers that such an answer has no use for.
"""

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any, Final, cast
from wsgiref.types import StartResponse

from django import setup

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cln.settings")
setup(set_prefix=False)

# Only now, when Django is set up, can these be imported.
from django.core.handlers.exception import convert_exception_to_response  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest  # noqa: E402
from django.core.signals import request_finished  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.middleware.security import SecurityMiddleware  # noqa: E402
from django.urls import ResolverMatch, resolve  # noqa: E402
from django.urls.resolvers import RoutePattern  # noqa: E402
from django.utils.log import log_response  # noqa: E402

from cln.api.urls import urlpatterns  # noqa: E402
from cln.web import RequestMiddleware, answer_machine, resolved  # noqa: E402


class _Pages(WSGIHandler):
    """Django's handler, which does not look for a page that `MachineDoorsMiddleware` has found."""

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """The view behind the path. Raises Resolver404."""
        request.resolver_match = resolved(request.path_info)
        return request.resolver_match


django = _Pages()


def _fixed_doors() -> Iterator[str]:
    """The paths of the doors for machines that have no variable part."""
    for entry in urlpatterns:
        route = str(entry.pattern)
        is_plain = isinstance(entry.pattern, RoutePattern) and "<" not in route
        if is_plain and getattr(entry.callback, "csrf_exempt", False):
            yield f"/{route}"


UNTOLD_MAX: Final = 9 * 2**20
"""Bytes that are read of a body of unknown length: more than the longest any door takes."""
CHUNK: Final = 65_536
DOORS: Final[dict[str, ResolverMatch]] = {path: resolve(path) for path in _fixed_doors()}
"""Path → the view behind it, as Django's own resolver finds it."""


def _door(request: HttpRequest) -> HttpResponse:
    return answer_machine(request, DOORS[request.path_info])


def _safe(layer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Whatever is raised becomes a logged answer, as in Django's handler."""
    return cast(Callable[[HttpRequest], HttpResponse], convert_exception_to_response(layer))


# The second layer is Django's own; what it says of awaitables is true of asynchronous servers.
_secured = cast(Callable[[HttpRequest], HttpResponse], SecurityMiddleware(_safe(_door)))
_answer = _safe(RequestMiddleware(_secured))


def _measure_body(environ: dict[str, Any]) -> None:
    """Tell the length of a body that came in chunks: Django reads nothing of one without it.

    Programs that write a request piece by piece (Node's, Java's) send it so.
    """
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        body = environ["wsgi.input"].read(UNTOLD_MAX)
        # Who is still sending would see a broken pipe instead of the refusal.
        for _ in range(UNTOLD_MAX // CHUNK * 4):
            if not environ["wsgi.input"].read(CHUNK):
                break
        environ.update({"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))})


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request, by the short way where there is one."""
    _measure_body(environ)
    if environ.get("PATH_INFO") not in DOORS or environ.get("SCRIPT_NAME"):
        return django(environ, start_response)
    request = WSGIRequest(environ)
    try:
        response = _answer(request)
        if response.status_code >= 400:
            words = "%s: %s", response.reason_phrase, request.path
            log_response(*words, response=response, request=request)
        status = f"{response.status_code} {response.reason_phrase}"
        start_response(status, list(response.items()))
        return (response.content,)
    finally:
        request_finished.send(sender=WSGIRequest)  # connections that are too old are closed


# What has been loaded by now stays for good: no collection needs to walk through it again, which
# would hold up one request in some hundreds for a tenth of a second.
gc.collect()
gc.freeze()
