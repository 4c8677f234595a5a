"""The press: one compiler for the process, which keeps fonts and template ready between sheets.

typst's compiler takes one caller at a time, so a lock stands before it; a sheet takes
milliseconds. It sees this folder and nothing else of the disk, uses the fonts it brings along, and
is told the sheet's date, so that every machine prints the same bytes.
"""

import functools
import threading
from pathlib import Path
from typing import Final, Literal

import typst

from cln.paper.sheet import Sheet

FOLDER: Final = Path(__file__).resolve().parent
PIXELS_PER_INCH: Final = 110.0
_LOCK: Final = threading.Lock()


def pdf(sheet: Sheet) -> bytes:
    """The sheet as PDF, tagged for screen readers."""
    [pages] = _print(sheet, "pdf")
    return pages


def png(sheet: Sheet) -> tuple[bytes, ...]:
    """The sheet's pages as pictures."""
    return _print(sheet, "png")


def fresh() -> None:
    """Forget fonts, template and what was printed, as in a new process."""
    _compiler.cache_clear()


def _print(sheet: Sheet, kind: Literal["pdf", "png"]) -> tuple[bytes, ...]:
    with _LOCK:
        done = _compiler().compile(
            format=kind,
            ppi=PIXELS_PER_INCH,
            sys_inputs={"sheet": sheet.as_json()},
            timestamp=int(sheet.made_at.timestamp()),
        )
    assert done is not None, "without a file to write to, the bytes are returned"
    return (done,) if isinstance(done, bytes) else tuple(done)


@functools.cache
def _compiler() -> typst.Compiler:
    return typst.Compiler(
        FOLDER / "template.typ",
        root=FOLDER,
        font_paths=typst.Fonts(include_system_fonts=False),
        ignore_system_fonts=True,
    )
