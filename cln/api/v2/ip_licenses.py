"""IP licenses, `/api/v2/ip-license/licenses…` (facts §8.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from ninja import Body, Field, Router, Schema

from cln.accounts.access import Permission
from cln.api.v2.callers import V2Request
from cln.api.v2.features import Permissions, Switched, change, check_known, shown
from cln.api.v2.operation import Door, Either
from cln.catalog.queries import license_type_of_ip_type
from cln.flows import ip_licenses as flows
from cln.licensing import addresses
from cln.licensing.addresses import AddressLicense
from cln.licensing.features import Spot
from cln.licensing.ip_licenses import IpLicenseNotFound

ROOT: Final = "ip-license"
PUBLISHED: Final[Mapping[int, str]] = {
    1: "CloudLinux OS Legacy",
    41: "Imunify for single user",
    44: "Imunify for 5 users",
}
"""Names that partners' programs know license types by, where they are not ours (facts P-2)."""
Ip = Annotated[str, Field(max_length=64, description="An IP address.")]
IpType = Annotated[int, Field(ge=1, le=2_147_483_647, description="A number of /licenses/types.")]

router = Router(tags=[ROOT])
door = Door(router=router, root=ROOT, is_partners=True)


class TypeOut(Schema):
    """A license type that the account may hold at addresses."""

    id: int
    name: str
    code: str
    family: str


class IpLicenseOut(Schema):
    """A license at an address. `registered`: a CloudLinux OS server uses it (IPL-5);
    `permissions`: what is set on it of the features its product has (F-1).
    """

    ip: str
    type: int
    registered: bool
    created: str
    last_checkin: str | None
    hostname: str
    els_allowed: bool
    permissions: Permissions


class Which(Schema):
    """A license by its address and type."""

    ip: Ip
    type: IpType


class Changed(Which):
    """What changes: another type of Imunify360, or the repositories of old systems."""

    type_to: IpType | None = None
    els_allowed: bool | None = None


@door.operation("GET", "/licenses/types", needs=Permission.VIEW_PRODUCTS, answers=list[TypeOut])
def list_types(request: V2Request) -> object:
    """What the account may hold at addresses today."""
    return [
        {
            "id": row.ip_type,
            "name": PUBLISHED.get(row.ip_type or 0, row.name),
            "code": row.code,
            "family": row.product.code,
        }
        for row in addresses.types_for(account_id=request.caller.account_id, now=request.now)
    ]


@door.operation("GET", "/licenses", needs=Permission.VIEW_SERVERS, answers=list[IpLicenseOut])
def list_licenses(request: V2Request) -> object:
    """Every license of the account, in the order they were added."""
    account_id = request.caller.account_id
    rows = addresses.licenses_at(account_id=account_id, with_features=True)
    return [_shown(row) for row in rows]


@door.operation("POST", "/licenses", needs=Permission.ORDER_LICENSES, answers=IpLicenseOut)
def add_license(request: V2Request, new: Annotated[Which, Either(...)]) -> object:
    """Hold a license at an address from now on; asked again it is the same one."""
    held = flows.add_ip_license(
        account_id=request.caller.account_id,
        license_type=license_type_of_ip_type(new.type).code,
        address=new.ip,
        actor=request.caller.login,
        now=request.now,
    )
    return _shown(_one(request, held.address, new.type))


@door.operation("PATCH", "/licenses", needs=Permission.ORDER_LICENSES, answers=IpLicenseOut)
def change_license(
    request: V2Request,
    changed: Annotated[Changed, Either(...)],
    switched: Annotated[Switched | None, Body()] = None,
) -> object:
    """Convert a license to another type, switch its features, allow or forbid the repositories of
    old systems.
    """
    permissions = (switched and switched.permissions) or {}
    held = _one(request, changed.ip, changed.type)
    check_known(permissions, held.features)
    address, number = held.address, changed.type
    if changed.type_to is not None and changed.type_to != number:
        number = changed.type_to
        flows.convert_ip_license(
            account_id=request.caller.account_id,
            address=address,
            license_type=license_type_of_ip_type(number).code,
            actor=request.caller.login,
            now=request.now,
        )
    if permissions:
        spot = Spot(ip_license=_one(request, address, number).public_id)
        change(request, permissions, spot)
    if changed.els_allowed is not None:
        addresses.allow_els(
            account_id=request.caller.account_id,
            address=address,
            license_type=license_type_of_ip_type(number).code,
            allowed=changed.els_allowed,
            actor=request.caller.login,
            now=request.now,
        )
    return _shown(_one(request, address, number))


@door.operation("DELETE", "/licenses", needs=Permission.ORDER_LICENSES, answers=IpLicenseOut)
def remove_license(request: V2Request, which: Annotated[Which, Either(...)]) -> object:
    """Give a license back; answers what it was."""
    row = _one(request, which.ip, which.type)
    flows.remove_ip_license(
        account_id=request.caller.account_id,
        license_type=license_type_of_ip_type(which.type).code,
        address=which.ip,
        actor=request.caller.login,
        now=request.now,
    )
    return _shown(row)


def _one(request: V2Request, address: str, ip_type: int) -> AddressLicense:
    """One license of the account. Refuses `bad_address`, `unknown_ip_license`."""
    account_id = request.caller.account_id
    rows = addresses.licenses_at(account_id=account_id, addresses=[address], with_features=True)
    found = next((row for row in rows if row.ip_type == ip_type), None)
    if found is None:
        raise IpLicenseNotFound(
            f"There is no license {ip_type} at {address[:50]}.",
            "Add one, or look at your list of IP licenses.",
        )
    return found


def _shown(row: AddressLicense) -> dict[str, Any]:
    return {
        "ip": row.address,
        "type": row.ip_type,
        "registered": row.registered,
        "created": row.added_at,
        "last_checkin": row.last_check_in_at,
        "hostname": row.hostname,
        "els_allowed": row.els_allowed,
        "permissions": shown(row.features),
    }
