"""Server groups: a name, a description, and servers that are in one group at most (facts §4.6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from django.db import IntegrityError, transaction

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.licensing.access import get_server
from cln.licensing.models import Server, ServerGroup
from cln.licensing.registration import plain_text

NAME_LENGTH = 100
DESCRIPTION_LENGTH = 200


class UnknownGroup(Refusal):
    """There is no such server group in this account."""

    code: ClassVar[str] = "unknown_group"


class GroupExists(Refusal):
    """The account has a group of that name already."""

    code: ClassVar[str] = "group_exists"


class BadGroupName(Refusal):
    """The name is empty or too long, or the description is."""

    code: ClassVar[str] = "bad_group_name"


def create_group(
    *, account_id: int, name: str, description: str = "", actor: str, now: datetime
) -> ServerGroup:
    """Open a group; its name is its identity (G-6). Refuses `bad_group_name`, `group_exists`."""
    name, description = _plain(name), _plain(description)
    if not 0 < len(name) <= NAME_LENGTH or len(description) > DESCRIPTION_LENGTH:
        raise BadGroupName(
            f"A group has a name of 1 to {NAME_LENGTH} characters and a description of "
            f"{DESCRIPTION_LENGTH} at most."
        )
    with transaction.atomic():
        try:
            with transaction.atomic():
                group = ServerGroup.objects.create(
                    account_id=account_id, name=name, description=description
                )
        except IntegrityError:
            raise GroupExists(
                f"There is a group “{name}” already.", "Choose another name."
            ) from None
        _record(group, "server_group_created", actor=actor, now=now)
    return group


def groups_of(account_id: int) -> tuple[tuple[str, str], ...]:
    """Name and description of the account's groups, by name."""
    rows = ServerGroup.objects.filter(account=account_id).order_by("name")
    return tuple(rows.values_list("name", "description"))


def get_group(*, account_id: int, name: str) -> ServerGroup:
    """The account's group of that name. Refuses `unknown_group`."""
    group = ServerGroup.objects.filter(account=account_id, name=_plain(name)).first()
    if group is None:
        raise UnknownGroup("There is no such server group.", "Create it first.")
    return group


def put_servers(
    *, account_id: int, name: str, servers: Sequence[Server], actor: str, now: datetime
) -> tuple[Server, ...]:
    """Put servers of the account into a group, out of the one they were in (G-5); which they are.

    Refuses `unknown_group`.
    """
    return _change(account_id, name, servers, put=True, actor=actor, now=now)


def take_out_servers(
    *, account_id: int, name: str, servers: Sequence[Server], actor: str, now: datetime
) -> tuple[Server, ...]:
    """Take servers out of a group; those that were in it. Refuses `unknown_group`."""
    return _change(account_id, name, servers, put=False, actor=actor, now=now)


def move_to_group(
    *, account_id: int, server: str, name: str | None, actor: str, now: datetime
) -> None:
    """Put one server, by its public id, into a group, or with None out of the one it is in.

    Refuses `unknown_server`, `unknown_group`.
    """
    row = get_server(account_id=account_id, public_id=server)
    if name is not None:
        put_servers(account_id=account_id, name=name, servers=[row], actor=actor, now=now)
    elif row.group is not None:
        take_out_servers(
            account_id=account_id, name=row.group.name, servers=[row], actor=actor, now=now
        )


def _change(
    account_id: int, name: str, servers: Sequence[Server], *, put: bool, actor: str, now: datetime
) -> tuple[Server, ...]:
    group = get_group(account_id=account_id, name=name)
    with transaction.atomic():
        meant = Server.objects.select_for_update(of=("self",), no_key=True).filter(
            account=account_id, pk__in={server.pk for server in servers}
        )
        if not put:
            meant = meant.filter(group=group)
        rows = tuple(meant.select_related("license_type__product").order_by("pk"))
        changed = Server.objects.filter(pk__in=[row.pk for row in rows])
        changed.update(group=group if put else None)
        # The other group may have less patience: the next scan looks when they are due now.
        changed.filter(alert_after__gt=now, alerted_at=None).update(alert_after=now)
        if rows:
            _record(
                group,
                "servers_put_into_group" if put else "servers_taken_out_of_group",
                actor=actor,
                now=now,
                servers=[row.public_id for row in rows],
            )
    return rows


def _plain(text: str) -> str:
    return plain_text(text, max(NAME_LENGTH, DESCRIPTION_LENGTH) + 1)


def _record(group: ServerGroup, verb: str, *, actor: str, now: datetime, **details: object) -> None:
    record(
        account_id=group.account_id,
        actor=actor,
        verb=verb,
        subject=group.name,
        details=details,
        now=now,
    )
