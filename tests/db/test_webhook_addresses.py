"""Webhooks are never sent inside: names, addresses, redirects, certificates (security §5.11)."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.client import BadStatusLine, RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from cln.accounts.models import Account
from cln.enums import MessageKind
from cln.notifications import outbound
from cln.notifications.models import Message
from tests.licensing import NOW, an_account, bought, refusal_of
from tests.receiver import Receiver, a_receiver, listening, sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    return an_account()


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.CLN_WEBHOOK_INSECURE = True
    with a_receiver() as receiver:
        yield receiver


def a_certificate(name: str, folder: Path) -> Path:
    """A certificate that its own key has signed, and that key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    pem.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return pem


def test_a_redirect_is_a_failure_and_is_not_followed(acme: Account, receiver: Receiver) -> None:
    with a_receiver() as inside:
        receiver.status, receiver.location = 302, inside.url
        listening(acme, receiver.url, "key.created")
        bought(acme, "cloudlinux", 1)

        assert sent() == 0

        assert (len(receiver.arrived), inside.arrived) == (1, [])


def test_a_receiver_that_never_answers_is_hung_up_on(
    acme: Account, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLN_WEBHOOK_INSECURE = True
    monkeypatch.setattr(outbound, "SECONDS_MOST", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        listening(acme, f"http://127.0.0.1:{silent.getsockname()[1]}/", "key.created")
        bought(acme, "cloudlinux", 1)

        assert sent() == 0

    row = Message.objects.get(kind=MessageKind.WEBHOOK)
    assert row.response_status is None
    assert row.last_error == "There was no answer in time."


def test_a_receiver_may_think_longer_than_it_may_take_to_connect(
    acme: Account, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "SECONDS_TO_CONNECT", 0.1)
    receiver.before_answer = lambda: threading.Event().wait(0.2)
    listening(acme, receiver.url, "key.created")
    bought(acme, "cloudlinux", 1)

    assert sent() == 1


def test_a_receiver_that_is_not_there_is_told_in_words(acme: Account, settings: Settings) -> None:
    settings.CLN_WEBHOOK_INSECURE = True
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"http://127.0.0.1:{gone.getsockname()[1]}/"
    listening(acme, address, "key.created")
    bought(acme, "cloudlinux", 1)

    assert sent() == 0

    row = Message.objects.get(kind=MessageKind.WEBHOOK)
    assert row.last_error == "Nothing listens there: the connection was refused."


def test_a_receiver_whose_certificate_nobody_vouches_for_gets_nothing(
    acme: Account, settings: Settings, tmp_path: Path
) -> None:
    settings.CLN_WEBHOOK_INSECURE = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(a_certificate("localhost", tmp_path))
    with a_receiver(tls=context) as receiver:
        listening(acme, receiver.url.replace("127.0.0.1", "localhost"), "key.created")
        bought(acme, "cloudlinux", 1)

        assert sent() == 0

        assert receiver.arrived == []
    row = Message.objects.get(kind=MessageKind.WEBHOOK)
    assert row.last_error == "The certificate is not valid: self-signed certificate."


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "The name leads to no address."),
        (ssl.SSLError("wrong version number"), "There is no TLS that we could agree on."),
        (
            RemoteDisconnected("closed"),
            "The connection was ended before there was an answer.",
        ),
        (BadStatusLine("SSH-2.0"), "What came back is no answer in HTTP."),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
    ],
)
def test_why_nothing_arrived_is_told_in_words(
    acme: Account, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def resolve(*_: object, **__: object) -> list[Any]:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    listening(acme, "https://hooks.example.com/", "key.created")
    bought(acme, "cloudlinux", 1)

    assert sent() == 0

    assert Message.objects.get(kind=MessageKind.WEBHOOK).last_error == words


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.1", "198.18.0.1", "::",
        "::1", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::",
        "2001::1", "::127.0.0.1", "4000::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_not_connected_to(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert refusal_of(outbound.check_url, url=f"https://{host}/").code == "webhook_address"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://example.com/", "https:///x", "https://", "example.com", "",
        "https://a:b@example.com/", "https://example.com/#x", "https://example.com:22/",
        "https://example.com:0/", "https://example.com:99999/", "https://[::1/", "javascript:x",
        "https://example.com/a b", "https://ex\u00e4mple.com/", "https://example.com/\n",
        "file:///etc/passwd", "https://x.example/" + "a" * 250,
    ],
)  # fmt: skip
def test_what_is_no_address_for_webhooks_is_refused(url: str) -> None:
    code = refusal_of(outbound.check_url, url=url + "x" if url.endswith("\n") else url).code

    assert code == "bad_webhook_url"


@pytest.mark.parametrize(
    "answers", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["8.8.8.8", "::ffff:192.168.0.1"]]
)
def test_a_name_that_leads_inside_is_not_connected_to_whatever_else_it_has(
    acme: Account, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    """Security §5.11: after DNS."""
    asked, connected = [], []

    def resolve(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", (address, port)) for address in answers]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", lambda *a, **_: connected.append(a))
    listening(acme, "https://hooks.example.com/", "key.created")
    bought(acme, "cloudlinux", 1)

    assert sent() == 0

    assert (asked, connected) == (["hooks.example.com"], [])
    assert "not public" in Message.objects.get(kind=MessageKind.WEBHOOK).last_error


def test_the_connection_goes_to_the_address_that_was_checked_and_dns_is_asked_once(
    acme: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    connected: list[object] = []

    def resolve(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", ("8.8.8.8" if len(asked) == 1 else "127.0.0.1", port))]

    def connect(address: object, **_: object) -> None:
        connected.append(address)
        raise OSError("unreachable in tests")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    listening(acme, "https://rebinding.example.com/", "key.created")
    bought(acme, "cloudlinux", 1)

    assert sent() == 0

    assert (asked, connected) == (["rebinding.example.com"], [("8.8.8.8", 443)])
