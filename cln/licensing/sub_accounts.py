"""Servers that registered under a reseller's named server accounts (facts §4.12, SA-4)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cln.accounts.models import ServerAccount
from cln.enums import ServerStatus
from cln.licensing.keys import reveal
from cln.licensing.models import System


@dataclass(frozen=True, slots=True)
class SubAccountServer:
    """A server and the server account it registered under; `version` is CloudLinux OS's major."""

    login: str
    email: str
    number: int
    key: str
    version: int
    address: str


def sub_account_servers(account_id: int) -> tuple[SubAccountServer, ...]:
    """The running RHN servers of the account's server accounts, by login, then by age."""
    emails = dict(
        ServerAccount.objects.filter(account=account_id, removed_at=None).values_list(
            "login", "email"
        )
    )
    systems = (
        System.objects.filter(
            server__account=account_id, server__status=ServerStatus.ACTIVE, username__in=emails
        )
        .select_related("server__key")
        .order_by("username", "server_id")
    )
    return tuple(
        SubAccountServer(
            login=system.username,
            email=emails[system.username],
            number=system.server_id,
            key="" if system.server.key is None else reveal(system.server.key),
            version=_major(system.os_release),
            address=system.server.address,
        )
        for system in systems
    )


def _major(release: str) -> int:
    """`8` of `8.10` and `8.10server`; 0 where there is no number."""
    number = re.search(r"\d{1,4}", release)
    return int(number[0]) if number else 0
