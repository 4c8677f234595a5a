"""Who keeps the data of backups, behind one small interface; without a setting there is nobody.

Nothing here runs inside a transaction of ours: flows record what is wanted, call, record what the
provider said. Each call says how things should be, so it may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string

SANDBOX = "cln.backups.sandbox.SandboxProvider"


class ProviderUnreachable(Exception):
    """The provider did not answer, or could not do it now; it is asked again later."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a backup should have; `reference` is its public id."""

    reference: str
    data_center: str
    size_gb: int


class Provider(Protocol):
    """What an adapter does; it may raise ProviderUnreachable where it says so."""

    def data_centers(self) -> Mapping[str, str]:
        """Code → place, for people to choose from; answered from memory."""

    def keep(self, room: Room) -> int:
        """See to it that there is this room, and return the GB used of it. ProviderUnreachable."""

    def drop(self, reference: str) -> None:
        """Delete the data; fine where there is none. ProviderUnreachable."""

    def management_url(self, reference: str) -> str:
        """Where people manage their data; answered from memory, "" where there is no such page."""


def provider() -> Provider | None:
    """The provider of this installation (`CLN_BACKUP_PROVIDER`)."""
    name = settings.CLN_BACKUP_PROVIDER
    return cast(Provider, import_string(SANDBOX if name == "sandbox" else name)()) if name else None
