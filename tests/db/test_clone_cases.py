"""Copied servers: noticed, both at work for 72 hours, and decided by their owner (security §1)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from cln.accounts.models import Account, AuditEntry
from cln.domain.clones import Side
from cln.domain.errors import Refusal
from cln.flows.clones import ask_owners
from cln.licensing.agents import AgentAnswer, Presented, check_in_agent
from cln.licensing.clones import accept_clone, clone_cases_of, keep_one
from cln.licensing.models import CloneCase, Server
from cln.licensing.servers import Report
from cln.notifications.mails import write
from cln.notifications.models import Message
from tests.at_once import at_once
from tests.licensing import NOW, an_account, bought, refusal_of, registered, used

pytestmark = pytest.mark.django_db
OLD, NEW = "192.0.2.10", "192.0.2.11"


class Pair:
    """An original ("a…") and its copy ("b…") with one secret; boots are named by a letter."""

    def __init__(self, *, seats: int = 2) -> None:
        self.account: Account = an_account()
        self.account.billing_email = "acme@acme.example"
        self.account.save()
        done = registered(bought(self.account, "cloudlinux", seats), "web1", OLD)
        self.server, self.secret, self.hours = done.server, done.secret, 0

    @property
    def now(self) -> datetime:
        return NOW + timedelta(hours=self.hours)

    def checks_in(self, boot: str, *, after: int = 4, secret: str = "") -> AgentAnswer:
        self.hours += after
        return check_in_agent(
            secret=secret or self.secret,
            address=OLD if boot.startswith("a") else NEW,
            report=Report(),
            presented=Presented(boot=boot, fingerprint=f"print-{boot[0]}"),
            now=self.now,
        )

    def refused(self, boot: str) -> str:
        with pytest.raises(Refusal) as refusal:
            self.checks_in(boot)
        return refusal.value.code

    def is_found_out(self) -> CloneCase:
        for boot in ("a1", "b1", "a1"):
            self.checks_in(boot)
        return CloneCase.objects.get()


def test_a_machine_that_restarts_is_no_clone() -> None:
    pair = Pair()

    for boot in ("a1", "a2", "a2", "a3"):
        pair.checks_in(boot)

    assert not CloneCase.objects.exists()


def test_two_boots_that_take_turns_open_one_case_and_both_work() -> None:
    pair = Pair()

    case = pair.is_found_out()
    for boot in ("b1", "a1", "b2", "a2"):
        pair.checks_in(boot)

    assert CloneCase.objects.count() == 1
    case.refresh_from_db()
    assert (case.found_at, case.decide_by) == (
        NOW + timedelta(hours=12),
        NOW + timedelta(hours=84),
    )
    assert (case.established_boots, case.newcomer_boots) == (["a2", "a1"], ["b2", "b1"])
    assert (case.established_address, case.newcomer_address) == (OLD, NEW)
    [row] = clone_cases_of(pair.account.pk)
    assert (row.server_id, row.established_address, row.newcomer_address) == (
        pair.server.public_id,
        OLD,
        NEW,
    )


def test_without_an_answer_the_newer_machine_is_refused_after_72_hours() -> None:
    pair = Pair()
    pair.is_found_out()

    pair.checks_in("b1", after=72)

    assert pair.refused("b1") == "clone_refused"
    assert pair.refused("b2") == "clone_refused", "its hardware tells, after a restart"
    assert pair.checks_in("a9").lease.text
    assert len(clone_cases_of(pair.account.pk)) == 1, "the owner can still decide"


def test_the_owner_is_asked_once_by_mail() -> None:
    pair = Pair()
    pair.is_found_out()

    assert [ask_owners(now=pair.now) for _ in range(2)] == [1, 0]

    mail = Message.objects.get(template="clone_found")
    assert mail.to == "acme@acme.example"
    subject, body = write(mail.template, mail.context)
    assert subject == "Two machines use the registration of web1"
    assert f"older one, at {OLD}" in body
    assert f"newer one, at {NEW}" in body
    assert "14 March 2026, 00:00 UTC" in body


def test_an_accepted_copy_gets_a_seat_and_an_identity_of_its_own() -> None:
    pair = Pair()
    pair.is_found_out()

    done = accept_clone(
        account_id=pair.account.pk, server=pair.server.public_id, actor="acme", now=pair.now
    )

    assert used(pair.account, "cloudlinux") == (2, 2)
    assert (done.reinstalled, done.server.address) == (False, NEW)
    assert pair.checks_in("a1").handover is None
    handed = pair.checks_in("b1").handover
    assert handed is not None
    assert (handed.server_id, handed.secret) == (done.server.public_id, done.secret)
    again = pair.checks_in("b1").handover
    assert again == handed, "an answer may get lost"
    assert pair.checks_in("b1", secret=handed.secret).worth.public_id == done.server.public_id
    assert pair.refused("b1") == "clone_refused", "it has its own now"
    assert CloneCase.objects.get().cipher is None
    assert pair.checks_in("a1").lease.text
    assert clone_cases_of(pair.account.pk) == ()


def test_accepting_needs_a_free_seat_and_leaves_the_question_open() -> None:
    pair = Pair(seats=1)
    pair.is_found_out()

    refusal = refusal_of(
        accept_clone,
        account_id=pair.account.pk,
        server=pair.server.public_id,
        actor="acme",
        now=pair.now,
    )

    assert refusal.code == "pool_exhausted"
    assert used(pair.account, "cloudlinux") == (1, 1)
    assert len(clone_cases_of(pair.account.pk)) == 1
    assert not AuditEntry.objects.filter(verb="clone_decided").exists()


@pytest.mark.parametrize(
    ("keep", "stays", "goes"), [(Side.ESTABLISHED, "a", "b"), (Side.NEWCOMER, "b", "a")]
)
def test_the_machine_that_is_not_kept_is_refused_from_its_next_check_in(
    keep: Side, stays: str, goes: str
) -> None:
    pair = Pair()
    pair.is_found_out()

    keep_one(
        account_id=pair.account.pk,
        server=pair.server.public_id,
        keep=keep,
        actor="acme",
        now=pair.now,
    )

    assert pair.refused(f"{goes}1") == "clone_refused"
    for boot in (f"{stays}1", f"{stays}2", f"{stays}2"):
        assert pair.checks_in(boot).lease.text
    assert pair.refused(f"{goes}2") == "clone_refused"
    assert used(pair.account, "cloudlinux") == (1, 1)
    assert CloneCase.objects.count() == 1
    assert AuditEntry.objects.get(verb="clone_decided").details == {"decision": keep}


def test_a_refused_copy_does_not_keep_the_server_alive() -> None:
    pair = Pair()
    pair.is_found_out()
    keep_one(
        account_id=pair.account.pk,
        server=pair.server.public_id,
        keep=Side.ESTABLISHED,
        actor="acme",
        now=pair.now,
    )
    seen = Server.objects.get().last_check_in_at

    assert pair.refused("b1") == "clone_refused"

    assert Server.objects.get().last_check_in_at == seen


@pytest.mark.parametrize("whose", ["nobody", "mallory"])
def test_only_the_owner_decides_and_only_what_is_open(whose: str) -> None:
    pair = Pair()
    account = pair.account if whose == "nobody" else an_account("Mallory")
    if whose == "mallory":
        pair.is_found_out()
    arguments = {
        "account_id": account.pk,
        "server": pair.server.public_id,
        "actor": "x",
        "now": pair.now,
    }

    expected = "no_clone_case" if whose == "nobody" else "unknown_server"
    assert refusal_of(accept_clone, **arguments).code == expected
    assert refusal_of(keep_one, keep=Side.NEWCOMER, **arguments).code == expected
    assert clone_cases_of(account.pk) == ()


@pytest.mark.django_db(transaction=True)
def test_check_ins_at_once_open_one_case_and_deciding_twice_decides_once() -> None:
    pair = Pair()
    for boot in ("a1", "b1"):
        pair.checks_in(boot)

    at_once(*[lambda: pair.checks_in("a1", after=0)] * 4)
    assert CloneCase.objects.count() == 1
    outcomes = at_once(
        *[
            lambda: accept_clone(
                account_id=pair.account.pk,
                server=pair.server.public_id,
                actor="acme",
                now=pair.now,
            )
        ]
        * 3
    )

    refused = [one.code for one in outcomes if isinstance(one, Refusal)]
    assert refused == ["no_clone_case"] * 2
    assert used(pair.account, "cloudlinux") == (2, 2)
