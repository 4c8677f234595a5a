"""The checksum of an RHN systemid document, the only credential a stock RHN client has.

It runs over the secret, the values and the names without separators, as the protocol has always
had it; so a byte moved from the end of one value to the start of the next leaves it as it is.
Whoever verifies must therefore know all values but one from elsewhere (`agrees`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

SIGNED_FIELDS = (
    "system_id",
    "os_release",
    "operating_system",
    "architecture",
    "username",
    "type",
)
SYSTEM_ID = re.compile(r"ID-([0-9]{10})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemId:
    """The signed values. `system_id` is `ID-` and ten digits."""

    system_id: str
    os_release: str
    operating_system: str
    architecture: str
    username: str
    type: str

    def values(self) -> Mapping[str, str]:
        """The values by name, in the order they are signed."""
        return asdict(self)


def checksum(secret: str, identity: SystemId) -> str:
    """SHA-256 in hex over `secret`, the values and then the names of the signed fields."""
    values = identity.values()
    text = secret + "".join(values[name] for name in SIGNED_FIELDS) + "".join(SIGNED_FIELDS)
    return hashlib.sha256(text.encode()).hexdigest()


def agrees(presented: SystemId, *, given: str, known: SystemId, secret: str) -> bool:
    """Whether the presented document is one that was issued for `known`.

    `os_release` may differ: a client that lost the answer to an upgrade shows its older document.
    With every other value known exactly, no byte can have moved.
    """
    signed = hmac.compare_digest(checksum(secret, presented).encode(), given.encode())
    fixed = set(SIGNED_FIELDS) - {"os_release"}
    mine, theirs = known.values(), presented.values()
    return signed and all(mine[name] == theirs[name] for name in fixed)
