"""What the audit log's subjects are called by those who read it, and what is called so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from cln.backups.services import backups_named, backups_on
from cln.licensing import finding
from cln.licensing.queries import keys_named, servers_named

CALLED_MOST: Final = 500
"""Things of a kind whose entries are found by what they are called: of more nobody reads all."""


def subject_names(*, account_id: int, subjects: Iterable[str]) -> Mapping[str, str]:
    """Servers, backups and keys of the account among `subjects`, also removed ones, by public id.

    A server is called by its hostname, or by its address while it has told none; a key by its end.
    """
    ids = list(subjects)
    servers = [one for one in ids if one.startswith("srv_")]
    backups = [one for one in ids if one.startswith("bkp_")]
    names = dict(servers_named(account_id, servers)) if servers else {}
    keys = [one for one in ids if re.fullmatch(r"key_\w+", one)]
    if keys:
        names |= {one: f"…{last4}" for one, last4 in keys_named(account_id, keys).items()}
    if backups:
        of_servers = backups_named(account_id, backups)
        names |= {one: f"backup of {name}" for one, name in of_servers.items()}
    return names


def subjects_called(*, account_id: int, text: str) -> list[str]:
    """Subjects that people call so, CALLED_MOST of a kind: servers, by address or the beginning of
    their name, and their backups; keys, by note, by their end or as a whole.
    """
    found = finding.subjects_called(account_id=account_id, text=text, most=CALLED_MOST)
    return [*found, *backups_on(account_id, found)]
