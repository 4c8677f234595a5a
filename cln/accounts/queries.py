"""What screens and other contexts may know about accounts and logins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from cln import vault
from cln.accounts.models import Account, ApiSecret, Login
from cln.database.prepared import fetch_tuples
from cln.database.rows import among


@dataclass(frozen=True, slots=True)
class ApiSecretRow:
    """What may be shown of an API secret after it was made."""

    last4: str
    rotated_at: datetime


@dataclass(frozen=True, slots=True)
class ApiCaller:
    """Somebody whose account has an API secret; never to be logged or shown."""

    account_id: int
    username: str
    role: str
    secret: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as its own programs see it; `state` is that of its debts."""

    public_id: str
    kind: str
    company: str
    currency: str
    state: str


def account_row(account_id: int) -> AccountRow:
    """The account as its own programs see it."""
    columns = ("public_id", "kind", "company", "currency", "dunning_state")
    return AccountRow(*Account.objects.values_list(*columns).get(pk=account_id))


def notice_addresses(account_ids: Sequence[int]) -> dict[int, str]:
    """Where invoices and notices go: the billing e-mail, else the primary login's, else ""."""
    if not account_ids:
        return {}
    rows = Account.objects.filter(pk__in=among(account_ids)).values_list("pk", "billing_email")
    addresses = dict(rows)
    without = [pk for pk, address in addresses.items() if not address]
    primary = Login.objects.filter(account__in=without, is_primary=True) if without else []
    return addresses | {login.account_id: login.email for login in primary if login.account_id}


def api_secret_of(account_id: int) -> ApiSecretRow | None:
    """The last four characters of the API secret and when it was made; None before the first."""
    secret = ApiSecret.objects.filter(account_id=account_id).first()
    return ApiSecretRow(secret.last4, secret.rotated_at) if secret else None


def login_of_email(email: str) -> Login | None:
    """The login with this address, whatever the case of its letters."""
    return Login.objects.filter(email__iexact=email.strip()).first()


def login_of_name_or_email(text: str) -> Login | None:
    """The active login a person means who types a login name or an e-mail address (A-2, A-3)."""
    active = Login.objects.filter(is_active=True)
    text = text.strip()
    return active.filter(username__iexact=text).first() or active.filter(email__iexact=text).first()


def api_callers(logins: Sequence[str]) -> list[ApiCaller | None]:
    """Whom tokens name: by login, or by e-mail address, whatever the case of the letters.

    In the same order, in one question. None for strangers, operators, closed logins, accounts
    without a secret or with the API off.
    """
    named = [login.lower() for login in logins]
    found = fetch_tuples(_API_CALLERS, [named, named])
    by_name: dict[str, ApiCaller] = {}
    by_mail: dict[str, ApiCaller] = {}
    for name, mail, account_id, username, role, cipher in found:
        caller = ApiCaller(account_id, username, role, _opened(bytes(cipher)))
        by_name[name] = by_mail[mail] = caller
    # A login wins over an address: `anna@acme.example` may be the one of one and the other of two.
    return [by_name.get(login) or by_mail.get(login) for login in named]


_API_CALLERS: Final = """
SELECT lower(l.username), lower(l.email), l.account_id, l.username, l.role, s.cipher
FROM accounts_login l
JOIN accounts_account a ON a.id = l.account_id AND a.api_enabled
JOIN accounts_apisecret s ON s.account_id = a.id
WHERE l.is_active AND (lower(l.username) = ANY(%s::text[]) OR lower(l.email) = ANY(%s::text[]))"""


@lru_cache(maxsize=4096)
def _opened(cipher: bytes) -> str:
    """Opened once per process: that costs more than all the rest of checking a token."""
    return vault.unseal(cipher)
