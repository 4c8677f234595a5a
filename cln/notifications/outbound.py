"""One POST to an address that a customer chose, which must not become a way into our network.

The name is resolved once, every address it has must be public, and the connection goes to one of
those that were checked: a name that answers differently the second time gains nothing. Nothing is
redirected, no proxy is asked, the body of the answer is not read, and all of it ends in time.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import ClassVar, Final
from urllib.parse import urlsplit

from django.conf import settings

from cln.domain.addresses import AddressNotPublic, BadAddress, check_outbound_address
from cln.domain.errors import Refusal

SECONDS_TO_CONNECT: Final = 5
SECONDS_MOST: Final = 10
URL_LENGTH: Final = 250
# What the owner of a receiver reads, by the first kind that fits.
_FAILURES: Final = (
    (TimeoutError, "There was no answer in time."),
    (socket.gaierror, "The name leads to no address."),
    (ConnectionRefusedError, "Nothing listens there: the connection was refused."),
    (ssl.SSLError, "There is no TLS that we could agree on."),
    (ConnectionError, "The connection was ended before there was an answer."),
    (http.client.HTTPException, "What came back is no answer in HTTP."),
)
FORBIDDEN_PORTS: Final = frozenset(range(1, 1024)) - {80, 443}


class BadWebhookUrl(Refusal):
    """The text is not an address that webhooks are sent to."""

    code: ClassVar[str] = "bad_webhook_url"


class WebhookAddress(Refusal):
    """The address leads into a network that is not public."""

    code: ClassVar[str] = "webhook_address"


class Undelivered(Exception):
    """There was no answer; the message says why."""


def check_url(url: str) -> str:
    """A URL that webhooks may be sent to; its name is resolved only when something is sent.

    Refusals: `bad_webhook_url`, `webhook_address`.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad_url("it cannot be read") from None
    if len(url) > URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        raise _bad_url(f"it has more than {URL_LENGTH} characters, or some that are not ASCII")
    schemes = ("https", "http") if settings.CLN_WEBHOOK_INSECURE else ("https",)
    if parts.scheme not in schemes or not host:
        raise _bad_url("it does not begin with https:// and a name")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _bad_url("it holds a password or a fragment")
    if port is not None and (port in FORBIDDEN_PORTS or port == 0):
        raise _bad_url("its port belongs to another kind of service")
    with contextlib.suppress(BadAddress):
        _check_address(host)
    return url


def post(url: str, *, body: bytes, headers: Mapping[str, str]) -> int:
    """Send `body` and return the HTTP status of the answer.

    Raises Undelivered. Refusals: those of `check_url`.
    """
    parts = urlsplit(check_url(url))
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    try:
        connection = _Pinned(host, port, address=_resolve(host, port), is_tls=is_tls)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return connection.send_once(path, body, headers)
    except (OSError, http.client.HTTPException) as error:
        raise Undelivered(_why(error)) from None


def _why(error: OSError | http.client.HTTPException) -> str:
    """What the owner of the receiver reads: plain words for what happens, else the system's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate is not valid: {error.verify_message}."
    for kind, words in _FAILURES:
        if isinstance(error, kind):
            return words
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, under the name it was found by."""

    def __init__(self, host: str, port: int, *, address: str, is_tls: bool) -> None:
        super().__init__(host, port)
        self._address, self._is_tls, self._is_late = address, is_tls, False

    def connect(self) -> None:
        """Connect to the checked address; the certificate must be the name's."""
        raw = socket.create_connection((self._address, self.port), timeout=SECONDS_TO_CONNECT)
        self.sock = raw
        if self._is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(raw, server_hostname=self.host)
        # From here on the receiver may think for as long as it was promised.
        self.sock.settimeout(SECONDS_MOST)

    def send_once(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The status of the answer, within SECONDS_MOST whatever the other side does."""
        deadline = threading.Timer(SECONDS_MOST, self._cut)
        deadline.daemon = True
        deadline.start()
        try:
            self.request("POST", path, body=body, headers=dict(headers))
            return self.getresponse().status
        except (OSError, http.client.HTTPException):
            if self._is_late:
                raise TimeoutError from None
            raise
        finally:
            deadline.cancel()
            self.close()

    def _cut(self) -> None:
        self._is_late = True
        with contextlib.suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)


def _resolve(host: str, port: int) -> str:
    """One address of the name, all of which may be connected to. Refuses `webhook_address`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise Undelivered("The name has no address.")
    checked = [_check_address(address) for address in addresses]
    return checked[0]


def _check_address(text: str) -> str:
    try:
        return check_outbound_address(text)
    except AddressNotPublic as refusal:
        if settings.CLN_WEBHOOK_INSECURE:
            return text
        raise WebhookAddress(refusal.message, "Use a public address.") from None


def _bad_url(why: str) -> BadWebhookUrl:
    return BadWebhookUrl(
        f"Webhooks cannot be sent there: {why}.", "Write it like https://example.com/hooks."
    )
