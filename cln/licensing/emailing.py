"""What of a reseller's usage has Imunify Email: the facts of the add-on's line (S2, F-2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cln.catalog.queries import ids_of_product
from cln.licensing.feature_list import FEATURE_PRODUCT, IMUNIFY_EMAIL
from cln.licensing.surcharges import (
    Imagined,
    Level,
    as_if,
    settings_of,
)


class HasKey(Protocol):
    """A server as far as its features are concerned."""

    @property
    def pk(self) -> int:
        """Its row id."""

    @property
    def key_id(self) -> int | None:
        """That of its key."""


@dataclass(frozen=True, slots=True)
class Emailing:
    """Where an account has it enabled, by row ids: `everywhere`, else below. `decided` are the keys
    whose word is stronger than that of their servers; `license_types` are those that can have it.
    """

    license_types: frozenset[int]
    everywhere: bool = False
    keys: frozenset[int] = frozenset()
    decided: frozenset[int] = frozenset()
    servers: frozenset[int] = frozenset()
    ip_licenses: frozenset[int] = frozenset()

    @property
    def is_nowhere(self) -> bool:
        """Whether nothing of the account can have it."""
        return not (self.everywhere or self.keys or self.servers or self.ip_licenses)

    def of_server(self, server: HasKey) -> bool:
        """Whether a server has it: the account's word, else its key's, else its own."""
        if server.key_id in self.decided:
            return self.everywhere or server.key_id in self.keys
        return self.everywhere or server.pk in self.servers

    def of_ip_license(self, pk: int) -> bool:
        """Whether an IP license has it: the account's word, else its own."""
        return self.everywhere or pk in self.ip_licenses


class EmailSwitches:
    """What an account has switched, read once for any number of what-ifs."""

    def __init__(self, account_id: int) -> None:
        """Read it."""
        self._account_id = account_id
        self._settings = settings_of([account_id])

    def where(self, imagined: Imagined | None = None) -> Emailing:
        """Where Imunify Email is enabled; `imagined`: as if that were set."""
        settings = as_if(self._settings, imagined)
        of_account = settings.get(Level(self._account_id))
        if not settings or of_account is False:
            return Emailing(frozenset())
        on = [level for level, enabled in settings.items() if enabled and of_account is None]
        return Emailing(
            license_types=frozenset(ids_of_product(FEATURE_PRODUCT[IMUNIFY_EMAIL])),
            everywhere=bool(of_account),
            keys=frozenset(level.key_id for level in on if level.key_id),
            decided=frozenset(level.key_id for level in settings if level.key_id),
            servers=frozenset(level.server_id for level in on if level.server_id),
            ip_licenses=frozenset(level.ip_license_id for level in on if level.ip_license_id),
        )
