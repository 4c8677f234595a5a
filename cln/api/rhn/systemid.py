"""The systemid document: as the clients keep it in /etc/sysconfig/rhn/systemid and send it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xmlrpc.client import dumps

from cln.api.rhn.faults import invalid_system
from cln.api.xmlrpc.codec import MalformedXml, Value, read_params
from cln.domain.systemid import SIGNED_FIELDS, SystemId
from cln.licensing.models import System
from cln.licensing.systems import checksum_of, identity_of, proven_system

LENGTH_MAX = 16_384


def document_of(system: System) -> str:
    """The whole document, byte for byte as the reference server's language writes it.

    Scripts of the field grep it for `<value><string>ID-…</string></value>` (rhn.md §4).
    """
    identity = identity_of(system)
    content: dict[str, Any] = {
        "username": identity.username,
        "os_release": identity.os_release,
        "operating_system": identity.operating_system,
        "architecture": identity.architecture,
        "system_id": identity.system_id,
        "type": identity.type,
        "profile_name": system.profile_name,
        "description": f"{identity.operating_system} {identity.os_release}".strip(),
        "checksum": checksum_of(system),
        "fields": list(SIGNED_FIELDS),
    }
    return '<?xml version="1.0"?>\n' + dumps((content,))


def system_of(document: Value) -> System:
    """The running system that shows this document. Faults −9 where there is none.

    Refuses `unknown_server`, `server_removed`.
    """
    content = _content(document)
    fields, given = content.get("fields"), content.get("checksum")
    signed = {name: content.get(name) for name in SIGNED_FIELDS}
    texts = {name: value for name, value in signed.items() if isinstance(value, str)}
    if fields != list(SIGNED_FIELDS) or len(texts) != len(signed) or not isinstance(given, str):
        raise invalid_system()
    return proven_system(presented=SystemId(**texts), given=given)


def _content(document: Value) -> Mapping[str, Value]:
    if not isinstance(document, str) or len(document) > LENGTH_MAX:
        raise invalid_system()
    try:
        found = read_params(document.strip())
    except MalformedXml:
        raise invalid_system() from None
    content = found[0] if len(found) == 1 else None
    if not isinstance(content, Mapping):
        raise invalid_system()
    return content
