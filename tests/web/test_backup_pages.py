"""Pages of backups: the list and its actions, the end of the product, new ones where offered."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from cln.accounts.models import Account
from cln.backups.models import Backup, SandboxBackup
from cln.enums import Role
from cln.licensing.models import Server
from cln.licensing.services import remove_server
from tests.backups import a_backup
from tests.customers import START
from tests.licensing import bought, registered
from tests.reselling import registers
from tests.visitors import a_login, a_visitor, signed_in, text_of

pytestmark = pytest.mark.django_db

PAGE = "/console/backups"


def a_server(account: Account, name: str = "web1", address: str = "192.0.2.10") -> Server:
    return registered(bought(account, "imunify360_30", 5), name, address, now=START).server


@pytest.fixture
def acme() -> tuple[Account, Client, Backup]:
    account, client = a_visitor()
    return account, client, a_backup(account.pk, a_server(account).public_id, now=START)


def test_an_account_without_backups_reads_that_they_are_retired_and_is_not_led_there() -> None:
    account, client = a_visitor()
    server = a_server(account)

    shown = text_of(client.get(PAGE))

    assert "CloudLinux Backup is retired" in shown
    assert "ended on 1 October 2023" in shown
    assert PAGE not in client.get("/console/dashboard").content.decode()
    details = client.get(f"/console/servers/{server.public_id}")
    assert "Create a backup" not in text_of(details)
    assert client.get(f"/console/servers/{server.public_id}/backup").status_code == 409
    assert not Backup.objects.exists()


def test_the_list_shows_server_region_and_gigabytes_and_leads_to_each_action(
    acme: tuple[Account, Client, Backup],
) -> None:
    _, client, backup = acme
    own = f"{PAGE}/{backup.public_id}"
    assert PAGE in client.get("/console/dashboard").content.decode()

    shown = text_of(client.get(PAGE))
    assert "web1 192.0.2.10 EU1 Strasbourg, France 0 50 Manage web1 Resize web1" in shown
    assert "Relink" not in shown
    assert client.post(f"{own}/resize", {"delta": "10"}).status_code == 303
    managed = client.get(own)
    assert "0 of 50 GB" not in text_of(managed)
    url = f"/sandbox/backups/{backup.public_id}"
    assert f'href="{url}" target="_blank" rel="noopener"' in managed.content.decode()
    assert "60 GB" in text_of(client.get(url))
    assert client.get("/sandbox/backups/bkp_none").status_code == 404

    assert "cannot be restored after deactivation" in text_of(client.get(f"{own}/remove"))
    client.post(f"{own}/remove")
    assert "retired" in text_of(client.get(PAGE))
    assert not SandboxBackup.objects.exists()


@pytest.mark.parametrize("delta", ["-50", "99999", "", "ten"])
def test_a_size_that_cannot_be_is_told_beside_its_field(
    acme: tuple[Account, Client, Backup], delta: str
) -> None:
    _, client, backup = acme

    answer = client.post(f"{PAGE}/{backup.public_id}/resize", {"delta": delta})

    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert Backup.objects.get().size_gb == 50


def test_a_backup_whose_server_is_gone_is_given_to_another_one(
    acme: tuple[Account, Client, Backup],
) -> None:
    account, client, backup = acme
    other = a_server(account, "web2", "192.0.2.11")
    relink = f"{PAGE}/{backup.public_id}/relink"
    remove_server(
        account_id=account.pk, server=backup.server.public_id, actor="ann", why="test", now=START
    )
    assert "not registered any more" in text_of(client.get(PAGE))

    for wrong in ("web1", "192.0.2.10", "", "srv_nobody"):
        assert client.post(relink, {"server": wrong}).status_code == 422
        assert Backup.objects.get().server_id == backup.server_id
    assert client.post(relink, {"server": "192.0.2.11"}).status_code == 303

    assert Backup.objects.get().server_id == other.pk
    assert "web2 192.0.2.11 EU1" in text_of(client.get(PAGE))
    named = f'<span title="{backup.public_id}">backup of web2</span>'
    assert named in client.get("/console/profile/audit").content.decode()


def test_a_reseller_whose_operator_offers_backups_makes_one_on_a_servers_page(
    settings: Settings,
) -> None:
    account, _ = a_visitor()
    settings.CLN_BACKUP_CREATION = True
    account = Account.objects.get(pk=registers("zenith", now=START).account_id)
    client = signed_in(a_login(account, Role.FULL, name="zoe"))
    server = a_server(account)
    new = f"/console/servers/{server.public_id}/backup"
    assert "Create a backup" in text_of(client.get(f"/console/servers/{server.public_id}"))
    assert "No backup yet" in text_of(client.get(PAGE))
    form = client.get(new)
    assert "EU1 | Strasbourg, France" in text_of(form)
    assert 'value="10"' in form.content.decode()

    assert client.post(new, {"size": "0", "data_center": "EU1"}).status_code == 422
    assert client.post(new, {"size": "20", "data_center": "EU1"}).status_code == 303
    again = client.post(new, {"size": "20", "data_center": "EU1"})

    assert (again.status_code, "has a backup already" in text_of(again)) == (422, True)
    assert [*Backup.objects.values_list("size_gb", "account")] == [(20, account.pk)]
    assert SandboxBackup.objects.get().size_gb == 20


@pytest.mark.parametrize(
    ("role", "may_change", "may_relink"),
    [
        (Role.BILLING, False, False),
        (Role.SERVERS_AND_LICENSES, True, True),
        (Role.SERVERS, False, True),
        (Role.READ_SERVERS, False, False),
    ],
)
def test_changing_room_needs_the_right_to_order_and_relinking_the_right_to_change_servers(
    acme: tuple[Account, Client, Backup], role: Role, may_change: bool, may_relink: bool
) -> None:
    account, _, backup = acme
    client = signed_in(a_login(account, role))

    seen = text_of(client.get(PAGE))
    assert ("Deactivate" in seen, "Manage web1" in seen) == (may_change, True)
    for action, allowed in (
        ("resize", may_change),
        ("remove", may_change),
        ("relink", may_relink),
    ):
        answer = client.get(f"{PAGE}/{backup.public_id}/{action}")
        assert answer.status_code == (200 if allowed else 403), action
