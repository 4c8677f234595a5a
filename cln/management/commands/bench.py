"""`cln bench`: what CLN does on this machine, beside what the machine can do at all."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import time
import urllib.parse
from argparse import ArgumentParser
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from cln import clock
from cln.accounts.models import Account
from cln.accounts.services import create_account
from cln.database.programs import postgres_programs
from cln.enums import AccountKind, MethodKind
from cln.flows import billing_run, collection
from cln.flows.purchase import buy
from cln.licensing.keys import reveal
from cln.licensing.models import ActivationKey
from cln.management import console_bench, wire_bench, wire_outage
from cln.management.billing_bench import measure as measure_billing
from cln.management.large_crowd import Size
from cln.management.load import CLIENTS, Request, measure
from cln.management.paper_bench import measure as measure_paper
from cln.management.prepare import prepare_database
from cln.management.processes import Children
from cln.management.services import start_services
from cln.payments.gateways.sandbox import Script, token_for

WEB_PROCESSES = 2
SERVERS_MOST = 20_000
SERVERS_OF_THE_WIRE = 10_000
SERVERS_OF_THE_CONSOLE = 100_000
BILLING_ACCOUNTS = (667, 13_334, 133_334)
"""With one and a half subscriptions each: 1,000, 20,000 and 200,000 of them."""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Command(BaseCommand):
    """Measure registrations, check-ins and billing days in a database of its own."""

    help = "Measure CLN and the machine below it; prints one JSON object."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say how long each measurement runs and how many accounts are billed."""
        parser.add_argument(
            "what",
            nargs="?",
            choices=["all", "billing", "wire", "pdf", "console"],
            default="all",
            help="agents and a small billing day; or large ones, wire, documents, pages alone",
        )
        parser.add_argument(
            "--servers", type=int, help="in the fleet of wire, in the account of console"
        )
        parser.add_argument("--kind", choices=list(AccountKind), help="console: one, not both")
        parser.add_argument("--page", action="append", help="console: by name of its route")
        parser.add_argument("--keys", type=int, default=10_000, help="console only")
        parser.add_argument("--invoices", type=int, default=5_000, help="console only")
        parser.add_argument("--requests", type=int, default=50, help="of each page; console only")
        parser.add_argument("--rounds", type=int, default=3, help="of wire; the best counts")
        parser.add_argument("--outage", action="store_true", help="wire: kill the database instead")
        parser.add_argument("--seconds", type=float, default=5, help="for each measurement")
        parser.add_argument("--accounts", type=int, action="append", help="billed in one run")
        parser.add_argument("--workers", type=int, choices=[1, 2], help="billing only")
        parser.add_argument("--json", action="store_true", help="print one JSON object (always so)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Refuses a database that has accounts: the invented ones would mix with them."""
        if options["what"] == "pdf":
            documents = {"machine": _machine(), "pdf": measure_paper()}
            self.stdout.write(json.dumps(documents, indent=2))
            return
        if options["what"] == "billing":
            self._billing_days(options["accounts"], options["workers"])
            return
        if options["what"] == "wire":
            self._wire(**options)
            return
        if options["what"] == "console":
            self._console(**options)
            return
        prepare_database()
        if Account.objects.exists():
            raise CommandError(
                "The benchmark fills a database with invented accounts; unset CLN_DATABASE_URL "
                "to give it one of its own, or name an empty one."
            )
        seconds, accounts = float(options["seconds"]), (options["accounts"] or [200])[0]
        report: dict[str, Any] = {"machine": _machine()}
        report["reference"] = {"pgbench": _pgbench(seconds)}
        with Children() as children, socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
            probe.close()
            start_services(children, "127.0.0.1", port, web=WEB_PROCESSES, workers=0)
            children.wait_until_ready(f"http://127.0.0.1:{port}/readyz")
            report["reference"]["empty_handler"] = measure(
                port, [Request("/healthz")] * CLIENTS, seconds=seconds, repeat=True
            ).as_json()
            report["cln"] = _agents(port, seconds)
        report["cln"] |= {"billing_day": _billing_day(accounts)}
        self.stdout.write(json.dumps(report, indent=2))

    def _billing_days(self, accounts: list[int] | None, workers: int | None) -> None:
        """Each size with each number of workers, in databases made beside the configured one."""
        days = [
            measure_billing(os.environ["CLN_DATABASE_URL"], accounts=size, workers=count)
            for size in accounts or BILLING_ACCOUNTS
            for count in ([workers] if workers else [1, 2])
        ]
        self.stdout.write(json.dumps({"machine": _machine(), "billing_days": days}, indent=2))

    def _console(
        self,
        *,
        kind: str | None,
        page: list[str] | None,
        servers: int | None,
        keys: int,
        invoices: int,
        requests: int,
        **_: Any,
    ) -> None:
        size = Size(servers or SERVERS_OF_THE_CONSOLE, keys, invoices)
        kinds = [AccountKind(kind)] if kind else list(AccountKind)
        url = os.environ["CLN_DATABASE_URL"]
        accounts = console_bench.run(
            url, kinds=kinds, size=size, requests=requests, only=page or ()
        )
        self.stdout.write(json.dumps({"machine": _machine(), "accounts": accounts}, indent=2))

    def _wire(
        self, *, seconds: float, servers: int | None, rounds: int, outage: bool, **_: Any
    ) -> None:
        servers = servers or SERVERS_OF_THE_WIRE
        if outage:
            report = wire_outage.run(seconds=seconds, servers=servers)
        else:
            measured = wire_bench.run(servers=servers, seconds=seconds, rounds=rounds)
            report = {"machine": _machine(), **measured}
        self.stdout.write(json.dumps(report, indent=2))


def _machine() -> dict[str, object]:
    """What a reader must know of the machine to judge the figures."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('fsync')")
        version, fsync = cursor.fetchone()
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "load_1_minute_before": round(os.getloadavg()[0], 2),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgresql": version,
        "fsync": fsync,
        "web_processes": WEB_PROCESSES,
        "client_processes_on_the_same_machine": CLIENTS,
    }


def _pgbench(seconds: float) -> dict[str, object]:
    """PostgreSQL's own benchmark on the same server: what the disk and the cores give."""
    program = str(postgres_programs(None) / "pgbench")
    url = os.environ["CLN_DATABASE_URL"]
    subprocess.run([program, "-i", "-q", "-s", "10", url], check=True, capture_output=True)
    report: dict[str, object] = {}
    for name, script in (("tpcb_like", "tpcb-like"), ("select_only", "select-only")):
        arguments = ["-n", "-c", "8", "-j", "2", "-T", str(max(1, round(seconds))), "-b", script]
        done = subprocess.run(
            [program, *arguments, url], check=True, capture_output=True, text=True
        )
        rate = re.search(r"tps = ([\d.]+)", done.stdout)
        assert rate, done.stdout
        report[name] = {"transactions_per_second": round(float(rate[1]), 1)}
    return report


def _agents(port: int, seconds: float) -> dict[str, object]:
    """Register servers with one key for a while, then let them check in."""
    now = clock.now()
    account = _customer("Bench", servers=SERVERS_MOST, now=now)
    key = reveal(ActivationKey.objects.get(account=account))
    registrations = [_registration(key, number) for number in range(SERVERS_MOST)]
    registered = measure(port, registrations, seconds=seconds)
    secrets = [json.loads(body)["secret"] for body in registered.bodies]
    check_ins = [
        Request("/api/v2/agent/check-in", b"users=7", FORM | {"Authorization": f"Bearer {secret}"})
        for secret in secrets
    ]
    checked_in = measure(port, check_ins, seconds=seconds, repeat=True)
    return {"registration_on_one_key": registered.as_json(), "check_in": checked_in.as_json()}


def _registration(key: str, number: int) -> Request:
    body = {
        "key": key,
        "hostname": f"server{number}.example",
        "machine_uuid": f"00000000-0000-4000-8000-{number:012x}",
        "ip": f"198.{18 + number // 65_536 % 2}.{number // 256 % 256}.{number % 256}",
    }
    return Request("/api/v2/agent/register", urllib.parse.urlencode(body).encode(), FORM)


def _billing_day(accounts: int) -> dict[str, object]:
    """Bill accounts a month after they bought, then charge them, one after another."""
    bought_at = clock.now()
    for number in range(accounts):
        _customer(f"Customer {number}", servers=3, now=bought_at)
    later = bought_at + timedelta(days=32)
    started = time.perf_counter()
    result = billing_run.run_due(now=later)
    billed = time.perf_counter()
    attempts = collection.collect_due(now=later)
    collected = time.perf_counter()
    return {
        "accounts": result.accounts,
        "parked": result.parked,
        "invoices_per_second": round(result.invoices / (billed - started), 1),
        "charges_per_second": round(attempts / (collected - billed), 1),
    }


def _customer(company: str, *, servers: int, now: datetime) -> Account:
    account = create_account(company=company, billing_email="bench@example.com", now=now)
    collection.set_payment_method(
        account_id=account.pk,
        kind=MethodKind.CARD,
        gateway="sandbox",
        token=token_for(Script.OK),
        label="Test card",
        expires_on=None,
        actor="bench",
        now=now,
    )
    buy(
        account_id=account.pk,
        license_type="kernelcare",
        quantity=servers,
        interval="month",
        actor="bench",
        request_key="bench",
        now=now,
    )
    return account
