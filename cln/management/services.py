"""The processes of which a running CLN consists."""

from __future__ import annotations

from django.conf import settings

from cln.management.processes import Children

CONNECTIONS_PER_WEB_PROCESS = 12
"""Fewer than threads: what comes in crowds shares statements (`cln.api.gathering`)."""


def start_services(children: Children, host: str, port: int, *, web: int, workers: int) -> None:
    """Start a web server of `web` processes on host and port, and `workers` workers."""
    arguments = ["--interface", "wsgi", "--host", host, "--port", str(port)]
    arguments += ["--workers", str(web), "--blocking-threads", str(settings.CLN_WEB_THREADS)]
    arguments += ["--no-ws", "--log-level", "error", "cln.wsgi:application"]
    pool = {"CLN_DATABASE_POOL": str(CONNECTIONS_PER_WEB_PROCESS)}
    children.start("web server", "granian", arguments, env=pool)
    for _ in range(workers):
        children.start("worker", "cln.management.main", ["worker"], env={})
