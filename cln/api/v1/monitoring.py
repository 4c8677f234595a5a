"""What KernelCare's monitors ask for: Nagios lines and the patch list (facts §7.8).

A silent server is inactive, whatever it told before. Else what it told at `checkin` (AK-15) stands
against the operator's list; one that never told its patch level counts as up to date.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest

from cln import clock
from cln.api.arguments import caller_address, lenient_arguments
from cln.api.auth import AuthFailed, Caller, check_secret, check_token
from cln.api.envelope import Answer, bare_endpoint, text_endpoint, v1_endpoint
from cln.api.limits import check, count_stranger
from cln.api.v1.kcare_keys import LICENSE_TYPE
from cln.domain.addresses import BadAddress
from cln.licensing import queries
from cln.licensing.keys import find_key
from cln.licensing.monitoring import (
    BadMonitoringKey,
    MonitoredRow,
    NothingToMonitor,
    monitored_with,
    register_monitoring_key,
)
from cln.licensing.patches import PatchState, patched
from cln.licensing.rows import ServerRow

ALL_WELL = "KernelCare OK - all servers are up to date!"
BUCKETS = ("uptodate", "outofdate", "unsupported", "inactive")
NO_RESELLER = "Reseller not found"
_KERNELCARE = queries.ServerFilter(license_type=LICENSE_TYPE)


@text_endpoint
def nagios(request: HttpRequest, key: str) -> str:
    """All servers of a key; the key speaks for itself, be it of activation or of monitoring."""
    servers = _servers_of_key(key)
    if not servers and (chosen := monitored_with(key, now=clock.now())):
        return _report(chosen)
    if not servers:
        check(count_stranger(request))
        return f"Servers not found for key {key[:64] if key.isprintable() else ''}"
    return _lines(servers)


@text_endpoint
def nagios_of_account(request: HttpRequest, login: str, token: str) -> str:
    """All KernelCare servers of an account, by its API secret or by a signed token.

    A wrong login and a wrong token answer alike.
    """
    try:
        caller = _monitor_of(login, token)
    except AuthFailed:
        check(count_stranger(request))
        return NO_RESELLER
    return _lines(queries.servers_of(caller.account_id, _KERNELCARE))


def _monitor_of(login: str, token: str) -> Caller:
    if "|" not in token:
        return check_secret(login=login, secret=token)
    caller = check_token(token, now=clock.system_now())
    if caller.login.lower() != login.lower():
        raise AuthFailed("The token is another login's.")
    return caller


@v1_endpoint
def register_key(request: HttpRequest) -> Answer:
    """AK-9: the key under which monitors see the calling machine; 1 wrong, 2 no IP license."""
    arguments = lenient_arguments(request)
    try:
        register_monitoring_key(
            address=caller_address(request, arguments), text=arguments.get("key", "")
        )
    except BadMonitoringKey as refusal:
        return Answer({"code": 1}, message=refusal.message, type=refusal.code)
    except (NothingToMonitor, BadAddress) as refusal:
        return Answer({"code": 2}, message=refusal.message, type=refusal.code)
    return Answer({"code": 0})


@bare_endpoint
def patchset(request: HttpRequest) -> list[object]:
    """Hosts and kernels of a key's servers, as a bare list."""
    return [
        {"host": row.hostname, "ip": row.address, "kernel_id": row.kernel, "patch_level": level}
        for row, level in _levels(request, lenient_arguments(request).get("key", ""))
    ]


@bare_endpoint
def patchset_table(request: HttpRequest, key: str) -> dict[str, object]:
    """The same as rows of three, as scanners ask ePortal for it."""
    rows = _levels(request, key)
    return {"data": [[row.address, row.kernel, level] for row, level in rows]}


def _levels(request: HttpRequest, key: str) -> list[tuple[ServerRow, int]]:
    """A key's servers, each with the patch level that it told last; 0 where it never told one.

    Scanners compare the level with a number, and leave 0 out: nothing is known to be patched there.
    """
    servers = _servers_of_key(key)
    if not servers:
        check(count_stranger(request))
    told = patched(row.public_id for row in servers)
    return [(row, told[row.public_id].level if row.public_id in told else 0) for row in servers]


def _servers_of_key(text: str) -> tuple[ServerRow, ...]:
    key = find_key(text)
    if key is None or key.license_type.code != LICENSE_TYPE:
        return ()
    return queries.servers_of(key.account_id, queries.ServerFilter(key=key.public_id))


def _lines(servers: tuple[ServerRow, ...]) -> str:
    now = clock.now()
    told = patched(row.public_id for row in servers)
    return _report(
        [
            MonitoredRow(
                row.hostname,
                row.address,
                is_silent=row.alert_after is not None and row.alert_after < now,
                state=told[row.public_id].state if row.public_id in told else PatchState.UPTODATE,
            )
            for row in servers
        ]
    )


def _report(machines: Sequence[MonitoredRow]) -> str:
    """One count for each word; the first line names the worst that is, the others each machine."""
    words = ["INACTIVE" if row.is_silent else row.state.upper() for row in machines]
    counts = ";".join(f"{name}={words.count(name.upper())}" for name in BUCKETS)
    bad = [name.upper() for name in BUCKETS[1:] if name.upper() in words]
    if not bad:
        return f"{ALL_WELL}|{counts}"
    head = f"{words.count(bad[0])} machines are {bad[0]}!|{counts}"
    lines = (
        f"{row.hostname or row.address} ({row.address}) is {word}"
        for row, word in zip(machines, words, strict=True)
        if word in bad
    )
    return "\n".join([head, *lines])
