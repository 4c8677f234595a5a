"""YAML as nodes that know their line, and strict readers for what a node may hold.

A node is read by what is written, not by what YAML 1.1 guesses: `off` is a word, `010` is not 8,
and an amount is text, because a number has lost its cents already.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, NoReturn, TypeVar

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cln.domain.errors import Refusal
from cln.domain.money import parse_amount
from cln.flows.simulation.scenario import ScenarioError

Reader = Callable[[Node], Any]

DEEPEST = 20
FIRST_YEAR, LAST_YEAR = 2000, 2199
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9-])", re.ASCII)
_FLAGS = {"true": True, "false": False}
_T = TypeVar("_T")


def read_document(content: bytes) -> Node:
    """The one document of a file. Raises ScenarioError with YAML's own reason and place."""
    text = _decoded(content)
    odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if odd is not None:
        _fail_at(text, odd.start(), f"the character U+{ord(odd[0]):04X} is no text")
    try:
        _check_depth(text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.reader.ReaderError as error:
        _fail_at(
            text, error.position, f"the character U+{ord(text[error.position]):04X} is no text"
        )
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise ScenarioError(f"not YAML: {reason}", line=line, column=column) from None
    if node is None:
        raise ScenarioError("the file is empty", line=1, column=1)
    return node


def fail(node: Node, reason: str) -> NoReturn:
    """Refuse what a node says, at its place."""
    mark = node.start_mark
    raise ScenarioError(reason, line=mark.line + 1, column=mark.column + 1)


def mapping(node: Node, what: str) -> dict[str, Node]:
    """The entries of a mapping by their names; a name twice is refused."""
    if not isinstance(node, MappingNode):
        fail(node, f"{what} must be a mapping of names to values, not {_shown(node)}")
    found: dict[str, Node] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            fail(key, "a name must be a plain word")
        if key.value in found:
            fail(key, f"{key.value!r} stands here twice")
        found[key.value] = value
    return found


def fields(
    node: Node, what: str, *, required: Mapping[str, Reader], optional: Mapping[str, Reader]
) -> dict[str, Any]:
    """The values of a mapping with known names, each read by its reader."""
    found = mapping(node, what)
    known = {**required, **optional}
    for key, _ in node.value:
        if key.value not in known:
            fail(key, f"{what} has no field {key.value!r}; it has {', '.join(known)}")
    for name in required:
        if name not in found:
            fail(node, f"{what} needs {name!r}")
    return {name: known[name](value) for name, value in found.items()}


def items(node: Node, what: str) -> list[Node]:
    """The items of a list."""
    if not isinstance(node, SequenceNode):
        fail(node, f"{what} must be a list, not {_shown(node)}")
    found: list[Node] = node.value
    return found


def text(node: Node) -> str:
    """Written text; a number or a date must stand in quotes to be one."""
    if not _is_scalar(node, "str"):
        fail(node, f"write text here, not {_shown(node)}")
    return _scalar(node)


def word(node: Node) -> str:
    """A scalar as it is written, whatever YAML takes it for: a version, an address, a name."""
    if not isinstance(node, ScalarNode) or _is_scalar(node, "null"):
        fail(node, f"write one word here, not {_shown(node)}")
    return _scalar(node)


def flag(node: Node) -> bool:
    """`true` or `false`."""
    value = _FLAGS.get(node.value) if _is_scalar(node, "bool") else None
    if value is None:
        fail(node, f"write true or false here, not {_shown(node)}")
    return value


def whole(*, least: int, most: int) -> Reader:
    """A reader of whole numbers of a range."""

    def read(node: Node) -> int:
        written = _scalar(node) if _is_scalar(node, "int") else ""
        # Longer than any limit: not worth converting, and Python refuses 5,000 digits.
        value = int(written) if _WHOLE.fullmatch(written) and len(written) < 20 else None
        if value is None or not least <= value <= most:
            fail(node, f"write a whole number from {least} to {most:,} here, not {_shown(node)}")
        return value

    return read


def choice(*words: str) -> Reader:
    """A reader of one word out of some."""

    def read(node: Node) -> str:
        if not isinstance(node, ScalarNode) or node.value not in words:
            fail(node, f"write one of {', '.join(words)} here, not {_shown(node)}")
        return _scalar(node)

    return read


def amount(node: Node) -> int:
    """An amount of money in quotes, such as "3.95", as cents."""
    if not _is_scalar(node, "str"):
        fail(node, f'an amount is text in quotes, such as "3.95", not {_shown(node)}')
    return refused_at(node, lambda: parse_amount(node.value))


def instant(node: Node) -> datetime:
    """A date (00:00 UTC) or a date-time; without an offset it is UTC."""
    written = word(node)
    try:
        at = datetime.fromisoformat(written) if _DATE.match(written) else None
        at = at and (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        at = None
    if at is None:
        fail(node, f"write a date or a date-time such as 2026-01-31T10:00:00Z, not {_shown(node)}")
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        fail(node, f"the year of {written!r} is not between {FIRST_YEAR} and {LAST_YEAR}")
    return at


def day(node: Node) -> date:
    """A date without a time."""
    at = instant(node)
    if at.time() != time.min:
        fail(node, f"write a date such as 2026-01-31 here, not {_shown(node)}")
    return at.date()


def plain(node: Node) -> object:
    """A setting's value: true, false, a whole number, a word, or a list of them."""
    if isinstance(node, SequenceNode):
        return [plain(item) for item in node.value]
    if _is_scalar(node, "bool"):
        return flag(node)
    if _is_scalar(node, "int"):
        return whole(least=-(10**9), most=10**9)(node)
    return word(node)


def refused_at(node: Node, ask: Callable[[], _T]) -> _T:
    """What `ask` returns; a refusal of the core becomes an error at the node's place."""
    try:
        return ask()
    except Refusal as refusal:
        fail(node, " ".join(part for part in (refusal.message, refusal.fix) if part))


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        _fail_at(before, len(before), "the file is not UTF-8 text")


def _check_depth(text: str) -> None:
    """A file of brackets only must not exhaust the stack of the composer, which recurses."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            mark: Any = event.start_mark
            raise ScenarioError(
                f"more than {DEEPEST} brackets stand within each other",
                line=mark.line + 1,
                column=mark.column + 1,
            )


def _fail_at(text: str, position: int, reason: str) -> NoReturn:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    raise ScenarioError(reason, line=line, column=column) from None


def _is_scalar(node: Node, tag: str) -> bool:
    return isinstance(node, ScalarNode) and node.tag == f"{_TAG}{tag}"


def _scalar(node: Node) -> str:
    value: str = node.value
    return value


def _shown(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    written = _scalar(node)
    return repr(written if len(written) <= 40 else f"{written[:40]}…")
