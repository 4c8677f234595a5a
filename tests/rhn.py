"""Calls as stock RHN clients make them, and the faults they get."""

from __future__ import annotations

from typing import Any
from xmlrpc.client import Fault, dumps, loads

import pytest
from django.test import Client

from cln.licensing.models import ActivationKey
from cln.licensing.services import reveal

# What follows "Explanation: ", to the letter (rhn.md §5).
EXPLANATION = """
     An error has occurred while processing your request. If this problem
     persists please enter a bug report at helpdesk.cloudlinux.com.
     If you choose to submit the bug report, please be sure to include
     details of what you were trying to do when this error occurred and
     details on how to reproduce this problem.
"""
PATHS = ["/XMLRPC", "/XMLRPC/", "/RPC2"]
UUID = "4c4c4544-0051-3010-8052-b4c04f4a3132"
PACKAGE = {"name": "bash", "version": "4.4", "release": "20.el8", "epoch": "", "arch": "x86_64"}
STATUS = {"uname": ["Linux", "web1", "4.18.0-553.el8", "#1 SMP", "x86_64"], "uptime": [3600, 7000]}


def call(method: str, *arguments: Any, path: str = PATHS[0], **extra: str) -> Any:
    """Call as the clients do; the result, or a Fault raised. The status is always 200."""
    answer = Client().post(path, dumps(arguments, method), content_type="text/xml", **extra)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/xml"
    assert "registration.smbios(1)=1" in answer["X-RHN-Server-Capability"]
    (result,), _ = loads(answer.content)
    return result


def fault_of(method: str, *arguments: Any, **extra: str) -> tuple[int, str]:
    """Code and text of the fault that a call is answered with."""
    with pytest.raises(Fault) as raised:
        call(method, *arguments, **extra)
    return raised.value.faultCode, raised.value.faultString


def machine(key: ActivationKey | str, hostname: str = "web1", **more: Any) -> dict[str, Any]:
    """What rhnreg_ks sends of a machine."""
    return {
        "profile_name": hostname,
        "os_release": "8",
        "release_name": "cloudlinux-release",
        "architecture": "x86_64",
        "token": key if isinstance(key, str) else reveal(key),
        "smbios": {},
    } | more


def laid_out(code: int, text: str, info: str) -> str:
    return (
        f"\nError Message:\n    {text}\nError Class Code: {code}\n"
        f"Error Class Info: {info}\nExplanation: {EXPLANATION}"
    )


INVALID_SYSTEM = (
    -9,
    laid_out(9, "Please run rhn_register as root on this client", "Invalid System Credentials."),
)
