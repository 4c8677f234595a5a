"""`url` where it costs least: most pages name forty addresses, and a list one more in each row.

The address of a route without arguments never changes, and that of a route with one differs in one
place. Both are found once by Django's own `reverse`, which also answers whatever else is asked.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from django import template
from django.template.base import Parser, Token
from django.template.defaulttags import URLNode
from django.template.defaulttags import url as django_url
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.html import escape

register = template.Library()
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_WORD: Final = "mark7707707"
_NUMBER: Final = 7707707
"""What stands for a word or a number while the place of an argument is looked for."""


class Address(URLNode):
    """A `url` with a literal name and at most one argument by position."""

    def __init__(self, node: URLNode) -> None:
        """Take over what Django's tag has read."""
        super().__init__(node.view_name, node.args, node.kwargs, node.asvar)
        self.name = str(node.view_name.var)

    def render(self, context: template.Context) -> str:
        """The address, escaped."""
        if not self.args:
            return _fixed(self.name, get_script_prefix())
        [value] = (one.resolve(context) for one in self.args)
        text = str(value)
        if not isinstance(value, str | int) or not _PLAIN.fullmatch(text):
            return super().render(context)
        parts = _around(self.name, isinstance(value, int), get_script_prefix())
        if parts is None:
            return super().render(context)
        return f"{parts[0]}{text}{parts[1]}"


@register.tag
def url(parser: Parser, token: Token) -> URLNode:
    """Django's `url`; by the short way where there is one."""
    node = django_url(parser, token)
    is_literal = isinstance(node.view_name.var, str) and not node.view_name.filters
    if not is_literal or node.kwargs or node.asvar or len(node.args) > 1:
        return node
    return Address(node)


@cache
def _fixed(name: str, _prefix: str) -> str:
    return escape(reverse(name))


@cache
def _around(name: str, is_number: bool, _prefix: str) -> tuple[str, str] | None:
    """What stands before and after a plain word or a number in the address of a route; None where
    not any would do.
    """
    mark = _NUMBER if is_number else _WORD
    try:
        before, found, after = reverse(name, args=[mark]).partition(str(mark))
    except NoReverseMatch:
        return None
    return (escape(before), escape(after)) if found else None
