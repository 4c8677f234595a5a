"""Accounts, logins, roles and the API secret."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from cln import vault
from cln.accounts.access import PERMISSIONS, Permission, may
from cln.accounts.models import Account, ApiSecret, AuditEntry, Login
from cln.accounts.queries import login_of_name_or_email, notice_addresses
from cln.accounts.services import (
    BadEmail,
    BadLogin,
    EmailTaken,
    LoginTaken,
    WeakPassword,
    create_account,
    create_login,
    rotate_api_secret,
    update_contact,
)
from cln.domain.errors import Refusal
from cln.enums import Role
from tests.customers import START

PASSWORD = "a sentence nobody guesses"

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    return create_account(company="Acme", now=START)


def a_login(account: Account, email: str, username: str = "", password: str = PASSWORD) -> Login:
    return create_login(
        account_id=account.pk, email=email, password=password, username=username, now=START
    )


def test_a_login_name_is_made_from_the_email(acme: Account) -> None:
    login = a_login(acme, "Anna.Smith+cln@acme.example")

    assert login.username == "anna.smithcln"
    assert login.email == "anna.smith+cln@acme.example"


def test_a_generated_login_name_is_unique_when_the_first_choice_is_taken(acme: Account) -> None:
    first = a_login(acme, "anna@acme.example")
    second = a_login(acme, "anna@zenith.example")

    assert first.username == "anna"
    assert second.username.startswith("anna-")
    assert second.username.removeprefix("anna-").isdecimal()


def test_a_short_name_in_the_email_still_makes_a_login(acme: Account) -> None:
    assert a_login(acme, "a@acme.example").username == "auser"


@pytest.mark.parametrize(
    ("email", "username", "password", "refusal"),
    [
        ("not an address", "", PASSWORD, BadEmail),
        ("ANNA@acme.example", "", PASSWORD, EmailTaken),
        ("new@acme.example", "ANNA", PASSWORD, LoginTaken),
        ("new@acme.example", "a b", PASSWORD, BadLogin),
        ("new@acme.example", "", "short", WeakPassword),
        ("new@acme.example", "", "password1234", WeakPassword),
    ],
)
def test_a_login_is_refused_and_nothing_is_written(
    acme: Account, email: str, username: str, password: str, refusal: type[Refusal]
) -> None:
    a_login(acme, "anna@acme.example", "anna")

    with pytest.raises(refusal) as caught:
        a_login(acme, email, username, password)

    assert caught.value.fix
    assert Login.objects.count() == 1


def test_two_logins_that_differ_in_case_only_are_refused_by_the_database(acme: Account) -> None:
    a_login(acme, "anna@acme.example", "anna")

    with pytest.raises(IntegrityError, match="login_username_unique"), transaction.atomic():
        Login.objects.create(account=acme, username="Anna", email="b@x.example", joined_at=START)


def test_passwords_are_stored_as_argon2id_in_the_real_settings(acme: Account) -> None:
    from cln import settings as real

    assert real.PASSWORD_HASHERS[0] == "django.contrib.auth.hashers.Argon2PasswordHasher"


def test_a_login_is_found_by_name_and_by_email_in_any_case(acme: Account) -> None:
    login = a_login(acme, "anna@acme.example", "anna")

    assert login_of_name_or_email(" ANNA ") == login
    assert login_of_name_or_email("Anna@Acme.Example") == login
    assert login_of_name_or_email("nobody") is None


def test_notices_go_to_the_billing_address_and_else_to_the_primary_login(acme: Account) -> None:
    assert notice_addresses([acme.pk]) == {acme.pk: ""}
    create_login(
        account_id=acme.pk, email="p@acme.example", password=PASSWORD, is_primary=True, now=START
    )
    assert notice_addresses([acme.pk]) == {acme.pk: "p@acme.example"}

    update_contact(
        account_id=acme.pk, company="A", billing_email="B@acme.example", actor="p", now=START
    )

    assert notice_addresses([acme.pk]) == {acme.pk: "b@acme.example"}


def test_changed_contact_data_leaves_an_audit_entry_with_before_and_after(acme: Account) -> None:
    update_contact(account_id=acme.pk, company="Zen", billing_email="", actor="anna", now=START)

    entry = AuditEntry.objects.get(verb="account.updated")
    assert entry.actor == "anna"
    assert entry.details == {"company": ["Acme", "Zen"]}


def test_a_bad_billing_address_changes_nothing(acme: Account) -> None:
    with pytest.raises(BadEmail):
        update_contact(
            account_id=acme.pk, company="Zen", billing_email="no", actor="anna", now=START
        )

    acme.refresh_from_db()
    assert acme.company == "Acme"
    assert AuditEntry.objects.count() == 0


def test_an_api_secret_is_encrypted_and_readable_only_when_made(acme: Account) -> None:
    secret = rotate_api_secret(account_id=acme.pk, actor="anna", now=START)

    row = ApiSecret.objects.get(account=acme)
    assert len(secret) == 40
    assert vault.unseal(row.cipher) == secret
    assert secret.encode() not in bytes(row.cipher)
    assert row.last4 == secret[-4:]


def test_a_rotated_api_secret_replaces_the_old_one(acme: Account) -> None:
    first = rotate_api_secret(account_id=acme.pk, actor="anna", now=START)
    second = rotate_api_secret(account_id=acme.pk, actor="anna", now=START)

    row = ApiSecret.objects.get(account=acme)
    assert first != second
    assert vault.unseal(row.cipher) == second
    assert AuditEntry.objects.filter(verb="api_secret.rotated").count() == 2
    assert all(first not in str(entry.details) for entry in AuditEntry.objects.all())


def test_the_audit_log_can_be_neither_changed_nor_deleted(acme: Account) -> None:
    rotate_api_secret(account_id=acme.pk, actor="anna", now=START)

    for statement in (
        "UPDATE accounts_auditentry SET actor = 'mallory'",
        "DELETE FROM accounts_auditentry",
    ):
        with (
            pytest.raises(IntegrityError, match="appended, never changed"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    assert AuditEntry.objects.get().actor == "anna"


TABLE = {
    Permission.VIEW_PRODUCTS: "111111",
    Permission.VIEW_SERVERS: "111111",
    Permission.REPORTING: "101111",
    Permission.EDIT_SERVERS: "101100",
    Permission.CREATE_KEYS: "101100",
    Permission.ORDER_LICENSES: "101000",
    Permission.VIEW_INVOICES: "110010",
    Permission.VIEW_BILLING: "110010",
    Permission.EDIT_CARDS: "110000",
    Permission.EDIT_ACCOUNT: "110000",
    Permission.EDIT_BILLING: "110000",
    Permission.VIEW_PRICES: "110000",
    Permission.VIEW_ACCOUNT: "110000",
    Permission.CHANGE_PASSWORD: "100000",
    Permission.MANAGE_LOGINS: "100000",
}
"""Facts §3.4 as it is printed there: one column per role, in the order of `Role`."""


@pytest.mark.parametrize("permission", Permission)
def test_roles_may_exactly_what_the_published_table_says(permission: Permission) -> None:
    assert set(PERMISSIONS) == set(Role)

    printed = "".join("1" if may(role, permission) else "0" for role in Role)

    assert printed == TABLE[permission]


def test_an_operator_has_no_account_and_no_console() -> None:
    operator = create_login(
        account_id=None,
        email="otto@vendor.example",
        password=PASSWORD,
        username="otto",
        is_confirmed=True,
        now=START,
    )
    client = Client()
    client.post("/console/auth/login", {"login": "otto", "password": PASSWORD})

    answer = client.get("/console/dashboard")

    assert operator.is_staff
    assert answer.status_code == 403
    assert "back-office" in answer.content.decode()
