"""The table of a reseller's server accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.urls import reverse

from cln.console.tables import Column, Empty, Query, Table
from cln.licensing.server_accounts import ServerAccountRow

SORTS: dict[str, Callable[[ServerAccountRow], object]] = {
    "login": lambda row: row.person.login.lower(),
    "company": lambda row: row.person.company.lower(),
    "used": lambda row: row.used,
}
COLUMNS: Sequence[Column[ServerAccountRow]] = (
    Column("login", "Login", lambda row: row.person.login),
    Column("name", "Name", lambda row: f"{row.person.first_name} {row.person.last_name}".strip()),
    Column("company", "Company", lambda row: row.person.company),
    Column("email", "E-mail", lambda row: row.person.email),
    Column("used", "Used / limit", lambda row: f"{row.used}/{row.limit or 'unlimited'}"),
    Column("tokens", "Tokens", lambda row: row.tokens),
    Column("", ""),
)


def server_account_table(
    rows: Sequence[ServerAccountRow], *, may_edit: bool
) -> Table[ServerAccountRow]:
    """All of them; a reseller has dozens, not thousands."""

    def found(query: Query) -> list[ServerAccountRow]:
        words = query.search.lower()
        hits = [row for row in rows if words in _text(row)]
        return sorted(hits, key=SORTS[query.sort], reverse=query.descending)  # type: ignore[arg-type]

    return Table(
        name="server-accounts",
        noun="server account",
        columns=COLUMNS,
        read=lambda query, limit, offset: found(query)[offset : offset + limit],
        count=lambda query: len(found(query)),
        row="reseller/server_account_row.html",
        row_id=lambda row: str(row.number),
        sorts=SORTS.keys(),
        sort="login",
        search="Login, name, company or e-mail",
        empty=Empty(
            "No server account yet",
            "A server account is a named part of your servers, with tokens and a limit of its own: "
            "one for each customer, say.",
            "rectangle-stack",
            "Add a server account" if may_edit else "",
            reverse("new_server_account") if may_edit else "",
        ),
    )


def _text(row: ServerAccountRow) -> str:
    person = row.person
    parts = (person.login, person.first_name, person.last_name, person.company, person.email)
    return " ".join(parts).lower()
