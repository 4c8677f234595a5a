"""Identifiers that leave the house: public ids, activation keys, server ids."""

import re
import secrets
import string

LETTERS = string.ascii_letters
ALNUM = string.ascii_letters + string.digits
KERNELCARE_LENGTH = 16
KEY_SHAPE = re.compile(r"[A-Za-z0-9_-]{8,64}")
"""What any activation key, old or new, may look like (facts P-40…P-47)."""
SECRET_SHAPE = re.compile(r"[A-Za-z0-9_]{8,64}")
"""What any server secret or KernelCare server id may look like."""


def public_id(prefix: str) -> str:
    """`inv_` + 20 random characters: unguessable, safe in URLs."""
    return f"{prefix}_{_random(ALNUM, 20)}"


def key_text(prefix: str) -> str:
    """A fresh activation key in CLN's shapes (facts P-47).

    No prefix: KernelCare's 16 alphanumerics, first a letter. `CL…-`: prefix and 24 letters.
    `…-` (ELS): prefix and 24 alphanumerics. Imunify prefixes: 20 characters in all.
    """
    if not prefix:
        return server_id()
    if prefix.startswith("CL"):
        return prefix + _random(LETTERS, 24)
    if prefix.endswith("-"):
        return prefix + _random(ALNUM, 24)
    return prefix + _random(ALNUM, 20 - len(prefix))


def server_id() -> str:
    """16 alphanumerics, first a letter: KernelCare's server id is the server's secret (P-46)."""
    return secrets.choice(LETTERS) + _random(ALNUM, KERNELCARE_LENGTH - 1)


def server_secret() -> str:
    """What an agent of ours presents: `cls_` and 40 alphanumerics (238 bits)."""
    return f"cls_{_random(ALNUM, 40)}"


def _random(alphabet: str, length: int) -> str:
    """Every text of the length is as likely as any other; one question to the system for all."""
    base = len(alphabet)
    number = secrets.randbelow(base**length)
    letters = []
    for _ in range(length):
        number, index = divmod(number, base)
        letters.append(alphabet[index])
    return "".join(letters)
