"""What rhnreg_ks, rhn_check and rhn-profile-sync call, over a real socket (rhn.md §2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from xmlrpc.client import Fault, ServerProxy, loads

import pytest
from pytest_django.live_server_helper import LiveServer

from cln.licensing.models import ActivationKey, Server, System, SystemAction
from cln.licensing.system_actions import schedule_action
from tests.licensing import NOW
from tests.rhn import PACKAGE, PATHS, STATUS, machine

pytestmark = pytest.mark.django_db(transaction=True)

DEVICES = [{"class": "CPU", "count": 2}, {"class": "NETINFO", "hostname": "web1"}]


@pytest.fixture
def connect(live_server: LiveServer) -> Iterator[Callable[..., Any]]:
    """Give Python's own client of a path, closed after the test."""
    with ExitStack() as opened:

        def client(path: str = PATHS[0]) -> Any:
            return opened.enter_context(ServerProxy(f"{live_server.url}{path}"))

        yield client


def rhnreg_ks(server: Any, key: ActivationKey) -> str:
    """What `rhnreg_ks --activationkey` calls, in its order."""
    assert server.registration.welcome_message()
    assert server.registration.welcome_message()
    systemid = server.registration.new_system(machine(key))
    assert server.registration.add_hw_profile(systemid, DEVICES) == 0
    assert server.registration.add_packages(systemid, [PACKAGE]) == 0
    return str(systemid)


def rhn_check(server: Any, systemid: str) -> list[str]:
    """What `rhn_check` calls; the actions it ran."""
    ran: list[str] = []
    action = server.queue.get(systemid, 2, STATUS)
    while action:
        assert server.up2date.login(systemid)["X-RHN-Server-Id"] > 0
        ran.append(str(loads(action["action"])[1]))
        assert server.registration.refresh_hw_profile(systemid, DEVICES[:1]) == 0
        assert server.queue.submit(systemid, action["id"], 0, "hardware list refreshed", {}) == 0
        action = server.queue.get(systemid, 2, STATUS)
    assert server.registration.welcome_message()
    return ran


@pytest.mark.parametrize("path", PATHS)
def test_a_machine_registers_checks_in_and_runs_an_action(
    connect: Callable[..., Any], key: ActivationKey, path: str
) -> None:
    server = connect(path)
    systemid = rhnreg_ks(server, key)
    row = Server.objects.get()

    assert rhn_check(server, systemid) == []
    schedule_action(
        account_id=row.account_id,
        server=row.public_id,
        method="hardware.refresh_list",
        actor="acme",
        now=NOW,
    )
    assert rhn_check(server, systemid) == ["hardware.refresh_list"]

    row.refresh_from_db()
    assert (row.address, row.kernel) == ("127.0.0.1", STATUS["uname"][2])
    assert row.last_check_in_at is not None
    assert System.objects.get().hardware == DEVICES[:1]
    assert SystemAction.objects.get().status == 0


def test_a_profile_is_synchronised(connect: Callable[..., Any], key: ActivationKey) -> None:
    server = connect()
    systemid = rhnreg_ks(server, key)

    server.up2date.login(systemid)
    assert server.registration.update_packages(systemid, [PACKAGE, PACKAGE | {"name": "zsh"}]) == 0
    assert server.registration.refresh_hw_profile(systemid, []) == 0

    system = System.objects.get()
    assert [package["name"] for package in system.packages] == ["bash", "zsh"]
    assert system.hardware == []


def test_a_fault_is_a_fault_of_pythons_client(connect: Callable[..., Any]) -> None:
    with pytest.raises(Fault, match="Could not find token 'mistyped'") as raised:
        connect().registration.new_system(machine("mistyped"))

    assert raised.value.faultCode == -60


def test_a_registered_server_is_known_whatever_the_size_of_its_package_list(
    connect: Callable[..., Any], key: ActivationKey
) -> None:
    server = connect()
    systemid = rhnreg_ks(server, key)
    many = [PACKAGE | {"name": f"package-{n}", "installtime": n} for n in range(3_000)]

    assert server.registration.update_packages(systemid, many) == 0

    assert len(System.objects.get().packages) == 3_000
