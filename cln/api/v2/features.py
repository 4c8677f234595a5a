"""Features by number, `/api/v2/features…`, and on keys and servers that have some (facts §8.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal

from ninja import Body, Field, Router, Schema

from cln.accounts.access import Permission
from cln.api.v2.callers import V2Request
from cln.api.v2.families import changed_key, key_out
from cln.api.v2.family_shapes import (
    FamilyChangedKey,
    FamilyKeyOut,
    KeyText,
    Limit,
    WhichNumber,
    WhichServer,
)
from cln.api.v2.operation import Door, Either
from cln.catalog.queries import license_types, wire_names
from cln.licensing.feature_list import AWP_CDN, AWP_PREMIUM, FEATURE_PRODUCT, IMUNIFY_EMAIL
from cln.licensing.features import ACCOUNT, Spot, UnknownFeature, features_of, set_feature
from cln.licensing.lookups import key_of_text, server_of_id, server_of_number

NUMBERS: Final[Mapping[str, str]] = {"1101": AWP_PREMIUM, "1102": AWP_CDN, "4600": IMUNIFY_EMAIL}
"""What features are called on the wire."""
CLOUDLINUX: Final = ("cloudlinux",)
IMUNIFY: Final = ("imunify360", "imunify")
State = Literal["ENABLED", "DISABLED", "UNSET"]
_STATES: Final[Mapping[State, bool | None]] = {"ENABLED": True, "DISABLED": False, "UNSET": None}
Permissions = dict[str, State]

router = Router(tags=["features"])
door = Door(router=router, root="features", is_partners=True)


class FeatureOut(Schema):
    """A feature and the IP types of the license types it belongs to."""

    feature_id: int
    applicable_product_ids: list[int]


class ImunifyKeyPatch(Schema):
    """What changes of a key: its limit and its note; what is absent stays."""

    key: KeyText
    limit: Limit | None = None
    note: str | None = Field(None, max_length=200)


class Switched(Schema):
    """What changes of features; what is absent stays. Only in a JSON body."""

    permissions: Permissions | None = None


class ClKeyOut(FamilyKeyOut):
    """A key; with what is set on it where the request spoke of `permissions`."""

    permissions: Permissions = Field(default_factory=dict)


class NumberPermissionsOut(Schema):
    """A server with what is set on it."""

    id: int
    permissions: Permissions


class ImunifyKeyOut(FamilyKeyOut):
    """A key with what is set on it."""

    permissions: Permissions


class ServerPermissionsOut(Schema):
    """A server with what is set on it."""

    id: str
    permissions: Permissions


@door.operation("GET", "", needs=Permission.VIEW_PRODUCTS, answers=list[FeatureOut])
def list_features(request: V2Request) -> object:
    """Every feature and what it applies to."""
    ip_types = {code: ip_type for code, (ip_type, _) in wire_names().items()}
    return [
        {
            "feature_id": int(number),
            "applicable_product_ids": sorted(
                ip_type
                for row in license_types(product=FEATURE_PRODUCT[feature])
                if (ip_type := ip_types[row.code]) is not None
            ),
        }
        for number, feature in NUMBERS.items()
    ]


@door.operation("GET", "/account", needs=Permission.VIEW_PRODUCTS, answers=Permissions)
def account_features(request: V2Request) -> object:
    """What is set for the whole account."""
    return shown(features_of(account_id=request.caller.account_id))


@door.operation(
    "PATCH", "/account", needs=Permission.ORDER_LICENSES, answers=Permissions, joins=True
)
def change_account_features(request: V2Request, permissions: Body[Permissions]) -> object:
    """Set features for the whole account; what is absent stays. They may cost (S2)."""
    change(request, permissions)
    return shown(features_of(account_id=request.caller.account_id))


def imunify_doors(imunify: Door) -> None:
    """`PATCH /imunify/keys` and `PATCH /imunify/server`."""

    @imunify.operation(
        "PATCH", "/keys", needs=Permission.CREATE_KEYS, answers=ImunifyKeyOut, joins=True
    )
    def update_key(
        request: V2Request,
        patch: Annotated[ImunifyKeyPatch, Either(...)],
        switched: Annotated[Switched | None, Body()] = None,
    ) -> object:
        """Change limit and note of a key, and in a JSON body its features; what is absent stays."""
        account_id, wanted = request.caller.account_id, _wanted(switched)
        if wanted:
            request.caller.check(Permission.ORDER_LICENSES)
        key = key_of_text(account_id=account_id, text=patch.key, products=IMUNIFY)
        spot = Spot(key=key.public_id)
        check_known(wanted, features_of(account_id=account_id, spot=spot))
        if patch.limit is not None or patch.note is not None:
            limit = key.limit if patch.limit is None else patch.limit
            wish = FamilyChangedKey(key=patch.key, limit=limit, note=patch.note)
            key = changed_key(request, IMUNIFY, wish)
        return {**key_out(key), "permissions": _switched(request, wanted, spot)}

    @imunify.operation(
        "PATCH",
        "/server",
        needs=Permission.ORDER_LICENSES,
        answers=ServerPermissionsOut,
        joins=True,
    )
    def update_server(
        request: V2Request,
        which: Annotated[WhichServer, Either(...)],
        switched: Annotated[Switched | None, Body()] = None,
    ) -> object:
        """Set features of one server in a JSON body; what is absent stays."""
        account_id = request.caller.account_id
        row = server_of_id(account_id=account_id, text=which.id, products=IMUNIFY)
        spot = Spot(server=row.public_id)
        return {"id": which.id, "permissions": _switched(request, _wanted(switched), spot)}


def cl_doors(cl: Door) -> None:
    """`PATCH /cl/keys`, as documented and with permissions, and `PATCH /cl/server`."""

    @cl.operation("PATCH", "/keys", needs=Permission.CREATE_KEYS, answers=ClKeyOut, joins=True)
    def update_key(
        request: V2Request,
        changed: Annotated[FamilyChangedKey, Either(...)],
        switched: Annotated[Switched | None, Body()] = None,
    ) -> object:
        """Change the limit and the note of a key, and in a JSON body its features."""
        wanted = switched.permissions if switched else None
        if wanted is None:
            return key_out(changed_key(request, CLOUDLINUX, changed))
        if wanted:
            request.caller.check(Permission.ORDER_LICENSES)
        account_id = request.caller.account_id
        key = key_of_text(account_id=account_id, text=changed.key, products=CLOUDLINUX)
        spot = Spot(key=key.public_id)
        check_known(wanted, features_of(account_id=account_id, spot=spot))
        key = changed_key(request, CLOUDLINUX, changed)
        return {**key_out(key), "permissions": _switched(request, wanted, spot)}

    @cl.operation(
        "PATCH",
        "/server",
        needs=Permission.ORDER_LICENSES,
        answers=NumberPermissionsOut,
        joins=True,
    )
    def update_server(
        request: V2Request,
        which: Annotated[WhichNumber, Either(...)],
        switched: Annotated[Switched | None, Body()] = None,
    ) -> object:
        """Set features of one server in a JSON body; what is absent stays."""
        account_id = request.caller.account_id
        row = server_of_number(account_id=account_id, number=which.id, products=CLOUDLINUX)
        spot = Spot(server=row.public_id)
        return {"id": which.id, "permissions": _switched(request, _wanted(switched), spot)}


def _wanted(switched: Switched | None) -> Permissions:
    """What a body says of features; nothing where there is none."""
    return (switched.permissions if switched else None) or {}


def _switched(request: V2Request, wanted: Permissions, spot: Spot) -> dict[str, Any]:
    """What is set at a level after the change. Refuses `unknown_feature` before it."""
    change(request, wanted, spot)
    return shown(features_of(account_id=request.caller.account_id, spot=spot))


def check_known(wanted: Permissions, features: Collection[str] = NUMBERS.values()) -> None:
    """Whether these are among the features that can be set there. Refuses `unknown_feature`."""
    known = [number for number, feature in NUMBERS.items() if feature in features]
    unknown = [number for number in wanted if number not in known]
    if unknown:
        raise UnknownFeature(
            f"There is no feature {unknown[0][:40]!r} here.",
            f"Known: {', '.join(known) or 'none'}.",
        )


def change(request: V2Request, wanted: Permissions, spot: Spot = ACCOUNT) -> None:
    """Set features at one level. Refuses `unknown_feature` before anything is set."""
    check_known(wanted, features_of(account_id=request.caller.account_id, spot=spot))
    for number, state in wanted.items():
        set_feature(
            account_id=request.caller.account_id,
            feature=NUMBERS[number],
            enabled=_STATES[state],
            spot=spot,
            actor=request.caller.login,
            now=request.now,
        )


def shown(features: Mapping[str, bool | None]) -> dict[str, Any]:
    """What is set, by number."""
    words = {enabled: word for word, enabled in _STATES.items()}
    return {
        number: words[features[feature]]
        for number, feature in NUMBERS.items()
        if feature in features
    }
