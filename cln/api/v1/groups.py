"""Server groups, `/api/group/*` (facts §7.9)."""

from __future__ import annotations

from collections.abc import Iterable

from cln.api.v1.calls import Call, signed
from cln.licensing import groups, queries
from cln.licensing.lookups import server_of_id
from cln.licensing.models import Server

TYPES = {
    "cloudlinux": "CLOUDLINUX",
    "els": "ELS",
    "imunify": "IMUNIFY",
    "imunify360": "IMUNIFY",
    "kernelcare": "KERNELCARE",
}


@signed()
def create(call: Call) -> object:
    """The new group; its name is its identity."""
    group = groups.create_group(
        account_id=call.account_id,
        name=call.filled("name"),
        description=call.text("description"),
        actor=call.actor,
        now=call.now,
    )
    return {"name": group.name, "description": group.description}


@signed(refused=[], verb="HEAD")
def list_groups(call: Call) -> object:
    """Every group of the account, by name."""
    return [
        {"name": name, "description": description}
        for name, description in groups.groups_of(call.account_id)
    ]


@signed(refused=[], verb="HEAD")
def list_servers(call: Call) -> object:
    """The running servers of a group."""
    group = groups.get_group(account_id=call.account_id, name=call.filled("name"))
    rows = queries.servers_of(call.account_id, queries.ServerFilter(group=group.name))
    return [_row(row.public_id, row.hostname, row.address, row.product) for row in rows]


@signed(refused=[], verb="PUT")
def put_servers(call: Call) -> object:
    """The servers that were put, all or none; each leaves the group it was in (GR-2)."""
    name, servers = call.filled("name"), _servers(call)
    put = groups.put_servers(
        account_id=call.account_id, name=name, servers=servers, actor=call.actor, now=call.now
    )
    return _rows(put)


@signed(refused=[], verb="DELETE")
def remove_servers(call: Call) -> object:
    """The servers that were in the group and are not any more."""
    name, servers = call.filled("name"), _servers(call)
    taken = groups.take_out_servers(
        account_id=call.account_id, name=name, servers=servers, actor=call.actor, now=call.now
    )
    return _rows(taken)


def _servers(call: Call) -> list[Server]:
    """The servers that `server_ids` names. Refuses `unknown_server` if one of them is not there."""
    texts = [text for text in call.filled("server_ids").split(",") if text.strip()]
    return [
        server_of_id(account_id=call.account_id, text=text, products=TYPES)
        for text in dict.fromkeys(texts)
    ]


def _rows(servers: Iterable[Server]) -> list[dict[str, str]]:
    return [
        _row(row.public_id, row.hostname, row.address, row.license_type.product.code)
        for row in servers
    ]


def _row(server_id: str, hostname: str, address: str, product: str) -> dict[str, str]:
    return {"id": server_id, "hostName": hostname, "ip": address, "type": TYPES[product]}
