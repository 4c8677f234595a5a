"""No secret in the log: what is handed out while the tests run is looked for in all they log.

Secrets are noted where they are made: what is sealed for storage, what servers present, passwords
as they are set; signed tokens and systemids are known by their shape. Lines are every record that
reaches the log, before anything is masked, and the log of `cln` in processes of its own (security
§5, 17).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest import mock
from urllib.parse import unquote

SHORTEST: Final = 8
LONGEST: Final = 200  # longer ones are sealed answers, not secrets
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{8,}")
# A signed token of v1; an API token or a server's secret; the checksum of a systemid.
_SHAPES: Final = re.compile(
    r"\|[0-9]{10}\|[0-9a-f]{40}|\bcl[ns]_[A-Za-z0-9_-]{40}|checksum\b.{0,60}?\b[0-9a-f]{64}"
)


class Scan:
    """The secrets and the lines of a run."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.lines: set[str] = set()

    def note(self, text: object) -> None:
        """A secret was handed out."""
        if isinstance(text, str) and SHORTEST <= len(text) <= LONGEST:
            self.secrets.add(text)

    def printed(self, text: str) -> None:
        """This was printed."""
        self.lines.update(text.splitlines())

    def found(self) -> list[str]:
        """The lines that tell a secret."""
        words = {text for text in self.secrets if _WORD.fullmatch(text)}
        others = tuple(self.secrets - words)
        return sorted(line for line in self.lines if _tells(line, words, others))


def _tells(line: str, words: set[str], others: tuple[str, ...]) -> bool:
    plain = re.sub(r"\\[nrt]", " ", unquote(line))
    return (
        _SHAPES.search(plain) is not None
        or not words.isdisjoint(_WORD.findall(plain))
        or any(text in plain for text in others)
    )


SCAN: Final = Scan()


class _Keeps(logging.Handler):
    """Gives the scan what a formatter makes of a record."""

    def __init__(self, scan: Scan, formatter: type[logging.Formatter]) -> None:
        super().__init__()
        self.scan = scan
        self.setFormatter(formatter("{levelname} {name}: {message}", style="{"))

    def emit(self, record: logging.LogRecord) -> None:
        self.scan.printed(self.format(record))


@contextmanager
def keeping(scan: Scan, formatter: type[logging.Formatter] = logging.Formatter) -> Iterator[None]:
    """Let the scan have all that is logged while the block runs.

    As it is logged, that is: masking (`cln.log_lines`) is the second defence, not the first.
    """
    handler = _Keeps(scan, formatter)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def noting(scan: Scan) -> Iterator[None]:
    """Let the scan know every secret that is made while the block runs; nothing else changes."""
    from django.contrib.auth.base_user import AbstractBaseUser

    from cln import ids, vault

    def watch(owner: Any, name: str, *, result: bool) -> Any:
        real = getattr(owner, name)

        def watched(*args: Any) -> Any:
            made = real(*args)
            scan.note(made if result else args[-1])
            return made

        return mock.patch.object(owner, name, watched)

    with (
        watch(vault, "seal", result=False),
        watch(ids, "server_secret", result=True),
        watch(ids, "server_id", result=True),
        watch(AbstractBaseUser, "set_password", result=False),
    ):
        yield


@contextmanager
def scanning() -> Iterator[None]:
    """Scan what this process does while the block runs; fail where the log tells a secret."""
    with keeping(SCAN), noting(SCAN):
        yield
    assert SCAN.found() == [], "the log tells secrets"
