"""The entries of a timeline, read in order: each may name only what was there before it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from yaml.nodes import Node

from cln.flows.simulation.grammar import DEFAULT_KEY, FORMS, Form
from cln.flows.simulation.nodes import Reader, fail, fields, instant, mapping, word
from cln.flows.simulation.scenario import Entry, Party


class TimelineReader:
    """Reads entries one by one and remembers accounts, keys, servers and the hour."""

    def __init__(self, *, parties: Collection[Party], license_types: Collection[str]) -> None:
        """Begin before the first entry."""
        self._parties = {party.name: party for party in parties}
        self._license_types = license_types
        self._keys: set[tuple[str, str]] = set()
        self._servers: set[tuple[str, str]] = set()
        self._latest: datetime | None = None
        self._number = 0

    def read(self, node: Node) -> Entry:
        """The next entry. Raises ScenarioError."""
        self._number += 1
        places = mapping(node, "an entry")
        verb = self._verb(node, places)
        form = FORMS[verb]
        for alias, name in form.aliases.items():
            if alias in places and name in places:
                fail(places[alias], f"{alias!r} and {name!r} are the same field")
        given = fields(
            node, f"{verb!r}", required=_required(form, places), optional=_optional(form)
        )
        for alias, name in form.aliases.items():
            if alias in given:
                given[name], places[name] = given.pop(alias), places[alias]
        at, account = given.pop("at"), given.pop("account", "")
        del given["do"]
        self._check_order(at, places["at"])
        if form.of_account:
            self._check_account(account, places["account"])
            self._check_names(verb, account, given, places, node)
        return Entry(at=at, account=account, verb=verb, fields=given, number=self._number)

    def _verb(self, node: Node, places: dict[str, Node]) -> str:
        if "do" not in places:
            fail(node, "an entry needs 'do'")
        verb = word(places["do"])
        if verb not in FORMS:
            fail(places["do"], f"there is no verb {verb[:40]!r}; there are {', '.join(FORMS)}")
        return verb

    def _check_order(self, at: datetime, place: Node) -> None:
        if self._latest is not None and at < self._latest:
            latest = self._latest.isoformat().replace("+00:00", "Z")
            fail(place, f"time goes backwards: the entry before is at {latest}")
        self._latest = at

    def _check_account(self, account: str, place: Node) -> None:
        if account not in self._parties:
            fail(place, f"there is no account {account[:40]!r} under 'accounts'")

    def _check_names(
        self,
        verb: str,
        account: str,
        given: dict[str, Any],
        places: dict[str, Node],
        node: Node,
    ) -> None:
        if "license_type" in given and given["license_type"] not in self._license_types:
            code = given["license_type"][:40]
            fail(places["license_type"], f"there is no license type {code!r}")
        if verb == "register_server":
            self._check_registration(account, given, places, node)
        if verb == "set_feature" and {"key", "server"} <= given.keys():
            fail(node, "a feature is set for a 'key' or for a 'server', not for both")
        if "key" in given:
            self._check_key(account, given, places)
        if "server" in given and (account, given["server"]) not in self._servers:
            fail(
                places["server"],
                f"account {account!r} has registered no server {given['server'][:40]!r} before",
            )
        if verb == "create_key":
            self._introduce(self._keys, account, given["name"], places["name"], "key")

    def _check_registration(
        self, account: str, given: dict[str, Any], places: dict[str, Node], node: Node
    ) -> None:
        if given.get("by_ip") and "key" in given:
            fail(places["by_ip"], "a server registers with a 'key' or 'by_ip', not with both")
        if not given.get("by_ip") and "key" not in given:
            fail(node, "'register_server' needs 'key', or 'by_ip: true'")
        if "name" in given:
            self._introduce(self._servers, account, given["name"], places["name"], "server")
        else:
            given["name"] = given.get("hostname") or given["ip"]
            self._servers.add((account, given["name"]))

    def _check_key(self, account: str, given: dict[str, Any], places: dict[str, Node]) -> None:
        name = given["key"]
        if name == DEFAULT_KEY and "license_type" not in given:
            fail(places["key"], "each license type has a default key: say which 'license_type'")
        if name != DEFAULT_KEY and (account, name) not in self._keys:
            fail(places["key"], f"account {account!r} has created no key {name[:40]!r} before")

    def _introduce(
        self, known: set[tuple[str, str]], account: str, name: str, place: Node, what: str
    ) -> None:
        if (account, name) in known or (what == "key" and name == DEFAULT_KEY):
            fail(place, f"account {account!r} has a {what} {name[:40]!r} already")
        known.add((account, name))


def _required(form: Form, places: dict[str, Node]) -> dict[str, Reader]:
    """The fields an entry must have; one written by its other name counts."""
    needed: dict[str, Reader] = {"at": instant, "do": word}
    if form.of_account:
        needed["account"] = word
    written_otherwise = {name for alias, name in form.aliases.items() if alias in places}
    needed |= {
        name: reader for name, reader in form.required.items() if name not in written_otherwise
    }
    return needed


def _optional(form: Form) -> dict[str, Reader]:
    others = {alias: form.required[name] for alias, name in form.aliases.items()}
    return {**form.optional, **others}
