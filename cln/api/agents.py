"""REST v2 for the agents on servers: register, check in, lease, move, unregister."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import reverse
from pydantic import ValidationError

from cln import clock
from cln.api import check_ins
from cln.api.arguments import (
    BadArgument,
    BadRequestBody,
    bearer,
    caller_address,
    required,
    strict_arguments,
    whole_number,
)
from cln.api.envelope import v2_endpoint, v2_response
from cln.api.limits import limited_per_address, limited_per_server
from cln.api.v2.body import json_body
from cln.api.v2.usage import UsageReport, taken
from cln.licensing import services as licensing
from cln.licensing.agents import (
    AgentAnswer,
    Presented,
    current_lease,
    first_answer,
)
from cln.licensing.handover import move_code
from cln.licensing.handover import move_here as take_over
from cln.licensing.patches import note_patch_level

USERS_MAX = 1_000_000
PATCH_LEVEL_MAX = 999_999_999


@v2_endpoint
@limited_per_address
def register(request: HttpRequest) -> HttpResponse:
    """Register the calling server; a known secret keeps its server, whatever else has changed."""
    arguments, now = strict_arguments(request), clock.now()
    hints, address = _hints(request, arguments), caller_address(request, arguments)
    if arguments.get("by_address"):
        done = licensing.register_at_address(
            address=address, hints=hints, product=arguments.get("product", ""), now=now
        )
    else:
        done = licensing.register_server(
            key_text=required(arguments, "key"), address=address, hints=hints, now=now
        )
    return _registered(done, arguments, now=now)


@v2_endpoint
@limited_per_server
def check_in(request: HttpRequest) -> HttpResponse:
    """Note that the server lives and tell it what its license is worth; a lease where due."""
    arguments = strict_arguments(request)
    level, kernel = _patch_level(arguments), arguments.get("kernel", "")
    answer, now = check_ins.check_in_agent(
        secret=bearer(request),
        address=caller_address(request, arguments),
        report=licensing.Report(
            hostname=arguments.get("hostname", ""),
            os_version=arguments.get("os_version", ""),
            kernel=kernel,
            users=whole_number(arguments, "users", most=USERS_MAX),
        ),
        presented=_presented(arguments),
    )
    if level is not None:
        note_patch_level(secret=bearer(request), kernel_id=kernel, level=level, now=now)
    return v2_response(_worth(answer, now=now))


@v2_endpoint
@limited_per_server
def report_usage(request: HttpRequest) -> HttpResponse:
    """All sites of the server that have one add-on of AccelerateWP; a JSON body alone says it."""
    now = clock.now()
    server = licensing.find_server(secret=bearer(request), now=now)
    return v2_response(taken(server, _usage_report(request), now=now))


@limited_per_server
def _lease(request: HttpRequest) -> HttpResponse:
    """The lease alone, without a check-in; 304 where the caller holds the current one."""
    now, tag = clock.now(), request.headers.get("If-None-Match", "").removeprefix("W/")
    answer = current_lease(
        secret=bearer(request),
        presented=Presented(fingerprint=request.GET.get("fingerprint", ""), tag=tag),
        now=now,
    )
    if tag and answer.lease.tag == tag and not answer.lease.text:
        response = HttpResponse(status=HTTPStatus.NOT_MODIFIED)
        response["Cache-Control"] = "no-store"
    else:
        response = v2_response(_worth(answer, now=now))
    if answer.lease.tag:
        response["ETag"] = answer.lease.tag
    return response


lease = v2_endpoint(_lease, method="GET")


@v2_endpoint
@limited_per_server
def move(request: HttpRequest) -> HttpResponse:
    """A code with which another machine takes this registration over."""
    now = clock.now()
    server = licensing.find_server(secret=bearer(request), now=now)
    code = move_code(server, now=now)
    return v2_response({"code": code.text, "expires_at": _instant(code.expires_at)})


@v2_endpoint
@limited_per_address
def move_here(request: HttpRequest) -> HttpResponse:
    """Take the registration of another machine over; that one's secret stops working."""
    arguments, now = strict_arguments(request), clock.now()
    done = take_over(
        code=required(arguments, "code"),
        address=caller_address(request, arguments),
        hints=_hints(request, arguments),
        now=now,
    )
    return _registered(done, arguments, now=now)


@v2_endpoint
@limited_per_server
def unregister(request: HttpRequest) -> HttpResponse:
    """Remove the server; its license is free for another one, and paid for until cancelled."""
    server = licensing.unregister(secret=bearer(request), now=clock.now())
    return v2_response({"server_id": server.public_id, "status": server.status})


def _patch_level(arguments: Mapping[str, str]) -> int | None:
    """Up to which level the kernel is patched; None where it is not told. Refuses `bad_argument`.

    The kernel is what the operator's list of patches knows it by.
    """
    level = whole_number(arguments, "patch_level", most=PATCH_LEVEL_MAX)
    if level is not None and not arguments.get("kernel", "").strip():
        raise BadArgument("“patch_level” goes with “kernel”.", "Send both.")
    return level


def _usage_report(request: HttpRequest) -> UsageReport:
    """Refuses `bad_request_body`, `bad_argument`."""
    try:
        return UsageReport.model_validate(json_body(request))
    except (RequestDataTooBig, UnreadablePostError) as error:
        raise BadRequestBody("The body of the request cannot be read.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadArgument(f"{where[:80]}: {first['msg'][:200]}.") from error


def _registered(
    done: licensing.Registration, arguments: Mapping[str, str], *, now: datetime
) -> HttpResponse:
    answer = first_answer(done.server, presented=_presented(arguments), now=now)
    data = {
        "server_id": done.server.public_id,
        "secret": done.secret,
        "license_type": done.server.license_type.code,
        "address": done.server.address,
        "reinstalled": done.reinstalled,
    }
    return v2_response({**data, **_worth(answer, now=now)}, HTTPStatus.CREATED)


def _worth(answer: AgentAnswer, *, now: datetime) -> dict[str, object]:
    worth = answer.worth
    data: dict[str, object] = {
        "server_id": worth.public_id,
        "license_type": worth.license_type,
        "state": worth.state,
        "valid_until": worth.valid_until and worth.valid_until.isoformat(),
        "lease": answer.lease.text or None,
        "lease_tag": answer.lease.tag or None,
        "next_checkin_at": _instant(answer.next_check_in_at),
        "server_time": int(now.timestamp()),
        "user_count": answer.users.told,
        "user_limit": answer.users.limit,
    }
    if answer.users.message:
        data |= {"message": answer.users.message, "upgrade_url": _upgrade_url(answer)}
    if answer.incident:
        data["incident"] = answer.incident
    if answer.handover:
        data["new_identity"] = {
            "server_id": answer.handover.server_id,
            "secret": answer.handover.secret,
        }
    return data


def _upgrade_url(answer: AgentAnswer) -> str:
    """Where the owner gives the server another license type (AI-4)."""
    if answer.is_by_address:
        return f"{settings.CLN_BASE_URL}{reverse('ip_licenses')}"
    return f"{settings.CLN_BASE_URL}{reverse('convert_server', args=[answer.worth.public_id])}"


def _hints(request: HttpRequest, arguments: Mapping[str, str]) -> licensing.Hints:
    return licensing.Hints(
        hostname=arguments.get("hostname", ""),
        machine_uuid=arguments.get("machine_uuid", ""),
        os_version=arguments.get("os_version", ""),
        secret=bearer(request),
        is_copy=bool(arguments.get("copy")),
    )


def _presented(arguments: Mapping[str, str]) -> Presented:
    return Presented(
        fingerprint=arguments.get("fingerprint", ""),
        boot=arguments.get("boot_id", ""),
        tag=arguments.get("lease_tag", ""),
    )


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
