"""The CLN that journeys share: it serves over a database of its own, and a test may ask its verbs.

A journey is about pages. What only leads up to it (an account with a card, servers that have
registered) is done by the verbs, here in the test's process, on the database of the served CLN.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from django.db import connection, connections
from pytest_django import DjangoDbBlocker

from cln import clock
from cln.accounts.models import Login
from cln.clock.models import SandboxClock
from cln.settings import _database
from tests.serving import ROOT, free_port, start_cln
from tests.visitors import signed_in

BEGIN = datetime(2026, 1, 31, tzinfo=UTC)
"""When each journey begins: months of different lengths follow."""
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Site:
    """Where CLN is served, and the thread that works on its database.

    Django refuses its database to a thread in which Playwright's event loop runs, and the
    connection of the test's own thread belongs to the other tests.
    """

    url: str
    folder: Path
    _backstage: ThreadPoolExecutor
    _blocker: DjangoDbBlocker

    def does(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a verb on the database of the site, and give what it returns."""
        with self._blocker.unblock():
            return self._backstage.submit(verb, *args, **kwargs).result()

    def starts_over(self) -> None:
        """Set the clock to where every journey begins; others' accounts wait in the future."""
        self.does(_reset_clock)

    def session_of(self, login: Login, *, address: str) -> str:
        """Sign a person in through the form, from an address, and give the session's cookie."""
        client = self.does(signed_in, login, address=address)
        return client.cookies["sessionid"].value


def _reset_clock() -> None:
    SandboxClock.objects.all().delete()
    clock.move_to(BEGIN)


def _use(database_url: str) -> None:
    """Of this thread alone: the settings are shared with the connections of the others."""
    connection.settings_dict = connection.settings_dict | _database(database_url)


@contextlib.contextmanager
def serving(database_url: str, blocker: DjangoDbBlocker) -> Iterator[Site]:
    """Serve CLN over a database; at the end it must stop without a word.

    With the tests' settings: their cheap password hash, and a key that both processes know.
    """
    folder = Path(tempfile.mkdtemp(prefix="cln-browser-"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve = start_cln(
        *("serve", "--port", str(port), "--web", "1"),
        data_dir=folder / "var",
        CLN_DATABASE_URL=database_url,
        DJANGO_SETTINGS_MODULE="tests.settings",
        PYTHONPATH=str(ROOT),
    )
    assert serve.stdout is not None
    with ThreadPoolExecutor(max_workers=1) as backstage:
        site = Site(url, folder, backstage, blocker)
        try:
            assert serve.stdout.readline() == f"CLN is up at {url}\n"
            site.does(_use, database_url)
            yield site
        finally:
            site.does(connections.close_all)
            serve.terminate()
            rest, errors = serve.communicate(timeout=40)
            shutil.rmtree(folder, ignore_errors=True)
            assert (serve.returncode, rest, errors) == (0, "", ""), f"{rest}\n{errors}"
