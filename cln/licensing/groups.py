"""Server groups: a name, a description, and servers that are in one group at most (facts §4.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import IntegrityError, transaction
from django.db.models import Count

from cln.accounts.audit import record
from cln.domain.errors import Refusal
from cln.enums import ServerStatus
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
    name, description = _checked(name, description)
    with transaction.atomic():
        group = ServerGroup(account_id=account_id, name=name, description=description)
        _save(group)
        _record(group, "server_group_created", actor=actor, now=now)
    return group


def groups_of(account_id: int) -> tuple[tuple[str, str], ...]:
    """Name and description of the account's groups, by name."""
    rows = ServerGroup.objects.filter(account=account_id).order_by("name")
    return tuple(rows.values_list("name", "description"))


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group in a list; `grace` None = as everywhere, `servers` = those that run."""

    id: int
    name: str
    description: str
    grace: timedelta | None
    servers: int


def group_rows(account_id: int) -> tuple[GroupRow, ...]:
    """The account's groups with the number of their running servers, by name."""
    members = Server.objects.filter(
        account=account_id, status=ServerStatus.ACTIVE, group__isnull=False
    )
    running = dict(members.values_list("group").order_by().annotate(count=Count("*")))
    return tuple(
        GroupRow(row.pk, row.name, row.description, row.grace, running.get(row.pk, 0))
        for row in ServerGroup.objects.filter(account=account_id).order_by("name")
    )


def group_of_id(*, account_id: int, group: int) -> ServerGroup:
    """The account's group with this number. Refuses `unknown_group`."""
    row = ServerGroup.objects.filter(account=account_id, pk=group).first()
    if row is None:
        raise _no_group()
    return row


def update_group(
    *, account_id: int, group: int, name: str, description: str, actor: str, now: datetime
) -> None:
    """Give a group another name and description; its servers stay in it.

    Refuses `unknown_group`, `bad_group_name`, `group_exists`.
    """
    name, description = _checked(name, description)
    with transaction.atomic():
        row = group_of_id(account_id=account_id, group=group)
        was = row.name
        row.name, row.description = name, description
        _save(row)
        _record(row, "server_group_changed", actor=actor, now=now, name=[was, name])


def remove_group(*, account_id: int, group: int, actor: str, now: datetime) -> int:
    """Remove a group; its servers stay and are in none (G-2). How many. Refuses `unknown_group`."""
    with transaction.atomic():
        row = group_of_id(account_id=account_id, group=group)
        members = Server.objects.filter(group=row)
        # Without the group's patience they may be due earlier: the next scan looks.
        members.filter(alert_after__gt=now, alerted_at=None).update(alert_after=now)
        count = members.update(group=None)
        _record(row, "server_group_removed", actor=actor, now=now, servers=count)
        row.delete()
    return count


def get_group(*, account_id: int, name: str) -> ServerGroup:
    """The account's group of that name. Refuses `unknown_group`."""
    group = ServerGroup.objects.filter(account=account_id, name=_plain(name)).first()
    if group is None:
        raise _no_group()
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


def add_to_group(
    *, account_id: int, name: str, servers: Sequence[str], actor: str, now: datetime
) -> int:
    """Put servers, by public id, into a group that is opened if there is none of the name (G-3).

    How many went in; foreign and absent ids are left out. Refuses `bad_group_name`.
    """
    with transaction.atomic():
        if not ServerGroup.objects.filter(account=account_id, name=_plain(name)).exists():
            create_group(account_id=account_id, name=name, actor=actor, now=now)
        rows = Server.objects.filter(account=account_id, public_id__in=servers)
        return len(
            put_servers(account_id=account_id, name=name, servers=list(rows), actor=actor, now=now)
        )


def take_out_of_group(
    *, account_id: int, name: str, servers: Sequence[str], actor: str, now: datetime
) -> int:
    """Take servers, by public id, out of a group; how many were in it. Refuses `unknown_group`."""
    rows = list(Server.objects.filter(account=account_id, public_id__in=servers))
    return len(
        take_out_servers(account_id=account_id, name=name, servers=rows, actor=actor, now=now)
    )


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
                servers=", ".join(row.public_id for row in rows),
            )
    return rows


def _checked(name: str, description: str) -> tuple[str, str]:
    name, description = _plain(name), _plain(description)
    if not 0 < len(name) <= NAME_LENGTH or len(description) > DESCRIPTION_LENGTH:
        raise BadGroupName(
            f"A group has a name of 1 to {NAME_LENGTH} characters and a description of "
            f"{DESCRIPTION_LENGTH} at most."
        )
    return name, description


def _save(group: ServerGroup) -> None:
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError:
        raise GroupExists(
            f"There is a group “{group.name}” already.", "Choose another name."
        ) from None


def _no_group() -> UnknownGroup:
    return UnknownGroup("There is no such server group.", "Create it first.")


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
