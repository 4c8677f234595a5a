"""How the console writes money, time and form fields."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from django import template
from django.conf import settings
from django.forms import BoundField, CheckboxInput, RadioSelect, Select
from django.utils.html import conditional_escape, escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from cln import clock
from cln.accounts.access import ROLE_NAMES
from cln.accounts.countries import country_names
from cln.accounts.services import first_of_next_month
from cln.console.delivery_table import reason_of
from cln.console.forms.webhooks import EVENT_WORDS
from cln.console.matrix import MATRIX
from cln.console.sentences import said
from cln.console.words import details_text, subject_words, verb_words
from cln.domain.lines import formula_text
from cln.domain.money import money_text
from cln.enums import Role
from cln.payments.gateways.sandbox import Script

register = template.Library()
SPANS: Final = (
    (86400, "%(count)s day", "%(count)s days"),
    (3600, "%(count)s hour", "%(count)s hours"),
    (60, "%(count)s minute", "%(count)s minutes"),
)
"""Seconds, and how one and how many of them are called."""
_BLANKS = re.compile(r"(\s+)")
_JOINTS = re.compile(r"(?<=[.:@])")
_IPV4 = re.compile(r"[0-9.]+")
_LINK = re.compile(r"https?://[^\s<>\"']+")


@register.filter
def money(cents: int | str | None, currency: str = "USD") -> str:
    """2700 → "$27.00"; what is not known (None, or "" of a missing name) is a dash."""
    return money_text(cents, currency) if isinstance(cents, int) else "—"


@register.filter
def formula(why: str, currency: str) -> str:
    """ "3 × 3.95 for the month" → "3 × $3.95 for the month"."""
    return said(formula_text(why, currency))


@register.filter
def whole_month(days: tuple[date, date]) -> date | None:
    """The first day of a half-open period that is one whole month, else None."""
    begin, end = days
    return begin if begin.day == 1 and end == first_of_next_month(begin) else None


@register.filter
def country_name(code: str) -> str:
    """ "DE" → "Germany"; a code that our list has not stays."""
    return gettext(country_names().get(code, code))


@register.filter
def negated(cents: int) -> int:
    """The same amount with the other sign."""
    return -cents


@register.simple_tag(takes_context=True)
def ago(
    context: template.Context, instant: datetime | None, now: datetime | None = None
) -> SafeString | str:
    """Relative to `now`, else the page's, with the exact instant on hover and for machines."""
    if instant is None:
        return gettext("never")
    now = now or getattr(context.get("request"), "now", None) or clock.now()
    exact = f"{instant:%Y-%m-%d %H:%M:%S} UTC"
    return format_html(
        '<time datetime="{}" title="{}" tabindex="0">{}</time>',
        instant.isoformat(),
        exact,
        _relative((now - instant).total_seconds()),
    )


def _relative(seconds: float) -> str:
    ahead, seconds = seconds < 0, abs(seconds)
    for size, one, many in SPANS:
        # What lies ahead is rounded: a trial of 30 days begun this minute does not end in 29.
        count = round(seconds / size) if ahead else int(seconds // size)
        if count:
            span = ngettext(one, many, count) % {"count": count}
            return (gettext("in %(span)s") if ahead else gettext("%(span)s ago")) % {"span": span}
    return gettext("just now")


@register.filter
def linked(text: str) -> SafeString:
    """Escape a plain-text mail and make its addresses clickable."""
    parts: list[str] = []
    end = 0
    for match in _LINK.finditer(text):
        parts.append(escape(text[end : match.start()]))
        url = escape(match[0])
        parts.append(f'<a href="{url}">{url}</a>')
        end = match.end()
    return mark_safe("".join(parts) + escape(text[end:]))


@register.inclusion_tag("parts/field.html")
def field(bound: BoundField, **attrs: Any) -> dict[str, object]:
    """A labelled field with its help and its errors beside it."""
    widget = bound.field.widget
    if settings.USE_I18N and isinstance(widget, Select):
        widget.choices = [(value, gettext(str(words))) for value, words in widget.choices]
    tick = isinstance(widget, CheckboxInput)
    radio = isinstance(widget, RadioSelect)
    css = "form-check-input" if tick or radio else "form-control"
    if isinstance(widget, Select) and not radio:
        css = "form-select"
    wrong = next((name for name in bound.form.fields if name in bound.form.errors), None)
    if wrong:  # it has the focus, not the form's first field
        widget.attrs.pop("autofocus", None)
        attrs |= {"autofocus": True} if wrong == bound.name else {}
    if bound.errors:
        css += " is-invalid"
        attrs["aria-describedby"] = f"{bound.id_for_label}_error"
    if radio:
        widget.attrs["class"] = css
    if widget.attrs.get("placeholder") == bound.label:
        del widget.attrs["placeholder"]  # the label says it already, and stays
    html = (
        ""
        if radio
        else bound.as_widget(
            attrs={"class": css, **{k.replace("_", "-"): v for k, v in attrs.items()}}
        )
    )
    return {"bound": bound, "html": html, "tick": tick, "radio": radio}


@register.filter
def whole_words(command: str) -> SafeString:
    """A command that wraps between its words alone: after the hyphen of an option it would mislead.

    A word that is longer than the line is still broken, and copying gives the command itself.
    """
    return format_html_join(
        "",
        "{}",
        (
            (word if word.isspace() else format_html('<span class="word">{}</span>', word),)
            for word in _BLANKS.split(command)
        ),
    )


@register.filter
def breakable(name: str) -> SafeString:
    """A host name, an e-mail or an IPv6 address that may break between its parts, so that a table
    fits; an IPv4 address stays whole.
    """
    parts = [name] if _IPV4.fullmatch(name) else _JOINTS.split(name)
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in parts))


@register.simple_tag
def copy_text(text: str, label: str = "") -> SafeString:
    """A button that copies `text`; without JavaScript it is hidden, the text stays selectable."""
    return format_html(
        '<button type="button" class="btn btn-sm btn-outline-secondary js-copy" hidden '
        'data-copy="{}">{}</button>',
        text,
        conditional_escape(label or gettext("Copy")),
    )


@register.filter
def plain_number(quantity: Fraction | Decimal) -> str:
    """2 for two whole units; 1.387097 for shares."""
    over, under = quantity.as_integer_ratio()
    return f"{Decimal(over) / under:.6f}".rstrip("0").rstrip(".")


@register.filter
def script_sentence(script: str) -> str:
    """What a test card does, in words."""
    return gettext(SCRIPTS[Script(script)])


SCRIPTS: Final = {
    Script.OK: "is charged",
    Script.DECLINE: "is declined for lack of funds; tried again on later days",
    Script.HARD_DECLINE: "is declined as expired; not tried again until it is replaced",
    Script.UP_TO_TEN: "pays up to 10.00 at a time; more is declined for lack of funds",
    Script.TIMEOUT_CHARGED: "is charged, but the answer gets lost; found out after 10 minutes",
    Script.TIMEOUT_NOT_CHARGED: "is not charged and does not answer; found out after 10 minutes",
}


@register.filter
def browser(user_agent: str) -> str:
    """A browser and its system, as people call them."""
    name = next((name for mark, name in BROWSERS if mark in user_agent), "A program")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    return f"{name} on {system}" if system else name


BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@register.filter
def role_name(role: str) -> str:
    """A role as people read it."""
    return ROLE_NAMES[Role(role)]


register.filter("said", said)
register.filter("delivery_reason", reason_of)
register.filter("verb_words", verb_words)
register.filter("details_text", details_text)
register.filter("subject_words", subject_words)


@register.filter
def event_words(events: Sequence[str]) -> list[str]:
    """What an endpoint of webhooks hears of, as its form calls it and in that order."""
    return [gettext(words) for event, words in EVENT_WORDS.items() if event in events]


@register.filter
def scope_words(scopes: Sequence[str]) -> str:
    """What a token may do, as the table of roles calls it."""
    names = {permission.value: words for permission, words in MATRIX}
    return ", ".join(names.get(scope, scope) for scope in scopes)
