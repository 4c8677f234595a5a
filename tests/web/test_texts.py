"""The texts of the pages: all are marked, all are in one catalogue, and a translation shows."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.http import HttpResponse
from django.template import engines
from django.test import Client
from django.utils import translation
from django.utils.safestring import SafeString
from pytest_django import Settings

from cln.catalog.services import load_catalog
from cln.console import sentences
from cln.console.sentences import entries
from cln.enums import AccountKind
from cln.licensing.groups import create_group
from cln.licensing.models import ActivationKey
from cln.management.console_bench import pages_of
from cln.management.large_crowd import Size
from cln.management.one_large_account import make_large_account
from cln.management.texts import CATALOGUE, PACKAGE, catalogue
from tests.customers import START, clock_at
from tests.licensing import registered
from tests.visitors import a_visitor, text_of, with_licenses

# Names, and what is the same in every language.
SAME = {
    *("CLN", "CSV", "IP", "UTC", "PDF", "API", "URL", "ID", "OK", "HTTP", "REST", "XML", "RPC"),
    *(
        "RHN",
        "QR",
        "VAT",
        "GB",
        "JSON",
        "ELS",
        "NAT",
        "OS",
        "TOTP",
        "USD",
        "EUR",
        "WHMCS",
        "DDMMYY",
    ),
    *(
        "Extended",
        "Lifecycle",
        "Support",
        "Shared",
        "Pro",
        "Solo",
        "Admin",
        "Email",
        "Premium",
        "web1",
    ),
    *(
        "CloudLinux",
        "AccelerateWP",
        "CDN",
        "KernelCare",
        "Imunify",
        "Imunify360",
        "ImunifyAV",
        "PayPal",
        "Stripe",
        "Visa",
    ),
}
DJANGO = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
MARKED = re.compile(
    r"{% (blocktranslate|comment|verbatim)\b.*?%}.*?{% end\1 %}|"
    r"<(script|style|code|pre|kbd)\b.*?</\2>",
    re.DOTALL,
)
READ_ALOUD = re.compile(r'\b(?:aria-label|placeholder|title|alt|data-label)="([^"]*)"')


def unmarked(source: str) -> list[str]:
    """The words of a template that people would read untranslated."""
    rest = DJANGO.sub(" ", MARKED.sub(" ", source))
    texts = [re.sub(r"<[^>]*>", " ", rest), *READ_ALOUD.findall(rest)]
    words = re.findall(r"[A-Za-z][A-Za-z0-9]+", re.sub(r"&\w+;", " ", " ".join(texts)))
    return [word for word in words if word not in SAME]


def test_every_text_of_every_template_is_marked() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): words
        for path in PACKAGE.rglob("templates/**/*.html")
        if (words := unmarked(path.read_text(encoding="utf-8")))
    }

    assert found == {}
    assert unmarked('<p class="big">Two words <b>{{ here }}</b></p>') == ["Two", "words"]
    assert unmarked('<input placeholder="Address"><code>run it</code>') == ["Address"]


def test_the_catalogue_is_current() -> None:
    """`cln texts` writes it; its diff is the review."""
    assert CATALOGUE.read_text(encoding="utf-8") == catalogue()


def test_the_command_writes_the_catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cln.management.commands.texts.CATALOGUE", tmp_path / "new" / "django.po")

    call_command("texts", stdout=StringIO())

    assert (tmp_path / "new" / "django.po").read_text() == catalogue()


COUNTED = (
    "{% blocktranslate count counter=N with a=row.a %}{{ counter }} of {{ a }}"
    "{% plural %}{{ counter }} all{% endblocktranslate %}"
)


@pytest.mark.parametrize(
    "source",
    [
        "{% translate 'Twice <b> & 100%' %}",
        "{% translate name %} {% translate name|upper %} {% translate 'x' as kept %}[{{ kept }}]",
        "{% blocktranslate %}{{ name }} & <em>50 %</em> of {{ absent }}{% endblocktranslate %}",
        "{% blocktranslate trimmed with a=row.a|default:'none' b=safe %}\n {{ a }}\n  {{ b }}\n"
        "{% endblocktranslate %}",
        "{% blocktranslate asvar kept %}{{ name }}{% endblocktranslate %}[{{ kept }}]",
        *(COUNTED.replace("N", number) for number in ("one", "none", "many", "list|length")),
    ],
)
def test_our_tags_say_what_djangos_own_say(source: str) -> None:
    values = {"name": "<O'Neil> 5%", "safe": SafeString("<i>"), "row": {"a": "a & b"}}
    numbers = {"one": 1, "none": 0, "many": 5, "list": [1, 2]}
    engine = engines["django"]

    ours = engine.from_string(source).render(values | numbers)

    assert ours == engine.from_string("{% load i18n %}" + source).render(values | numbers)
    assert ours.strip()


# -- a language of our own: every letter wears an accent ------------------------------------------

PLAIN = "aceghijlnorstuwyzACEGHIJLNORSTUWYZ"
ACCENTED = "àćéĝĥíĵľñóŕśţúŵýžÀĆÉĜĤÍĴĽÑÓŔŚŢÚŴÝŽ"
KEPT = re.compile(r"%\(\w+\)[sd]|%%|<[^>]*>|&\w+;")


def accented(text: str) -> str:
    table = str.maketrans(PLAIN, ACCENTED)
    parts = KEPT.split(text)
    kept = [*KEPT.findall(text), ""]
    return "".join(part.translate(table) + keep for part, keep in zip(parts, kept, strict=True))


def compiled() -> bytes:
    """The accented catalogue as gettext's `msgfmt` would compile it."""
    head = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
    texts = {"": head}
    for one, many, _ in entries():
        forms = [one, many] if many else [one]
        texts["\0".join(forms)] = "\0".join(map(accented, forms))
    pairs = sorted((key.encode(), value.encode()) for key, value in texts.items())
    start = 28 + 16 * len(pairs)
    keys = b"".join(key + b"\0" for key, _ in pairs)
    values = b"".join(value + b"\0" for _, value in pairs)
    tables, at = [b"", b""], [start, start + len(keys)]
    for pair in pairs:
        for side in (0, 1):
            tables[side] += struct.pack("<II", len(pair[side]), at[side])
            at[side] += len(pair[side]) + 1
    head_bytes = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return head_bytes + tables[0] + tables[1] + keys + values


@pytest.fixture
def accents(settings: Settings, tmp_path: Path) -> Iterator[None]:
    """CLN in a language whose translation is complete."""
    folder = tmp_path / "eo" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.mo").write_bytes(compiled())
    settings.LOCALE_PATHS = [tmp_path]
    settings.USE_I18N, settings.LANGUAGE_CODE = True, "eo"
    loaders = engines["django"].engine.template_loaders  # type: ignore[attr-defined]
    loaders[0].reset()
    translation._trans.__dict__.clear()  # type: ignore[attr-defined]
    sentences.forget()
    yield
    translation._trans.__dict__.clear()  # type: ignore[attr-defined]
    sentences.forget()
    loaders[0].reset()


# -- what code composes is recognised where it is shown (ADR 139) ---------------------------------

COMPOSED = [entry for entry in entries() if entry.is_of_code and "%(" in entry.one]


def test_every_sentence_that_code_composes_is_recognised_with_what_is_filled_in(
    accents: None,
) -> None:
    """As a whole, and before another one, such as the fix of a refusal."""
    assert len(COMPOSED) > 250
    missed = []
    for entry in COMPOSED:
        names = dict.fromkeys(re.findall(r"%\((\w+)\)s", entry.one))
        values = {name: f"Bb{number}" for number, name in enumerate(names, start=2)}
        if "count" in values:
            values["count"] = "7"
        form = entry.many or entry.one
        right, text = accented(form) % values, form % values
        if sentences.said(text) != right:
            missed.append((text, sentences.said(text)))
        if text.endswith(".") and text[0].isupper():
            both = sentences.said(f"{text} Buy more.")
            if not both.startswith(right):
                missed.append((text, both))

    assert missed == []


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (
            "103 × $9.00 for the month 28 Feb – 31 Mar 2026 (price from 50 up)",
            "103 × $9.00 fóŕ ţĥé móñţĥ 28 Féb – 31 Màŕ 2026 (pŕíćé fŕóm 50 úp)",
        ),
        (
            "Added 3 on 10 Feb 2026: 3 × $3.95 × 18/28 days (10 Feb – 28 Feb)",
            "Àddéd 3 óñ 10 Féb 2026: 3 × $3.95 × 18/28 dàýś (10 Féb – 28 Féb)",
        ),
        ("1 server is in use, so 0 licenses are not enough.",
         "1 śéŕvéŕ íś íñ úśé, śó 0 ľíćéñśéś àŕé ñóţ éñóúĝĥ."),
        ("The group “Servers” is gone. Its servers stay.",
         "Ţĥé ĝŕóúp “Servers” íś ĝóñé. Íţś śéŕvéŕś śţàý."),
        ("web1.example.com", "web1.example.com"),
        ("Nothing that the catalogue has", "Nothing that the catalogue has"),
        ("100 %", "100 %"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_composed_text_is_said_with_names_and_figures_as_they_were(
    accents: None, text: str, right: str
) -> None:
    assert sentences.said(text) == right


def test_with_english_alone_nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "_said", lambda *_: pytest.fail("looked up"))

    assert sentences.said("Buy 3 licenses.") == "Buy 3 licenses."


# -- in another language a page says nothing in English, but for data ------------------------------

# Names of products and what they are made of, of people and places; words of protocols.
DATA = {
    *("Complete", "Customer", "Oracle", "Linux", "AlmaLinux", "Ubuntu", "CentOS", "Stream", "PHP"),
    *("Python", "Plus", "SLA", "Security", "Standard", "Updates", "for", "with"),
    *("single", "unlimited", "user", "users"),
    *("large", "Large", "Ltd", "Rack", "bench", "Test", "card", "Strasbourg", "France"),
    *("Example", "Software", "Sample", "Street", "Dublin", "http", "https", "ping"),
}
# Months of Django's own translation, whose Esperanto wears other accents.
MONTHS = {"januaro", "februaro", "marto", "aprilo", "junio", "julio", "gusto", "septembro"}
MONTHS |= {"oktobro", "novembro", "decembro"}
ASKED_AGAIN = {"Forgot", "your", "password"}  # allauth's own words, which it translates itself
# What is not translated yet, by the name of the page (docs/operator/translating.md).
LEFT: dict[str, set[str]] = {
    "server": {"key"},  # where a feature is inherited from
    # Names of details, and verbs without a sentence.
    "audit": {"account", "added", "backup", "center", "created", "data", "enabled"}
    | {"events", "group", "host", "interval", "key", "limit", "month", "note", "quantity"}
    | {"ranges", "server"},
    # What support is told, in the words of the mail.
    "submit_ticket": {"Account", "Address", "Browser", "Full", "Request", "Role", "State"}
    | {"access", "current", "customer", "reseller"},
    **dict.fromkeys(
        ("two_factor_on", "new_passkey", "new_api_token", "new_webhook", "webhook_secret"),
        ASKED_AGAIN,
    ),
    "api_secret": ASKED_AGAIN,
}


@pytest.mark.django_db
@pytest.mark.parametrize("kind", AccountKind)
def test_in_another_language_no_page_says_anything_in_english(
    accents: None, kind: AccountKind
) -> None:
    """All pages of an account that has one of everything, signed in."""
    clock_at(START)
    load_catalog()
    account = make_large_account(kind, Size(6, 6, 6), now=START)
    client = Client()
    client.force_login(account.logins.get())
    pages, _ = pages_of(account)

    english = {
        page.path: rest
        for page in pages
        if (rest := _english(client, page.path) - LEFT.get(page.name, set()))
    }

    assert len(pages) > 60
    assert english == {}


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["/", "/console/check-license", "/console/prices", "/status"])
def test_a_stranger_reads_nothing_in_english_either(accents: None, page: str) -> None:
    clock_at(START)
    load_catalog()

    assert _english(Client(), page) == set()


@pytest.mark.django_db
def test_refusals_and_toasts_are_told_in_the_other_language_too(accents: None) -> None:
    account, client = a_visitor()
    with_licenses(account, 3)
    key = ActivationKey.objects.get()
    registered(key, "web1", now=START)
    create_group(account_id=account.pk, name="Ab", actor="ab", now=START)

    registered(key, "web2", "192.0.2.2", now=START)

    told = [
        client.post(f"/console/keys/{key.public_id}/edit", {"limit": "1", "note": ""}),
        client.post("/console/groups", {"name": "Ab"}),
        client.post("/console/groups", {"name": "Cd"}, follow=True),
        client.post("/console/trial/cloudlinux"),
        client.get("/console/servers/srv_x"),
        client.get("/console/check-license?ip=10.1.2.3"),
        client.get("/console/cart/pay"),
    ]

    statuses = [answer.status_code for answer in told]
    assert statuses == [422, 422, 200, 409, 404, 422, 405]
    assert [_words(answer) for answer in told] == [set()] * len(told)


def _english(client: Client, path: str) -> set[str]:
    return _words(client.get(path, follow=True))


def _words(answer: HttpResponse) -> set[str]:
    """English words of a page that are no data."""
    body = re.sub(r"<(code|pre)\b.*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    # The end of a key or of a token may look like a word.
    body = re.sub(r"…\w{4}\b", " ", body)
    answer.content = body.encode()
    # Capitals in the middle are in names and in the texts of keys.
    words = re.findall(r"(?<![\w.@/-])[A-Z]?[a-z]{2,}(?![\w.@/-])", text_of(answer))
    return {word for word in words if len(word) > 2} - SAME - DATA - MONTHS
