"""`translate` and `blocktranslate` without `{% load %}`, and for nothing where English is spoken.

With one language there is nothing to look up: when a template is compiled, a literal becomes plain
text, and a sentence plain text with its values in between. Django's own tags read the template, so
both ways mean the same; `tests/web/test_texts.py` compares them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import template
from django.conf import settings
from django.template.base import (
    FilterExpression,
    Node,
    Parser,
    TextNode,
    Token,
    VariableNode,
    render_value_in_context,
)
from django.templatetags import i18n
from django.utils.safestring import SafeString

from cln.console.sentences import said

register = template.Library()
_VALUE: Final = re.compile(r"%\((\w+)\)s")


class Sentence(Node):
    """A `blocktranslate` in English: the form that fits its number, with values filled in."""

    def __init__(
        self,
        values: Mapping[str, FilterExpression],
        counter: tuple[str, FilterExpression] | None,
        forms: Sequence[Sequence[str]],
    ) -> None:
        """`forms`: of one, and of many; texts and names of values take turns in each."""
        self.values, self.counter, self.forms = values, counter, forms

    def render(self, context: template.Context) -> str:
        """The sentence."""
        known: dict[str, Any] = {name: one.resolve(context) for name, one in self.values.items()}
        form = self.forms[0]
        if self.counter:
            name, expression = self.counter
            known[name] = expression.resolve(context)
            form = self.forms[known[name] != 1]
        return "".join(
            self._value(part, known, context) if at % 2 else part for at, part in enumerate(form)
        )

    def _value(self, name: str, known: Mapping[str, Any], context: template.Context) -> str:
        value = known[name] if name in known else context.get(name, "")
        return str(render_value_in_context(value, context))


class Said(Node):
    """What an expression says, named or composed by code, in another language than English."""

    def __init__(self, expression: FilterExpression) -> None:
        """Keep the expression, whose own text is not looked up."""
        self.expression = expression

    def render(self, context: template.Context) -> str:
        """The text, escaped where it was not."""
        value = self.expression.resolve(context)
        if isinstance(value, str):
            text = said(str(value))
            value = SafeString(text) if isinstance(value, SafeString) else text
        return str(render_value_in_context(value, context))


@register.tag
def translate(parser: Parser, token: Token) -> Node:
    """A text, or what an expression says, in the language of the installation."""
    node = i18n.do_translate(parser, token)
    expression = node.filter_expression
    literal = getattr(expression.var, "literal", None)
    if node.asvar or (settings.USE_I18N and isinstance(literal, str)):
        return node
    if isinstance(literal, str) and not expression.filters:
        return TextNode(literal)
    expression.var.translate = False
    return Said(expression) if settings.USE_I18N else VariableNode(expression)


@register.tag
def blocktranslate(parser: Parser, token: Token) -> Node:
    """A sentence with values in it, and its plural, in the language of the installation."""
    node = i18n.do_block_translate(parser, token)
    if settings.USE_I18N or node.asvar:
        return node
    counter = (node.countervar, node.counter) if node.countervar and node.counter else None
    forms = [_parts(node.render_token_list(tokens)[0]) for tokens in (node.singular, node.plural)]
    return Sentence(node.extra_context, counter, forms)


def _parts(text: str) -> list[str]:
    """Texts and names of values in turn."""
    parts = _VALUE.split(text)
    return [part.replace("%%", "%") for part in parts]
