"""The table of every list: what the URL may ask for, and what comes back."""

from __future__ import annotations

import csv

import pytest
from django.http import QueryDict
from django.test import Client

from cln.console.csv_files import cell
from cln.console.tables import PAGE_MAX, Query
from cln.console.views.sandbox import NUMBERS
from cln.licensing.models import ActivationKey
from tests.customers import START, clock_at
from tests.licensing import registered
from tests.visitors import a_visitor, text_of, with_licenses

pytestmark = pytest.mark.django_db

DESIGN, SERVERS = "/sandbox/design", "/console/servers"


def asked(text: str) -> Query:
    return NUMBERS.asked(QueryDict(text))


def test_a_table_shows_its_first_page_and_how_many_there_are(client: Client) -> None:
    page = text_of(client.get(DESIGN))

    assert "1–50 of 214" in page
    assert "row number 50 " in page
    assert "row number 51 " not in page


def test_a_page_behind_the_end_is_the_last_page(client: Client) -> None:
    assert "201–214 of 214" in text_of(client.get(f"{DESIGN}?page=99"))


def test_search_filter_and_sort_work_together(client: Client) -> None:
    page = text_of(client.get(f"{DESIGN}?q=21&which=odd&sort=-number"))

    found = [word for word in ("213", "211", "121", "21") if f"row number {word} " in page]
    assert found == ["213", "211", "121", "21"]
    assert "1–4 of 4" in page
    assert page.index("row number 213") < page.index("row number 21 ")


@pytest.mark.parametrize(
    "text",
    ["sort=pk", "sort=account__id", "sort=--number", "which=odd'--", "page=0", "page=-1", "page=²"],
)
def test_what_is_on_no_allow_list_counts_as_not_asked(text: str) -> None:
    assert asked(text) == asked("")


def test_pages_and_searches_have_a_limit() -> None:
    assert asked(f"page={'9' * 400}").page == PAGE_MAX
    assert asked(f"q={'x' * 500}").search == "x" * 200
    assert asked("q=a%00b").search == "ab"


def test_htmx_gets_the_table_alone(client: Client) -> None:
    headers = {"HX-Request": "true", "HX-Target": "table-numbers"}

    body = client.get(f"{DESIGN}?page=2", headers=headers).content.decode()

    assert body.strip().startswith('<div class="panel table-frame" id="table-numbers">')
    assert "row number 51" in body


def test_a_heading_says_how_the_list_is_sorted_and_turns_it_round(client: Client) -> None:
    body = client.get(DESIGN).content.decode()

    assert 'aria-sort="ascending"' in body
    assert 'href="?sort=-number"' in body


def test_nothing_found_says_so_and_leads_back(client: Client) -> None:
    page = text_of(client.get(f"{DESIGN}?q=nothing"))

    assert "No number fits this search and these filters." in page
    assert "Show all" in page


def test_a_file_holds_every_row_of_the_view(client: Client) -> None:
    clock_at(START)

    answer = client.get(f"{DESIGN}?which=odd&format=csv")

    rows = list(csv.reader(answer.getvalue().decode().splitlines()))
    assert answer["Content-Disposition"] == 'attachment; filename="numbers-2026-01-31.csv"'
    assert rows[:2] == [["Number", "In words"], ["1", "row number 1"]]
    assert len(rows) == 1 + 107


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_begins_like_a_formula_is_none_in_a_file(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_numbers_instants_and_plain_texts_stay_what_they_are_in_a_file() -> None:
    cells = [cell(value) for value in (-5, START, None, True, "web-1")]

    assert cells == ["-5", "2026-01-31 09:00:00", "", "yes", "web-1"]


def test_a_selection_is_the_ticked_rows_or_all_that_match() -> None:
    ticked = NUMBERS.selection(QueryDict("id=3&id=5&view=which%3Dodd"))
    every = NUMBERS.selection(QueryDict("id=3&all=1&view=which%3Dodd%26sort%3Dpk"))
    none = NUMBERS.selection(QueryDict("view="))

    assert (ticked.ids, ticked.query) == (("3", "5"), None)
    assert (every.ids, every.query) == ((), asked("which=odd"))
    assert not none


def test_the_servers_are_sorted_by_what_the_url_names() -> None:
    account, client = a_visitor()
    with_licenses(account, 3, "kernelcare")
    key = ActivationKey.objects.get()
    for name in ("beta", "alpha", "gamma"):
        registered(key, name, now=START)

    orders = {
        sort: [row[0] for row in csv.reader(rows.splitlines())][1:]
        for sort in ("name", "-name", "registered", "-registered", "hostname")
        if (rows := client.get(f"{SERVERS}?sort={sort}&format=csv").getvalue().decode())
    }

    assert orders == {
        "name": ["alpha", "beta", "gamma"],
        "-name": ["gamma", "beta", "alpha"],
        "registered": ["beta", "alpha", "gamma"],
        "-registered": ["gamma", "alpha", "beta"],
        "hostname": ["gamma", "alpha", "beta"],
    }
