"""API tokens: shown once, kept as a hash, scoped, bounded by their owner, running out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from cln.accounts import tokens
from cln.accounts.access import PERMISSIONS, Permission
from cln.accounts.models import Account, ApiToken, AuditEntry
from cln.enums import Role
from tests.licensing import NOW, an_account, refusal_of
from tests.visitors import a_login

pytestmark = pytest.mark.django_db

FULL = PERMISSIONS[Role.FULL]


@pytest.fixture
def acme() -> Account:
    account = an_account()
    a_login(account, name="anna")
    return account


def made(account: Account, **wish: Any) -> tuple[tokens.TokenRow, str]:
    values = {"login": "anna", "name": "monitor", "scopes": ["view_servers"], "granted": FULL}
    return tokens.create_token(account_id=account.pk, actor="anna", now=NOW, **{**values, **wish})


def test_a_token_is_256_bits_shown_once_and_kept_as_a_hash(acme: Account) -> None:
    row, text = made(acme)

    assert text.startswith("cln_")
    assert len(text) == 4 + 43
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM accounts_apitoken t")
        assert text not in cursor.fetchone()[0]
        cursor.execute("SELECT details::text || subject FROM accounts_auditentry")
        assert text not in cursor.fetchone()[0]
    assert row.last4 == text[-4:]
    [entry] = AuditEntry.objects.all()
    assert (entry.verb, entry.actor) == ("api_token_created", "anna")


def test_a_good_token_speaks_for_its_owner_with_its_scopes(acme: Account) -> None:
    _, text = made(acme, scopes=["view_servers", "create_keys"], login="ANNA")

    caller = tokens.token_caller(text, now=NOW)

    assert caller == tokens.TokenCaller(
        acme.pk,
        "anna",
        frozenset({Permission.VIEW_SERVERS, Permission.CREATE_KEYS}),
        f"cln_…{text[-4:]}",
    )


def test_its_rights_are_cut_to_what_its_owners_role_is_by_now(acme: Account) -> None:
    _, text = made(acme, scopes=["view_servers", "create_keys"])

    acme.logins.update(role=Role.BILLING)

    caller = tokens.token_caller(text, now=NOW)
    assert caller is not None
    assert caller.rights == {Permission.VIEW_SERVERS}


def test_a_token_runs_out_and_a_revoked_one_ends_at_once(acme: Account) -> None:
    row, text = made(acme, days=30)
    end = NOW + timedelta(days=30)

    assert row.expires_at == end
    assert tokens.token_caller(text, now=end - timedelta(seconds=1)) is not None
    assert tokens.token_caller(text, now=end) is None
    gone = tokens.revoke_token(account_id=acme.pk, token=row.public_id, actor="anna", now=NOW)
    assert gone.revoked_at == NOW
    assert tokens.token_caller(text, now=NOW) is None
    later = NOW + timedelta(hours=1)
    again = tokens.revoke_token(account_id=acme.pk, token=row.public_id, actor="anna", now=later)
    assert again.revoked_at == NOW
    assert [one.public_id for one in tokens.tokens_of(acme.pk)] == [row.public_id]


@pytest.mark.parametrize("text", ["", "cln_", "cln_x", "cln_" + "x" * 200, "cln_\x00", "other"])
def test_what_is_no_token_speaks_for_nobody(acme: Account, text: str) -> None:
    made(acme)

    assert tokens.token_caller(text, now=NOW) is None


def test_its_use_is_noted_once_a_minute(acme: Account) -> None:
    _, text = made(acme)

    for seconds, noted in ((0, 0), (59, 0), (60, 60), (61, 60)):
        tokens.token_caller(text, now=NOW + timedelta(seconds=seconds))
        used = ApiToken.objects.get().last_used_at
        assert used == NOW + timedelta(seconds=noted)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"name": " "}, "bad_token_name"),
        ({"name": "x" * 61}, "bad_token_name"),
        ({"days": 0}, "bad_token_days"),
        ({"days": 367}, "bad_token_days"),
        ({"days": True}, "bad_token_days"),
        ({"scopes": []}, "bad_scope"),
        ({"scopes": ["view_servers", "root"]}, "bad_scope"),
        ({"login": "nobody"}, "unknown_login"),
        ({"granted": {Permission.VIEW_PRODUCTS}}, "scope_not_yours"),
        ({"login": "worker", "scopes": ["edit_servers"]}, "scope_not_yours"),
    ],
)
def test_a_token_that_cannot_be_is_refused(acme: Account, wish: dict[str, Any], code: str) -> None:
    a_login(acme, Role.READ_SERVERS, name="worker")
    a_login(an_account("Zenith"), name="nobody")

    refusal = refusal_of(made, account=acme, **wish)

    assert refusal.code == code
    assert not ApiToken.objects.exists()


def test_another_accounts_token_is_not_there(acme: Account) -> None:
    row, text = made(acme)

    refusal = refusal_of(
        tokens.revoke_token,
        account_id=an_account("Zenith").pk,
        token=row.public_id,
        actor="t",
        now=NOW,
    )

    assert refusal.code == "unknown_token"
    assert tokens.token_caller(text, now=NOW) is not None
