"""XML-RPC to and from bytes: no DTD, no entities, nothing deep, nothing huge.

The standard library's parser expands internal entities, so a few hundred bytes can fill the
memory; here the first declaration ends the parse, and depth and number of elements are counted
while reading. Integers leave as `<i4>`: clients of the field look for that text (facts X-13).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

Value: TypeAlias = "str | int | float | bool | Sequence[Value] | Mapping[str, Value] | None"

DEPTH_MAX = 40
ELEMENTS_MAX = 250_000
I4_MAX = 2**31 - 1
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_DOUBLE = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
# What XML 1.0 cannot carry at all, not even escaped.
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class MalformedXml(ValueError):
    """The bytes are not the XML-RPC that was expected, or try to be more than that."""


@dataclass(frozen=True, slots=True)
class Call:
    """A method by its name and what it is called with."""

    method: str
    arguments: tuple[Value, ...]


class _Limited(TreeBuilder):
    """Builds the tree, and stops where it grows too deep or too large."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > DEPTH_MAX or self._elements > ELEMENTS_MAX:
            raise MalformedXml("The document is nested too deep or too large.")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def read_call(body: bytes) -> Call:
    """Read a `<methodCall>`. Raises MalformedXml."""
    root = _tree(body)
    name = (root.findtext("methodName") or "").strip()
    if root.tag != "methodCall" or not name:
        raise MalformedXml("The document is not a methodCall.")
    return Call(name, _params(root.find("params")))


def read_params(text: str) -> tuple[Value, ...]:
    """Read a document that is `<params>` alone, as a systemid is. Raises MalformedXml."""
    root = _tree(text.encode())
    if root.tag != "params":
        raise MalformedXml("The document is not params.")
    return _params(root)


def write_result(value: Value) -> bytes:
    """A `<methodResponse>` with one value."""
    inner = f"<params><param>{_written(value)}</param></params>"
    return _response(inner)


def write_fault(code: int, text: str) -> bytes:
    """A `<methodResponse>` with a fault; it travels over HTTP 200."""
    return _response(f"<fault>{_written({'faultCode': code, 'faultString': text})}</fault>")


def write_call(method: str) -> str:
    """A `<methodCall>` without arguments, as text."""
    return (
        f"<?xml version='1.0'?>\n<methodCall>\n<methodName>{escape(method)}</methodName>\n"
        "<params>\n</params>\n</methodCall>\n"
    )


def _response(inner: str) -> bytes:
    return f"<?xml version='1.0'?>\n<methodResponse>{inner}</methodResponse>\n".encode()


def _tree(document: bytes) -> Element:
    parser = DefusedXMLParser(
        target=_Limited(), forbid_dtd=True, forbid_entities=True, forbid_external=True
    )
    try:
        parser.feed(document)
        root = parser.close()
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise MalformedXml("The document is not plain XML.") from error
    assert isinstance(root, Element), "a document that parses has a root"
    return root


def _params(params: Element | None) -> tuple[Value, ...]:
    if params is None:
        return ()
    found = [param.find("value") for param in params if param.tag == "param"]
    return tuple(_value(value) for value in found)


def _value(element: Element | None) -> Value:
    if element is None:
        raise MalformedXml("A value is missing.")
    if len(element) == 0:
        return element.text or ""
    kind, inner = element[0].tag, element[0]
    if kind in {"array", "struct"}:
        return _items(inner) if kind == "array" else _members(inner)
    return _scalar(kind, inner.text or "")


def _scalar(kind: str, text: str) -> Value:
    bare = text.strip()
    match kind:
        case "string" | "base64" | "dateTime.iso8601":
            return text
        case "i4" | "int" | "i8" if _INTEGER.fullmatch(bare):
            return int(bare)
        case "boolean" if bare in {"0", "1"}:
            return bare == "1"
        case "double" if _DOUBLE.fullmatch(bare):
            return float(bare)
        case "nil":
            return None
    raise MalformedXml(f"This is no {kind[:20]}.")


def _items(array: Element) -> list[Value]:
    data = array.find("data")
    return [] if data is None else [_value(item) for item in data]


def _members(struct: Element) -> dict[str, Value]:
    return {
        member.findtext("name") or "": _value(member.find("value"))
        for member in struct
        if member.tag == "member"
    }


def _written(value: Value) -> str:
    match value:
        case bool():
            inner = f"<boolean>{value:d}</boolean>"
        case int():
            assert abs(value) <= I4_MAX, "an i4 has 32 bits"
            inner = f"<i4>{value}</i4>"
        case float():
            inner = f"<double>{value!r}</double>"
        case str():
            inner = f"<string>{escape(_UNSPEAKABLE.sub('', value))}</string>"
        case Mapping():
            members = "".join(
                f"<member><name>{escape(name)}</name>{_written(item)}</member>"
                for name, item in value.items()
            )
            inner = f"<struct>{members}</struct>"
        case Sequence():
            inner = f"<array><data>{''.join(map(_written, value))}</data></array>"
        case _:
            # A client of the field takes nil for a lost connection and waits (facts AR-4).
            raise AssertionError("nil is never answered")
    return f"<value>{inner}</value>"
