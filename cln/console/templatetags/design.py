"""The pieces every page is made of; /sandbox/design shows each with the words that make it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Final

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.utils.translation import gettext
from heroicons.templatetags.heroicons import heroicon_micro, heroicon_mini, heroicon_outline

from cln.console import navigation
from cln.console.context import Frame
from cln.console.delivery_table import standing_of
from cln.console.server_table import status_of
from cln.console.words import FEATURES
from cln.domain.words import counted
from cln.licensing.queries import ServerRow
from cln.notifications.webhook_rows import DeliveryRow

register = template.Library()

# In place of the tags of the same names: each drawing is made once, not on every page.
for _draw in (heroicon_micro, heroicon_mini, heroicon_outline):
    register.simple_tag(cache(_draw), name=_draw.__name__)

# State is never told by colour alone: each word has its icon (ux).
STATES: Final = {
    "up": ("good", "check-circle"),
    "active": ("good", "check-circle"),
    "paid": ("good", "check-circle"),
    "on": ("good", "check-circle"),
    "late": ("warn", "clock"),
    "outstanding": ("warn", "clock"),
    "trial": ("warn", "clock"),
    "ending": ("warn", "clock"),
    "invited": ("warn", "envelope"),
    "silent": ("bad", "bell-alert"),
    "overdue": ("bad", "exclamation-triangle"),
    "suspended": ("bad", "no-symbol"),
    "blocked": ("bad", "no-symbol"),
    "declined": ("bad", "x-circle"),
    "failed": ("bad", "x-circle"),
    "superseded": ("plain", "arrow-path"),
    "removed": ("plain", "minus-circle"),
    "off": ("plain", "minus-circle"),
    "new": ("plain", "sparkles"),
    "waiting": ("plain", "clock"),
}


@register.simple_tag
def status(state: str, words: str = "") -> SafeString:
    """A state as icon and word; `words` where the state's own name is not enough."""
    tone, icon = STATES.get(state, ("plain", "minus-circle"))
    said = gettext(words or state)
    return format_html('<span class="tag {}">{}{}</span>', tone, _small(icon, 14), said)


@register.simple_tag
def standing(row: ServerRow, now: datetime) -> SafeString:
    """How a server stands, as icon and word."""
    return status(status_of(row, now))


@register.simple_tag
def delivery_standing(row: DeliveryRow) -> SafeString:
    """Where a delivery of a webhook stands, as icon and word."""
    return status(*standing_of(row))


@register.filter
def feature_name(feature: str) -> str:
    """`imunify_email` → "Imunify Email"."""
    return FEATURES[feature]


@register.simple_tag
def span(time: timedelta | None, usual: str = "") -> str:
    """A span of time in words: "4 hours", "a week"; `usual` where none is set."""
    if time is None:
        return usual
    for unit, word in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour")):
        if time and time % unit == timedelta():
            return counted(time // unit, word)
    return counted(time // timedelta(minutes=1), "minute")


@cache
def _small(name: str, size: int) -> SafeString:
    """A drawing that many rows of a list share."""
    return SafeString(heroicon_micro(name, size=size, aria_hidden="true"))


@register.simple_block_tag
def page_header(content: SafeString, title: str, lead: str = "") -> SafeString:
    """The page's title, a sentence under it, and its actions on the right."""
    under = format_html('<p class="lead-in">{}</p>', lead) if lead else ""
    return format_html(
        '<div class="titles"><div><h1>{}</h1>{}</div><div class="actions">{}</div></div>',
        title,
        under,
        content.strip() and SafeString(content),
    )


@register.simple_block_tag
def card(content: SafeString, title: str = "", extra: str = "") -> SafeString:
    """A box with a heading; `extra` are further CSS classes."""
    if not title:
        return format_html('<section class="panel {}">{}</section>', extra, content)
    anchor = f"card-{slugify(title)}"
    return format_html(
        '<section class="panel {}" aria-labelledby="{}"><h2 class="mb-3" id="{}">{}</h2>{}'
        "</section>",
        extra,
        anchor,
        anchor,
        title,
        content,
    )


@register.simple_block_tag
def empty(content: SafeString, title: str, icon: str = "inbox") -> SafeString:
    """Nothing here yet: why, and what to do about it."""
    drawn = heroicon_outline(icon, size=36, aria_hidden="true")
    return format_html(
        '<div class="empty">{}<p class="h3 mb-1">{}</p>{}</div>', drawn, title, content
    )


@register.simple_tag
def icon(name: str, size: int = 18) -> SafeString:
    """A small drawing beside words; nothing for those who listen."""
    return _small(name, size)


@register.simple_tag
def stepper(current: int, *steps: str) -> SafeString:
    """The steps of a wizard, the current one marked; counted from 1."""
    items = [
        format_html(
            '<li class="{}"{}>{}</li>',
            "done" if number < current else "",
            SafeString(' aria-current="step"') if number == current else "",
            words,
        )
        for number, words in enumerate(steps, start=1)
    ]
    return format_html('<ol class="stepper">{}</ol>', SafeString("".join(items)))


@register.simple_tag
def progress(value: int, most: int, label: str) -> SafeString:
    """How far something is, as a bar and in words."""
    return format_html(
        '<div class="progressing"><div class="figure-row"><span>{0}</span><span class="num">{1} '
        'of {2}</span></div><progress max="{2}" value="{1}" aria-label="{0}"></progress></div>',
        label,
        value,
        most,
    )


@register.inclusion_tag("parts/side.html", takes_context=True)
def side_navigation(context: template.Context) -> dict[str, object]:
    """The pages of the section the template's `section` names."""
    frame: Frame | None = context.get("frame")
    if frame is None or frame.login is None or not context.get("section"):
        return {"links": ()}
    login, match = frame.login, frame.request.resolver_match
    links = navigation.side(
        str(context["section"]),
        role=login.role,
        kind=login.account.kind if login.account else "",
        here=(match.url_name or "") if match else "",
        has=frame.has,
    )
    return {"links": links, "frame": frame}
