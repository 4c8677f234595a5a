"""Keyed hashes and encryption at rest, both under keys derived from the server's secret.

A stolen database dump alone opens neither: activation keys and API secrets are found by
HMAC and shown by decrypting (security §3). Losing CLN_SECRET_KEY loses them: back it up.
"""

import base64
import hashlib
import hmac
from functools import lru_cache

from cryptography.fernet import Fernet
from django.conf import settings


def lookup_hash(purpose: str, text: str) -> bytes:
    """32 bytes that find a secret without storing it; `purpose` separates the uses."""
    return hmac.digest(_derived(f"lookup:{purpose}"), text.encode(), "sha256")


def seal(text: str) -> bytes:
    """Encrypt for storage."""
    return _fernet().encrypt(text.encode())


def unseal(cipher: bytes | memoryview) -> str:
    """What was sealed. Raises InvalidToken where the server's secret has changed."""
    return _fernet().decrypt(bytes(cipher)).decode()


def _fernet() -> Fernet:
    return _fernet_of(_derived("seal"))


@lru_cache(maxsize=4)
def _fernet_of(key: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(key))


def _derived(purpose: str) -> bytes:
    return _derive(settings.SECRET_KEY, purpose)


@lru_cache(maxsize=32)
def _derive(secret: str, purpose: str) -> bytes:
    return hmac.digest(secret.encode(), f"cln:{purpose}".encode(), hashlib.sha256)
