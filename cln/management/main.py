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
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cln.database import EmbeddedServer, EmbeddedServerError

# `serve` says more when it fails; a worker waits for the tables its web server brings up to date.
PREPARES_ITSELF = frozenset({"serve", "worker"})
WITHOUT_DATABASE = frozenset(
    {"collectstatic", "diffsettings", "help", "simulate", "texts", "version", "--version"}
)
"""Commands that need no database, and `simulate`, which reads its file before it asks for one."""


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
    from django.db import OperationalError, ProgrammingError
    from psycopg.errors import UndefinedTable

    command = arguments[1] if len(arguments) > 1 else "help"
    needed = command not in WITHOUT_DATABASE and "--help" not in arguments
    try:
        with database(command, needed=needed) as own:
            if own and command in _ours() - PREPARES_ITSELF:
                _prepare_database()
            execute_from_command_line(arguments)
    except (EmbeddedServerError, ImproperlyConfigured) as error:
        sys.stderr.write(f"{error}\n")
    except OperationalError as error:
        sys.stderr.write(f"The database does not answer: {error}\n")
    except ProgrammingError as error:
        if not isinstance(error.__cause__, UndefinedTable):
            raise
        sys.stderr.write("The database's tables are not up to date; run: cln migrate\n")
    else:
        return 0
    return 1


@contextlib.contextmanager
def database(command: str, *, needed: bool = True) -> Iterator[bool]:
    """Yield whether the embedded server is used, running until this context is left."""
    if os.environ.get("CLN_DATABASE_URL") or not needed:
        yield False
        return
    with _data_dir(command) as data_dir, EmbeddedServer(data_dir) as server:
        os.environ["CLN_DATABASE_URL"] = server.url()
        yield True
        _close_connections()


@contextlib.contextmanager
def _data_dir(command: str) -> Iterator[Path]:
    """Yield where the data lies; the benchmark gets a directory of its own, gone afterwards."""
    if command != "bench":
        yield Path(os.environ.get("CLN_DATA_DIR") or "var")
        return
    with tempfile.TemporaryDirectory(prefix="cln-bench-") as folder:
        os.environ["CLN_DATA_DIR"] = folder
        yield Path(folder)


def _ours() -> set[str]:
    return {path.stem for path in Path(__file__).with_name("commands").glob("*.py")}


def _prepare_database() -> None:
    """Give the embedded database its tables; a server of your own is migrated when you say so."""
    import django

    django.setup()
    from cln.management.prepare import prepare_database

    prepare_database()


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
