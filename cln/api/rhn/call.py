"""One call of an RHN client: its arguments, its system, and what its headers say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.http import HttpRequest

from cln.api.limits import check, count_server, count_stranger
from cln.api.rhn.faults import bad_arguments
from cln.api.rhn.systemid import system_of
from cln.api.xmlrpc.codec import Value
from cln.api.xmlrpc.door import Fault
from cln.domain.errors import Refusal
from cln.licensing.models import System
from cln.licensing.systems import Client
from cln.web import client_address


@dataclass(frozen=True)
class RhnCall:
    """What a method needs; reading an argument that is not there or of its kind faults −21."""

    request: HttpRequest
    arguments: tuple[Value, ...]
    now: datetime

    @property
    def address(self) -> str:
        """Where the call comes from: RHN has no argument for it."""
        return client_address(self.request)

    @property
    def client(self) -> Client:
        """The version and the capabilities that the client sends with every call."""
        headers = self.request.headers
        return Client(
            version=headers.get("X-Up2date-Version", ""),
            capabilities=headers.get("X-RHN-Client-Capability", "").split(","),
        )

    @cached_property
    def system(self) -> System:
        """The system whose document is the first argument. Faults −9.

        Refuses `too_many_tries`, `too_many_requests`: forged documents have a limit per address.
        """
        document = self._argument(0)
        count_server(str(document))
        try:
            return system_of(document)
        except (Fault, Refusal):
            check(count_stranger(self.request))
            raise

    def text(self, position: int) -> str:
        """A text."""
        value = self._argument(position)
        if not isinstance(value, str):
            raise bad_arguments()
        return value

    def number(self, position: int) -> int:
        """A whole number; texts of digits are taken for one."""
        value = self._argument(position)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**31:
            raise bad_arguments()
        return value

    def struct(self, position: int) -> Mapping[str, Value]:
        """A struct."""
        return as_struct(self._argument(position))

    def items(self, position: int) -> Sequence[Value]:
        """An array."""
        return as_items(self._argument(position))

    def _argument(self, position: int) -> Value:
        if position >= len(self.arguments):
            raise bad_arguments()
        return self.arguments[position]


def as_struct(value: Value) -> Mapping[str, Value]:
    """The struct that this value is, or a fault."""
    if not isinstance(value, Mapping):
        raise bad_arguments()
    return value


def as_items(value: Value) -> Sequence[Value]:
    """The array that this value is, or a fault."""
    if not isinstance(value, list):
        raise bad_arguments()
    return value
