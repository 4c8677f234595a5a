"""Finding one thing of an account by a piece of what people know of it: for the search field.

Each question is answered by an index or reads the account's few rows of that kind; a piece from
the middle of a hostname is a matter for the list of servers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from cln.domain.addresses import BadAddress, canonical_address
from cln.enums import ServerStatus
from cln.licensing.keys import find_key
from cln.licensing.models import ActivationKey, IpLicense, Server, ServerGroup
from cln.licensing.rows import KeyRow, key_row

PIECE_MIN = 2
_RUNS, _IS_GONE = Q(status=ServerStatus.ACTIVE), Q(removed_at__isnull=False)


@dataclass(frozen=True, slots=True)
class FoundServer:
    """A server; `status` is one of `ServerStatus`."""

    public_id: str
    hostname: str
    address: str
    license_name: str
    status: str


@dataclass(frozen=True, slots=True)
class FoundAddress:
    """An IP license."""

    address: str
    hostname: str
    license_name: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of each kind, at most so many as were asked for."""

    servers: tuple[FoundServer, ...] = ()
    keys: tuple[KeyRow, ...] = ()
    addresses: tuple[FoundAddress, ...] = ()
    groups: tuple[str, ...] = ()


def find(*, account_id: int, text: str, most: int) -> Found:
    """Servers by address or the beginning of their name, running ones first; keys by their whole
    text, their end or their note; IP licenses by address or name; groups by name.

    Nothing for a piece of less than two characters.
    """
    text = text.strip()
    if len(text) < PIECE_MIN:
        return Found()
    address = _address(text)
    return Found(
        servers=_servers(account_id, text, address, most),
        keys=() if address else _keys(account_id, text, most),
        addresses=_addresses(account_id, text, address, most),
        groups=_groups(account_id, text, most),
    )


def subjects_called(*, account_id: int, text: str, most: int) -> list[str]:
    """What the audit log calls the servers and keys that `find` would find, removed keys as well:
    `most` each of running servers, of removed ones and of keys.
    """
    text = text.strip()
    if len(text) < PIECE_MIN:
        return []
    address = _address(text)
    servers = Server.objects.filter(_called(text, address), account=account_id)
    # Each in the order of an index.
    running = servers.filter(_RUNS).order_by("hostname", "id")
    gone = servers.filter(_IS_GONE).order_by("-removed_at")
    found = [server for rows in (running, gone) for server in _ids(rows, most)]
    if not address:
        keys = _keys_called(account_id, text).order_by("-id")[:most]
        found += [f"{key.public_id} …{key.last4}" for key in keys]
    return found


def _ids(servers: QuerySet[Server], most: int) -> Iterable[str]:
    return servers.values_list("public_id", flat=True)[:most]


def _address(text: str) -> str:
    """The address as the database keeps it; "" for what is none."""
    try:
        return canonical_address(text)
    except BadAddress:
        return ""


def _called(text: str, address: str) -> Q:
    return Q(address=address) if address else Q(hostname__startswith=text.lower())


def _keys_called(account_id: int, text: str) -> QuerySet[ActivationKey]:
    whole = find_key(text)
    if whole is not None:
        return ActivationKey.objects.filter(account=account_id, pk=whole.pk)
    wanted = Q(note__icontains=text) | Q(last4=text[-4:] if len(text) == 4 else "")
    return ActivationKey.objects.filter(wanted, account=account_id)


def _servers(account_id: int, text: str, address: str, most: int) -> tuple[FoundServer, ...]:
    wanted = _called(text, address)
    # Two questions of two indexes; one of all servers would read them all.
    rows = Server.objects.filter((_RUNS & wanted) | (_IS_GONE & wanted), account=account_id)
    rows = rows.select_related("license_type")
    return tuple(
        FoundServer(row.public_id, row.hostname, row.address, row.license_type.name, row.status)
        for row in rows.order_by("status", "hostname", "-id")[:most]
    )


def _keys(account_id: int, text: str, most: int) -> tuple[KeyRow, ...]:
    rows = _keys_called(account_id, text).filter(removed_at=None)
    return tuple(
        key_row(row) for row in rows.select_related("license_type__product").order_by("id")[:most]
    )


def _addresses(account_id: int, text: str, address: str, most: int) -> tuple[FoundAddress, ...]:
    wanted = Q(address=address) if address else Q(hostname__istartswith=text)
    rows = IpLicense.objects.filter(wanted, account=account_id, removed_at=None)
    return tuple(
        FoundAddress(row.address, row.hostname, row.license_type.name)
        for row in rows.select_related("license_type").order_by("address", "id")[:most]
    )


def _groups(account_id: int, text: str, most: int) -> tuple[str, ...]:
    rows = ServerGroup.objects.filter(account=account_id, name__icontains=text)
    return tuple(rows.order_by("name").values_list("name", flat=True)[:most])
