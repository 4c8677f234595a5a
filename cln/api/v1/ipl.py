"""IP licenses, `/api/ipl/*` (facts §7.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest

from cln.api import questions
from cln.api.arguments import BadArgument
from cln.api.envelope import Answer
from cln.api.v1.calls import Call, answered, date_text, signed
from cln.catalog.queries import get_license_type, license_type_of_ip_type
from cln.domain.errors import Refusal
from cln.flows import ip_licenses as flows
from cln.licensing import address_rights, addresses
from cln.licensing.addresses import AddressLicense
from cln.licensing.ip_licenses import AddressTaken, IpLicenseNotFound, NotSoldByAddress
from cln.licensing.moves import SameLicenseType

ADDRESSES_MOST = 100
UPGRADES_TO = "imunify360"
"""The one product whose IP licenses are converted (IPL-6)."""
_FLAGS = {"1": True, "true": True, "0": False, "false": False}


@signed(verb="HEAD")
def availability(call: Call) -> object:
    """What could be held at an address, and what the account holds there (IPL-2)."""
    found = addresses.availability(
        account_id=call.account_id, address=call.filled("ip"), now=call.now
    )
    return {"available": list(found.available), "owned": list(found.owned)}


def _check(call: Call) -> object:
    """IP types that anybody holds at an address (IPL-3)."""
    return list(questions.types_at(call.filled("ip")))


check = signed(refused=[], verb="HEAD")(_check)


def types_at(request: HttpRequest) -> Answer:
    """The same answer, for a door that decides itself what it is asked."""
    return answered(_check, request, refused=[])


@signed()
def register(call: Call) -> object:
    """Hold a license at an address; what is held already is answered again (IPL-4)."""
    ip_type, els_allowed = _ip_type(call), _flag(call, "els_allowed")
    if not ip_type:
        raise BadArgument("Type is required")
    code = license_type_of_ip_type(ip_type).code
    held = flows.add_ip_license(
        account_id=call.account_id,
        license_type=code,
        address=call.filled("ip"),
        actor=call.actor,
        now=call.now,
    )
    if els_allowed is not None:
        _allow_els(call, code, els_allowed)
    rows = addresses.licenses_at(account_id=call.account_id, addresses=[held.address])
    return next(_row(row) for row in rows if row.ip_type == ip_type)


@signed(refused=False, absent="is fine")
def remove(call: Call) -> object:
    """Give back one license at an address, or all of the account (IPL-7)."""
    address, ip_type = call.filled("ip"), _ip_type(call)
    held = addresses.codes_held_at(account_id=call.account_id, address=address)
    wanted = _code(ip_type)
    meant = [code for code in held if wanted in (None, code)]
    for code in meant:
        flows.remove_ip_license(
            account_id=call.account_id,
            license_type=code,
            address=address,
            actor=call.actor,
            now=call.now,
        )
    return bool(meant)


@signed(refused=False)
def convert(call: Call) -> object:
    """Another Imunify360 license at an address (IPL-6); false where that is impossible."""
    address, old, new = call.filled("ip"), _ip_type(call), call.number("type_to") or 0
    if not old or not new:
        raise BadArgument("Type and type to are required")
    held = addresses.codes_held_at(account_id=call.account_id, address=address)
    source, target = _code(old), _code(new)
    if not target or source not in held or not _is_converted(held, source, target):
        return False
    try:
        flows.convert_ip_license(
            account_id=call.account_id,
            address=address,
            license_type=target,
            actor=call.actor,
            now=call.now,
        )
    except (AddressTaken, IpLicenseNotFound, NotSoldByAddress, SameLicenseType):
        return False
    return True


def _is_converted(held: Sequence[str], source: str | None, target: str) -> bool:
    """Whether converting to `target` would turn `source`, and not another license held there."""
    products = {code: get_license_type(code).product.code for code in (*held, target)}
    if products[target] != UPGRADES_TO or source is None:
        return False
    return products[source] == UPGRADES_TO or UPGRADES_TO not in [products[code] for code in held]


@signed(refused=[], verb="HEAD")
def list_all(call: Call) -> object:
    """Every license of the account, in the order they were added."""
    return [_row(row) for row in addresses.licenses_at(account_id=call.account_id)]


@signed(refused=[], verb="HEAD")
def server(call: Call) -> object:
    """The licenses at up to 100 addresses, whether a server registered or not (W-13b, IPL-13)."""
    texts = [text for text in call.text("ip").split(",") if text.strip()]
    if len(texts) > ADDRESSES_MOST:
        raise BadArgument(f"Ask for at most {ADDRESSES_MOST} addresses at once.")
    rows = addresses.licenses_at(account_id=call.account_id, addresses=texts or None)
    told = address_rights.told_at(account_id=call.account_id, addresses={r.address for r in rows})
    return [
        {
            # Only servers that registered by address tell their system (AR-32).
            "server_info": told.get((row.address, row.ip_type)),
            **_row(row),
            "last_checkin": date_text(row.last_check_in_at),
        }
        for row in rows
    ]


@signed(refused=False)
def update(call: Call) -> object:
    """Allow or forbid the repositories of CloudLinux OS 6 at an address (IPL-9)."""
    call.filled("ip")
    els_allowed = _flag(call, "els_allowed")
    if els_allowed is None:
        raise BadArgument("Els allowed is required")
    return _allow_els(call, _code(_ip_type(call)), els_allowed) > 0


def _allow_els(call: Call, code: str | None, allowed: bool) -> int:
    return addresses.allow_els(
        account_id=call.account_id,
        address=call.filled("ip"),
        license_type=code,
        allowed=allowed,
        actor=call.actor,
        now=call.now,
    )


def _ip_type(call: Call) -> int:
    """The number of a license type; 0 where absent, empty or 0. Refuses `bad_argument`."""
    return call.number("type") or 0


def _code(ip_type: int) -> str | None:
    """The license type of a number: None = all of them, "" = one that nobody can hold."""
    if not ip_type:
        return None
    try:
        return license_type_of_ip_type(ip_type).code
    except Refusal:
        return ""


def _flag(call: Call, name: str) -> bool | None:
    text = call.text(name).strip().lower()
    if not text:
        return None
    if text not in _FLAGS:
        raise BadArgument(f"“{name}” must be 1 or 0.")
    return _FLAGS[text]


def _row(row: AddressLicense) -> dict[str, Any]:
    return {
        "ip": row.address,
        "type": row.ip_type,
        "registered": row.registered,
        "created": date_text(row.added_at),
    }
