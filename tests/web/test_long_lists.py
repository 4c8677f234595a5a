"""Long lists of IP licenses: progress, a result that stays, and a worker that dies on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from cln import clock
from cln.accounts.models import Account, AuditEntry
from cln.billing.services import post as post_to_ledger
from cln.domain import ledger
from cln.enums import Role
from cln.flows import long_lists, tasks
from cln.flows.ip_licenses import add_ip_license
from cln.licensing.address_list_models import AddressList, AddressListLine
from cln.licensing.long_lists import forget_lists
from cln.licensing.models import IpLicense
from tests.customers import START, clock_at
from tests.reselling import holds_ip, registers
from tests.shop import open_shop
from tests.visitors import a_login, signed_in, text_of

pytestmark = pytest.mark.django_db

PAGE = "/console/ip-licenses"
GOOD = [f"203.0.{113 + i // 100}.{i % 100 + 1}" for i in range(120)]
PASTED = "\n".join([*GOOD[:60], "10.0.0.1", GOOD[0], *GOOD[60:], "198.51.100.7", "198.51.100.8"])


@pytest.fixture
def zenith() -> tuple[Account, Client]:
    """A reseller who holds 198.51.100.7, while another holds 198.51.100.8."""
    clock_at(START)
    open_shop()
    account = Account.objects.get(pk=registers("zenith", now=START).account_id)
    holds_ip(account.pk, "198.51.100.7", now=START)
    holds_ip(registers("nadir", now=START).account_id, "198.51.100.8", now=START)
    return account, signed_in(a_login(account, Role.FULL, name="zoe"))


def pasted(client: Client, text: str = PASTED, **more: str) -> object:
    return client.post(
        f"{PAGE}/add", {"license_type": "kernelcare", "addresses": text, **more}, follow=True
    )


def held(account: Account) -> int:
    return IpLicense.objects.filter(account=account, removed_at=None).count()


@contextmanager
def refused_by_the_database(address: str) -> Iterator[None]:
    """As if the worker died there: what it did since its last commit is gone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'dies here'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER die BEFORE INSERT ON licensing_iplicense FOR EACH ROW "
            f"WHEN (NEW.address = '{address}') EXECUTE FUNCTION die()"
        )
        try:
            yield
        finally:
            cursor.execute("DROP FUNCTION die CASCADE")


def test_a_long_list_is_written_down_and_worked_off_with_progress_and_a_result(
    zenith: tuple[Account, Client],
) -> None:
    account, client = zenith
    dry = text_of(pasted(client))
    assert "120 of 124 can be added" in dry
    assert "is worked off step by step" in dry
    assert held(account) == 1

    begun = pasted(client, confirmed="1")

    assert "Adding IP licenses" in text_of(begun)
    assert "Addresses 4 of 124" in text_of(begun)  # known without any work
    body = begun.content.decode()  # type: ignore[attr-defined]
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in body
    assert 'hx-trigger="every 2s"' in body
    own = AddressList.objects.get()
    job = ProcrastinateJob.objects.get(task_name=long_lists.TASK)
    assert (job.args, held(account)) == ({"list_id": own.pk}, 1)

    tasks.work_address_list(**job.args)

    url = f"{PAGE}/lists/{own.public_id}"
    done = client.get(url)
    assert "120 added, 2 not" in text_of(done)
    assert "198.51.100.8 198.51.100.8 has a license of KernelCare already." in text_of(done)
    assert "hx-trigger" not in done.content.decode()
    assert "refresh" not in done.content.decode()
    assert held(account) == 121
    file = client.get(url, {"format": "csv"})
    rows = b"".join(file.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert rows[:2] == ["Address,Result,Reason", f"{GOOD[0]},done,"]
    assert rows[61:63] == [
        '10.0.0.1,refused,"The address 10.0.0.1 is private, not public."',
        f"{GOOD[0]},left_out,Listed twice.",
    ]
    assert rows[-2:] == [
        "198.51.100.7,left_out,You hold it already.",
        "198.51.100.8,refused,198.51.100.8 has a license of KernelCare already.",
    ]
    assert len(rows) == 125
    assert "Addition of 124" in text_of(client.get(f"{PAGE}/lists"))
    added = AuditEntry.objects.filter(verb="ip_license_added", actor="zoe", account=account)
    assert added.count() == 120


def test_a_worker_that_dies_in_the_middle_loses_nothing_and_repeats_nothing(
    zenith: tuple[Account, Client],
) -> None:
    account, client = zenith
    pasted(client, confirmed="1")
    own = AddressList.objects.get()

    with refused_by_the_database(GOOD[69]), pytest.raises(DatabaseError):
        long_lists.work_off(list_id=own.pk, now=clock.now())

    assert held(account) == 1 + 50  # whole steps only
    assert AddressListLine.objects.filter(result="done").count() == 50
    page = text_of(client.get(f"{PAGE}/lists/{own.public_id}"))
    assert "Addresses 54 of 124" in page

    tasks.work_address_lists(timestamp=0)
    tasks.work_address_list(list_id=own.pk)

    assert held(account) == 121
    own.refresh_from_db()
    assert (own.work_at, own.finished_at is not None) == (None, True)
    added = AuditEntry.objects.filter(verb="ip_license_added", actor="zoe", account=account)
    assert added.count() == 120


def test_below_the_floor_nothing_is_added_and_each_line_says_why(
    zenith: tuple[Account, Client],
) -> None:
    account, client = zenith
    pasted(client, confirmed="1")
    Account.objects.filter(pk=account.pk).update(floor_cents=0)
    post_to_ledger(
        account=account, transfers=ledger.refunded(cents=500_01), kind="refund", now=START
    )

    long_lists.work_due(now=clock.now())

    assert held(account) == 1
    page = text_of(client.get(f"{PAGE}/lists/{AddressList.objects.get().public_id}"))
    assert "0 added, 122 not" in page
    assert "Top up your deposit." in page


def test_many_licenses_are_given_back_step_by_step_and_none_that_was_not_named(
    zenith: tuple[Account, Client],
) -> None:
    account, client = zenith
    for address in GOOD:
        add_ip_license(
            account_id=account.pk, license_type="kernelcare", address=address, actor="a", now=START
        )
    dialog = client.post(f"{PAGE}/remove", {"all": "1", "view": "q=203.0"})
    assert "Remove 120 IP licenses?" in text_of(dialog)
    named = IpLicense.objects.filter(account=account, address__startswith="203.0")
    ids = " ".join(named.values_list("public_id", flat=True))
    holds_ip(account.pk, "203.0.120.1", now=START)  # after the dialog

    begun = client.post(f"{PAGE}/remove", {"ids": ids, "confirmed": "1"}, follow=True)
    assert "Removing IP licenses" in text_of(begun)
    long_lists.work_due(now=clock.now())

    left = IpLicense.objects.filter(account=account, removed_at=None).order_by("address")
    assert [*left.values_list("address", flat=True)] == ["198.51.100.7", "203.0.120.1"]
    own = AddressList.objects.get()
    assert "120 removed" in text_of(client.get(f"{PAGE}/lists/{own.public_id}"))


def test_a_list_belongs_to_its_account_and_is_forgotten_after_90_days(
    zenith: tuple[Account, Client],
) -> None:
    account, client = zenith
    pasted(client, confirmed="1")
    own = AddressList.objects.get()
    other = signed_in(a_login(Account.objects.get(company="Nadir"), name="ned"))
    for query in ({}, {"format": "csv"}):
        assert other.get(f"{PAGE}/lists/{own.public_id}", query).status_code == 404
    assert "No long list yet" in text_of(other.get(f"{PAGE}/lists"))

    assert forget_lists(now=START + timedelta(days=200)) == 0, "it is not finished"
    long_lists.work_due(now=clock.now())
    finished_at = AddressList.objects.get().finished_at
    assert finished_at is not None
    assert forget_lists(now=finished_at + timedelta(days=89)) == 0
    assert forget_lists(now=finished_at + timedelta(days=91)) == 125
    assert client.get(f"{PAGE}/lists/{own.public_id}").status_code == 404
    assert held(account) == 121


def test_5000_addresses_are_listed_and_shown_on_a_page_of_reasonable_size(
    zenith: tuple[Account, Client],
) -> None:
    text = "\n".join(
        ["10.0.0.9"] + [f"203.{i // 62_500}.{i // 250 % 250}.{i % 250 + 1}" for i in range(4_999)]
    )

    page = pasted(zenith[1], text)

    words = text_of(page)
    assert "4999 of 5000 can be added" in words
    assert "1 10.0.0.9 cannot be added" in words
    assert "4800 more are not shown" in words
    assert len(page.content) < 200_000  # type: ignore[attr-defined]
    assert "more than 5,000" in text_of(pasted(zenith[1], f"{text}\n203.0.113.250"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM licensing_addresslist")
        assert cursor.fetchone() == (0,)
