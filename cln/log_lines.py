"""How the log writes a line: what looks like a secret shows its last four letters only.

Nobody logs a secret on purpose. But a door that breaks is logged with its path, and old protocols
carry keys, signed tokens and even API secrets in the path or the query (security §3).
"""

from __future__ import annotations

import logging
import re
from typing import Final

_SECRETS: Final = re.compile(
    r"""
    # A signed token of REST v1; what our own secrets begin with; activation keys; API secrets.
    (?P<token>(?:\||%7C)[0-9]{10}(?:\||%7C))[0-9a-f]{36}(?=[0-9a-f]{4}\b)
    | (?P<prefix>\b(?:cls|cln|mv|whsec)_)[A-Za-z0-9_-]{12,}(?=[A-Za-z0-9_-]{4})
    | (?P<key>\b(?:CL[A-Z]*|[A-Z0-9]{3,12})-)[A-Za-z0-9-]{12,}(?=[A-Za-z0-9]{4}\b)
    | (?P<imunify>\bIM)(?=[A-Za-z0-9]{18}\b)[A-Za-z0-9]{14}
    | (?P<word>\b)(?=[A-Za-z0-9]*[A-Z])[A-Za-z0-9]{36}(?=[A-Za-z0-9]{4}\b)
    # Whatever stands where a secret stands in a path or a query.
    | (?P<path>/(?:nagios|pay|patchset)/|/nagios-res/[^/\s]+/)
        [^/\s?"']+?(?=[^/\s?"']{4}(?:[/\s?"']|$))
    | (?P<query>\b(?:token|key|secret|password|server_id|code)=)
        [^&\s"']+?(?=[^&\s"']{4}(?:[&\s"']|$))
    """,
    re.VERBOSE,
)


class MaskingFormatter(logging.Formatter):
    """Writes a line, its traceback too, without what it must not tell."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return masked(super().format(record))


def masked(text: str) -> str:
    """The text with `…` in place of all but the ends of what looks like a secret."""
    return _SECRETS.sub(lambda found: f"{found[found.lastgroup or 'word']}…", text)
