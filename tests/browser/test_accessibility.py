"""WCAG 2.2 AA as far as a machine can tell: every page of the console, light and dark.

The pages are found by following links, as a customer, as a reseller and as a stranger; of pages of
one kind one is looked at. A new page is covered as soon as something links to it.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.serving import free_port, start_cln

OPTIONS = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
}
CONTRAST = {**OPTIONS, "runOnly": {"type": "rule", "values": ["color-contrast"]}}
# A thing's own id, and what only narrows or sorts: one page of a kind is enough.
AN_ID = re.compile(r"/(?:[a-z]{2,4}_[A-Za-z0-9]+|\d+)(?=/|$)|/[A-Za-z0-9_-]{40,}(?=/|$)")
A_PRODUCT = re.compile(r"(?<=/)(?:cloudlinux|kernelcare|imunify|els)\w*(?=/|$)")
LEFT_OUT = re.compile(r"logout|\.pdf$|format=csv|^/static|^/api|^/install|/sandbox/mail/")


@pytest.fixture(scope="module")
def demo() -> Iterator[tuple[str, dict[str, str]]]:
    """A CLN with demo data: its address, and the passwords it printed."""
    folder = Path(tempfile.mkdtemp(prefix="cln-axe-"))
    port = free_port()
    serve = start_cln("serve", "--demo", "--port", str(port), "--web", "1", data_dir=folder / "var")
    assert serve.stdout is not None
    passwords: dict[str, str] = {}
    try:
        for line in serve.stdout:
            words = line.split()
            if len(words) == 3:
                passwords[words[1]] = words[2]
            if line.startswith("CLN is up"):
                break
        yield f"http://127.0.0.1:{port}", passwords
    finally:
        serve.terminate()
        serve.communicate(timeout=40)
        shutil.rmtree(folder)


def kind_of(url: str) -> str:
    return A_PRODUCT.sub("*", AN_ID.sub("/*", urlsplit(url).path))


def links_of(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        "a[href]", "all => all.map(one => one.getAttribute('href'))"
    )
    return [url for url in found if url.startswith("/") and not LEFT_OUT.search(url)]


def violations(page: Page, options: dict[str, object]) -> list[str]:
    return [
        f"{page.url}: {one['id']}: {node['html'][:160]}"
        for one in Axe().run(page, options=options).response["violations"]
        for node in one["nodes"]
    ]


def signs_in(page: Page, login: str, password: str) -> None:
    page.goto("/console/auth/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/console/dashboard*")


@pytest.mark.parametrize("who", ["stranger", "acme", "zenith"])
def test_no_page_breaks_wcag_2_2_aa(
    browser: Browser, demo: tuple[str, dict[str, str]], who: str
) -> None:
    site, passwords = demo
    context = browser.new_context(base_url=site, reduced_motion="reduce", color_scheme="light")
    page = context.new_page()
    start = "/"
    if who != "stranger":
        signs_in(page, who, passwords[who])
        start = "/console/dashboard"
    waiting, seen, wrong = [start], {kind_of(start)}, []
    while waiting:
        page.emulate_media(color_scheme="light")
        page.goto(waiting.pop())
        wrong += violations(page, OPTIONS)
        page.emulate_media(color_scheme="dark")
        wrong += violations(page, CONTRAST)
        for url in links_of(page):
            if kind_of(url) not in seen:
                seen.add(kind_of(url))
                waiting.append(url)
    context.close()

    assert len(seen) > (5 if who == "stranger" else 25)
    assert not wrong, "\n".join(wrong)
