"""Extended Lifecycle Support: keys and servers, `/api/els/*` (facts §7.4)."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from cln.api.arguments import BadArgument
from cln.api.envelope import Form
from cln.api.v1 import keys
from cln.api.v1.calls import Call, signed
from cln.catalog.models import LicenseType
from cln.catalog.queries import wire_names
from cln.licensing.models import ActivationKey
from cln.licensing.services import reveal

PRODUCTS = ("els",)
LONG, SHORT = "EXTENDED_SECURITY_UPDATES", "ESU"
"""The same license type: asked for by either name, answered by the short one (E-2)."""
NEVER = datetime.min.replace(tzinfo=UTC)


@signed()
def create_key(call: Call) -> object:
    """The new key; its limit is a text (E-1)."""
    return _key(keys.created(call, _license_type(call)))


@signed(verb="PUT")
def update_key(call: Call) -> object:
    """The key as it is now."""
    return _key(keys.updated(call, PRODUCTS))


@csrf_exempt
def remove_key(request: HttpRequest, form: Form) -> HttpResponse:
    """The removed key; with `id` a server, as old papers have it (E-3).

    In a list, as the papers have it, but for GET, which is what public clients send: the one of
    them that reads the answer decodes an object (E-4).
    """
    if request.method == "GET":
        return _removed_alone(request, form)
    return _removed_in_a_list(request, form)


@signed(absent="is fine")
def _removed_alone(call: Call) -> object:
    return _removed(call)


@signed(refused=[], absent="is fine", verb="DELETE")
def _removed_in_a_list(call: Call) -> object:
    return _removed(call) if call.given("key") is None else [_removed(call)]


def _removed(call: Call) -> object:
    by_id, by_key = call.given("id"), call.given("key")
    if by_id is not None and by_key is not None:
        raise BadArgument("Send key or id, not both: one removes a key, the other a server.")
    if by_id is not None:
        return _remove_server(call)
    key, _ = keys.removed(call, PRODUCTS)
    return {"key": reveal(key)}


@signed(refused=[], verb="HEAD")
def list_keys(call: Call) -> object:
    """The live keys, of one license type where it was named."""
    wanted, names = _wanted(call), wire_names()
    return [
        _row(row.text, names[row.license_type][1], row.limit, row.note)
        for row in keys.listed(call, PRODUCTS)
        if wanted in (None, row.license_type)
    ]


@signed(refused=[], absent="is fine", verb="HEAD")
def list_servers(call: Call) -> object:
    """The running servers, the latest check-in first."""
    wanted = _wanted(call)
    found = [
        each for each in keys.servers(call, PRODUCTS) if wanted in (None, each[0].license_type)
    ]
    found.sort(key=lambda each: each[0].last_check_in_at or NEVER, reverse=True)
    return [
        _server(row.public_id, text, row.address, row.hostname, row.last_check_in_at)
        for row, text in found
    ]


@signed(absent="is fine", verb="DELETE")
def remove_server(call: Call) -> object:
    """The server that was removed."""
    return _remove_server(call)


def _remove_server(call: Call) -> object:
    row = keys.remove_server(call, PRODUCTS)
    return _server(
        call.text("id"), keys.text_of(row), row.address, row.hostname, row.last_check_in_at
    )


def _license_type(call: Call) -> LicenseType:
    """The license type that `productType`, or `code`, names. Refuses `unknown_license_type`."""
    code = call.filled("productType", "code")
    return keys.license_type(LONG if code == SHORT else code, PRODUCTS)


def _wanted(call: Call) -> str | None:
    return _license_type(call).code if call.text("productType", "code") else None


def _key(key: ActivationKey) -> dict[str, str | None]:
    return _row(reveal(key), key.license_type.key_code, key.limit, key.note)


def _row(text: str, code: str, limit: int, note: str) -> dict[str, str | None]:
    return {
        "key": text,
        "productCode": SHORT if code == LONG else code,
        "usageLimit": str(limit),
        "description": note or None,
    }


def _server(
    server_id: str, key: str, address: str, hostname: str, seen: datetime | None
) -> dict[str, str | None]:
    return {
        "id": server_id,
        "key": key,
        "ip": address,
        "hostname": hostname,
        # The one date format without a zone (V1-11).
        "lastCheckin": None if seen is None else f"{seen:%Y-%m-%d %H:%M:%S.%f}",
    }
