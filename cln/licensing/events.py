"""What customers' programs hear of keys, servers and IP licenses; no secrets. All join."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from cln.licensing.models import ActivationKey, IpLicense, Server
from cln.notifications.events import Event, EventType, emit, emit_all


def key_event(kind: EventType, key: ActivationKey, *, now: datetime) -> None:
    """A key came, changed or went; its text is not told."""
    emit(Event(key.account_id, kind, partial(_key, key)), now=now)


def server_registered(server: Server, *, reinstalled: bool, now: datetime) -> None:
    """A server came, or came back."""

    def data() -> dict[str, object]:
        replaces = server.supersedes.public_id if server.supersedes else None
        return _server(server) | {"reinstalled": reinstalled, "replaces": replaces}

    emit(Event(server.account_id, EventType.SERVER_REGISTERED, data), now=now)


def servers_removed(servers: Iterable[Server], *, why: str, now: datetime) -> None:
    """Servers went."""
    kind = EventType.SERVER_REMOVED
    emit_all(
        [Event(one.account_id, kind, partial(_server, one, why=why)) for one in servers], now=now
    )


def ip_license_event(kind: EventType, row: IpLicense, *, now: datetime) -> None:
    """A license at an address came or went."""
    emit(Event(row.account_id, kind, partial(_ip_license, row)), now=now)


def _key(key: ActivationKey) -> dict[str, object]:
    return {
        "id": key.public_id,
        "last4": key.last4,
        "license_type": key.license_type.code,
        "limit": key.limit,
        "note": key.note,
        "is_default": key.is_default,
    }


def _server(server: Server, **more: object) -> dict[str, object]:
    return {
        "id": server.public_id,
        "hostname": server.hostname,
        "address": server.address,
        "license_type": server.license_type.code,
        **more,
    }


def _ip_license(row: IpLicense) -> dict[str, object]:
    return {
        "id": row.public_id,
        "address": row.address,
        "license_type": row.license_type.code,
        "type": row.license_type.ip_type,
    }
