"""`queue.*` and `up2date.*`: check-ins, actions, and the login of package downloads."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from datetime import datetime

from cln import vault
from cln.api.rhn import faults
from cln.api.rhn.call import RhnCall
from cln.api.xmlrpc.codec import Value, write_call
from cln.api.xmlrpc.door import Answered
from cln.licensing import system_actions, systems
from cln.licensing.models import System
from cln.licensing.servers import CheckIn, LicenseState, license_of

log = logging.getLogger(__name__)

KERNEL = 2  # its place in what uname says
UPTIME_MAX = 2**31 - 1
LOGIN_SECONDS = 600
"""Clients keep a login so long: a license that was taken away shows up after that."""
RUNNING = (LicenseState.ACTIVE, LicenseState.TRIAL)
ACTION_VERSION = 2


def get(call: RhnCall) -> Value:
    """The check-in: an action to run, or "" where nothing is to do."""
    system = call.system
    status = call.struct(2) if len(call.arguments) > 2 else {}
    answer = systems.check_in_system(
        system=system,
        address=call.address,
        kernel=_kernel(status.get("uname")),
        uptime_seconds=_seconds(status.get("uptime")),
        client=call.client,
        now=call.now,
    )
    _check_license(system, answer)
    action = system_actions.next_action(system=system, now=call.now)
    if action is None:
        return ""
    return {"id": action.pk, "version": ACTION_VERSION, "action": write_call(action.method)}


def submit(call: RhnCall) -> Value:
    """What became of an action."""
    data = call.arguments[4] if len(call.arguments) > 4 else {}
    known = system_actions.finish_action(
        system=call.system,
        action_id=call.number(1),
        status=call.number(2),
        message=call.text(3),
        data=data if isinstance(data, dict) else {},
        now=call.now,
    )
    if not known:
        log.info("an outcome was reported of an action that does not wait")
    return 0


def get_future_actions(call: RhnCall) -> Value:
    """Nothing is planned for later: actions are handed out when they are to run."""
    _ = call.system
    return []


def login(call: RhnCall) -> Value | Answered:
    """The headers that downloads have to carry; said twice, as the reference server does."""
    system = call.system
    _check_license(system, license_of(server_id=system.server_id, now=call.now))
    ticket: dict[str, Value] = {
        "X-RHN-Server-Id": systems.number_of(system),
        "X-RHN-Auth-User-Id": "",
        "X-RHN-Auth": signature(system, call.now),
        "X-RHN-Auth-Server-Time": _server_time(call.now),
        "X-RHN-Auth-Expire-Offset": f"{LOGIN_SECONDS}.0",
    }
    headers = {name: str(value) for name, value in ticket.items()}
    return Answered({**ticket, "X-RHN-Auth-Channels": []}, headers)


def list_channels(call: RhnCall) -> Value:
    """None: no packages are served from here, and clients then switch the plugin off."""
    _check_license(call.system, license_of(server_id=call.system.server_id, now=call.now))
    return []


def signature(system: System, now: datetime) -> str:
    """What proves a login of this system at this instant, in one line."""
    text = f"{systems.number_of(system)}\n{_server_time(now)}\n{LOGIN_SECONDS}"
    return base64.b64encode(vault.lookup_hash("rhn-login", text)).decode()


def _check_license(system: System, answer: CheckIn) -> None:
    if answer.state not in RUNNING:
        raise faults.not_licensed(system.profile_name)


def _server_time(now: datetime) -> str:
    return f"{now.timestamp():.2f}"


def _kernel(uname: Value) -> str:
    kernel = uname[KERNEL] if isinstance(uname, Sequence) and len(uname) > KERNEL else ""
    return kernel if isinstance(kernel, str) and not isinstance(uname, str) else ""


def _seconds(uptime: Value) -> int | None:
    """Seconds since the machine started; clients send texts or numbers."""
    if not isinstance(uptime, list) or not uptime:
        return None
    text = str(uptime[0]).partition(".")[0]
    known = text.isascii() and text.isdecimal() and len(text) < 12
    return min(int(text), UPTIME_MAX) if known else None
