"""A reseller's server accounts: pages, tokens, and the limit over all tokens (SA-1…4)."""

from __future__ import annotations

import pytest
from django.test import Client

from cln.accounts.models import Account, AuditEntry, ServerAccount
from cln.domain.errors import Refusal
from cln.enums import Role
from cln.licensing.keys import reveal
from cln.licensing.models import ActivationKey, Server
from cln.licensing.server_accounts import Person, add_server_account, create_token
from cln.licensing.services import create_key
from tests.customers import START, clock_at
from tests.licensing import registered
from tests.reselling import registers
from tests.shop import open_shop
from tests.visitors import a_login, signed_in, text_of

pytestmark = pytest.mark.django_db

PAGE = "/console/server-accounts"
FORM = {"login": "sub1", "email": "sub1@host.example", "company": "Host <b>&", "limit": "2"}


@pytest.fixture
def zenith() -> tuple[Account, Client]:
    clock_at(START)
    open_shop()
    account = Account.objects.get(pk=registers("zenith", now=START).account_id)
    return account, signed_in(a_login(account, Role.FULL, name="zoe"))


def opened(account: Account, login: str = "sub1", limit: int = 2) -> int:
    person = Person(login=login, email=f"{login}@host.example")
    row = add_server_account(
        account_id=account.pk, person=person, limit=limit, actor="zoe", now=START
    )
    return row.number


def a_token(account: Account, number: int) -> ActivationKey:
    return create_token(account_id=account.pk, number=number, actor="zoe", now=START)


def test_an_account_is_opened_gets_a_token_and_registers_servers(
    zenith: tuple[Account, Client],
) -> None:
    account, client = zenith
    assert "No server account yet" in text_of(client.get(PAGE))

    client.post(f"{PAGE}/new", FORM)
    row = ServerAccount.objects.get()
    client.post(f"{PAGE}/{row.pk}/token")
    token = ActivationKey.objects.get()
    registered(token, "web1", now=START)

    details = text_of(client.get(f"{PAGE}/{row.pk}"))
    assert "Systems 1 / 2" in details
    assert reveal(token) in details
    assert "1 server" in details
    listed = text_of(client.get(PAGE))
    assert "Licenses given 2 In use 1 Not used 1" in listed
    assert "Host <b>&" in listed
    assert (token.is_default, token.license_type.code) == (False, "cloudlinux")
    verbs = AuditEntry.objects.filter(account=account, actor="zoe").values_list("verb", flat=True)
    assert list(verbs.order_by("pk")) == ["server_account.added", "key_created"]


def test_the_limit_counts_over_all_tokens(zenith: tuple[Account, Client]) -> None:
    account, _ = zenith
    number = opened(account)
    first, second = a_token(account, number), a_token(account, number)
    registered(first, "web1", "192.0.2.1", now=START)
    registered(second, "web2", "192.0.2.2", now=START)

    with pytest.raises(Refusal) as refused:
        registered(first, "web3", "192.0.2.3", now=START)

    assert refused.value.code == "key_limit_reached"
    assert "web2" in refused.value.message
    assert Server.objects.count() == 2
    assert registered(first, "web1", "192.0.2.1", now=START).reinstalled
    other = a_token(account, opened(account, "sub2", limit=0))
    registered(other, "web3", "192.0.2.3", now=START)
    assert Server.objects.filter(status="active").count() == 3


def test_names_and_limit_are_changed_but_not_below_what_runs(
    zenith: tuple[Account, Client],
) -> None:
    account, client = zenith
    number = opened(account)
    token = a_token(account, number)
    registered(token, "web1", "192.0.2.1", now=START)
    registered(token, "web2", "192.0.2.2", now=START)
    edit = f"{PAGE}/{number}/edit"

    low = client.post(edit, FORM | {"limit": "1"})
    taken = opened(account, "sub2")
    twice = client.post(f"{PAGE}/{taken}/edit", FORM | {"login": "SUB1"})
    wrong = client.post(edit, FORM | {"login": "x", "email": "nonsense"})
    client.post(edit, FORM | {"login": "sub9", "limit": ""})

    assert "2 servers use its tokens, so the limit cannot be 1." in text_of(low)
    assert "You have a server account SUB1 already." in text_of(twice)
    assert [one.status_code for one in (low, twice, wrong)] == [422, 422, 422]
    row = ServerAccount.objects.get(pk=number)
    assert (row.login, row.limit) == ("sub9", 0)


def test_removing_one_asks_for_its_name_where_servers_run(zenith: tuple[Account, Client]) -> None:
    account, client = zenith
    number = opened(account)
    registered(a_token(account, number), "web1", now=START)
    remove = f"{PAGE}/{number}/remove"
    assert "1 server loses CloudLinux OS" in text_of(client.get(remove))

    unsure = client.post(remove, {"typed": "sub2"})
    assert (unsure.status_code, Server.objects.get().status) == (422, "active")
    client.post(remove, {"typed": "sub1"})

    assert Server.objects.get().status == "removed"
    assert ActivationKey.objects.filter(removed_at=None).count() == 0
    assert client.get(f"{PAGE}/{number}").status_code == 404
    assert opened(account, "sub1") != number


def test_foreign_absent_and_customers_pages_answer_alike(zenith: tuple[Account, Client]) -> None:
    account, _ = zenith
    number = opened(account)
    rival = Account.objects.get(pk=registers("rival", now=START).account_id)
    mallory = signed_in(a_login(rival, Role.FULL, name="mallory"))

    for path in ("", "/edit", "/remove"):
        answers = [mallory.get(f"{PAGE}/{one}{path}") for one in (number, 999_999)]
        assert [answer.status_code for answer in answers] == [404, 404]
    for path in ("/token", "/edit", "/remove"):
        assert mallory.post(f"{PAGE}/{number}{path}", FORM).status_code == 404
    reader = signed_in(a_login(account, Role.READ_SERVERS, name="rita"))
    assert reader.get(f"{PAGE}/{number}").status_code == 200
    assert reader.post(f"{PAGE}/{number}/token").status_code == 403
    assert ActivationKey.objects.count() == 0


def test_a_token_never_becomes_the_default_key(zenith: tuple[Account, Client]) -> None:
    account, client = zenith
    a_token(account, opened(account))
    key = create_key(account_id=account.pk, license_type="cloudlinux", actor="zoe", now=START)
    assert key.is_default

    client.post(f"/console/keys/{key.public_id}/remove")

    assert ActivationKey.objects.get(removed_at=None).is_default is False
