"""What everybody may read: the keys that verify leases, an incident's notice, one's own address."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from cln import clock
from cln.api.envelope import v2_endpoint, v2_response
from cln.domain.addresses import canonical_address
from cln.licensing.lease_keys import incident_notice, published_keys
from cln.web import client_address


def _keys(_request: HttpRequest) -> HttpResponse:
    """The public keys: one, or two that overlap while the older one is being replaced."""
    return v2_response({"keys": list(published_keys(now=clock.now()))})


def _incident(_request: HttpRequest) -> HttpResponse:
    """The signed notice that stretches leases which are out; null in quiet times."""
    return v2_response({"incident": incident_notice(now=clock.now())})


def _show_address(request: HttpRequest) -> HttpResponse:
    """The address under which CLN sees the caller: what an IP license must be bound to.

    Refuses `bad_address` where one of our own proxies does not say for whom it speaks.
    """
    text = canonical_address(client_address(request))
    response = HttpResponse(f"{text}\n", content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response


keys = v2_endpoint(_keys, method="GET")
incident = v2_endpoint(_incident, method="GET")
show_address = v2_endpoint(_show_address, method="GET")
