"""A deposit makes a reseller, and nothing exists before it is paid (R1)."""

from __future__ import annotations

import pytest

from cln.accounts.models import Account, Agreement, AuditEntry, DepositOrder, Login
from cln.domain.autopay import AutopayMode, AutopayRule
from cln.enums import AccountKind
from cln.flows import reseller
from cln.flows.autopay import autopay_rule
from cln.flows.consequences import preview_running_out
from cln.flows.sign_up import sign_up
from cln.notifications.models import Message
from cln.notifications.queries import written
from cln.payments.gateways.sandbox import Script
from cln.payments.models import PaymentMethod, SandboxCharge, SandboxScript
from tests.cast import Customer
from tests.partners import PASSWORD, Reseller, applies, becomes
from tests.world import World


@pytest.fixture
def shop(world: World) -> World:
    """10 January 2026; KernelCare 10.00 a month."""
    world.otto.prices("KernelCare", {1: "10.00"})
    return world.on("2026-01-10T10:30:00Z")


def as_reseller(customer: Customer) -> Reseller:
    """The same account with what resellers can do."""
    found = Reseller(customer.world, customer.name, customer.account_id)
    found.secrets = customer.secrets
    return found


def existing() -> tuple[int, ...]:
    """Accounts, logins, agreements, methods, charges, mails."""
    kinds = (Account, Login, Agreement, PaymentMethod, SandboxCharge, Message)
    return tuple(kind.objects.count() for kind in kinds)


# -- registration ----------------------------------------------------------------------------------


def test_a_paid_deposit_opens_the_account_with_login_agreement_and_mail(shop: World) -> None:
    """R1: the whole deposit is taken at once; version, time and address of the agreement stay."""
    rule = AutopayRule(AutopayMode.ADD_FUNDS, 300_00)
    done = applies(shop, "zenith", "250.00", rule=rule, login="zenith")
    shop.nothing_more_is_due()

    assert (done.state, done.sentence) == ("succeeded", "Your deposit is paid. Welcome.")
    assert done.account_id is not None
    zenith = Reseller(shop, "zenith", done.account_id)
    assert (zenith.deposit, zenith.money_taken, zenith.status) == ("250.00", "250.00", "current")
    assert zenith.account.kind == AccountKind.RESELLER
    login = Login.objects.get(account=done.account_id)
    assert (login.username, login.email, login.is_primary) == (
        "zenith",
        "owner@zenith.example",
        True,
    )
    assert login.check_password(PASSWORD)
    agreement = Agreement.objects.get(account=done.account_id)
    assert (agreement.version, agreement.accepted_at, agreement.address) == (
        reseller.AGREEMENT_VERSION,
        shop.now,
        "192.0.2.77",
    )
    assert autopay_rule(account_id=done.account_id) == rule
    assert zenith.active_methods == ["card"]
    assert zenith.mails == ["2026-01-10 confirm_email", "2026-01-10 reseller_welcome"]
    assert "Your deposit of $250.00" in zenith.mail("reseller_welcome")
    assert "2026-02-01" in zenith.mail("reseller_welcome")


def test_the_order_keeps_nothing_of_the_person_once_it_is_over(shop: World) -> None:
    """R1: the account has it, or nobody needs it."""
    applies(shop, "zenith", "250.00")
    applies(shop, "nadir", "250.00", card="declines")

    rows = DepositOrder.objects.values_list("state", "email", "username", "password", "person")
    assert set(map(str, rows)) == {
        "('succeeded', '', '', '', {})",
        "('declined', '', '', '', {})",
    }


def test_nothing_exists_if_the_payment_fails(shop: World) -> None:
    """R1: no account, no login, no agreement, no method, no charge, no mail; try again."""
    before = existing()

    done = applies(shop, "zenith", "250.00", card="declines")

    assert (done.state, done.account_id, existing()) == ("declined", None, before)
    assert done.sentence == "There is not enough money on the card or the PayPal account."
    assert applies(shop, "zenith", "250.00").state == "succeeded"


def test_an_unknown_payment_waits_for_the_gateways_word_and_then_opens_the_account(
    shop: World,
) -> None:
    """R1, P3: charged, answer lost; meanwhile nobody else gets the e-mail or the login."""
    before = existing()
    done = applies(shop, "zenith", "250.00", card="times out, charged", login="zenith")
    assert (done.state, done.account_id) == ("unknown", None)
    assert existing()[:4] == before[:4]
    shop.nothing_more_is_due()
    with shop.refuses("email_taken"):
        applies(shop, "zenith", "250.00")
    with shop.refuses("email_taken"):
        sign_up(email="owner@zenith.example", password=PASSWORD, now=shop.now)

    shop.on("2026-01-10T10:40:00Z")

    account = Account.objects.get(company="Zenith")
    zenith = Reseller(shop, "zenith", account.pk)
    assert (zenith.deposit, zenith.tries) == ("250.00", ["01-10 10:30 250.00 succeeded"])
    assert "2026-01-10 reseller_welcome" in zenith.mails
    assert SandboxCharge.objects.count() == 1


def test_an_unknown_payment_that_never_was_leaves_nothing_but_a_mail(shop: World) -> None:
    """R1, P3."""
    before = existing()
    applies(shop, "zenith", "250.00", card="times out, not charged")

    shop.on("2026-01-10T10:40:00Z")

    assert existing() == (*before[:5], before[5] + 1)
    mail = Message.objects.get(template="deposit_order_declined")
    assert (mail.to, written(mail)[0]) == ("billing@zenith.example", "Your deposit was not paid")
    assert applies(shop, "zenith", "250.00").state == "succeeded"


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"deposit": "0.99"}, "bad_top_up"),
        ({"agreed": reseller.Acceptance(version="")}, "agreement_not_accepted"),
        ({"agreed": reseller.Acceptance(version="1999-01")}, "agreement_not_accepted"),
        ({"rule": AutopayRule(AutopayMode.ADD_FUNDS, 99_99)}, "bad_autopay_target"),
        ({"login": "x"}, "bad_login"),
    ],
)
def test_an_incomplete_application_is_refused_before_anything_is_charged(
    shop: World, how: dict[str, object], code: str
) -> None:
    """R1: steps one to four, each with its refusal."""
    with shop.refuses(code):
        applies(shop, "zenith", **{"deposit": "250.00", **how})  # type: ignore[arg-type]
    assert not DepositOrder.objects.exists()


# -- conversion ------------------------------------------------------------------------------------


def test_a_customer_becomes_a_reseller_by_the_same_steps(shop: World) -> None:
    """R1: the active method pays; default autopay is repay; the audit says who agreed."""
    acme = shop.customer("acme")

    done = becomes(acme)

    assert (done.state, done.account_id) == ("succeeded", acme.account_id)
    zenith = as_reseller(acme)
    assert (zenith.account.kind, zenith.deposit) == (AccountKind.RESELLER, "100.00")
    assert Agreement.objects.get(account=acme.account_id).version == reseller.AGREEMENT_VERSION
    assert autopay_rule(account_id=acme.account_id) == AutopayRule(AutopayMode.REPAY, 0)
    entry = AuditEntry.objects.get(account=acme.account_id, verb="became_reseller")
    assert (entry.actor, entry.address) == ("acme", "192.0.2.77")
    zenith.holds_ip("KernelCare", "203.0.113.1")
    shop.on("2026-02-01")
    assert zenith.invoices == ["2026-02-01 KernelCare 7.10 paid"]


def test_what_a_new_reseller_added_to_a_yearly_plan_is_still_swept_r1_q11(shop: World) -> None:
    """The subscription runs out in a year; what was added is not forgotten until then."""
    shop.otto.prices("KernelCare", {1: "365.00"}, yearly=True)
    shop.otto.sets(yearly_proration_sweep=True)
    acme = shop.on("2026-01-22").customer("acme")
    acme.buys("KernelCare", monthly=False)
    shop.on("2026-01-25")
    acme.adds_servers("KernelCare", 1)

    becomes(acme)

    shop.on("2026-02-22")
    assert as_reseller(acme).invoices[1:] == ["2026-02-22 KernelCare 362.00 paid"]


def test_a_customer_stays_one_if_the_deposit_is_declined(shop: World) -> None:
    """R1."""
    acme = shop.customer("acme")
    acme.card("declines")

    done = becomes(acme)

    assert done.state == "declined"
    assert (acme.account.kind, acme.credit, acme.charges) == (AccountKind.CUSTOMER, "0.00", [])
    assert not Agreement.objects.exists()


def test_two_conversions_at_once_are_one(shop: World) -> None:
    """R1, P3: the second waits for the fate of the first."""
    acme = shop.customer("acme")
    acme.card("times out, charged")
    becomes(acme)

    with shop.refuses("payment_in_progress"):
        becomes(acme)

    shop.on("2026-01-11")
    assert (acme.account.kind, acme.credit) == (AccountKind.RESELLER, "100.00")
    with shop.refuses("already_reseller"):
        becomes(acme)


def test_money_that_came_after_all_is_never_refused(shop: World) -> None:
    """R1: given up, then found taken: the account becomes a reseller's after all."""
    acme = shop.customer("acme")
    acme.card("times out, not charged")
    becomes(acme)
    shop.on("2026-01-11")
    order = DepositOrder.objects.get()
    assert (order.state, acme.account.kind) == ("abandoned", AccountKind.CUSTOMER)
    SandboxScript.objects.update(outcome=Script.OK)
    SandboxCharge.objects.create(
        reference=order.public_id, amount_cents=100_00, currency="USD", at=shop.now
    )

    outcome = reseller.gateway_named("sandbox").find_by_reference(order.public_id)
    for _ in range(2):
        reseller.settle_order(order_id=order.pk, outcome=outcome, now=shop.now)
    shop.nothing_more_is_due()

    assert (acme.account.kind, acme.credit) == (AccountKind.RESELLER, "100.00")


def test_open_invoices_and_no_payment_method_stand_in_the_way(shop: World) -> None:
    """R1: a debt is paid before; an order that lapses would come back to life."""
    acme, poor = shop.customer("acme"), shop.customer("poor", card=None)
    acme.card("declines")
    acme.buys("KernelCare", servers=1, monthly=True)

    with shop.refuses("invoices_open"):
        becomes(acme)
    with shop.refuses("no_payment_method"):
        becomes(poor)


def test_subscriptions_run_out_with_what_is_paid_and_servers_go_on_by_usage(shop: World) -> None:
    """R1, R8: paid until 10 March; from that day the server is counted; nothing twice."""
    acme = shop.customer("acme")
    acme.buys("KernelCare", servers=2, monthly=True)
    acme.registers("web1", "KernelCare", ip="198.51.100.7")
    shop.on("2026-02-20")
    becomes(acme)
    zenith = as_reseller(acme)
    with shop.refuses("paid_afterwards"):
        acme.resumes("KernelCare")

    shop.on("2026-04-01")

    assert zenith.invoices == [
        "2026-01-10 KernelCare 20.00 paid",
        "2026-02-10 KernelCare 20.00 paid",
        "2026-04-01 KernelCare 7.10 paid",
    ]
    assert zenith.statement == ["web1 (198.51.100.7) 22 7.10"]
    assert (zenith.server_status("web1"), zenith.checks_in("web1")) == ("active", "active")
    assert zenith.may_run("KernelCare") == (1, None)
    assert zenith.holds("KernelCare") == 0


def test_how_subscriptions_run_out_is_said_before_r1_q12(shop: World) -> None:
    """What was added is billed to the cent as it was shown, on the day that was shown."""
    acme = shop.customer("acme")
    acme.buys("KernelCare", servers=2, monthly=True)
    acme.buys("CloudLinux OS", servers=1, monthly=True)
    shop.on("2026-02-20")
    acme.adds_servers("KernelCare", 1)

    shown = preview_running_out(account_id=acme.account_id, now=shop.now)
    becomes(acme)
    shop.on("2026-03-10")

    assert [
        (one.name, one.quantity, str(one.ends_on), one.last and one.last.total_cents)
        for one in shown
    ] == [
        ("KernelCare", 3, "2026-03-10", 6_43),  # 18 of 28 days
        ("CloudLinux OS Shared", 1, "2026-03-10", None),
    ]
    assert acme.invoices[4:] == ["2026-03-10 KernelCare 6.43 paid"]
    assert (acme.holds("KernelCare"), acme.holds("CloudLinux OS")) == (0, 0)


def test_days_of_another_edition_that_a_subscription_paid_are_no_usage(shop: World) -> None:
    """R1, R8, Q13: paid until 10 March, as Shared and then as Pro; counted as Pro from that day."""
    shop.otto.prices("CloudLinux OS", {1: "14.00"})
    shop.otto.prices("CloudLinux OS Pro", {1: "31.00"})
    acme = shop.customer("acme")
    acme.buys("CloudLinux OS", servers=1, monthly=True)
    acme.registers("web1", "CloudLinux OS", ip="198.51.100.7")
    shop.on("2026-02-20")
    becomes(acme)
    zenith = as_reseller(acme)
    shop.on("2026-02-24")
    acme.changes_edition("pro")

    shop.on("2026-04-01")

    assert [line for line in zenith.all_lines if line.startswith("usage")] == [
        "usage 0.709677 × 31.00 2026-03-01..2026-04-01 22.00"
    ]


def test_a_subscription_that_runs_out_has_no_more_licenses_than_it_paid_until_it_is_ended(
    shop: World,
) -> None:
    """R1, R8, Q14: no server beside those paid for, so none goes free; once ended all count."""
    shop.otto.prices("Imunify360-1", {1: "12.00"})
    shop.otto.prices("Imunify360-30", {1: "25.00"})
    acme = shop.customer("acme")
    acme.buys("Imunify360-1", servers=2, monthly=True)
    acme.buys("Imunify360-30", servers=1, monthly=True)
    acme.registers("web1", "Imunify360-30", ip="198.51.100.7")
    acme.registers("web2", "Imunify360-1", ip="198.51.100.8")
    becomes(acme)
    zenith = as_reseller(acme)

    with shop.refuses("paid_afterwards"):
        acme.converts("web2", "Imunify360-30")
    assert (zenith.may_run("Imunify360-30"), zenith.may_run("Imunify360-1")) == (
        (1, 1),
        (1, 2),
    )

    acme.unsubscribes("Imunify360-30", now=True)
    acme.converts("web2", "Imunify360-30")
    shop.on("2026-02-01")
    assert zenith.invoices[-1] == "2026-02-01 Imunify360-30 35.48 paid"
    assert zenith.statement == ["web1 (198.51.100.7) 22 17.74", "web2 (198.51.100.8) 22 17.74"]


def test_what_a_late_worker_took_from_a_customer_is_no_usage_r1_m5(shop: World) -> None:
    """The subscription ended on 10 February, the worker took its server only on 5 March."""
    shop.otto.sets(usage_rating="full_month")
    acme = shop.customer("acme")
    acme.buys("KernelCare", servers=1, monthly=True)
    acme.registers("web1", "KernelCare", ip="198.51.100.7")
    shop.on("2026-01-20")
    acme.unsubscribes("KernelCare")
    shop.wakes_up_on("2026-03-05")
    assert acme.server_status("web1") == "removed"
    shop.on("2026-03-09")
    becomes(acme)

    shop.on("2026-04-01")

    assert as_reseller(acme).invoices == ["2026-01-10 KernelCare 10.00 paid"]


@pytest.mark.parametrize("before", [True, False], ids=["as a customer", "as a reseller"])
def test_a_subscription_without_licenses_ends_and_what_runs_is_counted(
    shop: World, *, before: bool
) -> None:
    """R1, R8, Q6: nobody runs servers for nothing beside a subscription that holds none."""
    shop.otto.prices("Imunify360-1", {1: "12.00"})
    shop.otto.prices("Imunify360-30", {1: "25.00"})
    acme = shop.customer("acme")
    acme.buys("Imunify360-1", servers=1, monthly=True)
    acme.buys("Imunify360-30", servers=1, monthly=True)
    acme.registers("web1", "Imunify360-1", ip="198.51.100.7")
    if before:
        acme.removes_unused("Imunify360-30")
        becomes(acme)
    else:
        becomes(acme)
        acme.removes_unused("Imunify360-30")
    zenith = as_reseller(acme)

    assert zenith.may_run("Imunify360-30") == (0, None)
    shop.on("2026-01-15")
    acme.converts("web1", "Imunify360-30", cancel_old=True)
    assert zenith.may_run("Imunify360-1") == (0, None)
    shop.on("2026-01-20")
    acme.converts("web1", "Imunify360-1")

    shop.on("2026-02-01")
    assert zenith.invoices[-2:] == [
        "2026-02-01 Imunify360-1 4.65 paid",  # 12 of 31 days
        "2026-02-01 Imunify360-30 4.03 paid",  # 5 of 31 days
    ]
