"""Systems Not Checking In: who is told, once, and who is not."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from cln.accounts.models import Account
from cln.catalog.models import Product
from cln.domain.silence import Standing
from cln.flows import alerts
from cln.licensing import groups, queries, silent_servers, watch, watch_rules
from cln.licensing.models import CheckInTally, Outage, Server, Watch
from cln.licensing.services import Hints, Registration, Report, check_in, register_server, reveal
from cln.notifications.models import Message, ReportSubscription
from cln.notifications.queries import written
from tests.at_once import at_once
from tests.licensing import ADDRESS, NOW, an_account, bought, refusal_of, registered

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
SILENT = NOW + 25 * HOUR
NOT_CHECKING_IN, AGAIN = "systems_not_checking_in", "systems_checking_in_again"


def an_owner(company: str = "Acme") -> Account:
    account = an_account(company)
    account.billing_email = f"{company.lower()}@example.com"
    account.save()
    return account


def servers(account: Account, *names: str, license_type: str = "cloudlinux") -> list[Registration]:
    key = bought(account, license_type, len(names))
    return [registered(key, name, f"192.0.2.{at}") for at, name in enumerate(names, 1)]


def heard(server: Registration, at: datetime) -> None:
    check_in(secret=server.secret, address=ADDRESS, report=Report(), now=at)


def mails(*templates: str) -> list[str]:
    """To whom which mails went, in order."""
    rows = Message.objects.filter(template__in=templates or (NOT_CHECKING_IN, AGAIN)).order_by("pk")
    return [f"{row.to}: {row.template}" for row in rows]


def test_a_silent_server_is_told_once_with_cause_and_command() -> None:
    acme = an_owner()
    web, db = servers(acme, "web1", "db1")
    heard(web, NOW + HOUR)
    heard(db, NOW + 20 * HOUR)

    alerts.scan(now=SILENT)
    assert mails() == []
    alerts.scan(now=SILENT + HOUR)
    alerts.scan(now=SILENT + 2 * HOUR)

    assert mails() == ["acme@example.com: systems_not_checking_in"]
    mail = Message.objects.get(template=NOT_CHECKING_IN)
    server = web.server.public_id
    assert written(mail)[0] == "CloudLinux Network Status Report: Systems Not Checking In"
    assert written(mail)[1].startswith(
        "Systems Not Checking In:\n"
        "-------------------------\n"
        "The following systems recently stopped checking in with CloudLinux Network:\n\n"
        "System Id System Name Last Checkin\n"
        f"{server} web1 2026-03-10 13:00:00.0\n"
    )
    assert "- web1 (192.0.2.10): switched off, or its agent cannot reach us." in written(mail)[1]
    assert "    cln-agent check-in\n" in written(mail)[1]


def test_one_digest_names_all_servers_of_an_account_and_only_its_own() -> None:
    acme, zenith = an_owner("Acme"), an_owner("Zenith")
    servers(acme, "web2", "web1")
    servers(zenith, "app1")

    alerts.scan(now=SILENT)

    assert mails() == [
        "acme@example.com: systems_not_checking_in",
        "zenith@example.com: systems_not_checking_in",
    ]
    body = written(Message.objects.get(account=acme, template=NOT_CHECKING_IN))[1]
    assert body.index("web1 never") < body.index("web2 never")
    assert "app1" not in body
    assert "registered, and never heard of since" in body


def test_a_server_that_comes_back_is_told_and_watched_again() -> None:
    [web] = servers(an_owner(), "web1")
    alerts.scan(now=SILENT)
    heard(web, SILENT + 3 * HOUR)

    alerts.scan(now=SILENT + 3 * HOUR)
    alerts.scan(now=SILENT + 4 * HOUR)
    alerts.scan(now=SILENT + 28 * HOUR)

    assert mails() == [
        f"acme@example.com: {one}" for one in (NOT_CHECKING_IN, AGAIN, NOT_CHECKING_IN)
    ]
    assert "web1 2026-03-11 16:00:00.0" in written(Message.objects.get(template=AGAIN))[1]


def test_a_server_that_registers_again_with_its_secret_is_back() -> None:
    acme = an_owner()
    key = bought(acme, "cloudlinux", 1)
    web = registered(key, "web1")
    alerts.scan(now=SILENT)

    register_server(
        key_text=reveal(key),
        address=ADDRESS,
        hints=Hints(hostname="web1", secret=web.secret),
        now=SILENT + 2 * HOUR,
    )
    alerts.scan(now=SILENT + 2 * HOUR)

    assert mails()[1:] == [f"acme@example.com: {AGAIN}"]
    assert Server.objects.get().alert_after == SILENT + 26 * HOUR


def test_who_stays_silent_is_reminded_after_a_week_and_a_month() -> None:
    servers(an_owner(), "web1")

    for day in range(2, 60):
        alerts.scan(now=NOW + timedelta(days=day))

    told = Message.objects.filter(template=NOT_CHECKING_IN).values_list("created_at", flat=True)
    assert [(at - NOW).days for at in told.order_by("pk")] == [2, 9, 39]


def test_servers_that_fall_silent_within_an_hour_share_the_next_digest() -> None:
    acme = an_owner()
    web, db, app = servers(acme, "web1", "db1", "app1")
    for minutes, server in enumerate((web, db, app)):
        heard(server, NOW + timedelta(minutes=20 * minutes))

    for minutes in range(0, 180, 5):
        alerts.scan(now=SILENT + timedelta(minutes=minutes))

    sent = Message.objects.filter(template=NOT_CHECKING_IN).order_by("pk")
    assert [mail.created_at - SILENT for mail in sent] == [timedelta(), HOUR]
    assert "web1" not in written(sent[1])[1]
    assert "app1, db1" not in written(sent[0])[1]
    assert all(name in written(sent[1])[1] for name in ("db1 2026", "app1 2026"))


@pytest.mark.django_db(transaction=True)
def test_two_scanners_at_once_write_one_mail() -> None:
    acme = an_owner()
    servers(acme, "web1", "web2", "web3")

    at_once(*[lambda: alerts.tell(account_id=acme.pk, now=SILENT)] * 4)

    assert mails() == [f"acme@example.com: {NOT_CHECKING_IN}"]
    assert Server.objects.filter(alerts_sent=1, alerted_at=SILENT).count() == 3


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_cannot_be_written_leaves_the_server_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers(an_owner(), "web1")
    monkeypatch.setattr(alerts, "NAMED", None)  # any bug while the mail is written

    alerts.scan(now=SILENT)
    assert Server.objects.get().alerted_at is None
    monkeypatch.undo()
    alerts.scan(now=SILENT)

    assert len(mails()) == 1


# -- patience ------------------------------------------------------------------------------------


def test_each_server_has_its_own_period_and_its_groups_grace() -> None:
    acme = an_owner()
    web, db = servers(acme, "web1", "db1")
    groups.create_group(account_id=acme.pk, name="shops", actor="acme", now=NOW)
    groups.put_servers(account_id=acme.pk, name="shops", servers=[db.server], actor="acme", now=NOW)
    watch_rules.set_period(
        account_id=acme.pk, server=web.server.public_id, period=4 * HOUR, actor="acme", now=NOW
    )
    watch_rules.set_grace(account_id=acme.pk, group="shops", grace=3 * HOUR, actor="acme", now=NOW)

    fell = {}
    for hours in range(1, 30):
        alerts.scan(now=NOW + hours * HOUR)
        for row in Server.objects.filter(alerts_sent=1):
            fell.setdefault(row.hostname, hours)

    assert fell == {"web1": 5, "db1": 27}


def test_less_patience_counts_from_the_next_scan_on() -> None:
    acme = an_owner()
    [web] = servers(acme, "web1")
    alerts.scan(now=NOW + 10 * HOUR)

    watch_rules.set_period(
        account_id=acme.pk,
        server=web.server.public_id,
        period=2 * HOUR,
        actor="acme",
        now=NOW + 10 * HOUR,
    )
    alerts.scan(now=NOW + 10 * HOUR)

    assert len(mails()) == 1


def test_a_group_under_maintenance_is_told_after_it_and_its_grace() -> None:
    acme = an_owner()
    web, _ = servers(acme, "web1", "db1")
    groups.create_group(account_id=acme.pk, name="shops", actor="acme", now=NOW)
    groups.put_servers(
        account_id=acme.pk, name="shops", servers=[web.server], actor="acme", now=NOW
    )
    window = watch_rules.add_window(
        account_id=acme.pk,
        group="shops",
        starts_at=NOW + 24 * HOUR,
        ends_at=NOW + 30 * HOUR,
        note="new disks",
        actor="acme",
        now=NOW,
    )

    alerts.scan(now=SILENT)
    assert [row.hostname for row in Server.objects.filter(alerts_sent=1)] == ["db1"]
    alerts.scan(now=NOW + 30.5 * HOUR)
    assert Server.objects.filter(alerts_sent=1).count() == 1
    alerts.scan(now=NOW + 31 * HOUR)

    assert Server.objects.filter(alerts_sent=1).count() == 2
    assert window.note == "new disks"


def test_a_maintenance_that_is_cancelled_excuses_nothing() -> None:
    acme = an_owner()
    [web] = servers(acme, "web1")
    groups.create_group(account_id=acme.pk, name="shops", actor="acme", now=NOW)
    groups.put_servers(
        account_id=acme.pk, name="shops", servers=[web.server], actor="acme", now=NOW
    )
    window = watch_rules.add_window(
        account_id=acme.pk,
        group="shops",
        starts_at=NOW,
        ends_at=NOW + 90 * HOUR,
        actor="acme",
        now=NOW,
    )
    alerts.scan(now=SILENT)
    assert mails() == []

    watch_rules.remove_window(
        account_id=acme.pk, group="shops", window=window.id, actor="acme", now=SILENT
    )
    alerts.scan(now=SILENT)

    assert len(mails()) == 1
    assert watch_rules.windows_of(account_id=acme.pk, group="shops", now=SILENT) == ()


def test_rules_that_make_no_sense_are_refused_and_change_nothing() -> None:
    acme, mallory = an_owner(), an_owner("Mallory")
    [web] = servers(acme, "web1")
    groups.create_group(account_id=acme.pk, name="shops", actor="acme", now=NOW)
    mine = {"account_id": acme.pk, "group": "shops", "actor": "acme", "now": NOW}
    server = web.server.public_id

    def codes_of_periods(*periods: timedelta) -> set[str]:
        return {
            refusal_of(
                watch_rules.set_period,
                account_id=acme.pk,
                server=server,
                period=period,
                actor="acme",
                now=NOW,
            ).code
            for period in periods
        }

    assert codes_of_periods(timedelta(), timedelta(minutes=14), timedelta(days=32)) == {
        "bad_period"
    }
    for grace in (timedelta(seconds=-1), timedelta(days=32)):
        assert refusal_of(watch_rules.set_grace, grace=grace, **mine).code == "bad_period"
    for begins, ends in ((1, 1), (2, 1), (-3, -1), (0, 24 * 32)):
        times = {"starts_at": NOW + begins * HOUR, "ends_at": NOW + ends * HOUR}
        assert refusal_of(watch_rules.add_window, **times, **mine).code == "bad_window"
    assert refusal_of(watch_rules.remove_window, window=1, **mine).code == "bad_window"
    foreign = {**mine, "account_id": mallory.pk}
    assert refusal_of(watch_rules.set_grace, grace=HOUR, **foreign).code == "unknown_group"
    row = Server.objects.get()
    assert (row.period, row.alert_after) == (None, NOW + 24 * HOUR)
    assert groups.get_group(account_id=acme.pk, name="shops").grace is None


# -- whom ----------------------------------------------------------------------------------------


def test_reports_of_a_product_go_to_its_readers_or_to_nobody() -> None:
    acme = an_owner()
    servers(acme, "web1")
    servers(acme, "host1", license_type="kernelcare")
    servers(acme, "mail1", license_type="imunify360_30")
    for code, active, emails in (
        ("cloudlinux", True, ["ops@acme.example", "noc@acme.example"]),
        ("kernelcare", False, []),
    ):
        ReportSubscription.objects.create(
            account=acme, product=Product.objects.get(code=code), active=active, emails=emails
        )

    alerts.scan(now=SILENT)
    alerts.scan(now=SILENT + 200 * HOUR)

    first, second = mails()[:3], mails()[3:]
    assert sorted(first) == [
        f"acme@example.com: {NOT_CHECKING_IN}",
        f"noc@acme.example: {NOT_CHECKING_IN}",
        f"ops@acme.example: {NOT_CHECKING_IN}",
    ]
    assert sorted(second) == sorted(first)
    assert "host1" not in "".join(written(mail)[1] for mail in Message.objects.all())
    untold = Server.objects.get(hostname="host1")
    assert (untold.alerts_sent, untold.alerted_at) == (0, SILENT)


def test_a_command_fits_the_product() -> None:
    acme = an_owner()
    servers(acme, "host1", license_type="kernelcare")

    alerts.scan(now=SILENT)

    assert "    kcarectl --update\n" in written(Message.objects.get(template=NOT_CHECKING_IN))[1]


def test_lists_say_up_late_and_silent() -> None:
    acme = an_owner()
    servers(acme, "web1", "db1", "app1")
    for name, hours in (("web1", 20), ("db1", 24.5), ("app1", 30)):
        Server.objects.filter(hostname=name).update(last_check_in_at=SILENT - hours * HOUR)
    now = SILENT

    by_row = {row.hostname: row.standing_at(now) for row in queries.servers_of(acme.pk)}
    by_filter = {
        standing: [
            row.hostname
            for row in queries.servers_of(acme.pk, queries.ServerFilter(standing=standing, at=now))
        ]
        for standing in Standing
    }

    assert by_row == {"web1": Standing.UP, "db1": Standing.LATE, "app1": Standing.SILENT}
    assert by_filter == {
        Standing.UP: ["web1"],
        Standing.LATE: ["db1"],
        Standing.SILENT: ["app1"],
    }
    assert queries.count_silent(acme.pk, now=now) == 1
    alerts.scan(now=now)
    assert queries.count_silent(acme.pk, now=now) == 1


# -- ourselves -----------------------------------------------------------------------------------


def check_ins(count: int, *, until: datetime) -> None:
    CheckInTally.objects.create(at=until - timedelta(minutes=10), writer=1, count=count)


def test_a_drop_of_all_check_ins_holds_alerts_and_tells_the_operator_once(
    settings: Settings,
) -> None:
    settings.CLN_OPERATOR_EMAIL = "otto@example.com"
    servers(an_owner(), "web1")
    operators = ("alerts_held", "alerts_released")
    check_ins(1000, until=SILENT - 24 * HOUR)
    check_ins(700, until=SILENT)

    for minutes in range(0, 25, 5):
        alerts.scan(now=SILENT + timedelta(minutes=minutes))
    assert mails() == []
    assert mails(*operators) == ["otto@example.com: alerts_held"]
    held = written(Message.objects.get(template="alerts_held"))[1]
    assert "700 servers checked in, at the same time yesterday 1000" in held
    alerts.scan(now=SILENT + 2 * HOUR)

    assert mails(*operators)[1:] == ["otto@example.com: alerts_released"]
    assert mails() == [f"acme@example.com: {NOT_CHECKING_IN}"]
    assert Watch.objects.get(account=None).held_since is None


def test_a_small_drop_holds_nothing() -> None:
    servers(an_owner(), "web1")
    check_ins(1000, until=SILENT - 24 * HOUR)
    check_ins(701, until=SILENT)

    alerts.scan(now=SILENT)

    assert len(mails()) == 1


def test_check_ins_are_counted_in_the_transaction_that_takes_them() -> None:
    web, db = servers(an_owner(), "web1", "db1")
    for minutes in (0, 1, 5):
        heard(web, NOW + timedelta(minutes=minutes))
    heard(db, NOW)

    counts = dict(CheckInTally.objects.values_list("at", "count"))
    assert counts == {NOW: 3, NOW + timedelta(minutes=5): 1}
    assert watch.check_ins_compared(now=NOW + timedelta(minutes=36)) == (1, 0)


@pytest.mark.parametrize(
    ("away", "restarted", "outages"),
    [
        (60, False, 0),
        (89, False, 0),
        (91, False, 1),  # the scanner was away
        (60, True, 1),  # the database was, between two scans
    ],
)
def test_time_in_which_we_were_down_is_written_down(
    away: int, restarted: bool, outages: int
) -> None:
    first = NOW + timedelta(days=400)
    back = first + timedelta(seconds=away)
    up_since = back - timedelta(seconds=5) if restarted else NOW
    watch.note_presence(now=NOW, system_now=first, database_up_since=NOW)

    watch.note_presence(now=SILENT, system_now=back, database_up_since=up_since)

    found = [*Outage.objects.values_list("began_at", "ended_at")]
    assert found == [(SILENT - timedelta(seconds=away), SILENT)] * outages


def test_nobody_is_told_of_silence_while_we_were_down() -> None:
    """The server would have checked in during the outage; it gets its grace afterwards."""
    [web] = servers(an_owner(), "web1")
    watch.note_outage(began_at=SILENT - HOUR, ended_at=SILENT, why="CLN was down")

    alerts.scan(now=SILENT)
    assert Server.objects.get().alert_after == SILENT + HOUR
    heard(web, SILENT + timedelta(minutes=50))
    alerts.scan(now=SILENT + HOUR)

    assert mails() == []
    assert silent_servers.due_accounts(now=SILENT + HOUR) == []


def test_a_scan_asks_little_when_nothing_is_due(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    servers(an_owner(), "web1", "web2")
    alerts.scan(now=NOW)

    with django_assert_max_num_queries(12):
        alerts.scan(now=NOW + HOUR)
