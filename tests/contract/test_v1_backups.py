"""REST v1, `/api/ab/*`: what is left of CloudLinux Backup (facts §7.11)."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from cln.accounts.models import AuditEntry
from cln.backups.models import Backup, SandboxBackup
from cln.licensing.models import Server
from tests.backups import a_backup
from tests.licensing import NOW, bought, registered
from tests.v1 import ApiClient, a_client

pytestmark = pytest.mark.django_db

FIELDS = ["serverId", "size", "backupId", "datacenter"]
RETIRED = (
    '{"success":false,"message":"CloudLinux Backup was retired on 2023-10-01.",'
    '"type":"product_retired","data":[]}'
)


@pytest.fixture
def acme() -> ApiClient:
    return a_client()


def a_server(client: ApiClient, name: str = "web1", license_type: str = "imunify360_30") -> Server:
    return registered(bought(client.account, license_type, 5), name, now=NOW).server


def test_an_account_with_a_backup_is_served_to_the_byte(acme: ApiClient) -> None:
    server = a_server(acme)
    backup = a_backup(acme.account.pk, server.public_id)

    assert acme.body("ab/list.json") == (
        '{"success":true,"message":"","type":null,"data":['
        f'{{"serverId":"{server.public_id}","size":50,"backupId":{backup.pk},"datacenter":"EU1"}}]}}'
    )
    for size, delta in ((60, "10"), (55, "-5")):
        (row,) = acme.data("ab/resize.json", backup_id=backup.pk, delta=delta)
        assert (list(row), row["size"]) == (FIELDS, size)
        assert SandboxBackup.objects.get().size_gb == size
    assert acme.body("ab/im/create.json", server_id=server.public_id, size="1") == RETIRED

    (row,) = acme.data("ab/remove.json", backup_id=backup.pk)
    assert [type(row[name]) for name in FIELDS] == [str, int, int, str]
    assert not SandboxBackup.objects.exists()
    assert acme.body("ab/list.json") == RETIRED
    verbs = AuditEntry.objects.filter(subject=backup.public_id).order_by("pk")
    assert [*verbs.values_list("verb", "actor")] == [
        ("backup_created", "test"),
        ("backup_resized", "acme"),
        ("backup_resized", "acme"),
        ("backup_removed", "acme"),
    ]


@pytest.mark.parametrize("delta", ["-50", "10000", "", "x", "1e3", "٣"])
def test_a_size_that_cannot_be_changes_nothing(acme: ApiClient, delta: str) -> None:
    backup = a_backup(acme.account.pk, a_server(acme).public_id)

    kind, data = acme.refused("ab/resize.json", backup_id=backup.pk, delta=delta)

    assert (kind in ("bad_backup_size", "bad_argument"), data) == (True, [])
    assert Backup.objects.get().size_gb == 50


def test_new_backups_are_made_where_the_operator_offers_them(
    acme: ApiClient, settings: Settings
) -> None:
    settings.CLN_BACKUP_CREATION = True
    server = a_server(acme)
    other = a_server(acme, "kc1", "kernelcare")
    wish = {"server_id": server.public_id, "size": "10", "datacenter": "EU1"}
    assert acme.data("ab/list.json") == []

    (row,) = acme.data("ab/im/create.json", **wish)

    backup = Backup.objects.get()
    assert row == {
        "serverId": server.public_id,
        "size": 10,
        "backupId": backup.pk,
        "datacenter": "EU1",
    }
    kept = SandboxBackup.objects.get()
    assert (kept.reference, kept.size_gb, kept.data_center) == (backup.public_id, 10, "EU1")
    for spoilt, code in (
        ({}, "backup_exists"),
        ({"datacenter": "MOON"}, "unknown_data_center"),
        ({"server_id": other.public_id}, "unknown_server"),  # Imunify360 alone
        ({"size": "0"}, "backup_exists"),
    ):
        assert acme.refused("ab/im/create.json", **(wish | spoilt)) == (code, [])
    assert Backup.objects.count() == SandboxBackup.objects.count() == 1


def test_a_backup_of_another_tenant_is_not_listed(acme: ApiClient) -> None:
    zenith = a_client("zenith")
    a_backup(zenith.account.pk, a_server(zenith).public_id)

    assert acme.body("ab/list.json") == RETIRED


def test_a_backup_whose_server_is_gone_says_so(acme: ApiClient) -> None:
    server = a_server(acme)
    a_backup(acme.account.pk, server.public_id)
    acme.data("im/srv/remove.json", id=server.public_id)

    (row,) = acme.data("ab/list.json")

    assert (row["serverId"], row["size"]) == ("", 50)


def test_a_provider_is_named_by_its_path_and_creation_needs_one(
    acme: ApiClient, settings: Settings
) -> None:
    settings.CLN_BACKUP_CREATION = True
    settings.CLN_BACKUP_PROVIDER = ""
    server = a_server(acme)

    refused = acme.refused("ab/im/create.json", server_id=server.public_id, size="10")
    assert refused == ("product_retired", [])

    settings.CLN_BACKUP_PROVIDER = "cln.backups.sandbox.SandboxProvider"
    wish = {"server_id": server.public_id, "size": "10", "datacenter": "US1"}
    assert acme.data("ab/im/create.json", **wish)[0]["datacenter"] == "US1"
