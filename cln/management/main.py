"""The console script `cln`: brings the database up, then runs one command.

`CLN_DATABASE_URL` names a server of your own. Where it is unset, a command that needs a database
starts the embedded server, or joins the one that already runs over the same data directory, and
leaves it at the end; the last one out stops it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cln.database import EmbeddedServer, EmbeddedServerError

WITHOUT_DATABASE = frozenset({"collectstatic", "diffsettings", "help", "version", "--version"})


def main() -> NoReturn:
    """Run `cln <command>`; exits 0 when done, 1 on a refusal, 2 on bad usage."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cln.settings")
    # A stop that arrives while PostgreSQL is being started or used must still stop it.
    signal.signal(signal.SIGTERM, _stop)
    try:
        sys.exit(_run(["cln", *(_underscored(a, at=i) for i, a in enumerate(sys.argv[1:], 1))]))
    except KeyboardInterrupt:
        sys.exit(130)


def _run(arguments: list[str]) -> int:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    command = arguments[1] if len(arguments) > 1 else "help"
    try:
        with _database(needed=command not in WITHOUT_DATABASE and "--help" not in arguments):
            execute_from_command_line(arguments)
    except (EmbeddedServerError, ImproperlyConfigured) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


@contextlib.contextmanager
def _database(*, needed: bool) -> Iterator[None]:
    if os.environ.get("CLN_DATABASE_URL") or not needed:
        yield
        return
    with EmbeddedServer(Path(os.environ.get("CLN_DATA_DIR") or "var")) as server:
        os.environ["CLN_DATABASE_URL"] = server.url()
        yield
        _close_connections()


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()


def _underscored(argument: str, *, at: int) -> str:
    """Let people write `check-books` for the command in check_books.py."""
    return argument.replace("-", "_") if at == 1 and not argument.startswith("-") else argument


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
