"""Sentences that code composed, in the language of the installation (ADR 139).

Code puts names and figures into English sentences, some of which are stored. Where one is shown
in another language it is recognised by its pattern in the catalogue, and what was filled in is
filled into the translation. What is not recognised stays as it is.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from django.conf import settings
from django.utils.translation import get_language, gettext, ngettext

CATALOGUE: Final = (
    Path(__file__).resolve().parents[1] / "locale" / "en" / "LC_MESSAGES" / "django.po"
)
_ENTRY: Final = re.compile(r'^(msgid|msgid_plural) (".*")$', re.MULTILINE)
_CODE: Final = re.compile(r"^#: \S+\.py$", re.MULTILINE)
_VALUE: Final = re.compile(r"%\((\w+)\)s")
_WORD: Final = re.compile(r"[A-Za-z]")
_END: Final = re.compile(r"(?<=[.!?:]) (?=\S)|(?<=;) ")
_DATE: Final = re.compile(r"(?<=\b\d )[A-Z][a-z]{2}\b|(?<=\b\d\d )[A-Z][a-z]{2}\b")
_NEXT: Final = re.compile(r"[.!?] [A-Z]")
HEAD: Final = "head"


class Entry(NamedTuple):
    """A text and its plural, "" where it has none; whether code names it, or a template alone."""

    one: str
    many: str
    is_of_code: bool


@dataclass(frozen=True, slots=True)
class Pattern:
    """A sentence of the catalogue with values in it: what is constant, and the names in between.

    What begins with a blank or a comma is appended by code to a sentence: its first name is HEAD.
    """

    entry: Entry
    constants: tuple[str, ...]
    names: tuple[str, ...]
    ends: int  # of sentences, before the last one

    @classmethod
    def of(cls, entry: Entry, form: str) -> Pattern:
        """The pattern of an entry, or of its plural form."""
        parts = [part.replace("%%", "%") for part in _VALUE.split(form)]
        if parts[0] and not (parts[0][0].isalnum() or parts[0][0] in "“("):
            parts = ["", HEAD, *parts]
        constants = tuple(parts[::2])
        return cls(entry, constants, tuple(parts[1::2]), len(_NEXT.findall("X".join(constants))))

    @property
    def says(self) -> int:
        """How much of it is constant."""
        return len("".join(self.constants))

    def values_in(self, text: str) -> dict[str, str] | None:
        """What was filled in where the text is of this pattern, each as short as can be; else None.

        It has no more sentences than the pattern, so that two are not taken for one.
        """
        first, *others = self.constants
        if not text.startswith(first) or not text.endswith(others[-1]):
            return None
        if len(_NEXT.findall(text)) > self.ends:
            return None
        values: dict[str, str] = {}
        at, end = len(first), len(text) - len(others[-1])
        for left, name, constant in zip(range(len(others))[::-1], self.names, others, strict=True):
            stop = text.find(constant, at, end) if left else end
            if stop < at or values.setdefault(name, text[at:stop]) != text[at:stop]:
                return None
            at = stop + len(constant)
        return values

    def translated(self, values: dict[str, str]) -> str:
        """The sentence in the present language, with these values."""
        head = said(values.pop(HEAD, ""))
        ours = {name: _value(text) for name, text in values.items()}
        one, many, _ = self.entry
        if not many:
            return head + gettext(one) % ours
        number = next(iter(values.values())).replace(",", "")
        return head + ngettext(one, many, int(number) if number.isdecimal() else 2) % ours


def said(text: str) -> str:
    """A text that code names or composed, for people; English where nothing else is spoken."""
    if not settings.USE_I18N or not _WORD.search(text):
        return text
    return _said(text, get_language() or "")


@lru_cache(maxsize=4096)
def _said(text: str, _language: str) -> str:
    found = _whole(text)
    if found is not None:
        return found
    # The longest beginning first: a text of the catalogue may itself have two sentences.
    for at in reversed(list(_END.finditer(text))):
        first = _whole(text[: at.start()])
        if first is not None:
            return f"{first} {said(text[at.end() :])}"
    if end := _END.search(text):
        # A beginning that is a name, like that of a product, does not hide the rest.
        return f"{_dated(text[: end.start()])} {said(text[end.end() :])}"
    return _dated(text)


def _whole(text: str) -> str | None:
    """The translation of a text that is one entry of the catalogue; None for what is none."""
    plain, patterns = _catalogue()
    if text in plain:
        return gettext(text.replace("%", "%%") if "%" in text else text).replace("%%", "%")
    for pattern in patterns:
        if (values := pattern.values_in(text)) is not None:
            return pattern.translated(values)
    return None


def _value(text: str) -> str:
    """What was filled in: a phrase of ours is translated, the names that people gave are not."""
    is_phrase = " " in text or (text in _catalogue()[0] and text[:1].islower())
    return said(text) if is_phrase else text


def _dated(text: str) -> str:
    """The months of dates, such as "10 Feb 2026"."""
    return _DATE.sub(lambda found: gettext(found[0]), text)


@cache
def _catalogue() -> tuple[frozenset[str], tuple[Pattern, ...]]:
    """Texts, and patterns, of which those that say most come first."""
    known = entries()
    patterns = [
        Pattern.of(entry, form)
        for entry in known
        if entry.is_of_code and _VALUE.search(entry.one)
        for form in filter(None, (entry.one, entry.many))
    ]
    plain = {entry.one.replace("%%", "%") for entry in known if not _VALUE.search(entry.one)}
    return frozenset(plain), tuple(sorted(patterns, key=lambda one: -one.says))


def forget() -> None:
    """Begin anew, in a test with another language."""
    _said.cache_clear()


def entries() -> list[Entry]:
    """Each text of the catalogue."""
    found = []
    for block in CATALOGUE.read_text(encoding="utf-8").split("\n\n")[1:]:
        texts = dict(_ENTRY.findall(block))
        one, many = texts["msgid"], texts.get("msgid_plural", '""')
        found.append(
            Entry(ast.literal_eval(one), ast.literal_eval(many), bool(_CODE.search(block)))
        )
    return found
