"""`cln bench console`: how long each page of the console takes in one account as large as one gets.

Somebody signs in to a server as `cln serve` starts it and asks one page after another. The time is
what the browser waits, so others on the machine count; processor time moves less with them.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.core.cache import cache
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse
from psycopg.conninfo import make_conninfo

from cln import clock
from cln.accounts.models import Account, Login, ServerAccount
from cln.backups.models import Backup
from cln.billing.models import Invoice
from cln.console.urls import urlpatterns
from cln.enums import AccountKind
from cln.licensing.models import ActivationKey, IpLicense, Server, ServerGroup
from cln.management import cpu_time
from cln.management.browser import Browser
from cln.management.large_crowd import Size
from cln.management.one_large_account import PASSWORD, USERNAME, make_large_account
from cln.management.prepare import prepare_database
from cln.management.processes import Children
from cln.management.services import start_services
from cln.management.throwaway import throwaway_database
from cln.notifications.models import WebhookEndpoint

WEB_PROCESSES: Final = 2
WARM_UP: Final = 2
LIMIT_MS: Final = 50.0
DOCUMENTS: Final = "_pdf"
"""How routes end that are no pages: `cln bench pdf` measures them."""
PUBLIC: Final = (
    "landing",
    "install",
    "prices",
    "check_license",
    "status",
    "account_login",
    "account_signup",
    "reseller_signup",
    "account_reset_password",
)
"""What a stranger is shown, who has no secret link."""
OF_STRANGERS_MOST: Final = 20
"""Requests of a public page: from the 31st in a minute on a stranger would hear "later"."""
NOT_MEASURED: Final = {
    "passkey_again": "whoever asks it often is told to wait",
    "pay_link and links from mails": "each is one invoice or one form, behind a secret",
    "sandbox pages": "production has none",
    "PDF": "cln bench pdf measures them",
    "CSV": "files of whole lists, sent while they are read",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A page that is measured: the name of its route, which may be asked for several things."""

    name: str
    path: str


def run(
    url: str,
    *,
    kinds: Sequence[AccountKind],
    size: Size,
    requests: int,
    only: Collection[str] = (),
) -> list[dict[str, object]]:
    """Measure all pages of an account of each kind, or `only` those by the names of their routes,
    in databases beside the one of `url` that are dropped; and report.

    CommandError where a page does not answer.
    """
    return [_of_account(url, kind, size, requests, only) for kind in kinds]


def _of_account(
    url: str, kind: AccountKind, size: Size, requests: int, only: Collection[str]
) -> dict[str, object]:
    with throwaway_database(url, durable=True):
        prepare_database()
        account = make_large_account(kind, size, now=clock.now())
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
        known, left_out = pages_of(account)
        measurable = (page for page in known if page.name not in NOT_MEASURED)
        pages = [page for page in measurable if not only or page.name in only]
        public = [Asked(name, reverse(name)) for name in PUBLIC if not only or name in only]
        me = Login.objects.get(account=account)
        statements = {page.path: statements_of(me, page.path) for page in pages}
        statements |= {page.path: statements_of(None, page.path) for page in public}
        # The statements were counted as a stranger's requests, too.
        cache.clear()
        with _serving() as port, contextlib.closing(Browser(port)) as browser:
            browser.sign_in(USERNAME, PASSWORD)
            empty = _measured(browser, "/healthz", requests)
            measured = {page: _measured(browser, page.path, requests) for page in pages}
            with contextlib.closing(Browser(port)) as stranger:
                few = min(requests, OF_STRANGERS_MOST)
                measured |= {page: _measured(stranger, page.path, few) for page in public}
            first = _first_visit(port)
    return {
        "kind": kind.value,
        "servers": size.servers if kind is AccountKind.CUSTOMER else size.servers // 10,
        "ip_licenses": size.servers if kind is AccountKind.RESELLER else 0,
        "keys": size.keys,
        "invoices": size.invoices,
        "requests_per_page": requests,
        "empty_page": empty,
        "first_visit": first,
        "pages": [
            {"page": page.name, "path": page.path, "statements": len(statements[page.path])}
            | figures
            | {"times_empty_page": round(figures["p50_ms"] / empty["p50_ms"], 1)}
            for page, figures in measured.items()
        ],
        "over_50_ms_at_p95": _over(measured, "p95_ms"),
        "over_50_ms_of_processor": _over(measured, "cpu_ms"),
        "left_out": dict.fromkeys(left_out, "the account has none") | NOT_MEASURED,
    }


def pages_of(account: Account) -> tuple[list[Asked], list[str]]:
    """What the account's own login may ask for, and the names of routes nothing is known for."""
    pages, left_out = [], []
    things = _things(account)
    for route in urlpatterns:
        if not _is_page(route, account):
            continue
        found = [values for name, values in things if name in ("", route.name)]
        wanted = set(route.pattern.converters)
        known = [values for values in found if set(values) == wanted] if wanted else [{}]
        name = str(route.name)
        pages += [Asked(name, reverse(name, kwargs=values)) for values in known]
        left_out += [] if known else [name]
    return pages, left_out


def _is_page(route: URLPattern, account: Account) -> bool:
    access = getattr(route.callback, "access", None)
    is_reseller = account.kind == AccountKind.RESELLER
    return (
        access is not None
        and "GET" in access.methods
        and access.permission is not None
        and not access.sandbox_only
        and not (access.customers_only if is_reseller else access.resellers_only)
        and not str(route.name).endswith(DOCUMENTS)
    )


def _things(account: Account) -> list[tuple[str, dict[str, str | int]]]:
    """What pages are about, by the name of their argument; for one route alone, or any ("")."""
    email_key, plain_key = (
        ActivationKey.objects.get(account=account, license_type__code=code, is_default=True)
        for code in ("imunify360_30", "kernelcare")
    )
    servers = [Server.objects.filter(key=key).first() for key in (email_key, plain_key)]
    invoice = Invoice.objects.filter(account=account).latest("pk")
    things: list[tuple[str, dict[str, str | int]]] = [
        ("product", {"code": "cloudlinux"}),
        ("product", {"code": "imunify360"}),
        ("purchase", {"code": "cloudlinux"}),
        ("acquire", {"code": "cloudlinux"}),
        ("", {"license_type": "cloudlinux"}),
        ("", {"group": ServerGroup.objects.filter(account=account).earliest("pk").pk}),
        ("", {"public_id": invoice.public_id}),
        ("", {"number": invoice.number}),
        ("", {"login": Login.objects.get(account=account).pk}),
        ("", {"product": "cloudlinux"}),
    ]
    held = IpLicense.objects.filter(account=account, removed_at=None)[:1]
    things += [("", {"license": license.public_id}) for license in held]
    kept = Backup.objects.filter(account=account, removed_at=None)[:1]
    things += [("", {"backup": backup.public_id}) for backup in kept]
    listening = WebhookEndpoint.objects.filter(account=account).order_by("-pk")[:1]
    things += [("", {"webhook": endpoint.public_id}) for endpoint in listening]
    accounts = ServerAccount.objects.filter(account=account)
    things += [("", {"server_account": row.pk}) for row in accounts[:1]]
    things += [("", {"key": key.public_id}) for key in (email_key, plain_key)]
    return things + [("", {"server": server.public_id}) for server in servers if server]


def statements_of(login: Login | None, path: str) -> list[str]:
    """What a page asks the database the second time, for its session and its frame included."""
    client = Client(SERVER_NAME="127.0.0.1")
    if login is not None:
        client.force_login(login)
    client.get(path)
    with CaptureQueriesContext(connection) as statements:
        client.get(path)
    return [one["sql"] for one in statements.captured_queries]


def _measured(browser: Browser, path: str, requests: int) -> dict[str, float]:
    """Percentiles of the time and means of the processor time, in milliseconds."""
    [answer] = [browser.get(path) for _ in range(WARM_UP)][-1:]
    web, database = os.getpid(), _database_server()
    before = cpu_time.of_descendants(web), cpu_time.of_descendants(database)
    times = []
    for _ in range(requests):
        begun = time.perf_counter()
        answer = browser.get(path)
        times.append(1000 * (time.perf_counter() - begun))
        # 409: a page of something that this account has not, like unused licenses of a reseller.
        if answer.status not in (200, 302, 303, 409):
            raise CommandError(f"{path} answers {answer.status}.")
    spent = (
        1000 * (cpu_time.of_descendants(web) - before[0]) / requests,
        1000 * (cpu_time.of_descendants(database) - before[1]) / requests,
    )
    times.sort()
    return {
        "p50_ms": round(times[len(times) // 2], 2),
        "p95_ms": round(times[min(len(times) - 1, int(0.95 * len(times)))], 2),
        "cpu_ms": round(sum(spent), 1),
        "database_cpu_ms": round(spent[1], 1),
        "status": answer.status,
        "bytes": answer.bytes,
    }


def _over(measured: Mapping[Asked, Mapping[str, float]], figure: str) -> list[str]:
    return [page.path for page, figures in measured.items() if figures[figure] >= LIMIT_MS]


def _first_visit(port: int) -> dict[str, object]:
    """What a browser with an empty cache gets with the first page after signing in, in bytes."""
    with contextlib.closing(Browser(port)) as browser:
        browser.sign_in(USERNAME, PASSWORD)
        page = browser.get(reverse("dashboard"))
        linked = re.findall(r'<(?:link|script|img|use)\b[^>]*?(?:href|src)="([^"]+)"', page.text)
        paths = sorted({urlsplit(to).path for to in linked} - {reverse("dashboard")})
        files = {path: browser.get(path) for path in paths if path.startswith("/static/")}
    return {
        "bytes": page.bytes + sum(answer.bytes for answer in files.values()),
        "page_bytes": page.bytes,
        "files": {path: answer.bytes for path, answer in files.items()},
    }


@contextlib.contextmanager
def _serving() -> Iterator[int]:
    """The web server of `cln serve`, on the present database; yields its port."""
    before = os.environ.get("CLN_DATABASE_URL", "")
    database = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}
    parts = {word: database[name] for word, name in names.items() if database[name]}
    os.environ["CLN_DATABASE_URL"] = make_conninfo(**parts, port=database["PORT"] or None)
    try:
        with Children() as children, socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
            probe.close()
            start_services(children, "127.0.0.1", port, web=WEB_PROCESSES, workers=0)
            children.wait_until_ready(f"http://127.0.0.1:{port}/readyz")
            yield port
    finally:
        os.environ["CLN_DATABASE_URL"] = before


def _database_server() -> int:
    """The first process of the database, which is the parent of all others."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cpu_time.parent_of(int(cursor.fetchone()[0]))
