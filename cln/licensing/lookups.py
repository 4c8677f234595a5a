"""Finding an account's own things by what old clients call them; foreign ones are absent."""

from __future__ import annotations

from collections.abc import Collection

from cln import ids
from cln.licensing.access import KeyNotFound, UnknownServer, get_key, get_server
from cln.licensing.keys import find_key
from cln.licensing.models import ActivationKey, Server
from cln.licensing.registration import secret_hash


def key_of_text(*, account_id: int, text: str, products: Collection[str]) -> ActivationKey:
    """The account's live key with this text, of one of the products. Refuses `unknown_key`."""
    key = find_key(text)
    if key is None or key.account_id != account_id or key.license_type.product.code not in products:
        raise KeyNotFound("There is no such activation key.", "Choose one from your list of keys.")
    return get_key(account_id=account_id, public_id=key.public_id)


def server_of_id(*, account_id: int, text: str, products: Collection[str]) -> Server:
    """The account's running server by public id, or by the id (secret) that the server itself has.

    Lists show the public id: what a server presents is stored as a hash and cannot be shown again.
    Refuses `unknown_server`, also for servers that were removed.
    """
    text = text.strip()
    if ids.SECRET_SHAPE.fullmatch(text) is None:
        raise _no_server()
    if text.startswith("srv_"):
        server = get_server(account_id=account_id, public_id=text)
    else:
        server = _of_secret(account_id, text)
    if server.status != "active" or server.license_type.product.code not in products:
        raise _no_server()
    return server


def server_of_number(*, account_id: int, number: int, products: Collection[str]) -> Server:
    """The account's running server with this number, as REST v2 lists it. Refuses
    `unknown_server`, also for servers that were removed.
    """
    found = Server.objects.select_related("license_type__product", "key", "group").filter(
        account=account_id, pk=number, status="active", license_type__product__code__in=products
    )
    server = found.first() if 0 < number < 2**63 else None
    if server is None:
        raise _no_server()
    return server


def _of_secret(account_id: int, text: str) -> Server:
    found = Server.objects.select_related("license_type__product", "key", "group").filter(
        account=account_id, secret_hash=secret_hash(text)
    )
    server = found.first()
    if server is None:
        raise _no_server()
    return server


def _no_server() -> UnknownServer:
    return UnknownServer("There is no such server.", "Choose one from your list of servers.")
