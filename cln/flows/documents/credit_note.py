"""A credit note on paper: what is given back of which invoice, why, and where it went (P10)."""

from cln.accounts.models import Account
from cln.billing import papers
from cln.billing.papers import CreditNoteRow
from cln.domain.lines import long_date
from cln.domain.money import money_text
from cln.enums import AccountKind, AttemptState
from cln.flows.documents.words import amount, columns, party, tax_notes
from cln.paper.sheet import Block, Column, Note, Row, Sheet, Sum, Sums, Table
from cln.payments.settled import given_back_of


def credit_note_sheet(*, account_id: int, public_id: str) -> Sheet:
    """One credit note of the account. Refusals: `unknown_credit_note`."""
    row = papers.credit_note_details(account_id=account_id, public_id=public_id)
    account = Account.objects.get(pk=account_id)
    parties = papers.parties_of(account_id=account_id, public_id=row.invoice_public_id)
    blocks: list[Block] = [_lines(row), _sums(row)]
    if row.reason:
        blocks.append(Note(f"Reason: {row.reason}"))
    blocks += tax_notes(row.tax_note)
    blocks.append(_where_it_went(account, row))
    return Sheet(
        title="Credit note",
        number=row.number,
        mark=None,
        facts=(
            ("Issued", long_date(row.issued_at.date())),
            ("For invoice", row.invoice),
            ("Invoiced", long_date(row.invoice_issued_on)),
            ("Currency", row.currency),
        ),
        seller=party("From", parties.seller),
        customer=party("Credited to", parties.customer, account=account.public_id),
        blocks=tuple(blocks),
        made_at=row.issued_at,
    )


def _lines(row: CreditNoteRow) -> Table:
    return Table(
        columns=columns("Given back", "Invoiced", "Credited"),
        rows=tuple(
            Row((one.title, amount(one.line_cents), amount(one.credited_cents)))
            for one in row.lines
            if not one.is_tax
        ),
    )


def _sums(row: CreditNoteRow) -> Sums:
    total = Sum("Total credited", money_text(row.total_cents, row.currency), is_total=True)
    taxes = [
        Sum(
            one.title,
            money_text(one.credited_cents, row.currency),
            f"of {money_text(one.line_cents, row.currency)} invoiced",
        )
        for one in row.lines
        if one.is_tax
    ]
    net = [Sum("Net", money_text(row.net_cents, row.currency))] if taxes else []
    return Sums((*net, *taxes, total))


def _where_it_went(account: Account, row: CreditNoteRow) -> Table:
    """To payment methods, and the rest to the balance; what failed at a gateway is balance too."""
    given = given_back_of(account_id=account.pk, credit_note=row.public_id)
    rows = [
        Row(
            (one.label, long_date(one.on), amount(one.cents)),
            "" if one.state == AttemptState.SUCCEEDED else "on its way",
        )
        for one in given
    ]
    rest = row.total_cents - sum(one.cents for one in given)
    if rest:
        name = "Deposit" if account.kind == AccountKind.RESELLER else "Account credit"
        rows.append(Row((name, long_date(row.issued_at.date()), amount(rest))))
    return Table(
        title="Where it went",
        columns=(Column("To"), Column("On"), Column("Amount", is_figure=True)),
        rows=tuple(rows),
    )
