"""The countries a company may sit in, by code and name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType


@cache
def country_names() -> Mapping[str, str]:
    """ "DE" → "Germany", in the order of the names as people look for them."""
    text = resources.files("cln.accounts").joinpath("countries.toml").read_text("utf-8")
    names = tomllib.loads(text)
    order = sorted(names, key=lambda code: names[code].replace("Å", "A"))
    return MappingProxyType({code: names[code] for code in order})
