"""What goes through the doors of the product families."""

from __future__ import annotations

from typing import Annotated

from ninja import Field, Schema

from cln.licensing.keys import LIMIT_MAX

Limit = Annotated[int, Field(ge=0, le=LIMIT_MAX, description="Servers at most; 0 = unlimited.")]
ProductType = Annotated[str, Field(max_length=40, description="The code of a license type.")]
KeyText = Annotated[str, Field(max_length=64, description="An activation key.")]


class FamilyKeyOut(Schema):
    """A key; `product_type` is the code in lower case (V2-10)."""

    key: str
    product_type: str
    usage_limit: int
    description: str


class FamilyKeyGone(Schema):
    """A key that was removed."""

    key: str


class FamilyServerOut(Schema):
    """A server; `id` is a number in `cl`, a text in the other families."""

    id: int
    key: str
    ip: str
    hostname: str


class NamedServerOut(FamilyServerOut):
    """A server whose id is a text."""

    id: str  # type: ignore[assignment]


class SubAccountServerOut(Schema):
    """A server under a reseller's server account."""

    sub_account_login: str
    sub_account_email: str
    server_id: int
    server_key: str
    version: int
    ip: str


class FamilyNewKey(Schema):
    """What a key is made of."""

    limit: Limit
    productType: ProductType
    note: str = Field("", max_length=200)


class FamilyChangedKey(Schema):
    """What changes of a key."""

    key: KeyText
    limit: Limit
    note: str | None = Field(None, max_length=200)


class WhichKey(Schema):
    """A key by its text."""

    key: KeyText


class WhichType(Schema):
    """A license type by its code."""

    productType: ProductType


class MaybeType(Schema):
    """A license type by its code, or all of the family."""

    productType: ProductType = ""


class WhichNumber(Schema):
    """A server by its number."""

    id: int = Field(ge=1, lt=2**63)


class WhichServer(Schema):
    """A server by its id."""

    id: str = Field(min_length=1, max_length=64)
