"""All texts of the pages in one catalogue, `cln/locale/en/LC_MESSAGES/django.po`, for translators.

A template marks its own texts. Where Python names a text (the heading of a column, a label, a
toast, a refusal), the template that shows it translates it; here is written which places those are.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from django.utils.translation.template import templatize

from cln.management import composed_texts

PACKAGE: Final = Path(__file__).resolve().parents[1]
CATALOGUE: Final = PACKAGE / "locale" / "en" / "LC_MESSAGES" / "django.po"

Message = tuple[str, str]
"""A text and its plural, "" where it has none."""


class TwoPlurals(Exception):
    """One text has two plurals: word one of them differently."""


# The arguments of these calls that people read, by position.
SHOWN: Final[Mapping[str, tuple[int, ...]]] = {
    "Bulk": (0,),
    "Column": (1,),
    "Empty": (0, 1, 3),
    "Entry": (0,),
    "Filter": (1,),
    "Part": (0, 2),
    "SpanField": (1,),
    "Need": (1,),
    "_error": (2, 3, 4),
    "add_error": (1,),
    "error": (1,),
    "forbidden": (1, 2),
    "info": (1,),
    "success": (1,),
    "warning": (1,),
}
SHOWN_BY_NAME: Final = frozenset({"action", "heading", "help_text", "label", "search", "text"})
"""Arguments of any call of the console that people read."""
SHOWN_VALUES: Final = frozenset({"ROLE_NAMES", "SCRIPTS", "VERBS"})
"""Mappings whose values people read."""
SHOWN_KEYS: Final = frozenset({"STATES"})
"""Mappings whose keys people read, where nothing better is said."""
SHOWN_ENUMS: Final = frozenset({"Interval", "RowType"})
"""Enumerations whose values people read."""
SHOWN_ROWS: Final = frozenset({"_MONTHS"})
"""Tuples of texts that people read."""
MARKS: Final = frozenset({"gettext", "ngettext"})
PAGES: Final = frozenset({"system_status.py", "web.py"})
"""Modules outside the console that name texts of pages."""
_LITERAL: Final = r"""(u?"(?:[^"\\\n]|\\.)*"|u?'(?:[^'\\\n]|\\.)*')"""
_MARKED: Final = re.compile(
    rf"(?:\b|_)(?:gettext|_)\({_LITERAL}\)|ngettext\({_LITERAL}, {_LITERAL}"
)


def catalogue() -> str:
    """The catalogue as it should be: each text once, in the order of files, and where it stands."""
    found: dict[str, list[str]] = {}
    plurals: dict[str, str] = {}
    pages = PACKAGE.rglob("templates/**/*.html")
    for path in sorted([*pages, *PACKAGE.rglob("*.py"), *map(PACKAGE.joinpath, DATA)]):
        source = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            texts = DATA[path.relative_to(PACKAGE).as_posix()](source)
        else:
            texts = of_template(source) if path.suffix == ".html" else of_python(source, path)
        for text, plural in texts:
            if plural and plurals.setdefault(text, plural) != plural:
                raise TwoPlurals(f"{text!r}: {plural!r} and {plurals[text]!r}")
            places = found.setdefault(text, [])
            name = path.relative_to(PACKAGE.parent).as_posix()
            if name not in places:
                places.append(name)
    return _HEADER + "".join(
        _entry(text, plurals.get(text, ""), places) for text, places in found.items()
    )


def of_template(source: str) -> Iterator[Message]:
    """The texts that a template marks."""
    for single, one, many in _MARKED.findall(templatize(source)):
        if text := ast.literal_eval(single or one):
            yield text, ast.literal_eval(many) if many else ""


def of_catalog(source: str) -> Iterator[Message]:
    """What the products on sale are for."""
    for row in tomllib.loads(source)["product"]:
        if row.get("summary"):
            yield row["summary"].replace("%", "%%"), ""


def of_countries(source: str) -> Iterator[Message]:
    """The names of the countries."""
    for name in tomllib.loads(source).values():
        yield name, ""


DATA: Final[Mapping[str, Callable[[str], Iterator[Message]]]] = {
    "accounts/countries.toml": of_countries,
    "catalog/catalog.toml": of_catalog,
}
"""Files of data that name texts of pages."""


def of_python(source: str, path: Path) -> Iterator[Message]:
    """The texts that Python names for a template to show."""
    is_page = path.is_relative_to(PACKAGE / "console") or path.name in PAGES
    refusals = _refusals()
    tree = ast.parse(source)
    if composed_texts.is_composing(path.relative_to(PACKAGE)):
        yield from composed_texts.of_module(tree)
    for node in ast.walk(tree):
        if any(spans := _spans(node)):
            yield spans
        for one in _shown(node, is_page=is_page, refusals=refusals):
            for part in ast.walk(one):
                yield from composed_texts.of_expression(part)
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.strip():
                is_marked = isinstance(node, ast.Call) and _name(node) in MARKS
                yield one.value if is_marked else one.value.replace("%", "%%"), ""


def _name(node: ast.Call) -> str:
    return str(getattr(node.func, "attr", "") or getattr(node.func, "id", ""))


def _spans(node: ast.AST) -> Message:
    """A row of a table of texts and their plurals: a number, one, and many; else ("", "")."""
    if isinstance(node, ast.Tuple) and len(node.elts) == 3:
        _, one, many = (getattr(part, "value", None) for part in node.elts)
        if isinstance(one, str) and isinstance(many, str) and "%(count)s" in one:
            return one, many
    return "", ""


def _shown(node: ast.AST, *, is_page: bool, refusals: frozenset[str]) -> Sequence[ast.expr]:
    """What of a piece of code people read, where it is a text."""
    if isinstance(node, ast.Call):
        name = _name(node)
        if name in refusals:
            return node.args
        if name in MARKS:
            return node.args[:1]
        if is_page:
            places = [at for at in SHOWN.get(name, ()) if at < len(node.args)]
            named = [one.value for one in node.keywords if one.arg in SHOWN_BY_NAME]
            return [node.args[at] for at in places] + named
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in SHOWN_ROWS:
        return node.value.elts if isinstance(node.value, ast.Tuple) else ()
    if isinstance(node, ast.ClassDef) and node.name in SHOWN_ENUMS:
        return [one.value for one in node.body if isinstance(one, ast.Assign)]
    return (_of_mapping(node) or _of_choice(node)) if is_page or _is_mapping(node) else ()


def _is_mapping(node: ast.AST) -> bool:
    return isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict)


def _of_mapping(node: ast.AST) -> Sequence[ast.expr]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict):
        name = getattr(node.target, "id", "")
        if name in SHOWN_KEYS:
            return [key for key in node.value.keys if key is not None]
        if name in SHOWN_VALUES:
            return node.value.values
    return ()


def _of_choice(node: ast.AST) -> Sequence[ast.expr]:
    """The words of a pair (value, words), which choices and tables are made of."""
    if not isinstance(node, ast.Tuple) or len(node.elts) != 2:
        return ()
    words = node.elts[1]
    text = words.value if isinstance(words, ast.Constant) else None
    is_words = isinstance(text, str) and (" " in text or text[:1].isupper())
    return [words] if is_words else ()


@cache
def _refusals() -> frozenset[str]:
    """The names of the classes of refusals: each has a code."""
    named = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(map(_is_code, node.body)):
                named.add(node.name)
    return frozenset(named)


def _is_code(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return any(getattr(target, "id", "") == "code" for target in targets)


_HEADER: Final = """\
# Every text of the pages, collected by `cln texts`: see docs/operator/translating.md.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Language: en\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""


def _entry(text: str, plural: str, places: Iterable[str]) -> str:
    lines = ["", *(f"#: {place}" for place in places)]
    if "%(" in text or "%%" in text:
        lines.append("#, python-format")
    lines.append(f"msgid {_quoted(text)}")
    if plural:
        lines += [f"msgid_plural {_quoted(plural)}", 'msgstr[0] ""', 'msgstr[1] ""']
    else:
        lines.append('msgstr ""')
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
