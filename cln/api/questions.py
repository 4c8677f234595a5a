"""Questions that come in crowds, asked of the database together (`cln.api.gathering`).

A question that comes alone is asked at once. Each answer is as fresh as one asked alone: its batch
is read after it was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cln.accounts.queries import ApiCaller, api_callers
from cln.api.gathering import Gathering
from cln.domain.addresses import canonical_address
from cln.licensing.addresses import types_held_at_each
from cln.licensing.queries import have_ip_licenses

TOGETHER_MAX: Final = 200
PATCHED: Final = "kernelcare"


def caller_named(login: str) -> ApiCaller | None:
    """Whom a token names; None for nobody."""
    return _callers.ask(login)


def types_at(address: str) -> tuple[int, ...]:
    """IP types anybody holds a license of at an address, ascending. Refuses `bad_address`."""
    return _types.ask(canonical_address(address))


def is_patched(address: str) -> bool:
    """Whether a canonical address holds a license of KernelCare by itself, and may use it."""
    return _patched.ask(address)


def _have_patches(addresses: Sequence[str]) -> Sequence[bool]:
    return have_ip_licenses(addresses, product=PATCHED)


_callers: Final = Gathering(api_callers, most=TOGETHER_MAX)
_types: Final = Gathering(types_held_at_each, most=TOGETHER_MAX)
_patched: Final = Gathering(_have_patches, most=TOGETHER_MAX)
