"""`up2date.*`: the login of package downloads, the channels, and the downloads themselves.

dnf's plugin logs in, asks for its channels, and then fetches their files with plain GETs that
carry the headers of the login (rhn.md §2, §3).
"""

from __future__ import annotations

import base64
import hmac
import re
from datetime import datetime

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import http_date
from django.views.decorators.http import require_safe
from django.views.static import was_modified_since

from cln import clock, vault
from cln.api.rhn import faults
from cln.api.rhn.call import RhnCall
from cln.api.rhn.channels import Channel, channels_of, file_of
from cln.api.xmlrpc.codec import Value
from cln.api.xmlrpc.door import Answered
from cln.licensing import systems
from cln.licensing.models import System
from cln.licensing.servers import CheckIn, LicenseState, license_of

LOGIN_SECONDS = 600
"""Clients keep a login so long: a license that was taken away shows up after that."""
RUNNING = (LicenseState.ACTIVE, LicenseState.TRIAL)
SERVER_TIME = re.compile(r"\d{10}\.\d\d", re.ASCII)


def login(call: RhnCall) -> Value | Answered:
    """The headers that downloads have to carry; said twice, as the reference server does."""
    system = call.system
    demand_license(system, license_of(server_id=system.server_id, now=call.now))
    server_time = f"{call.now.timestamp():.2f}"
    ticket: dict[str, Value] = {
        "X-RHN-Server-Id": systems.number_of(system),
        "X-RHN-Auth-User-Id": "",
        "X-RHN-Auth": _signature(systems.number_of(system), server_time),
        "X-RHN-Auth-Server-Time": server_time,
        "X-RHN-Auth-Expire-Offset": f"{LOGIN_SECONDS}.0",
    }
    channels: list[list[Value]] = [
        [one.label, one.last_modified, str(int(one.is_base)), "1"] for one in channels_of(system)
    ]
    headers = {name: str(value) for name, value in ticket.items()}
    if channels:
        headers["X-RHN-Auth-Channels"] = ",".join(":".join(map(str, one)) for one in channels)
    return Answered({**ticket, "X-RHN-Auth-Channels": [*channels]}, headers)


def list_channels(call: RhnCall) -> Value:
    """What this system may install from; where there is nothing, dnf switches the plugin off."""
    system = call.system
    demand_license(system, license_of(server_id=system.server_id, now=call.now))
    return [_told(channel) for channel in channels_of(system)]


@require_safe
def download(request: HttpRequest, label: str, path: str) -> HttpResponse | FileResponse:
    """A file of a channel, for a system that shows its login: 401 without a good one, 403 where
    its license is over, 404 for what is not in its channels.

    Plain bodies, and none of the headers `X-RHN-Fault-…`: they crash clients (rhn.md §6).
    """
    now = clock.now()
    system = _logged_in(request, now=now)
    if system is None:
        return _plain(401, "The login is not valid or has expired; run dnf again.")
    if license_of(server_id=system.server_id, now=now).state not in RUNNING:
        return _plain(403, "This system has no valid license.")
    channel = next((one for one in channels_of(system) if one.label == label), None)
    file = file_of(channel, path) if channel else None
    if file is None:
        return _plain(404, "There is no such file in the channels of this system.")
    changed_at = file.stat().st_mtime
    if not was_modified_since(request.headers.get("If-Modified-Since"), changed_at):
        return HttpResponseNotModified()
    content_type = "application/xml" if file.suffix == ".xml" else "application/octet-stream"
    answer = FileResponse(file.open("rb"), content_type=content_type)
    answer["Last-Modified"] = http_date(changed_at)
    return answer


def demand_license(system: System, answer: CheckIn) -> None:
    """Fault −31 where the license of a system is suspended or over."""
    if answer.state not in RUNNING:
        raise faults.not_licensed(system.profile_name)


def _logged_in(request: HttpRequest, *, now: datetime) -> System | None:
    """The system whose login the headers carry, while it is good."""
    number = request.headers.get("X-RHN-Server-Id", "")
    server_time = request.headers.get("X-RHN-Auth-Server-Time", "")
    if not (number.isascii() and number.isdecimal() and len(number) < 12):
        return None
    if not SERVER_TIME.fullmatch(server_time):
        return None
    given = request.headers.get("X-RHN-Auth", "")
    if not hmac.compare_digest(_signature(int(number), server_time).encode(), given.encode()):
        return None
    # What was rounded may lie a moment ahead.
    if not -1 <= now.timestamp() - float(server_time) <= LOGIN_SECONDS:
        return None
    return systems.system_numbered(int(number))


def _signature(number: int, server_time: str) -> str:
    """What proves a login of this system at this instant, in one line."""
    text = f"{number}\n{server_time}\n{LOGIN_SECONDS}"
    return base64.b64encode(vault.lookup_hash("rhn-login", text)).decode()


def _told(channel: Channel) -> Value:
    return {
        "label": channel.label,
        "name": channel.label,
        "summary": channel.label,
        "description": f"{channel.name} for release {channel.release} on {channel.arch}",
        "arch": f"channel-{channel.arch}",
        "last_modified": channel.last_modified,
        "parent_channel": channel.parent,
        "gpg_key_url": "",
    }


def _plain(status: int, text: str) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain")
