"""A fleet that speaks three protocols, watched, grouped, moved and converted, over the wires."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

from django.test import Client

from cln.licensing import groups, watch_rules
from cln.licensing.models import ActivationKey, Server
from cln.licensing.sticky import set_sticky
from tests.cast import Customer
from tests.customers import clock_at
from tests.rhn import STATUS, call, machine
from tests.world import World, instant

SILENT, BACK = "systems_not_checking_in", "systems_checking_in_again"
WEB, DB, SHOP = "203.0.113.1", "203.0.113.2", "203.0.113.3"


class Fleet:
    """web1 speaks RHN, db1 KernelCare's protocol, shop1 runs our agent."""

    def __init__(self, world: World, owner: Customer) -> None:
        self.world, self.owner = world, owner
        keys = {name: owner.key(name) for name in ("CloudLinux OS", "KernelCare", "Imunify360-30")}
        clock_at(world.now)
        web = machine(str(keys["CloudLinux OS"]))
        self.systemid = call("registration.new_system", web, REMOTE_ADDR=WEB)
        done = self.kcare("register_server", f"key={keys['KernelCare']}&hostname=db1")
        self.server_id = done["server_id"]
        told = {"key": keys["Imunify360-30"], "hostname": "shop1"}
        self.secret = self.agent("register", told)[1]["secret"]

    def on(self, when: str) -> None:
        """Live until then, on every clock."""
        self.world.on(when)
        clock_at(self.world.now)

    def kcare(self, name: str, query: str) -> dict[str, str]:
        """A call of kcarectl: its lines."""
        answer = Client().get(f"/api/kcare/{name}.plain?{query}", REMOTE_ADDR=DB)
        lines = answer.content.decode().splitlines()
        assert lines[0] == "success:true"
        return dict(line.split(":", 1) for line in lines)

    def agent(
        self, name: str, told: dict[str, Any] | None = None, secret: str = "", at: str = SHOP
    ) -> tuple[int, dict[str, Any]]:
        """A call of cln-agent: status and object."""
        answer = Client().post(
            f"/api/v2/agent/{name}",
            json.dumps(told or {}),
            "application/json",
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
            REMOTE_ADDR=at,
        )
        return answer.status_code, answer.json()

    def checks_in(self, *names: str) -> None:
        """These machines say that they live, each in its own words."""
        if "web1" in names:
            assert call("queue.get", self.systemid, 2, STATUS, REMOTE_ADDR=WEB) == ""
        if "db1" in names:
            assert self.kcare("checkin", f"server_id={self.server_id}")["code"] == "0"
        if "shop1" in names:
            assert self.agent("check-in", secret=self.secret)[0] == 200

    def told(self) -> list[str]:
        """What its owner was told of it."""
        return [mail for mail in self.owner.mails if SILENT in mail or BACK in mail]


def a_fleet(world: World) -> Fleet:
    acme = world.on("2026-03-01T10:00").customer("acme")
    acme.buys("CloudLinux OS")
    acme.buys("KernelCare")
    acme.buys("Imunify360-30")
    fleet = Fleet(world, acme)
    fleet.checks_in("web1", "db1", "shop1")
    return fleet


def in_a_group(fleet: Fleet, hostname: str, name: str) -> None:
    whose = {"account_id": fleet.owner.account_id, "actor": "acme", "now": fleet.world.now}
    groups.create_group(name=name, **whose)
    groups.put_servers(name=name, servers=[Server.objects.get(hostname=hostname)], **whose)


def test_each_silent_machine_is_told_when_its_group_says_and_again_when_it_is_back(
    world: World,
) -> None:
    fleet = a_fleet(world)
    whose = {"account_id": fleet.owner.account_id, "actor": "acme", "now": world.now}
    in_a_group(fleet, "db1", "rack")
    in_a_group(fleet, "shop1", "moving")
    watch_rules.set_grace(group="rack", grace=timedelta(hours=6), **whose)
    night = {"starts_at": instant("2026-03-02T00:00"), "ends_at": instant("2026-03-02T20:00")}
    watch_rules.add_window(group="moving", **night, **whose)

    fleet.on("2026-03-02T10:59")
    assert fleet.told() == []
    fleet.on("2026-03-02T11:10")
    assert len(fleet.told()) == 1
    assert "web1 2026-03-01 10:0" in fleet.owner.mail(SILENT)
    assert "    /usr/sbin/rhn_check\n" in fleet.owner.mail(SILENT)
    assert "db1" not in fleet.owner.mail(SILENT)

    fleet.checks_in("web1")
    fleet.on("2026-03-02T12:30")
    assert [mail.split()[-1] for mail in fleet.told()] == [SILENT, BACK]
    assert "web1" in fleet.owner.mail(BACK)

    fleet.on("2026-03-02T16:10")
    assert "db1 2026-03-01 10:0" in fleet.owner.mail(SILENT)
    assert "shop1" not in fleet.owner.mail(SILENT)
    # Of its 25 hours 14 were over when the maintenance began; the other 11 follow it.
    fleet.on("2026-03-03T06:50")
    assert len(fleet.told()) == 3
    fleet.on("2026-03-03T07:10")
    assert "shop1 2026-03-01 10:0" in fleet.owner.mail(SILENT)
    assert [mail.split()[-1] for mail in fleet.told()] == [SILENT, BACK, SILENT, SILENT]


def test_a_machine_changes_its_band_and_its_hardware_and_keeps_its_one_license(
    world: World,
) -> None:
    fleet = a_fleet(world)
    fleet.owner.buys("Imunify360-250")
    set_sticky(
        account_id=fleet.owner.account_id,
        key=ActivationKey.objects.get(license_type__code="kernelcare").public_id,
        sticky_on=date(2026, 2, 14),
        actor="acme",
        now=world.now,
    )
    assert fleet.kcare("sticky_patch", f"server_id={fleet.server_id}")["prefix"] == "14022026"

    fleet.owner.converts("shop1", to="Imunify360-250")
    _, worth = fleet.agent("check-in", secret=fleet.secret)
    assert (worth["license_type"], worth["state"]) == ("imunify360_250", "active")

    _, code = fleet.agent("move", secret=fleet.secret)
    moving = {"code": code["code"], "hostname": "shop2"}
    status, moved = fleet.agent("move-here", moving, at="203.0.113.4")
    assert (status, moved["license_type"]) == (201, "imunify360_250")
    gone, _ = fleet.agent("check-in", secret=fleet.secret)
    assert gone == 410
    assert fleet.agent("check-in", secret=moved["secret"], at="203.0.113.4")[0] == 200
    assert fleet.owner.may_run("Imunify360-250") == (1, 1)
    assert fleet.owner.may_run("Imunify360-30") == (0, 1)
