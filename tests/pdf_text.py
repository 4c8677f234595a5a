"""Reads the words of our PDFs back, page by page, so that tests see what readers see.

It knows what typst writes and no more: plain objects, compressed streams, fonts with a table of
their letters (ToUnicode), strings of two bytes a letter.
"""

from __future__ import annotations

import re
import zlib

_OBJECT = re.compile(rb"(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_STREAM = re.compile(rb"stream\n(.*)\nendstream", re.DOTALL)
_STEP = re.compile(rb"/(f\d+) [\d.]+ Tf|(/ActualText\s*\()|(?<!/Lang)(\()|(\bET\b)|\bEMC\b")
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages_of(pdf: bytes) -> list[str]:
    """The words of each page, single blanks; words cut only to wrap are whole again."""
    assert pdf.startswith(b"%PDF-")
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    [kids] = re.findall(rb"/Kids\s*\[([^]]*)\]", next(o for o in objects.values() if b"/Kids" in o))
    return [_page(objects, objects[int(one)]) for one in re.findall(rb"(\d+) 0 R", kids)]


def text_of(pdf: bytes) -> str:
    """The words of all pages."""
    return " ".join(pages_of(pdf))


def _page(objects: dict[int, bytes], page: bytes) -> str:
    fonts = _fonts(objects, page)
    [contents] = re.findall(rb"/Contents (\d+) 0 R", page)
    drawn, at = _stream(objects[int(contents)]), 0
    letters: dict[int, str] = {}
    parts: list[str] = []
    told = False  # what the letters up to the next EMC mean, where a glyph has two meanings
    while step := _STEP.search(drawn, at):
        font, actual, shown, end = step.groups()
        at = step.end()
        if font:
            letters = fonts[font.decode()]
        elif actual:
            text, at = _string(drawn, at)
            parts.append(_plain(text))
            told = True
        elif shown:
            text, at = _string(drawn, at)
            parts += [] if told else [letters[code] for code in _pairs(text)]
        elif end:
            parts.append(" ")
        else:
            told = False
    return " ".join("".join(parts).replace("\u200b", "").split())


def _fonts(objects: dict[int, bytes], page: bytes) -> dict[str, dict[int, str]]:
    reference = re.search(rb"/Resources (\d+) 0 R", page)
    resources = objects[int(reference[1])] if reference else page
    reference = re.search(rb"/Font (\d+) 0 R", resources)
    named = objects[int(reference[1])] if reference else resources
    [listed] = re.findall(rb"/Font\s*<<(.*?)>>", named) or [named]
    found = {}
    for name, number in re.findall(rb"/(f\d+) (\d+) 0 R", listed):
        [table] = re.findall(rb"/ToUnicode (\d+) 0 R", objects[int(number)])
        found[name.decode()] = _letters(_stream(objects[int(table)]).decode())
    return found


def _letters(table: str) -> dict[int, str]:
    found = {}
    for block in re.findall(r"beginbfchar(.*?)endbfchar", table, re.DOTALL):
        for code, text in re.findall(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]*)>", block):
            found[int(code, 16)] = bytes.fromhex(text).decode("utf-16-be")
    return found


def _stream(body: bytes) -> bytes:
    match = _STREAM.search(body)
    assert match is not None
    return zlib.decompress(match[1])


def _string(drawn: bytes, at: int) -> tuple[bytes, int]:
    """The string that begins here, and where it ends; brackets in it are escaped or in pairs."""
    text, depth = bytearray(), 1
    while True:
        one = drawn[at : at + 1]
        at += 1
        if one == b"\\":
            code = drawn[at : at + 3]
            if code.isdigit():
                text.append(int(code, 8))
                at += 3
            else:
                text += _NAMED.get(code[:1], code[:1])
                at += 1
            continue
        depth += (one == b"(") - (one == b")")
        if depth == 0:
            return bytes(text), at
        text += one


def _plain(text: bytes) -> str:
    return text[2:].decode("utf-16-be") if text.startswith(b"\xfe\xff") else text.decode("ascii")


def _pairs(text: bytes) -> list[int]:
    return [text[at] << 8 | text[at + 1] for at in range(0, len(text), 2)]
