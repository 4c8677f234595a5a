"""How each product gets onto a server, as commands: what the public install page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from cln.catalog.queries import products

KEY: Final = "KEY"


@dataclass(frozen=True, slots=True)
class Step:
    """Something to run as root on the server, and when that is the right thing."""

    title: str
    command: str


@dataclass(frozen=True, slots=True)
class Instructions:
    """The ways onto a server for one product, the usual one first."""

    code: str
    name: str
    steps: tuple[Step, ...]


_INSTALLER: Final = "curl -fsSL {url}/install/cln-install.sh | sh -s --"
_BY_KEY: Final = Step("With our agent, which then checks in by itself", f"{_INSTALLER} -k {{key}}")
_BY_ADDRESS: Final = Step(
    "The same for a server whose IP is licensed, without a key", f"{_INSTALLER} --byip"
)
_AGENT: Final = (_BY_KEY, _BY_ADDRESS)
_OWN: Final[Mapping[str, Step]] = {
    "cloudlinux": Step(
        "With the system's own tools",
        "rhnreg_ks --serverUrl={url}/XMLRPC --activationkey={key} --force",
    ),
    "kernelcare": Step(
        "With KernelCare's own agent",
        "echo REGISTRATION_URL={url}/api/kcare >> /etc/sysconfig/kcare/kcare.conf\n"
        "kcarectl --register {key}",
    ),
    "els": Step(
        "As the scripts of ELS do; the answer is the token of the repositories",
        "curl -fsS {url}/cln/api/els/token/register "
        """--json '{"key":"KEY","host_name":"'$(hostname -f)'"}'""",
    ),
}


def install_command(key: str) -> str:
    """The command that gets a server its license by this key, and keeps it checking in."""
    return _filled(_BY_KEY.command, key)


def address_command() -> str:
    """The same by the IP license of the server's address, which needs no key."""
    return _filled(_BY_ADDRESS.command, KEY)


def _filled(template: str, key: str) -> str:
    return template.replace("{url}", settings.CLN_BASE_URL).replace("{key}", key)


def instructions() -> tuple[Instructions, ...]:
    """The ways of every product; the key stands in as a word, for nobody has signed in here."""
    found = []
    for row in products():
        own = (_OWN[row.code],) if row.code in _OWN else ()
        bare = Step("By hand, with nothing installed", row.install_command)
        steps = tuple(
            Step(step.title, _filled(step.command, KEY)) for step in (*_AGENT, *own, bare)
        )
        found.append(Instructions(row.code, row.name, steps))
    return tuple(found)
