"""REST v2 for the agents on servers: register by key, check in, unregister."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from cln import clock
from cln.api import check_ins
from cln.api.arguments import bearer, caller_address, required, strict_arguments, whole_number
from cln.api.envelope import v2_endpoint, v2_response
from cln.licensing import services as licensing

USERS_MAX = 1_000_000


@v2_endpoint
def register(request: HttpRequest) -> HttpResponse:
    """Register the calling server; a known secret keeps its server, whatever else has changed."""
    arguments = strict_arguments(request)
    done = licensing.register_server(
        key_text=required(arguments, "key"),
        address=caller_address(request, arguments),
        hints=licensing.Hints(
            hostname=arguments.get("hostname", ""),
            machine_uuid=arguments.get("machine_uuid", ""),
            os_version=arguments.get("os_version", ""),
            secret=bearer(request),
        ),
        now=clock.now(),
    )
    return v2_response(
        {
            "server_id": done.server.public_id,
            "secret": done.secret,
            "license_type": done.server.license_type.code,
            "address": done.server.address,
            "reinstalled": done.reinstalled,
        },
        HTTPStatus.CREATED,
    )


@v2_endpoint
def check_in(request: HttpRequest) -> HttpResponse:
    """Note that the server lives and tell it what its license is worth."""
    arguments = strict_arguments(request)
    answer = check_ins.check_in(
        secret=bearer(request),
        address=caller_address(request, arguments),
        report=licensing.Report(
            hostname=arguments.get("hostname", ""),
            os_version=arguments.get("os_version", ""),
            kernel=arguments.get("kernel", ""),
            users=whole_number(arguments, "users", most=USERS_MAX),
        ),
    )
    return v2_response(
        {
            "server_id": answer.public_id,
            "license_type": answer.license_type,
            "state": answer.state,
            "valid_until": answer.valid_until and answer.valid_until.isoformat(),
        }
    )


@v2_endpoint
def unregister(request: HttpRequest) -> HttpResponse:
    """Remove the server; its license is free for another one, and paid for until cancelled."""
    server = licensing.unregister(secret=bearer(request), now=clock.now())
    return v2_response({"server_id": server.public_id, "status": server.status})
