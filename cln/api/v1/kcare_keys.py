"""KernelCare's keys and servers, `/api/kcare/*` with a token (facts §7.7)."""

from __future__ import annotations

import re

from django.http import HttpRequest

from cln.api.envelope import Answer
from cln.api.v1.calls import Call, answered, date_text, in_v1_words, signed
from cln.domain.addresses import BadAddress, BadRange, canonical_address
from cln.flows import subscriptions
from cln.licensing import queries
from cln.licensing import services as licensing
from cln.licensing.lookups import key_of_text, server_of_id
from cln.licensing.models import ActivationKey, Server

LICENSE_TYPE = "kernelcare"
PRODUCTS = ("kernelcare",)
ALL_ADDED, IRREGULAR_ADDRESS, IRREGULAR_PREFIX, INTERNAL = range(4)


@signed()
def create_key(call: Call) -> object:
    """The new key, as a bare string (K1-1)."""
    key = licensing.create_key(
        account_id=call.account_id,
        license_type=LICENSE_TYPE,
        limit=call.number("limit") or 0,
        note=call.text("note"),
        actor=call.actor,
        now=call.now,
    )
    return licensing.reveal(key)


@signed()
def delete_key(call: Call) -> object:
    """Whether there was such a key; without the argument nothing is deleted (K1-3, W-13a)."""
    text = call.present("key")
    try:
        key = key_of_text(account_id=call.account_id, text=text, products=PRODUCTS)
        licensing.remove_key(
            account_id=call.account_id, key=key.public_id, actor=call.actor, now=call.now
        )
    except licensing.KeyNotFound:
        return False
    return True


@signed(refused=[], verb="HEAD")
def list_keys(call: Call) -> object:
    """Every live key."""
    return [
        {
            "key": row.text,
            "enabled": True,  # a key that is not live is not listed
            "created": date_text(row.created_at),
            "limit": row.limit,
            "note": row.note,
        }
        for row in queries.keys_of(call.account_id, LICENSE_TYPE)
    ]


@signed(refused=[], absent="is fine", verb="HEAD")
def key_servers(call: Call) -> object:
    """The running servers of a key."""
    key = _key(call)
    rows = queries.servers_of(call.account_id, queries.ServerFilter(key=key.public_id))
    return [
        {
            "server_id": row.public_id,
            "ip": row.address,
            "created": date_text(row.registered_at),
            "last_checkin": date_text(row.last_check_in_at),
        }
        for row in rows
    ]


@signed()
def set_cidr(call: Call) -> object:
    """Replace the ranges of a key, all or none; the numbers say what was wrong (K1-2)."""
    key, ranges = _key(call), re.split(r"[\s,;]+", call.filled("cidr"))
    try:
        licensing.update_key(
            account_id=call.account_id,
            key=key.public_id,
            cidrs=[text for text in ranges if text],
            actor=call.actor,
            now=call.now,
        )
    except BadRange as refusal:
        said = in_v1_words(refusal)
        return Answer({"code": _code_of(refusal)}, message=said.message, type=said.type)
    return {"code": ALL_ADDED}


@signed(absent="is fine")
def remove_server(call: Call) -> object:
    """The server that was removed, and its key; its license stays free for another (TV-6)."""
    server = _removed(call)
    key = "" if server.key is None else licensing.reveal(server.key)
    return {"server_id": call.text("server_id"), "key": key}


def unregister(request: HttpRequest) -> Answer:
    """Whether a server of the account's was removed, for a door that decides itself what it is
    asked.
    """

    def is_removed(call: Call) -> bool:
        _removed(call)
        return True

    return answered(is_removed, request, refused=False, absent_is_fine=True)


def _removed(call: Call) -> Server:
    text = call.present("server_id")
    server = server_of_id(account_id=call.account_id, text=text, products=PRODUCTS)
    subscriptions.remove_server(
        account_id=call.account_id,
        server=server.public_id,
        cancel_license=False,
        actor=call.actor,
        now=call.now,
    )
    return server


def _key(call: Call) -> ActivationKey:
    return key_of_text(account_id=call.account_id, text=call.present("key"), products=PRODUCTS)


def _code_of(refusal: BadRange) -> int:
    given = str(refusal.facts.get("given", ""))
    if not given:  # too many of them: no number of its own
        return INTERNAL
    try:
        canonical_address(given.partition("/")[0])
    except BadAddress:
        return IRREGULAR_ADDRESS
    return IRREGULAR_PREFIX
