"""Accounts, the logins that speak for them, and the API secret.

Verbs marked "joins" run in the caller's transaction; the others open their own.
"""

import re
import secrets
import string
from datetime import date, datetime, timedelta
from typing import ClassVar

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q

from cln import vault
from cln.accounts.audit import record
from cln.accounts.models import IS_UNDECIDED, Account, ApiSecret, DepositOrder, Login
from cln.accounts.vat import checked_country, checked_vat_number
from cln.domain.errors import Refusal
from cln.enums import AccountKind, Role
from cln.ids import public_id

API_SECRET_LENGTH = 40
ADDRESS_LENGTH = 400
_LOGIN_SHAPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{2,149}", re.ASCII)


class EmailTaken(Refusal):
    """Another login already has this e-mail address."""

    code: ClassVar[str] = "email_taken"


class BadEmail(Refusal):
    """The text is not an e-mail address."""

    code: ClassVar[str] = "bad_email"


class LoginTaken(Refusal):
    """Another login already has this name."""

    code: ClassVar[str] = "login_taken"


class BadLogin(Refusal):
    """The text cannot be a login name."""

    code: ClassVar[str] = "bad_login"


class AddressTooLong(Refusal):
    """The postal address does not fit on an invoice."""

    code: ClassVar[str] = "address_too_long"


class WeakPassword(Refusal):
    """The password would be guessed."""

    code: ClassVar[str] = "weak_password"


def create_account(
    *,
    company: str,
    billing_email: str = "",
    kind: AccountKind = AccountKind.CUSTOMER,
    currency: str = "USD",
    public: str = "",
    now: datetime,
) -> Account:
    """Open a paying party; a reseller's usage is billed from this month on (R2). Joins.

    `public` is the public id where it was promised before (R1).
    """
    is_reseller = kind is AccountKind.RESELLER
    return Account.objects.create(
        public_id=public or public_id("acc"),
        kind=kind,
        next_usage_on=first_of_next_month(now.date()) if is_reseller else None,
        currency=currency,
        company=company.strip(),
        billing_email=billing_email.strip(),
        created_at=now,
    )


def become_reseller(*, account: Account, now: datetime) -> None:
    """Turn a customer's account into a reseller's (R1). Joins; the account is locked."""
    account.kind = AccountKind.RESELLER
    account.next_usage_on = first_of_next_month(now.date())
    account.save(update_fields=["kind", "next_usage_on"])


def first_of_next_month(day: date) -> date:
    """The day on which the month of `day` is billed (R2)."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def create_login(
    *,
    account_id: int | None,
    email: str,
    password: str,
    username: str = "",
    role: Role = Role.FULL,
    is_primary: bool = False,
    is_confirmed: bool = False,
    now: datetime,
) -> Login:
    """Give a person a way in; without `username` one is made from the e-mail. Joins.

    `account_id` None makes an operator of the vendor. A login whose address is not confirmed
    cannot sign in. Refusals: `bad_email`, `email_taken`, `bad_login`, `login_taken`,
    `weak_password`.
    """
    email = checked_email(email)
    login = Login(
        account_id=account_id,
        username=_checked_username(username) if username else _free_username(email),
        email=email,
        role=role,
        is_primary=is_primary,
        is_staff=account_id is None,
        joined_at=now,
    )
    check_new_password(password, login=login)
    login.set_password(password)
    login.save(force_insert=True)
    EmailAddress.objects.create(user=login, email=email, primary=True, verified=is_confirmed)
    return login


def check_new_login(*, email: str, username: str, password: str) -> tuple[str, str]:
    """The e-mail and login name a person could get, put in order; "" where one is to be made.

    Refusals: those of `create_login`.
    """
    email = checked_email(email)
    username = _checked_username(username) if username else ""
    check_new_password(password, login=Login(email=email, username=username))
    return email, username


def create_hashed_login(
    *, account_id: int, email: str, username: str, password_hash: str, now: datetime
) -> Login | None:
    """The primary login that was asked for before its deposit was certain (R1). Joins.

    By now the name may be another's: then one is made from the e-mail. The money is here, so
    nothing is refused; None where even the e-mail has a login.
    """
    if Login.objects.filter(email__iexact=email).exists():
        return None
    taken = not username or Login.objects.filter(username__iexact=username).exists()
    login = Login.objects.create(
        account_id=account_id,
        username=_free_username(email) if taken else username,
        email=email,
        password=password_hash,
        role=Role.FULL,
        is_primary=True,
        joined_at=now,
    )
    EmailAddress.objects.create(user=login, email=email, primary=True, verified=False)
    return login


def check_new_password(password: str, *, login: Login) -> None:
    """Refuse a password that would be guessed. Refusals: `weak_password`."""
    try:
        validate_password(password, login)
    except ValidationError as error:
        raise WeakPassword(" ".join(error.messages), "Choose another password.") from None


def rotate_api_secret(*, account_id: int, actor: str, now: datetime) -> str:
    """Make a new API secret and return it: the only time it can be read in full.

    The old one stops working at once.
    """
    alphabet = string.ascii_letters + string.digits
    text = "".join(secrets.choice(alphabet) for _ in range(API_SECRET_LENGTH))
    with transaction.atomic():
        ApiSecret.objects.update_or_create(
            account_id=account_id,
            defaults={
                "cipher": vault.seal(text),
                "last4": text[-4:],
                "rotated_at": now,
            },
        )
        record(
            account_id=account_id,
            actor=actor,
            verb="api_secret.rotated",
            subject=f"…{text[-4:]}",
            now=now,
        )
    return text


def update_contact(
    *,
    account_id: int,
    company: str,
    billing_email: str,
    actor: str,
    now: datetime,
) -> None:
    """Change the company's name and where invoices go (empty = the primary login's e-mail).

    Refusals: `bad_email`.
    """
    if billing_email.strip():
        billing_email = well_formed(billing_email)
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True).get(pk=account_id)
        new = {"company": company.strip(), "billing_email": billing_email.strip()}
        _update(account, new, actor=actor, now=now)


def update_tax_details(
    *,
    account_id: int,
    address: str,
    country: str,
    vat_number: str,
    actor: str,
    now: datetime,
) -> None:
    """Change what later invoices print and what decides their tax; issued ones stay (P11).

    A VAT number is checked offline against the country and kept as invoices print it. Lines of
    the address are separated by line breaks. Refusals: `bad_country`, `bad_vat_number`,
    `address_too_long`.
    """
    country = checked_country(country)
    new = {
        "address": _checked_postal_address(address),
        "country": country,
        "vat_number": checked_vat_number(vat_number, country=country),
    }
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True).get(pk=account_id)
        _update(account, new, actor=actor, now=now)


def _update(account: Account, new: dict[str, str], *, actor: str, now: datetime) -> None:
    """Joins: write what is new of a locked account, and who changed it."""
    changed = {
        name: [getattr(account, name), value]
        for name, value in new.items()
        if getattr(account, name) != value
    }
    Account.objects.filter(pk=account.pk).update(**new)
    record(account_id=account.pk, actor=actor, verb="account.updated", details=changed, now=now)


def _checked_postal_address(text: str) -> str:
    address = "\n".join(line.strip() for line in text.splitlines() if line.strip())
    if len(address) > ADDRESS_LENGTH:
        raise AddressTooLong(f"An address has at most {ADDRESS_LENGTH} letters.", "Shorten it.")
    return address


def checked_email(email: str) -> str:
    """An address no login has, in order. Refusals: `bad_email`, `email_taken`."""
    email = well_formed(email)
    promised = DepositOrder.objects.filter(IS_UNDECIDED, email__iexact=email)
    if Login.objects.filter(Q(email__iexact=email)).exists() or promised.exists():
        raise EmailTaken(
            f"{email} already belongs to a login.",
            "Sign in with it, or reset its password.",
        )
    return email


def well_formed(email: str) -> str:
    """An e-mail address in order. Refusals: `bad_email`."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise BadEmail(
            f"{email[:80]!r} is not an e-mail address.",
            "Write it like name@example.com.",
        ) from None
    return email


def shaped_login(text: str) -> str:
    """What can be a login name. Refusals: `bad_login`."""
    text = text.strip()
    if not _LOGIN_SHAPE.fullmatch(text):
        raise BadLogin(
            "A login has 3 to 150 letters, digits or . _ @ + - and begins with a letter or digit.",
            "Choose another login.",
        )
    return text


def _checked_username(username: str) -> str:
    username = shaped_login(username)
    promised = DepositOrder.objects.filter(IS_UNDECIDED, username__iexact=username)
    if Login.objects.filter(username__iexact=username).exists() or promised.exists():
        raise LoginTaken("This login is already used.", "Choose another login.")
    return username


def _free_username(email: str) -> str:
    """`anna@acme.example` → `anna`, or `anna-4821` where that is taken (facts A-2)."""
    stem = re.sub(r"[^a-z0-9._-]+", "", email.split("@", 1)[0])[:40].strip("._-")
    stem = stem if len(stem) >= 3 else f"{stem}user"
    name = stem
    while Login.objects.filter(username__iexact=name).exists():
        name = f"{stem}-{1000 + secrets.randbelow(9000_000)}"
    return name
