"""Features by number, `/api/v2/features…`, and on Imunify's keys and servers (facts §8.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from ninja import Body, Field, Router, Schema

from cln.accounts.access import Permission
from cln.api.v2.callers import V2Request
from cln.api.v2.families import changed_key, key_out
from cln.api.v2.family_shapes import FamilyChangedKey, FamilyKeyOut, KeyText, Limit
from cln.api.v2.operation import Door
from cln.catalog.queries import license_types, wire_names
from cln.licensing.features import ACCOUNT, Spot, UnknownFeature, features_of, set_feature
from cln.licensing.lookups import key_of_text, server_of_id
from cln.licensing.surcharges import FEATURE_PRODUCT, IMUNIFY_EMAIL

NUMBERS: Final[Mapping[str, str]] = {"4600": IMUNIFY_EMAIL}
"""What features are called on the wire; Imunify Email is the only one there is."""
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


class ServerPermissions(Schema):
    """A server by its id, and what changes of its features."""

    id: str = Field(min_length=1, max_length=64)
    permissions: Permissions = Field(default_factory=dict)


class ImunifyKeyPatch(Schema):
    """What changes of a key: its limit, its note, its features; what is absent stays."""

    key: KeyText
    limit: Limit | None = None
    note: str | None = Field(None, max_length=200)
    permissions: Permissions = Field(default_factory=dict)


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
    def update_key(request: V2Request, patch: Body[ImunifyKeyPatch]) -> object:
        """Change limit, note and features of a key; what is absent stays."""
        account_id = request.caller.account_id
        if patch.permissions:
            request.caller.check(Permission.ORDER_LICENSES)
        key = key_of_text(account_id=account_id, text=patch.key, products=IMUNIFY)
        change(request, patch.permissions, Spot(key=key.public_id))
        if patch.limit is not None or patch.note is not None:
            limit = key.limit if patch.limit is None else patch.limit
            wish = FamilyChangedKey(key=patch.key, limit=limit, note=patch.note)
            key = changed_key(request, IMUNIFY, wish)
        return {
            **key_out(key),
            "permissions": shown(features_of(account_id=account_id, spot=Spot(key=key.public_id))),
        }

    @imunify.operation(
        "PATCH",
        "/server",
        needs=Permission.ORDER_LICENSES,
        answers=ServerPermissionsOut,
        joins=True,
    )
    def update_server(request: V2Request, patch: Body[ServerPermissions]) -> object:
        """Set features of one server; what is absent stays."""
        account_id = request.caller.account_id
        row = server_of_id(account_id=account_id, text=patch.id, products=IMUNIFY)
        change(request, patch.permissions, Spot(server=row.public_id))
        return {
            "id": patch.id,
            "permissions": shown(
                features_of(account_id=account_id, spot=Spot(server=row.public_id))
            ),
        }


def check_known(wanted: Permissions) -> None:
    """Refuses `unknown_feature`."""
    unknown = [number for number in wanted if number not in NUMBERS]
    if unknown:
        raise UnknownFeature(
            f"There is no feature {unknown[0][:40]!r}.", f"Known: {', '.join(NUMBERS)}."
        )


def change(request: V2Request, wanted: Permissions, spot: Spot = ACCOUNT) -> None:
    """Set features at one level. Refuses `unknown_feature` before anything is set."""
    check_known(wanted)
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
