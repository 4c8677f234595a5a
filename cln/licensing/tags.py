"""The tag that a machine gives itself (AK-6): a word its people find it by."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cln.licensing.models import ServerTag
from cln.licensing.registration import plain_text
from cln.licensing.servers import find_server

TAG_LENGTH: Final = 100


def tag_server(*, secret: str, text: str, now: datetime) -> str:
    """Let the server that presents its secret be tagged so; empty takes the tag away. Returns it.

    Refusals: `unknown_server`, `server_removed`.
    """
    server = find_server(secret=secret, now=now)
    tag = plain_text(text, TAG_LENGTH)
    if tag:
        ServerTag.objects.update_or_create(server=server, defaults={"tag": tag, "reported_at": now})
    else:
        ServerTag.objects.filter(server=server).delete()
    return tag


def tag_of(*, server_id: int) -> str:
    """The tag of a server by primary key; empty where it has none."""
    return ServerTag.objects.filter(server=server_id).values_list("tag", flat=True).first() or ""
