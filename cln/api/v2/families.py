"""Keys and servers by product family, `/api/v2/{cl,kernelcare,imunify,els}/…` (facts §8.2, §8.4).

`cl` is documented; the other three mirror it. There servers have text ids, as those families' v1
calls and Imunify's own v2 call have them.

Annotations are evaluated here (no `__future__`): a family's doors take one type of id or another.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Final

from ninja import Router, Schema

from cln.accounts.access import Permission
from cln.api.v2.callers import V2Request
from cln.api.v2.family_shapes import (
    FamilyChangedKey,
    FamilyKeyGone,
    FamilyKeyOut,
    FamilyNewKey,
    FamilyServerOut,
    MaybeType,
    NamedServerOut,
    SubAccountServerOut,
    WhichKey,
    WhichNumber,
    WhichServer,
    WhichType,
)
from cln.api.v2.operation import Door, Either
from cln.catalog.models import LicenseType
from cln.catalog.queries import UnknownLicenseType, get_license_type, key_names
from cln.flows import subscriptions
from cln.licensing import queries
from cln.licensing import services as licensing
from cln.licensing.lookups import key_of_text, server_of_id, server_of_number
from cln.licensing.models import ActivationKey, Server
from cln.licensing.rows import ServerRow
from cln.licensing.sub_accounts import sub_account_servers

ALIASES: Final = {"CLEAN": "AVP", "ESU": "EXTENDED_SECURITY_UPDATES", "KC": "KERNELCARE"}
"""Other names that clients use (P-4, facts §2.1)."""
VIEW, EDIT_KEYS = Permission.VIEW_SERVERS, Permission.CREATE_KEYS


@dataclass(frozen=True, slots=True)
class Family:
    """Products that share their doors; `by_number` = its servers are known by numbers."""

    root: str
    products: tuple[str, ...]
    by_number: bool = False

    def license_type(self, name: str) -> LicenseType:
        """The license type with this code, in any case. Refuses `unknown_license_type`."""
        wanted = name.strip().upper()
        known = {shown.upper(): code for code, shown in key_names(self.products).items()}
        code = known.get(ALIASES.get(wanted, wanted))
        if code is None:
            raise UnknownLicenseType(
                f"There is no productType “{name[:40]}” here.",
                f"Known: {', '.join(sorted(known))}.",
            )
        return get_license_type(code)

    def server(self, account_id: int, which: WhichNumber | WhichServer) -> Server:
        """The account's running server. Refuses `unknown_server`."""
        if isinstance(which, WhichNumber):
            return server_of_number(account_id=account_id, number=which.id, products=self.products)
        return server_of_id(account_id=account_id, text=which.id, products=self.products)


def key_out(key: ActivationKey) -> dict[str, Any]:
    """A key as it is answered."""
    kind = key.license_type
    return {
        "key": licensing.reveal(key),
        "product_type": (kind.key_code or kind.code).lower(),
        "usage_limit": key.limit,
        "description": key.note,
    }


def family(root: str, *products: str, by_number: bool = False) -> tuple[Router, Door]:
    """The doors of a family."""
    router, one = Router(tags=[root]), Family(root, products, by_number)
    door = Door(router=router, root=root, is_partners=True)
    _key_doors(door, one)
    _server_doors(door, one)
    return router, door


def _key_doors(door: Door, one: Family) -> None:
    list_by: type[Schema] = WhichType if one.by_number else MaybeType

    @door.operation("POST", "/keys", needs=EDIT_KEYS, answers=FamilyKeyOut, joins=True)
    def create_key(request: V2Request, new: Annotated[FamilyNewKey, Either(...)]) -> object:
        """Create a key."""
        key = licensing.create_key(
            account_id=request.caller.account_id,
            license_type=one.license_type(new.productType).code,
            limit=new.limit,
            note=new.note,
            actor=request.caller.login,
            now=request.now,
        )
        return key_out(key)

    if one.root not in ("cl", "imunify"):  # theirs know features

        @door.operation("PATCH", "/keys", needs=EDIT_KEYS, answers=FamilyKeyOut, joins=True)
        def update_key(
            request: V2Request, changed: Annotated[FamilyChangedKey, Either(...)]
        ) -> object:
            """Change the limit and the note of a key."""
            return key_out(changed_key(request, one.products, changed))

    @door.operation("DELETE", "/keys", needs=EDIT_KEYS, answers=FamilyKeyGone, joins=True)
    def remove_key(request: V2Request, which: Annotated[WhichKey, Either(...)]) -> object:
        """Remove a key, and the registrations of its servers with it."""
        account_id = request.caller.account_id
        key = key_of_text(account_id=account_id, text=which.key, products=one.products)
        licensing.remove_key(
            account_id=account_id, key=key.public_id, actor=request.caller.login, now=request.now
        )
        return {"key": which.key.strip()}

    @door.operation("GET", "/keys", needs=VIEW, answers=list[FamilyKeyOut])
    def list_keys(request: V2Request, which: Annotated[list_by, Either(...)]) -> object:  # type: ignore[valid-type]
        """The account's keys of a license type."""
        wanted, names = _wanted(one, which), key_names(one.products)
        return [
            {
                "key": row.text,
                "product_type": names[row.license_type],
                "usage_limit": row.limit,
                "description": row.note,
            }
            for row in queries.keys_of(request.caller.account_id, wanted)
            if row.product in one.products
        ]


def changed_key(
    request: V2Request, products: Collection[str], changed: FamilyChangedKey
) -> ActivationKey:
    """The key after a change. Refuses `unknown_key` and what `update_key` refuses."""
    account_id = request.caller.account_id
    key = key_of_text(account_id=account_id, text=changed.key, products=products)
    return licensing.update_key(
        account_id=account_id,
        key=key.public_id,
        limit=changed.limit,
        note=changed.note,
        actor=request.caller.login,
        now=request.now,
    )


def _server_doors(door: Door, one: Family) -> None:
    list_by: type[Schema] = WhichType if one.by_number else MaybeType
    known_by: type[Schema] = WhichNumber if one.by_number else WhichServer
    shown: type[Schema] = FamilyServerOut if one.by_number else NamedServerOut

    @door.operation("GET", "/servers", needs=VIEW, answers=list[shown])  # type: ignore[valid-type]
    def list_servers(request: V2Request, which: Annotated[list_by, Either(...)]) -> object:  # type: ignore[valid-type]
        """The account's running servers of a license type."""
        account_id, wanted = request.caller.account_id, _wanted(one, which)
        texts = {row.public_id: row.text for row in queries.keys_of(account_id, wanted)}
        rows = queries.servers_of(account_id, queries.ServerFilter(license_type=wanted or ""))
        return [
            _server_out(one, row, texts.get(row.key_id, ""))
            for row in rows
            if row.product in one.products
        ]

    @door.operation("DELETE", "/servers", needs=Permission.EDIT_SERVERS, answers=shown)
    def remove_server(request: V2Request, which: Annotated[known_by, Either(...)]) -> object:  # type: ignore[valid-type]
        """Remove a server; its license stays, free for another one."""
        row = one.server(request.caller.account_id, which)
        subscriptions.remove_server(
            account_id=request.caller.account_id,
            server=row.public_id,
            cancel_license=False,
            actor=request.caller.login,
            now=request.now,
        )
        text = "" if row.key is None else licensing.reveal(row.key)
        return _server_out(one, queries.server_row(row), text)


def sub_accounts(door: Door) -> None:
    """`GET /cl/sub-account/servers`."""

    @door.operation("GET", "/sub-account/servers", needs=VIEW, answers=list[SubAccountServerOut])
    def list_sub_account_servers(request: V2Request) -> object:
        """Servers that registered under the reseller's server accounts."""
        return [
            {
                "sub_account_login": row.login,
                "sub_account_email": row.email,
                "server_id": row.number,
                "server_key": row.key,
                "version": row.version,
                "ip": row.address,
            }
            for row in sub_account_servers(request.caller.account_id)
        ]


def _wanted(one: Family, which: Any) -> str | None:
    """The license type to list, None = all of the family. Refuses `unknown_license_type`."""
    if not which.productType and not one.by_number:
        return None
    return one.license_type(which.productType).code


def _server_out(one: Family, row: ServerRow, key: str) -> dict[str, Any]:
    return {
        "id": row.number if one.by_number else row.public_id,
        "key": key,
        "ip": row.address,
        "hostname": row.hostname,
    }
