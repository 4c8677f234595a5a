"""A reseller's server accounts: named parts of its servers, each with tokens and a limit (SA-1…3).

A token is an activation key of CloudLinux OS that belongs to a server account. The limit of the
server account counts over all its tokens, under its row's lock, when a server registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.db import transaction
from django.db.models import Count, Q, Sum

from cln.accounts.audit import record
from cln.accounts.models import ServerAccount
from cln.accounts.services import shaped_login, well_formed
from cln.domain.errors import Refusal
from cln.domain.words import counted
from cln.licensing.access import get_server_account, lock_server_account, tokens_of
from cln.licensing.keys import KeyLimitBelowUsed, create_key, remove_key, reveal
from cln.licensing.models import ActivationKey
from cln.licensing.partners import is_reseller, not_a_reseller

LICENSE_TYPE: Final = "cloudlinux"


class ServerAccountTaken(Refusal):
    """The reseller has a server account of this name."""

    code: ClassVar[str] = "server_account_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whose servers they are; nobody signs in with it."""

    login: str
    email: str
    first_name: str = ""
    last_name: str = ""
    company: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAccountRow:
    """A server account; `limit` 0 is unlimited, `used` counts the servers of all its tokens."""

    number: int
    person: Person
    limit: int
    used: int
    tokens: int


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token of a server account."""

    public_id: str
    text: str
    created_at: datetime
    used: int


def list_server_accounts(account_id: int) -> tuple[ServerAccountRow, ...]:
    """The server accounts of a reseller, by login."""
    live = Q(tokens__removed_at=None)
    rows = ServerAccount.objects.filter(account=account_id, removed_at=None).annotate(
        used=Sum("tokens__used", filter=live, default=0), live=Count("tokens", filter=live)
    )
    return tuple(_row(row, row.used, row.live) for row in rows.order_by("login"))


def server_account_row(*, account_id: int, number: int) -> ServerAccountRow:
    """One of them. Refuses `unknown_server_account`."""
    row = get_server_account(account_id=account_id, number=number)
    return _row(row, _used(row), tokens_of(row).count())


def tokens(*, account_id: int, number: int) -> Sequence[TokenRow]:
    """The live tokens of a server account, oldest first. Refuses `unknown_server_account`."""
    row = get_server_account(account_id=account_id, number=number)
    keys = tokens_of(row).order_by("pk")
    return [TokenRow(key.public_id, reveal(key), key.created_at, key.used) for key in keys]


def add_server_account(
    *, account_id: int, person: Person, limit: int = 0, actor: str, now: datetime
) -> ServerAccountRow:
    """Open a server account.

    Refuses `not_a_reseller`, `bad_login`, `bad_email`, `server_account_taken`.
    """
    if not is_reseller(account_id):
        raise not_a_reseller()
    columns = _columns(person)
    with transaction.atomic():
        _check_free(account_id, columns["login"])
        row = ServerAccount.objects.create(
            account_id=account_id, limit=limit, created_at=now, **columns
        )
        _record(row, "server_account.added", actor=actor, now=now, limit=limit)
    return _row(row, 0, 0)


def edit_server_account(
    *, account_id: int, number: int, person: Person, limit: int, actor: str, now: datetime
) -> None:
    """Change names and limit; servers that run stay.

    Refuses `unknown_server_account`, `bad_login`, `bad_email`, `server_account_taken`,
    `key_limit_below_used`.
    """
    columns = _columns(person)
    with transaction.atomic():
        row = lock_server_account(account_id=account_id, number=number)
        _check_free(account_id, columns["login"], besides=row.pk)
        used = _used(row)
        if 0 < limit < used:
            raise KeyLimitBelowUsed(
                f"{counted(used, 'server uses', 'servers use')} its tokens, "
                f"so the limit cannot be {limit}.",
                "Remove servers first, or choose a higher limit.",
                used=used,
            )
        wanted: dict[str, object] = {**columns, "limit": limit}
        changed = {
            name: [getattr(row, name), value]
            for name, value in wanted.items()
            if getattr(row, name) != value
        }
        ServerAccount.objects.filter(pk=row.pk).update(**wanted)
        _record(row, "server_account.changed", actor=actor, now=now, **changed)


def create_token(*, account_id: int, number: int, actor: str, now: datetime) -> ActivationKey:
    """One more token of a server account. Refuses what `create_key` refuses."""
    get_server_account(account_id=account_id, number=number)
    return create_key(
        account_id=account_id,
        license_type=LICENSE_TYPE,
        server_account=number,
        actor=actor,
        now=now,
    )


def remove_server_account(*, account_id: int, number: int, actor: str, now: datetime) -> int:
    """Remove a server account, its tokens and the registrations of their servers; how many servers.

    Refuses `unknown_server_account`.
    """
    with transaction.atomic():
        row = get_server_account(account_id=account_id, number=number)
        servers = _remove_tokens(row, actor=actor, now=now)
        row = lock_server_account(account_id=account_id, number=number)
        # A token that was made while the others went.
        servers += _remove_tokens(row, actor=actor, now=now)
        row.removed_at = now
        row.save(update_fields=["removed_at"])
        _record(row, "server_account.removed", actor=actor, now=now, servers=servers)
    return servers


def _remove_tokens(row: ServerAccount, *, actor: str, now: datetime) -> int:
    keys = tokens_of(row).order_by("pk").values_list("public_id", flat=True)
    return sum(remove_key(account_id=row.account_id, key=key, actor=actor, now=now) for key in keys)


def _used(row: ServerAccount) -> int:
    used: int = tokens_of(row).aggregate(used=Sum("used", default=0))["used"]
    return used


def _row(row: ServerAccount, used: int, live: int) -> ServerAccountRow:
    person = Person(
        login=row.login,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        company=row.company,
    )
    return ServerAccountRow(number=row.pk, person=person, limit=row.limit, used=used, tokens=live)


def _columns(person: Person) -> dict[str, str]:
    return {
        "login": shaped_login(person.login),
        "email": well_formed(person.email),
        "first_name": person.first_name.strip(),
        "last_name": person.last_name.strip(),
        "company": person.company.strip(),
    }


def _check_free(account_id: int, login: str, *, besides: int = 0) -> None:
    same = ServerAccount.objects.filter(account=account_id, login__iexact=login, removed_at=None)
    if same.exclude(pk=besides).exists():
        raise ServerAccountTaken(
            f"You have a server account {login} already.", "Choose another login."
        )


def _record(row: ServerAccount, verb: str, *, actor: str, now: datetime, **details: object) -> None:
    record(
        account_id=row.account_id,
        actor=actor,
        verb=verb,
        subject=row.login[:120],
        details=details,
        now=now,
    )
