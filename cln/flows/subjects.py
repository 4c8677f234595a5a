"""What the audit log's subjects are called by those who read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from cln.backups.services import backups_named
from cln.licensing.queries import keys_named, servers_named


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
