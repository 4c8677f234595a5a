"""The HTTP side of the vendor: routes requests, loses answers."""

from __future__ import annotations

import copy
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.vendor import paypal, stripe
from tests.vendor.paypal import PayPalSide
from tests.vendor.stripe import StripeSide
from tests.vendor.till import Fault, Reply, Request, Till

# Longer than any test waits for an answer; the end of the test wakes the sleepers.
SILENCE_SECONDS = 30


class Vendor(Till):
    """A vendor that is open for business inside `with`."""

    def __init__(self) -> None:
        """Bind a free port; serve from `with` on."""
        super().__init__()
        self.stripe, self.paypal = StripeSide(self), PayPalSide(self)
        self.over = threading.Event()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer is one packet: two would wait 40 ms for each other.
            wbufsize = -1

            def do_GET(self) -> None:
                vendor._serve(self)

            def do_POST(self) -> None:
                vendor._serve(self)

            def do_DELETE(self) -> None:
                vendor._serve(self)

            def log_message(self, format: str, *args: object) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where both vendors' doors are."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What an installation of ours must be told to use this vendor."""
        return {
            "CLN_STRIPE_SECRET_KEY": stripe.SECRET,
            "CLN_STRIPE_WEBHOOK_SECRET": stripe.WEBHOOK_SECRET,
            "CLN_STRIPE_API_BASE": self.url,
            "CLN_PAYPAL_CLIENT_ID": paypal.CLIENT_ID,
            "CLN_PAYPAL_SECRET": paypal.SECRET,
            "CLN_PAYPAL_WEBHOOK_ID": paypal.WEBHOOK_ID,
            "CLN_PAYPAL_API_BASE": self.url,
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        address = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        request = Request(
            method=handler.command,
            path=address.path,
            query=dict(parse_qsl(address.query)),
            headers=handler.headers,
            body=handler.rfile.read(length),
        )
        side: Any = self.stripe if self.stripe.knows(request.path) else self.paypal
        step = side.step(request)
        self.beforehand.pop(step, lambda: None)()
        with self.lock:
            fault = self.next_fault(step)
            if fault in (Fault.LOST_BEFORE, Fault.SILENT_BEFORE):
                reply = None
            elif fault is Fault.TOO_MANY:
                reply = side.too_many
            else:
                # As things are now: they may be others by the time the answer goes out.
                reply = copy.deepcopy(side.answer(request))
        self.meanwhile.get(step, lambda: None)()
        self._reply(handler, reply, fault)

    def _reply(
        self, handler: BaseHTTPRequestHandler, reply: Reply | None, fault: Fault | None
    ) -> None:
        if fault in (Fault.SILENT_BEFORE, Fault.SILENT_AFTER):
            self.over.wait(SILENCE_SECONDS)
        if reply is None or fault in (Fault.LOST_AFTER, Fault.SILENT_AFTER):
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        body, kind = json.dumps(reply.content).encode(), "application/json"
        status = reply.status
        if fault is Fault.ERROR_AFTER:
            status, body = 500, b'{"error": {"type": "api_error", "message": "it broke"}}'
        elif fault is Fault.NONSENSE_AFTER:
            status, body, kind = 200, b"<html>Welcome to the proxy</html>", "text/html"
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
