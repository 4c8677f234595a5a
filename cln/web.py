"""What every web interface shares: the typed request, `@page`, refusals and error pages.

A page declares its methods and the permission it needs; a test walks the routes and checks that
each has declared something. What a page raises as a Refusal becomes a 4xx with sentence and fix.
"""

from __future__ import annotations

import functools
import logging
import re
import secrets
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Concatenate, Final, ParamSpec, cast
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    QueryDict,
)
from django.shortcuts import render, resolve_url
from django.template.loader import render_to_string
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.cache import add_never_cache_headers
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from cln import clock
from cln.accounts.access import ROLE_NAMES, Permission, may
from cln.accounts.audit import coming_from
from cln.accounts.models import Account, Login
from cln.accounts.standing import is_blocked
from cln.catalog.once import asking_once
from cln.domain.addresses import BadAddress, canonical_address
from cln.domain.errors import Refusal
from cln.enums import AccountKind, Role
from cln.shedding import Overloaded, passing

log = logging.getLogger(__name__)
P = ParamSpec("P")

BILLS: Final = Permission.VIEW_INVOICES
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
PAGES_OF_PEOPLE: Final = ("/console/", "/pay/")
TO_LEAVE: Final = "To sign in as somebody else, sign out first: on the start page, behind “CLN”."
STATUS_OF: Final = {"bad_pay_link": 404, "pay_link_expired": 410, "email_link_expired": 410}
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)


class Request(HttpRequest):
    """What a page gets. `login` and `account` exist on pages that are not public."""

    now: datetime
    request_id: str
    htmx: HtmxDetails
    login: Login
    account: Account


@dataclass(frozen=True, slots=True)
class Access:
    """What a page declared; kept on the view as `.access`, for the test that walks the routes."""

    methods: tuple[str, ...]
    permission: Permission | None
    open_when_blocked: bool
    sandbox_only: bool
    resellers_only: bool
    customers_only: bool
    recent_sign_in: bool


View = Callable[Concatenate[Request, P], HttpResponse]


def page(
    *methods: str,
    permission: Permission | None,
    open_when_blocked: bool = False,
    sandbox_only: bool = False,
    resellers_only: bool = False,
    customers_only: bool = False,
    recent_sign_in: bool = False,
) -> Callable[[View[P]], Callable[Concatenate[HttpRequest, P], HttpResponse]]:
    """Declare a page: its methods, what a login must be allowed to do (None = public).

    The console of a blocked account is limited to pages that are `open_when_blocked` (P7).
    Sandbox pages do not exist in production, and a customer has none of the resellers' pages; a
    reseller, who buys nothing in advance, is told so on those of customers only.
    What is changed on a page with `recent_sign_in` is worth a password: whoever last gave theirs
    a while ago gives it again (security §3).
    """
    access = Access(
        methods=methods,
        permission=permission,
        open_when_blocked=open_when_blocked,
        sandbox_only=sandbox_only,
        resellers_only=resellers_only,
        customers_only=customers_only,
        recent_sign_in=recent_sign_in,
    )

    def declare(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @functools.wraps(view)
        def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            entered = cast(Request, request)
            try:
                with passing(request.path_info), _showing(request):
                    entered.now = clock.now()
                    stop = (
                        _not_here(entered, access)
                        or _not_allowed(entered, access)
                        or _not_recent(entered, access)
                    )
                    if stop is not None:
                        return stop
                    response = view(entered, *args, **kwargs)
            except Refusal as refusal:
                response = refused(entered, refusal)
            except Overloaded:
                return overloaded(request)
            if access.permission is not None:
                add_never_cache_headers(response)
            return response

        answer.access = access  # type: ignore[attr-defined]
        return answer

    return declare


def _showing(request: HttpRequest) -> AbstractContextManager[None]:
    """What only shows something asks the catalog the same question once."""
    return asking_once() if request.method == "GET" else nullcontext()


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """A refusal as a page, or as a partial for HTMX: the sentence and the way out.

    What is absent or another tenant's answers 404, a link that has run out 410, the rest 409.
    """
    status = 404 if refusal.code.startswith("unknown_") else STATUS_OF.get(refusal.code, 409)
    htmx = getattr(request, "htmx", False)
    template = "refused.html#refusal" if htmx else "refused.html"
    return render(request, template, {"refusal": refusal, "status": status}, status=status)


def _not_here(request: Request, access: Access) -> HttpResponse | None:
    if access.sandbox_only and settings.CLN_MODE != "sandbox":
        raise Http404
    if request.method not in {*access.methods, "HEAD" if "GET" in access.methods else ""}:
        return _not_by_this(request, access.methods)
    return None


def _not_allowed(request: Request, access: Access) -> HttpResponse | None:
    if access.permission is None:
        return None
    login = request.user
    if not isinstance(login, Login):
        return _to_sign_in(request)
    if login.account is None:
        return forbidden(
            request, "Operators work in the back-office, not in the console.", TO_LEAVE
        )
    request.login, request.account = login, login.account
    if not may(login.role, access.permission):
        role = ROLE_NAMES[Role(login.role)]
        return forbidden(
            request,
            f"Your role is “{role}”, which does not include this page.",
            "Ask the owner of the account for another role.",
        )
    is_reseller = login.account.kind == AccountKind.RESELLER
    if access.resellers_only and not is_reseller:
        raise Http404
    if access.customers_only and is_reseller:
        return forbidden(
            request,
            "Resellers buy nothing in advance: each month is billed by what was used.",
            "Add an IP license, or create an activation key.",
        )
    if is_blocked(request.account) and not access.open_when_blocked:
        return _blocked(request, is_reseller=is_reseller)
    return None


def _blocked(request: Request, *, is_reseller: bool) -> HttpResponse:
    """Lead to where the block is lifted; what is no plain visit of a page is refused."""
    if request.method == "GET" and not request.htmx and may(request.login.role, BILLS):
        return HttpResponseRedirect(resolve_url("balance" if is_reseller else "invoices"))
    return forbidden(
        request,
        "The account is blocked because its deposit is below zero."
        if is_reseller
        else "The account is blocked because an invoice is overdue.",
        "Pay what is due under Billing and everything works again at once.",
    )


def _not_recent(request: Request, access: Access) -> HttpResponse | None:
    """Ask for the password again where the last time is long ago; the form is not kept."""
    if not access.recent_sign_in or request.method != "POST":
        return None
    records = get_authentication_records(request, request.user)
    latest = max((float(record["at"]) for record in records), default=0.0)
    if clock.system_now().timestamp() - latest < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
        return None
    messages.info(request, "Your password first, please; then do it again. Nothing was changed.")
    to = f"{resolve_url('account_reauthenticate')}?{urlencode({'next': request.path})}"
    if request.htmx:
        return HttpResponseClientRedirect(to)
    response = HttpResponseRedirect(to)
    response.status_code = 303
    return response


def _to_sign_in(request: Request) -> HttpResponse:
    if request.htmx:
        return HttpResponseClientRedirect(resolve_url(settings.LOGIN_URL))
    return redirect_to_login(request.get_full_path())


def redirect(to: str, *args: object, **kwargs: object) -> HttpResponseRedirect:
    """After a POST: go and see the result (303)."""
    response = HttpResponseRedirect(resolve_url(to, *args, **kwargs))
    response.status_code = 303
    return response


def client_address(request: HttpRequest) -> str:
    """The address a request comes from; IP licensing and rate limits stand on it (security §1).

    `X-Forwarded-For` counts only from our own proxies, and of it the rightmost hop that is not
    one of them.
    """
    address: str = request.META.get("REMOTE_ADDR", "")
    # META, because `request.headers` is a copy of all of them, made for each request.
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while _is_our_proxy(address) and hops and hops[-1].strip():
        address = hops.pop().strip()
    return address


def _auditable(text: str) -> str:
    """An address as the database keeps it; "" for what is none, such as a Unix socket."""
    try:
        return canonical_address(text)
    except BadAddress:
        return ""


def _is_our_proxy(text: str) -> bool:
    return bool(settings.CLN_TRUSTED_PROXIES) and _is_in(text, settings.CLN_TRUSTED_PROXIES)


@functools.lru_cache(maxsize=10_000)
def _is_in(text: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        address = ip_address(canonical_address(text))
    except BadAddress:
        return False
    return any(address in network for network in networks)


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to: the POST, also an empty one; None on a GET."""
    return request.POST if request.method == "POST" else None


class MachineDoorsMiddleware:
    """Answers doors for machines right here: sessions, forms and messages are people's matters.

    A door that takes no cookie (it is exempt from CSRF, and the token or key in the request is all
    it trusts) has no use for the layers below, which cost more than most of its answers.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next layer."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        try:
            match = resolved(request.path_info)
        except Resolver404:
            return self.get_response(request)
        if not getattr(match.func, "csrf_exempt", False):
            return self.get_response(request)
        return answer_machine(request, match)


def answer_machine(request: HttpRequest, match: ResolverMatch) -> HttpResponse:
    """What a door for machines answers, without the layers for people."""
    request.resolver_match = match
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    if not response.streaming:
        response.headers.setdefault("Content-Length", str(len(response.content)))
    return response


@functools.lru_cache(maxsize=256)
def resolved(path: str) -> ResolverMatch:
    """The door behind a path, remembered: machines ask at few, and each has one meaning for good;
    and of a page it is asked twice, here and by Django's handler.

    Raises Resolver404, which is not remembered.
    """
    return resolve(path)


class RequestMiddleware:
    """Gives each request an id for the log, and each answer the security headers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Keep the next layer."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        cast(Request, request).request_id = request_id
        with coming_from(_auditable(client_address(request))):
            response = maintenance(request) or self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=()"
        )
        # Whoever has a session is named on public pages, too.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and "Cache-Control" not in response:
            add_never_cache_headers(response)
        return response


def forbidden(request: HttpRequest, message: str, fix: str = "") -> HttpResponse:
    """A 403 page that says why."""
    return _error(request, 403, "Not allowed", message, fix)


def _not_by_this(request: HttpRequest, methods: tuple[str, ...]) -> HttpResponse:
    """A 405 page: whoever is signed out before a button is pressed comes back to its address."""
    response = _error(
        request,
        405,
        "Press the button again",
        "This address only takes what a button sends. Nothing was changed.",
        "Go back to the page you came from, or start from the dashboard.",
    )
    response.headers["Allow"] = ", ".join(methods)
    return response


def bad_request(request: HttpRequest) -> HttpResponse:
    """Django's handler400, for people."""
    return _error(
        request,
        400,
        "This request cannot be read",
        "Nothing was changed.",
        "Check the address, or go back and try again.",
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form's protection does not fit: an old tab, or cookies switched off."""
    return _error(
        request,
        403,
        "This page was open for too long",
        "The form was not accepted, and nothing was changed.",
        "Go back, reload the page and send it again. Cookies must be allowed.",
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    return _error(request, 403, "Not allowed", str(exception) or "This is not for you.", "")


def overloaded(request: HttpRequest) -> HttpResponse:
    """Pages give way to servers when there is too much to do (security §6)."""
    return _error(
        request,
        503,
        "Very busy at the moment",
        "Your request was not carried out.",
        "Try again in half a minute. Running servers are not affected.",
    )


def too_many_requests(request: HttpRequest, *, seconds: int = 60) -> HttpResponse:
    """allauth's handler429; the limits are per address and per subject."""
    response = _error(
        request,
        429,
        "Too many tries",
        "Nothing was changed.",
        "Wait a few minutes and try again.",
    )
    response.headers["Retry-After"] = str(seconds)
    return response


def maintenance(request: HttpRequest) -> HttpResponse | None:
    """While something is mended people read why; servers and their programs are not stopped."""
    if not settings.CLN_MAINTENANCE or not request.path.startswith(PAGES_OF_PEOPLE):
        return None
    return _error(
        request,
        503,
        "Back soon",
        settings.CLN_MAINTENANCE,
        "Nothing was changed. Running servers are not affected.",
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: absent and another tenant's answer alike."""
    return _error(
        request,
        404,
        "Not found",
        "There is nothing here, or it belongs to somebody else.",
        "Check the address, or start from the dashboard.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500; says so when it is the database that is down."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return _error(
            request,
            503,
            "The database cannot be reached",
            "Your request was not carried out.",
            "Try again in a minute. Running servers are not affected.",
        )
    return _error(
        request,
        500,
        "Something broke on our side",
        "It is our fault, and it was written to the log.",
        "If you sent something, look first whether it was done; then try again. If it stays, tell "
        "support the request id below.",
    )


def _is_operator(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return isinstance(user, Login) and user.account_id is None


def _error(request: HttpRequest, status: int, title: str, message: str, fix: str) -> HttpResponse:
    """Render without context processors: they may need what has just failed."""
    context = {
        "status": status,
        "title": title,
        "message": message,
        "fix": fix,
        "request_id": getattr(request, "request_id", ""),
        # Only a refusal knows who asks: elsewhere the database may be what has failed.
        "has_dashboard": status != 403 or not _is_operator(request),
    }
    response = HttpResponse(render_to_string("error.html", context), status=status)
    if status == 503:
        response.headers["Retry-After"] = "30"
    return response
