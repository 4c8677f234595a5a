"""The texts of the pages: all are marked, all are in one catalogue, and a translation shows."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.template import engines
from django.test import Client
from django.utils import translation
from django.utils.safestring import SafeString
from pytest_django import Settings

from cln.licensing.models import ActivationKey
from cln.management.texts import CATALOGUE, PACKAGE, catalogue
from tests.customers import START
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


def entries() -> Iterator[tuple[str, str]]:
    """Each text of the catalogue and its plural."""
    for block in CATALOGUE.read_text(encoding="utf-8").split("\n\n")[1:]:
        said = dict(re.findall(r'^(msgid|msgid_plural) (".*")$', block, re.MULTILINE))
        yield ast.literal_eval(said["msgid"]), ast.literal_eval(said.get("msgid_plural", '""'))


def compiled() -> bytes:
    """The accented catalogue as gettext's `msgfmt` would compile it."""
    head = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
    texts = {"": head}
    for one, many in entries():
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
    yield
    translation._trans.__dict__.clear()  # type: ignore[attr-defined]
    loaders[0].reset()


# Lines of invoices, which are documents, say why in English; months are Django's Esperanto.
LINES = {"Jan", "Feb", "Mar", "for", "the", "month", "price", "from", "days", "Added"}
# Pages, and what of them code puts together with names and figures (ADR 129).
PAGES: dict[str, set[str]] = {
    "/": set(),
    "/console/dashboard": {"unused", "licenses", "month", "Remove", "There", "trial"},
    "/console/servers": set(),
    "/console/products/cloudlinux": set(),
    "/console/groups": set(),
    "/console/watch": set(),
    "/console/features": set(),
    "/console/backups": set(),
    "/console/purchase/cloudlinux": LINES,
    "/console/cart": set(),
    "/console/billing": LINES,
    "/console/billing/invoices": LINES,
    "/console/profile": set(),
    "/console/profile/security": {"program"},  # what a browser calls itself
    "/console/profile/logins": set(),
    "/console/profile/reports": set(),
    "/console/check-license": set(),
    "/status": set(),
}


@pytest.mark.django_db
def test_in_another_language_a_page_says_nothing_in_english(accents: None) -> None:
    account, client = a_visitor()
    with_licenses(account, 3)
    registered(ActivationKey.objects.get(), "web1", now=START)

    english = {
        page: rest
        for page, put_together in PAGES.items()
        if (rest := {*_english(client, page)} - put_together - SAME)
    }

    assert english == {}


def _english(client: Client, page: str) -> list[str]:
    answer = client.get(page)
    assert answer.status_code == 200, page
    body = re.sub(r"<(code|pre)\b.*?</\1>", " ", answer.content.decode(), flags=re.DOTALL)
    answer.content = body.encode()
    words = re.findall(r"(?<![\w.@/-])[A-Za-z]{3,}(?![\w.@/-])", text_of(answer))
    return words
