"""`queue.*`: check-ins and actions."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cln.api.rhn.call import RhnCall
from cln.api.rhn.downloads import demand_license
from cln.api.xmlrpc.codec import Value, write_call
from cln.licensing import system_actions, systems

log = logging.getLogger(__name__)

KERNEL = 2  # its place in what uname says
UPTIME_MAX = 2**31 - 1
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
    demand_license(system, answer)
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
