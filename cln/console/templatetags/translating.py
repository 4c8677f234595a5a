"""`translate` and `blocktranslate` without `{% load %}`, and for nothing where English is spoken.

With one language there is nothing to look up: a literal becomes plain text when its template is
compiled, and no page pays for words that could be translated.
"""

from __future__ import annotations

from django import template
from django.conf import settings
from django.template.base import Node, Parser, TextNode, Token
from django.templatetags import i18n

register = template.Library()
register.tag("blocktranslate", i18n.do_block_translate)


@register.tag
def translate(parser: Parser, token: Token) -> Node:
    """A text, or what an expression says, in the language of the installation."""
    node = i18n.do_translate(parser, token)
    expression = node.filter_expression
    literal = getattr(expression.var, "literal", None)
    if settings.USE_I18N or node.asvar or expression.filters or not isinstance(literal, str):
        return node
    return TextNode(literal)
