"""The words of the format: which verbs there are and what each needs, by reader."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from yaml.nodes import Node

from cln.domain.pricing import QUANTITY_LIMIT
from cln.enums import MethodKind
from cln.flows.simulation.nodes import (
    Reader,
    amount,
    choice,
    flag,
    items,
    text,
    whole,
    word,
)
from cln.licensing.feature_list import FEATURE_PRODUCT
from cln.licensing.keys import LIMIT_MAX
from cln.payments.gateways.sandbox import Script

DEFAULT_KEY = "default"
INTERVALS = ("month", "year")
NO_METHOD = "none"
METHODS = (*MethodKind, NO_METHOD)
UNSET = "unset"

quantity = whole(least=1, most=QUANTITY_LIMIT)
limit = whole(least=0, most=LIMIT_MAX)


def words(node: Node) -> list[str]:
    """A list of addresses or ranges."""
    return [word(item) for item in items(node, "this")]


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a verb. `aliases` are other spellings; `of_account` = it is an account's."""

    required: Mapping[str, Reader] = field(default_factory=dict)
    optional: Mapping[str, Reader] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    of_account: bool = True


_KEY = {"key": word}
_KEY_CHANGES = {"limit": limit, "note": text, "cidrs": words, "license_type": text}
_SERVER = {"server": word}
_TYPE = {"license_type": text}
_IP = {"ip": word}
_IP_ALIAS = {"address": "ip"}
AUTOPAY: Mapping[str, Reader] = {"mode": choice("add_funds", "repay", "off")}
AUTOPAY_OPTIONS: Mapping[str, Reader] = {"target": amount}

FORMS: Mapping[str, Form] = {
    "start_trial": Form(_TYPE),
    "buy": Form({**_TYPE, "quantity": quantity}, {"interval": choice(*INTERVALS)}),
    "remove_unused": Form(_TYPE, {"keep": whole(least=0, most=QUANTITY_LIMIT)}),
    "unsubscribe": Form(_TYPE, {"when": choice("period_end", "now")}),
    "set_edition": Form({"edition": choice("shared", "pro")}),
    "create_key": Form({**_TYPE, "name": word}, {"limit": limit, "note": text, "cidrs": words}),
    "update_key": Form(_KEY, _KEY_CHANGES, {"name": "key"}),
    "remove_key": Form(_KEY, _TYPE, {"name": "key"}),
    "register_server": Form(
        {"ip": word},
        {**_KEY, **_TYPE, "by_ip": flag, "hostname": word, "name": word},
    ),
    "check_in": Form(_SERVER, {"os_version": word, "users": whole(least=0, most=10**9)}),
    "remove_server": Form(_SERVER),
    "convert_server": Form({**_SERVER, **_TYPE}, {"cancel_old": flag}),
    "set_feature": Form(
        {"feature": choice(*FEATURE_PRODUCT), "enabled": choice("true", "false", UNSET)},
        {**_KEY, **_SERVER, **_TYPE},
    ),
    "set_payment_method": Form(
        {"payment_method": choice(*METHODS)},
        aliases={"method": "payment_method", "kind": "payment_method"},
    ),
    "gateway": Form({"outcome": choice(*Script)}),
    "pay_now": Form(),
    "pay_link": Form(),
    "top_up": Form({"amount": amount}),
    "set_autopay": Form(AUTOPAY, AUTOPAY_OPTIONS),
    "add_ip_license": Form({**_TYPE, **_IP}, aliases=_IP_ALIAS),
    "remove_ip_license": Form(_IP, _TYPE, _IP_ALIAS),
    "convert_ip_license": Form({**_TYPE, **_IP}, aliases=_IP_ALIAS),
    "refund": Form(
        {"invoice": whole(least=1, most=10**6)},
        {"amount": amount, "reason": text, "remove_licenses": flag},
    ),
    "advance": Form(of_account=False),
}
"""Every verb of the format, with its fields beside `at`, `account` and `do`."""
