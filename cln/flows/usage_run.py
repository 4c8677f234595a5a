"""The 1st of the month: what resellers used in the month before becomes invoices (R2, R8).

One invoice per license type, each with a statement per license, paid from the deposit at once
(R3). Months are billed one by one from the due column on, so a worker that was down catches up;
the database holds a license type to one invoice a month.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db import OperationalError, transaction
from django.db.models import OuterRef, Subquery
from django.db.models.functions import TruncDate

from cln.accounts.locks import lock_account
from cln.accounts.models import Account, DepositOrder
from cln.accounts.services import first_of_next_month
from cln.billing import issuing
from cln.billing.models import Invoice, QuantityChange, Subscription, UsageShare
from cln.catalog import queries as catalog
from cln.catalog.models import LicenseType
from cln.domain.calendar import Interval, Period
from cln.domain.invoicing import ChangeKind, InvoiceDraft
from cln.domain.lines import LineDraft
from cln.domain.pricing import PriceList, imunify_email_surcharge
from cln.domain.rules import Rules
from cln.domain.usage import Holding, UsageLine, UsageTotal, days_held, part_of, rate_usage
from cln.enums import AttemptState, InvoicePurpose, SubscriptionStatus
from cln.flows import deposit_notices
from cln.flows.billing_run import RunResult, park
from cln.flows.editions import EDITIONS
from cln.flows.issuing import Taxes
from cln.flows.settlement import settle_from_balance
from cln.licensing.holdings import Held, held_in

log = logging.getLogger(__name__)

NEVER = date.max
LEFT_BY = {
    ChangeKind.UPGRADE: EDITIONS["shared"],
    ChangeKind.DOWNGRADE: EDITIONS["pro"],
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a month of one license type comes to, and what people call its licenses; cents."""

    license_type: LicenseType
    line: UsageLine
    names: dict[str, str]
    draft: InvoiceDraft


def run_due(*, now: datetime, through: date | None = None) -> RunResult:
    """Bill every reseller that has a month due, in this process."""
    ids = due_accounts(through=through or now.date())
    return bill_accounts(account_ids=ids, now=now, through=through)


def due_accounts(*, through: date) -> list[int]:
    """The ids of the accounts that have a month to bill and are not parked."""
    due = Account.objects.filter(next_usage_on__lte=through, parked_at__isnull=True)
    return list(due.order_by("id").values_list("id", flat=True))


def bill_accounts(
    *, account_ids: Sequence[int], now: datetime, through: date | None = None
) -> RunResult:
    """Bill these resellers, one transaction each; one that is up to date stays as it is.

    One that fails is parked with the reason, and the run goes on; one that another process holds
    for longer than the lock timeout stays due for the next run.
    """
    invoices = parked = 0
    for account_id in account_ids:
        try:
            with transaction.atomic(durable=True):
                account = lock_account(account_id)
                invoices += len(bring_current(account=account, now=now, through=through))
        except OperationalError as error:
            # Busy, not broken: nothing is wrong with the account.
            log.warning("usage of account %s is not billed now: %s", account_id, error)
        except Exception as error:
            # The one broad catch: a bug in one account's data must not stop everybody's billing.
            log.exception("billing the usage of account %s failed; it is parked", account_id)
            park(account_id=account_id, reason=repr(error), now=now)
            parked += 1
    return RunResult(len(account_ids), invoices, parked)


def bring_current(*, account: Account, now: datetime, through: date | None = None) -> list[Invoice]:
    """Joins: bill every month that is due of a locked account, oldest first (M5).

    Refusals: `price_unknown` where a license type that was held has no price.
    """
    rules, taxes = catalog.rules(), Taxes()
    issued: list[Invoice] = []
    while account.next_usage_on is not None and account.next_usage_on <= (through or now.date()):
        usages = usage_of(account, month_before(account.next_usage_on), rules=rules)
        issued += [_issue(account, usage, taxes=taxes, now=now) for usage in usages]
        account.next_usage_on = first_of_next_month(account.next_usage_on)
        account.save(update_fields=["next_usage_on"])
    if issued:
        settle_from_balance(account=account, now=now)
        for invoice in issued:
            deposit_notices.usage_invoice_issued(account=account, invoice=invoice, now=now)
    return issued


def usage_of(
    account: Account, month: Period, *, rules: Rules, until: date = NEVER
) -> tuple[Usage, ...]:
    """What a month costs, as things stand: the very same for the invoice and before it (Q12).

    `until` counts what is held now as given back on that day.
    """
    held = held_in(account_id=account.pk, month=month, prepaid=prepaid(account))
    types = LicenseType.objects.in_bulk([one.license_type_id for one in held])
    found = (
        _rated(account, types[one.license_type_id], _given_back(one, until), month, rules)
        for one in held
    )
    return tuple(one for one in found if one is not None)


def _given_back(held: Held, until: date) -> Held:
    """The same holdings, each over on that day at the latest."""

    def ended(holdings: Iterable[Holding]) -> tuple[Holding, ...]:
        return tuple(
            replace(one, held_until=min(one.held_until or until, until)) for one in holdings
        )

    if until == NEVER:
        return held
    return replace(held, holdings=ended(held.holdings), emailing=ended(held.emailing))


def dry_run(*, on: date) -> list[tuple[Account, InvoiceDraft]]:
    """What `run_due` would issue on a day, without issuing, account by account."""
    rules, found = catalog.rules(), []
    for account in Account.objects.filter(next_usage_on__lte=on).order_by("id"):
        due_on = account.next_usage_on
        while due_on is not None and due_on <= on:
            usages = usage_of(account, month_before(due_on), rules=rules)
            found += [(account, usage.draft) for usage in usages]
            due_on = first_of_next_month(due_on)
    return found


def month_before(first: date) -> Period:
    """The month that is billed on a 1st."""
    last = date.fromordinal(first.toordinal() - 1)
    return Period(last.replace(day=1), first)


def _rated(
    account: Account, license_type: LicenseType, held: Held, month: Period, rules: Rules
) -> Usage | None:
    prices = price_lists(account, license_type)
    line = rate_usage(held.holdings, month, prices, rules.usage_rating)
    if line is None:
        return None
    days = Counter(days_held(held.emailing, month).values())
    addon = email_addon(line, days, rules=rules)
    draft = InvoiceDraft(
        on=month.end,
        period=month,
        lines=(line.draft(title=license_type.name), *([addon] if addon else [])),
        ends=False,
        quantity=0,
        unit_cents=line.unit_cents,
    )
    return Usage(license_type, line, dict(held.names), draft)


def email_addon(total: UsageTotal, days: Mapping[int, int], *, rules: Rules) -> LineDraft | None:
    """The line of Imunify Email for those licenses of a total that have it on the day of the bill,
    by the days they were held (S2); None where none has.
    """
    part = part_of(total, days, rules.usage_rating)
    surcharge = imunify_email_surcharge(servers=sum(days.values()))
    return part.addon(surcharge) if part and surcharge else None


def price_lists(account: Account, license_type: LicenseType) -> tuple[PriceList, ...]:
    """What a month of a license type costs the account."""
    return catalog.price_lists_for(
        license_type=license_type.code,
        interval=Interval.MONTH,
        currency=account.currency,
        account_id=account.pk,
    )


def _issue(account: Account, usage: Usage, *, taxes: Taxes, now: datetime) -> Invoice:
    demand = issuing.Demand(
        account=account,
        license_type=usage.license_type,
        subscription=None,
        draft=usage.draft,
        tax_lines=taxes.lines(account=account, draft=usage.draft),
        purpose=InvoicePurpose.USAGE,
        # The deposit pays it in this transaction: nothing to retry, to remind of, or to void.
        terms=issuing.Terms(due_on=now.date(), retry_at=None, remind_on=None, void_on=None),
        usage_month=usage.line.month.start,
        tax_note=taxes.note(account=account, draft=usage.draft),
    )
    [issued] = issuing.issue([demand], now=now)
    invoice = Invoice.objects.get(pk=issued.pk)
    UsageShare.objects.bulk_create(
        UsageShare(
            invoice=invoice,
            position=position,
            name=usage.names[share.subject][:300],
            days=share.days,
            quantity=Decimal(share.quantity.numerator) / Decimal(share.quantity.denominator),
            amount_cents=share.amount_cents,
        )
        for position, share in enumerate(usage.line.shares, start=1)
    )
    return invoice


def prepaid(account: Account) -> dict[int, date]:
    """Until which day a subscription of before the conversion pays for servers on keys (R1).

    The day of the conversion at least: a server that a late worker took from a customer only after
    its subscription had ended was no usage.
    """
    bought = Subscription.objects.filter(
        account=account, status__in=(SubscriptionStatus.ACTIVE, SubscriptionStatus.ENDED)
    ).annotate(since=_CONVERTED_ON)
    paid = [
        (row.license_type_id, max(row.ended_on or row.ends_on or NEVER, row.since or date.min))
        for row in bought
    ]
    until: dict[int, date] = {}
    for license_type_id, last in [*paid, *_left_editions(account)]:
        until[license_type_id] = max(last, until.get(license_type_id, last))
    return until


_CONVERTED_ON = Subquery(
    DepositOrder.objects.filter(account=OuterRef("account"), state=AttemptState.SUCCEEDED).values(
        day=TruncDate("finished_at", tzinfo=UTC)
    )[:1]
)


def _left_editions(account: Account) -> list[tuple[int, date]]:
    """Until which day a subscription paid for another edition than it has now (Q13)."""
    changed = QuantityChange.objects.filter(subscription__account=account, kind__in=LEFT_BY)
    days = list(changed.values_list("kind", "on"))
    if not days:
        return []
    left = dict(LicenseType.objects.filter(code__in=LEFT_BY.values()).values_list("code", "id"))
    return [(left[LEFT_BY[ChangeKind(kind)]], on) for kind, on in days]
