"""From the bytes of a file to a Scenario, or to one error that says where and why.

Whatever the file alone can get wrong is refused here, before anything is played: unknown words,
wrong types, time that goes backwards, names nobody introduced. What the business refuses (too few
licenses, a blocked account) is for the flows, and ends up in the report.
"""

import re
from collections.abc import Collection
from datetime import date, datetime
from functools import partial
from typing import Any

from yaml.nodes import Node

from cln.domain.autopay import AutopayMode, AutopayRule, check_autopay_rule
from cln.domain.calendar import Interval
from cln.domain.pricing import PriceList, Tier
from cln.domain.rules import Rules
from cln.enums import AccountKind, MethodKind
from cln.flows.simulation.grammar import (
    AUTOPAY,
    AUTOPAY_OPTIONS,
    INTERVALS,
    METHODS,
    NO_METHOD,
    quantity,
)
from cln.flows.simulation.nodes import (
    amount,
    choice,
    day,
    fail,
    fields,
    instant,
    items,
    mapping,
    plain,
    read_document,
    refused_at,
    text,
)
from cln.flows.simulation.scenario import Autopay, Party, Prices, Scenario
from cln.flows.simulation.timeline_reader import TimelineReader

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
_CURRENCY = re.compile("[A-Z]{3}", re.ASCII)


def parse(content: bytes, *, license_types: Collection[str]) -> Scenario:
    """Read a file; `license_types` are the codes of the catalog. Raises ScenarioError."""
    root = read_document(content)
    parts = fields(
        root,
        "the file",
        required={"accounts": _as_is, "timeline": _as_is, "until": instant},
        optional={"settings": _as_is, "catalog": _as_is},
    )
    settings = _settings(parts["settings"]) if "settings" in parts else {}
    prices = _prices(parts["catalog"], license_types) if "catalog" in parts else ()
    parties = _parties(parts["accounts"], Rules.from_overrides(settings))
    reader = TimelineReader(parties=parties, license_types=license_types)
    timeline = tuple(reader.read(node) for node in items(parts["timeline"], "the timeline"))
    until: datetime = parts["until"]
    if timeline and until < timeline[-1].at:
        fail(mapping(root, "the file")["until"], "'until' is before the last entry of the timeline")
    return Scenario(settings, prices, parties, timeline, until)


def _as_is(node: Node) -> Node:
    return node


def _settings(node: Node) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value_node in mapping(node, "'settings'").items():
        value = plain(value_node)
        refused_at(value_node, partial(Rules.from_overrides, {name: value}))
        found[name] = value
    return found


def _prices(node: Node, license_types: Collection[str]) -> tuple[Prices, ...]:
    found: list[Prices] = []
    for item in items(node, "'catalog'"):
        prices = _price_list(item, license_types)
        key = (prices.license_type, prices.interval, prices.currency, prices.effective_on)
        if key in {(p.license_type, p.interval, p.currency, p.effective_on) for p in found}:
            fail(item, f"the same price list of {prices.license_type!r} stands here twice")
        found.append(prices)
    return tuple(found)


def _price_list(node: Node, license_types: Collection[str]) -> Prices:
    given = fields(
        node,
        "a price list",
        required={
            "license_type": text,
            "interval": choice(*INTERVALS),
            "currency": text,
            "tiers": _tiers,
        },
        optional={"effective": day},
    )
    places = mapping(node, "a price list")
    if given["license_type"] not in license_types:
        fail(places["license_type"], f"there is no license type {given['license_type'][:40]!r}")
    if not _CURRENCY.fullmatch(given["currency"]):
        fail(places["currency"], "a currency is three capital letters, such as USD")
    prices = Prices(
        license_type=given["license_type"],
        interval=Interval(given["interval"]),
        currency=given["currency"],
        effective_on=given.get("effective"),
        tiers=given["tiers"],
    )
    refused_at(places["tiers"], lambda: _as_sold(prices))
    return prices


def _as_sold(prices: Prices) -> PriceList:
    """The list as the core takes it, which checks that its tiers make sense."""
    return PriceList(
        id=0,
        license_type=prices.license_type,
        interval=prices.interval,
        currency=prices.currency,
        effective_on=prices.effective_on or date.min,
        tiers=prices.tiers,
    )


def _tiers(node: Node) -> tuple[Tier, ...]:
    rows = [
        fields(item, "a tier", required={"from": quantity, "unit": amount}, optional={})
        for item in items(node, "'tiers'")
    ]
    return tuple(Tier(row["from"], row["unit"]) for row in rows)


def _parties(node: Node, rules: Rules) -> tuple[Party, ...]:
    places = mapping(node, "'accounts'")
    if not places:
        fail(node, "a simulation needs an account")
    for key, _ in node.value:
        if not _NAME.fullmatch(key.value):
            fail(key, f"{key.value[:40]!r} is no account name: use letters, digits, . _ and -")
    return tuple(_party(name, item, rules) for name, item in places.items())


def _party(name: str, node: Node, rules: Rules) -> Party:
    given = fields(
        node,
        f"account {name!r}",
        required={},
        optional={
            "kind": choice(*AccountKind),
            "payment_method": choice(*METHODS),
            "deposit": amount,
            "autopay": lambda one: _autopay(one, rules),
        },
    )
    kind = AccountKind(given.get("kind", AccountKind.CUSTOMER))
    places = mapping(node, "")
    for only in ("deposit", "autopay"):
        if kind is not AccountKind.RESELLER and only in given:
            fail(places[only], f"{only!r} belongs to accounts of kind reseller")
    method: str = given.get("payment_method", NO_METHOD)
    if given.get("deposit") and method == NO_METHOD:
        fail(places["deposit"], "a deposit needs a payment_method to be paid with")
    return Party(
        name=name,
        kind=kind,
        method=None if method == NO_METHOD else MethodKind(method),
        deposit_cents=given.get("deposit", 0),
        autopay=given.get("autopay"),
    )


def _autopay(node: Node, rules: Rules) -> Autopay:
    given: dict[str, Any] = fields(node, "'autopay'", required=AUTOPAY, optional=AUTOPAY_OPTIONS)
    mode, target = AutopayMode(given["mode"]), given.get("target", 0)
    refused_at(node, lambda: check_autopay_rule(AutopayRule(mode, target), rules))
    return Autopay(mode, target)
