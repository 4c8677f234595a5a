"""WCAG 2.2 AA as far as a machine can tell: every page of the console, light and dark.

The pages are found by following links, as a customer, as a reseller and as a stranger; of pages of
one kind one is looked at. A new page is covered as soon as something links to it. Each is loaded
once and looked at in the light, in the dark and on a phone.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, ViewportSize

from tests.cluster import migrated_database
from tests.serving import free_port, start_cln

DESK = ViewportSize(width=1280, height=720)
OPTIONS = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
}
CONTRAST = {**OPTIONS, "runOnly": {"type": "rule", "values": ["color-contrast"]}}
OF_A_SIZE = {
    **OPTIONS,
    "runOnly": {"type": "rule", "values": ["target-size", "color-contrast"]},
}
# Only what breaks a rule comes back from the page; what keeps it would be long.
VIOLATIONS = """async (options) => (await axe.run(options)).violations.flatMap(
  one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 160)}`))"""
# After a key was pressed, what has the focus shows it. Of equal things one is tried; what covers
# them may be a toast, which goes by itself.
UNSEEN = """() => {
  const things = 'a[href], button, input, select, textarea, summary';
  const look = (one) => { const is = getComputedStyle(one);
    return [is.outlineStyle == 'none' ? '' : is.outlineWidth, is.boxShadow].join() };
  const covers = (one) => { const box = one.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return top && !one.contains(top) && !top.contains(one) && !top.closest('label, .toasts') };
  const kinds = new Set(), wrong = [];
  for (const one of document.querySelectorAll(things)) {
    const kind = [one.tagName, one.className, one.parentElement.className].join();
    if (kinds.has(kind) || !one.checkVisibility() || one.disabled) continue;
    kinds.add(kind);
    document.activeElement.blur();
    const before = look(one);
    one.focus();
    if (document.activeElement != one || look(one) == before || covers(one))
      wrong.push(one.outerHTML.slice(0, 160));
  }
  return wrong }"""
TOO_WIDE = """() => document.documentElement.scrollWidth <= 320 ? [] :
  [...document.querySelectorAll('main *, header *, footer *')]
    .filter(one => one.getBoundingClientRect().right > 320.5 && !one.closest('.scroll'))
    .slice(0, 3).map(one => one.outerHTML.slice(0, 160))"""
# A thing's own id, and what only narrows or sorts: one page of a kind is enough.
AN_ID = re.compile(r"/(?:[a-z]{2,4}_[A-Za-z0-9]+|\d+)(?=/|$)|/[A-Za-z0-9_-]{40,}(?=/|$)")
A_PRODUCT = re.compile(r"(?<=/)(?:cloudlinux|kernelcare|imunify|els)\w*(?=/|$)")
LEFT_OUT = re.compile(r"logout|\.pdf$|format=csv|^/static|^/api|^/install|/sandbox/mail/")


@pytest.fixture(scope="module")
def demo(django_db_setup: None) -> Iterator[tuple[str, dict[str, str]]]:
    """A CLN with demo data: its address, and the passwords it printed."""
    folder = Path(tempfile.mkdtemp(prefix="cln-axe-"))
    port = free_port()
    with migrated_database("demo") as url:
        serve = start_cln(
            *("serve", "--demo", "--port", str(port), "--web", "1"),
            data_dir=folder / "var",
            CLN_DATABASE_URL=url,
        )
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
    return [f"{page.url}: {one}" for one in page.evaluate(VIOLATIONS, options)]


def signs_in(page: Page, login: str, password: str) -> None:
    page.goto("/console/auth/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/console/dashboard*")


@pytest.fixture(params=["stranger", "acme", "zenith"])
def walk(
    request: pytest.FixtureRequest, browser: Browser, demo: tuple[str, dict[str, str]]
) -> Iterator[Walk]:
    """Give a walk of a stranger, a customer and a reseller."""
    site, passwords = demo
    context = browser.new_context(
        base_url=site, reduced_motion="reduce", color_scheme="light", viewport=DESK
    )
    context.add_init_script(AXE_SCRIPT)
    page = context.new_page()
    if request.param == "stranger":
        yield Walk(page, "/", at_least=5)
    else:
        signs_in(page, request.param, passwords[request.param])
        yield Walk(page, "/console/dashboard", at_least=25)
    context.close()


@dataclass(frozen=True)
class Walk:
    """Someone who follows every link; one page of each kind is opened."""

    page: Page
    start: str
    at_least: int

    def __iter__(self) -> Iterator[Page]:
        """Open page after page."""
        waiting, seen = [self.start], {kind_of(self.start)}
        while waiting:
            self.page.goto(waiting.pop())
            yield self.page
            for url in links_of(self.page):
                if kind_of(url) not in seen:
                    seen.add(kind_of(url))
                    waiting.append(url)
        assert len(seen) > self.at_least


@pytest.mark.long
def test_no_page_breaks_wcag_2_2_aa_or_loses_anything_on_a_phone_or_to_the_keyboard(
    walk: Walk,
) -> None:
    wrong = []
    for page in walk:
        wrong += violations(page, OPTIONS)
        page.emulate_media(color_scheme="dark")
        # The script that sets the colours hears of it a moment later.
        page.wait_for_selector("html[data-bs-theme=dark]")
        wrong += violations(page, CONTRAST)
        wrong += on_a_phone(page)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(DESK)

    assert not wrong, "\n".join(wrong)


def on_a_phone(page: Page) -> list[str]:
    """390 px in the dark with all that depends on size; 320 px without scrolling sideways."""
    page.set_viewport_size({"width": 390, "height": 844})
    wrong = violations(page, OF_A_SIZE)
    page.keyboard.press("Tab")
    wrong += [f"{page.url}: no focus to be seen: {one}" for one in page.evaluate(UNSEEN)]
    page.set_viewport_size({"width": 320, "height": 640})
    return wrong + [f"{page.url}: wider than 320 px: {one}" for one in page.evaluate(TOO_WIDE)]


def test_what_a_phone_or_the_keyboard_would_lose_is_found(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 320, "height": 640})
    page.set_content(
        """<main><p style="width: 400px">wide</p><a href="#" style="outline: none">unseen</a>
        <button>good</button>
        <button class="under" style="position: fixed; top: 300px">covered</button></main>
        <div style="position: fixed; inset: 200px 0 0"></div>"""
    )
    page.keyboard.press("Tab")

    unseen, too_wide = page.evaluate(UNSEEN), page.evaluate(TOO_WIDE)
    page.close()

    assert [one.partition(">")[2] for one in unseen] == ["unseen</a>", "covered</button>"]
    assert [one.partition(">")[2] for one in too_wide] == ["wide</p>"]
