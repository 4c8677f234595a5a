"""A program of a customer that receives webhooks, on a port of this machine; and our worker."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cln.accounts.models import Account
from cln.notifications import delivery, webhooks
from cln.notifications.events import EventType
from cln.notifications.models import WebhookEndpoint
from tests.licensing import NOW


@dataclass
class Receiver:
    """What arrived, the first line of each, and what is answered: a status and, where redirected,
    where to.
    """

    url: str = ""
    status: int = 200
    location: str = ""
    arrived: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    before_answer: Callable[[], object] = lambda: None


@contextmanager
def a_receiver(status: int = 200, *, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Listen for as long as the block lasts, over TLS where a context is given."""
    receiver = Receiver(status=status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.asked.append(self.requestline)
            receiver.arrived.append((dict(self.headers.items()), body))
            receiver.before_answer()
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Whoever hangs up in the middle of a handshake is no news."""

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    receiver.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/hook?x=1"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def listening(account: Account, url: str, *events: str) -> tuple[WebhookEndpoint, str]:
    """An endpoint of the account for these events, or for all, and its secret."""
    row, secret = webhooks.create_endpoint(
        account_id=account.pk, url=url, events=events or [*EventType], actor="t", now=NOW
    )
    return WebhookEndpoint.objects.get(public_id=row.public_id), secret


def sent(now: datetime = NOW, *, sent_at: datetime | None = None) -> int:
    """How many deliveries were taken when the worker came by; signed with `now` unless told."""
    return delivery.deliver_due(now=now, sent_at=sent_at or now)
