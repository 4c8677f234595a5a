"""What the doors of Imunify and ELS share: keys by their text, servers by id, within products."""

from __future__ import annotations

from collections.abc import Collection

from cln.api.v1.calls import Call
from cln.catalog.models import LicenseType
from cln.catalog.queries import UnknownLicenseType, license_type_of_key_code
from cln.flows import subscriptions
from cln.licensing import queries
from cln.licensing import services as licensing
from cln.licensing.lookups import key_of_text, server_of_id
from cln.licensing.models import ActivationKey, Server
from cln.licensing.rows import KeyRow, ServerRow

Products = Collection[str]


def license_type(code: str, products: Products) -> LicenseType:
    """The license type of these products with this code. Refuses `unknown_license_type`."""
    found = license_type_of_key_code(code)
    if found.product.code not in products:
        raise UnknownLicenseType(f"There is no license type “{code[:40]}”.")
    return found


def created(call: Call, kind: LicenseType) -> ActivationKey:
    """A new key with the call's `limit` (absent = unlimited) and `note`."""
    return licensing.create_key(
        account_id=call.account_id,
        license_type=kind.code,
        limit=call.number("limit") or 0,
        note=call.text("note", "description"),
        actor=call.actor,
        now=call.now,
    )


def named(call: Call, products: Products) -> ActivationKey:
    """The account's key that the argument `key` names. Refuses `bad_argument`, `unknown_key`."""
    return key_of_text(account_id=call.account_id, text=call.present("key"), products=products)


def updated(call: Call, products: Products) -> ActivationKey:
    """The key after a change of `limit` and `note`; what was not sent stays (§7.3)."""
    return licensing.update_key(
        account_id=call.account_id,
        key=named(call, products).public_id,
        limit=call.number("limit"),
        note=call.given("note", "description"),
        actor=call.actor,
        now=call.now,
    )


def removed(call: Call, products: Products) -> tuple[ActivationKey, tuple[ServerRow, ...]]:
    """The key that was removed, and the servers that went with it."""
    key = named(call, products)
    licensing.remove_key(
        account_id=call.account_id, key=key.public_id, actor=call.actor, now=call.now
    )
    gone = queries.servers_removed_with(account_id=call.account_id, key=key.public_id, at=call.now)
    return key, gone


def listed(call: Call, products: Products) -> list[KeyRow]:
    """The account's live keys of these products."""
    return [row for row in queries.keys_of(call.account_id) if row.product in products]


def servers(call: Call, products: Products) -> list[tuple[ServerRow, str]]:
    """Running servers with the text of their key: of the key that was sent, or of all."""
    texts = {row.public_id: row.text for row in listed(call, products)}
    wanted = queries.ServerFilter()
    if call.given("key") is not None:
        wanted = queries.ServerFilter(key=named(call, products).public_id)
    rows = queries.servers_of(call.account_id, wanted)
    return [(row, texts.get(row.key_id, "")) for row in rows if row.product in products]


def server(call: Call, products: Products) -> Server:
    """The account's running server that the argument `id` names."""
    return server_of_id(account_id=call.account_id, text=call.present("id"), products=products)


def remove_server(call: Call, products: Products) -> Server:
    """The server that was removed; its license stays, free for another one."""
    row = server(call, products)
    subscriptions.remove_server(
        account_id=call.account_id,
        server=row.public_id,
        cancel_license=False,
        actor=call.actor,
        now=call.now,
    )
    return row


def text_of(row: Server) -> str:
    """The text of a server's key."""
    return "" if row.key is None else licensing.reveal(row.key)
