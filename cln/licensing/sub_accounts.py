"""Servers that registered under a reseller's named server accounts (facts §4.12, SA-4)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import Q

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
    mine = ServerAccount.objects.filter(account=account_id, removed_at=None)
    emails = dict(mine.values_list("login", "email"))
    by_login, by_token = Q(username__in=emails), Q(server__key__server_account__in=mine)
    systems = System.objects.filter(
        by_login | by_token, server__account=account_id, server__status=ServerStatus.ACTIVE
    ).select_related("server__key__server_account")
    named = sorted(((_owner(system), system) for system in systems), key=_by_login_and_age)
    return tuple(
        SubAccountServer(
            login=login,
            email=emails[login],
            number=system.server_id,
            key="" if system.server.key is None else reveal(system.server.key),
            version=_major(system.os_release),
            address=system.server.address,
        )
        for login, system in named
    )


def _owner(system: System) -> str:
    """The login of the server account: of the token it used, or what it registered by."""
    key = system.server.key
    by_token = None if key is None else key.server_account
    return system.username if by_token is None else by_token.login


def _by_login_and_age(named: tuple[str, System]) -> tuple[str, int]:
    return named[0], named[1].server_id


def _major(release: str) -> int:
    """`8` of `8.10` and `8.10server`; 0 where there is no number."""
    number = re.search(r"\d{1,4}", release)
    return int(number[0]) if number else 0
