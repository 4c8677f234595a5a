"""Sentences that code composes with names and figures, as the patterns a translator reads.

`f"There is no group {name}."` is "There is no group %(name)s."; `counted(n, "server")` is
"%(count)s server" and its plural. Where such a sentence is shown, `cln/console/sentences.py`
recognises it by its pattern.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from cln.domain.lines import DASH, TIMES

Message = tuple[str, str]

COMPOSING: Final = (
    "billing/invoice_lists.py",
    "console/",
    "domain/",
    "flows/subjects.py",
    "licensing/removal.py",
    "notifications/delivery.py",
    "notifications/outbound.py",
    "payments/reseller_table.py",
    "payments/services.py",
)
"""Whose composed sentences people read, beside all refusals."""
NOT_READ: Final = (
    "console/csv_files.py",
    "console/instructions.py",
    "console/sign_in.py",
    "console/static_files.py",
    "console/views/documents.py",
    "console/views/sandbox.py",
)
SIGNS: Final = {"DASH": DASH, "TIMES": TIMES}
_WORD: Final = re.compile(r"[A-Za-z]{2,}| a ")
_TECHNICAL: Final = re.compile(r"\(\?|%[YmdHMS]|<\w|://|^[\w./?=&:#-]*$|^ UTC$|; url=")
_NETWORK: Final = re.compile(r"[0-9a-f.:]+/[0-9]+")
_PHRASE: Final = re.compile(r"[A-Za-z][A-Za-z0-9’' ,:.-]+")


def is_composing(path: PurePath) -> bool:
    """Whether all sentences that this module composes are for people; a path below the package."""
    name = path.as_posix()
    return name.startswith(COMPOSING) and name not in NOT_READ


def of_module(tree: ast.AST) -> Iterator[Message]:
    """All that a module composes."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.IfExp):
            yield from of_expression(node)


def of_expression(node: ast.AST) -> Iterator[Message]:
    """What one expression composes, and the phrases it chooses from."""
    if isinstance(node, ast.IfExp):
        yield from _choice(node)
    elif isinstance(node, ast.JoinedStr):
        text = _pattern(node)
        if _WORD.search(_literal(node)) and not _TECHNICAL.search(_literal(node)):
            yield text, ""
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _choice(part.value)
    elif isinstance(node, ast.Tuple):
        yield from _of_network(node)
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "counted":
        yield from _counted(node)


def _of_network(node: ast.Tuple) -> Iterator[Message]:
    """What the addresses of a network are: ("10.0.0.0/8", "private")."""
    values = [getattr(one, "value", None) for one in node.elts]
    if len(values) == 2 and _NETWORK.fullmatch(str(values[0])) and isinstance(values[1], str):
        yield values[1], ""


def _pattern(node: ast.JoinedStr) -> str:
    names: dict[str, int] = {}
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value).replace("%", "%%"))
        elif isinstance(part, ast.FormattedValue):
            if sign := SIGNS.get(getattr(part.value, "id", "")):
                parts.append(sign)
                continue
            name = _name(part.value)
            names[name] = names.get(name, 0) + 1
            parts.append(f"%({name}{names[name] if names[name] > 1 else ''})s")
    return "".join(parts)


def _literal(node: ast.JoinedStr) -> str:
    return "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))


def _name(node: ast.expr) -> str:
    """What a translator reads of a value: the last name in its expression."""
    if isinstance(node, ast.Call):
        inner = [_name(one) for one in node.args[:1]]
        called = _name(node.func)
        return called if called != "join" else (inner or ["list"])[0]
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    name = str(getattr(node, "attr", "") or getattr(node, "id", ""))
    return name.strip("_").lower() or "value"


def _choice(node: ast.expr) -> Iterator[Message]:
    """The words of `a if x else b`."""
    if isinstance(node, ast.IfExp):
        for one in (node.body, node.orelse):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                if _PHRASE.fullmatch(one.value):
                    yield one.value, ""
            elif isinstance(one, ast.IfExp):
                yield from _choice(one)


def _counted(node: ast.Call) -> Iterator[Message]:
    words = [_words(one) for one in node.args[1:3]]
    if words and words[0]:
        many = (words[1] if len(words) > 1 else "") or f"{words[0]}s"
        yield f"%(count)s {words[0]}", f"%(count)s {many}"


def _words(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return _pattern(node)
    return str(node.value) if isinstance(node, ast.Constant) else ""
