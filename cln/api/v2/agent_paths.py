"""The agents' doors in the OpenAPI document: they take forms and texts, and are not ninja's."""

from __future__ import annotations

from typing import Any, Final

Node = dict[str, Any]

SCHEME: Final[Node] = {
    "type": "http",
    "scheme": "bearer",
    "description": "The secret that a server got when it was registered.",
}
_TEXT: Final[Node] = {"type": "string"}
_MAYBE: Final[Node] = {"type": ["string", "null"]}
_WORTH: Final[Node] = {
    "server_id": _TEXT,
    "license_type": _TEXT,
    "state": {"enum": ["active", "trial", "suspended", "ended", "trial_ended"]},
    "valid_until": _MAYBE,
    "lease": _MAYBE,
    "lease_tag": _MAYBE,
    "next_checkin_at": _TEXT,
    "server_time": {"type": "integer"},
    "user_count": {"type": ["integer", "null"]},
    "user_limit": {"type": ["integer", "null"]},
}
_REGISTERED: Final[Node] = {
    **_WORTH,
    "secret": _TEXT,
    "address": _TEXT,
    "reinstalled": {"type": "boolean"},
}
_USAGE: Final[Node] = {
    "product": {"enum": ["AWP_PREMIUM", "AWP_CDN"]},
    "uses": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"primary_domain": _TEXT, "username": _MAYBE, "cdn_limit_type": _TEXT},
            "required": ["primary_domain"],
        },
    },
}
_MACHINE: Final = ("hostname", "machine_uuid", "os_version", "fingerprint", "boot_id", "copy")

_TOLD: Final = ("hostname", "os_version", "kernel", "patch_level", "users")


def agent_paths() -> dict[str, Node]:
    """The agents' doors, and what everybody may read about leases."""
    return {
        "/api/v2/agent/register": _post(
            "Register the calling server by key, or by the IP license of its address.",
            ("key", "by_address", "product", *_MACHINE),
            _object(_REGISTERED),
            status=201,
        ),
        "/api/v2/agent/check-in": _post(
            "Say that the server lives, and hear what its license is worth.",
            (*_TOLD, "fingerprint", "boot_id", "lease_tag"),
            _object(_WORTH),
        ),
        "/api/v2/agent/usage": _post(
            "Report which sites of this server have an add-on of AccelerateWP.",
            _USAGE,
            _object({"server": _TEXT, "product": _TEXT, "uses": {"type": "integer"}}),
        ),
        "/api/v2/agent/lease": _get(
            "The lease alone, which is no check-in.",
            _object(_WORTH),
            arguments=("fingerprint",),
            is_open=False,
        ),
        "/api/v2/agent/move": _post(
            "A code with which another machine takes this registration over.",
            (),
            _object({"code": _TEXT, "expires_at": _TEXT}),
        ),
        "/api/v2/agent/move-here": _post(
            "Take the registration of another machine over.",
            ("code", *_MACHINE),
            _object(_REGISTERED),
            status=201,
        ),
        "/api/v2/agent/unregister": _post(
            "Remove the server; its license is free for another one.",
            (),
            _object({"server_id": _TEXT, "status": _TEXT}),
        ),
        "/api/v2/leases/keys": _get(
            "The public keys that verify leases.",
            _object({"keys": {"type": "array", "items": {"type": "object"}}}),
        ),
        "/api/v2/leases/incident": _get(
            "The signed notice that stretches leases which are out; null in quiet times.",
            _object({"incident": _MAYBE}),
        ),
    }


def _post(text: str, arguments: tuple[str, ...] | Node, answer: Node, *, status: int = 200) -> Node:
    """A call whose arguments are optional texts by name, or a JSON object with these members."""
    if isinstance(arguments, dict):
        body, kinds = _object(arguments), ["application/json"]
    else:
        body = {"type": "object", "properties": dict.fromkeys(arguments, _TEXT)}
        kinds = ["application/json", "application/x-www-form-urlencoded"]
    content = {kind: {"schema": body} for kind in kinds}
    operation = _operation(text, answer, status=status, is_open=False)
    return {"post": {**operation, "requestBody": {"content": content, "required": False}}}


def _get(text: str, answer: Node, *, arguments: tuple[str, ...] = (), is_open: bool = True) -> Node:
    parameters = [
        {"in": "query", "name": name, "schema": _TEXT, "required": False} for name in arguments
    ]
    return {"get": {**_operation(text, answer, is_open=is_open), "parameters": parameters}}


def _operation(text: str, answer: Node, *, status: int = 200, is_open: bool) -> Node:
    return {
        "operationId": "_".join(text.lower().replace(",", "").rstrip(".").split()[:5]),
        "summary": text.rstrip("."),
        "description": text,
        "tags": ["agents"],
        "parameters": [],
        "security": [] if is_open else [{"ServerSecret": []}],
        "responses": {
            str(status): {
                "description": "Done",
                "content": {"application/json": {"schema": answer}},
            }
        },
    }


def _object(members: Node) -> Node:
    return {"type": "object", "properties": members, "required": [*members]}
