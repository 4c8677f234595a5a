"""Imunify's keys and servers, `/api/im/*` (facts §7.5)."""

from __future__ import annotations

from cln.api.v1 import keys
from cln.api.v1.calls import Call, date_text, signed
from cln.catalog.queries import wire_names
from cln.flows.conversion import convert_to_key
from cln.licensing.lookups import key_of_text
from cln.licensing.models import ActivationKey
from cln.licensing.services import reveal

PRODUCTS = ("imunify360", "imunify")
ALIASES = {"CLEAN": "AVP"}
"""What WHMCS calls ImunifyAV+ (P-4)."""


@signed()
def create_key(call: Call) -> object:
    """The new key; its limit is a text (M-1)."""
    code = call.filled("code")
    return _key(keys.created(call, keys.license_type(ALIASES.get(code, code), PRODUCTS)))


@signed()
def update_key(call: Call) -> object:
    """The key as it is now; `servers` is told, not asked."""
    key = keys.updated(call, PRODUCTS)
    return {**_key(key), "servers": str(key.used)}


@signed(refused=[], absent="is fine")
def remove_key(call: Call) -> object:
    """The servers that went with the key; an unknown one is fine, or nobody could end it (M-6)."""
    key, gone = keys.removed(call, PRODUCTS)
    return [{"id": row.public_id, "key": reveal(key)} for row in gone]


@signed(refused=[], verb="HEAD")
def list_keys(call: Call) -> object:
    """Every live key; here numbers are numbers (M-1)."""
    names = wire_names()
    return [
        {
            "key": row.text,
            "limit": row.limit,
            "code": names[row.license_type][1],
            "servers": row.used,
            "type": names[row.license_type][0],
            "note": row.note,
            "created": date_text(row.created_at),
            "enabled": True,  # a key that is not live is not listed
        }
        for row in keys.listed(call, PRODUCTS)
    ]


@signed(refused=[], absent="is fine", verb="HEAD")
def list_servers(call: Call) -> object:
    """The running servers of a key, or all (M-3, M-4)."""
    return [
        {
            "id": row.public_id,
            "ip": row.address,
            "key": text,
            "last_checkin": date_text(row.last_check_in_at),
            "created": date_text(row.registered_at),
        }
        for row, text in keys.servers(call, PRODUCTS)
    ]


@signed(absent="is fine")
def remove_server(call: Call) -> object:
    """The server that was removed."""
    row = keys.remove_server(call, PRODUCTS)
    return {"id": call.text("id"), "key": keys.text_of(row)}


@signed()
def convert_server(call: Call) -> object:
    """The server with its new key, and maybe another license type (M-5); nothing is bought."""
    row = keys.server(call, PRODUCTS)
    new = key_of_text(account_id=call.account_id, text=call.present("key"), products=PRODUCTS)
    convert_to_key(
        account_id=call.account_id,
        server=row.public_id,
        key=new.public_id,
        actor=call.actor,
        now=call.now,
    )
    return {"id": call.text("id"), "key": reveal(new)}


def _key(key: ActivationKey) -> dict[str, str]:
    code = key.license_type.key_code
    return {"key": reveal(key), "limit": str(key.limit), "code": code}
