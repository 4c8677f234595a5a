"""Somebody at a browser: what they do on pages, and what goes wrong in front of them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import (
    APIResponse,
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    expect,
)

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
# A limit, not a wait: what is slow on a busy machine is not wrong.
PATIENCE = 60_000
PASSWORD = "a long sentence nobody knows"
CARD = "4242 4242 4242 4242"


class Visitor:
    """A person with a browser window of their own.

    `troubles` collects what no journey may meet: errors in the console (refusals of the content
    security policy are among them), exceptions of scripts, requests without an answer, 5xx, and
    anything asked of another host.
    """

    def __init__(self, browser: Browser, site: str, *, journey: str, javascript: bool) -> None:
        """Open a window on the site's address."""
        self._context = browser.new_context(
            base_url=site,
            viewport=WIDE,
            java_script_enabled=javascript,
            # Pictures of a page at rest: nothing fades in and out.
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        self._context.set_default_timeout(PATIENCE)
        self.site = site
        self.troubles: list[str] = []
        self._journey = journey
        self._looks = 0
        self.page = self.opens_tab()

    def leave(self) -> None:
        """Close the window."""
        self._context.close()

    def opens_tab(self) -> Page:
        """Open one more tab of the same window, watched like the first."""
        page = self._context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        page.on("requestfailed", self._miss)
        page.on("response", self._answer)
        return page

    def brings(self, session: str) -> None:
        """Be signed in already: the journey is about something else."""
        self._context.add_cookies([{"name": "sessionid", "value": session, "url": self.site}])

    def fetches(self, path: str, **headers: str) -> APIResponse:
        """Ask for something that is no page: a file, an answer of the API."""
        return self._context.request.get(path, headers=headers)

    def opens(self, path: str) -> None:
        """Type an address."""
        self.page.goto(path)

    def clicks(self, name: str, *, on: Locator | None = None) -> None:
        """Press the one button or link with exactly this name."""
        place = on or self.page
        button = place.get_by_role("button", name=name, exact=True)
        button.or_(place.get_by_role("link", name=name, exact=True)).click()

    def sees(self, *texts: str | re.Pattern[str]) -> None:
        """Find each text on the page, waiting for it."""
        for text in texts:
            expect(self.page.locator("body")).to_contain_text(text, use_inner_text=True)

    def looks(self, name: str) -> None:
        """Keep what is on the screen, wide and narrow, light and dark, where anybody asked."""
        folder = os.environ.get("CLN_SCREENSHOTS")
        if not folder:
            return
        self._looks += 1
        for size in (WIDE, NARROW):
            for scheme in ("light", "dark"):
                self.page.set_viewport_size(size)  # type: ignore[arg-type]
                self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                file = f"{self._looks:02}-{name}-{size['width']}-{scheme}.png"
                self.page.screenshot(path=Path(folder) / self._journey / file, full_page=True)
        self.page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        self.page.emulate_media(color_scheme="light")

    def signs_up(self, email: str, *, company: str = "") -> None:
        """Become a customer: fill in the form, read the mail, follow its link."""
        self.opens("/")
        self.clicks("Sign up", on=self.page.locator("main"))
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_label("Company (optional)").fill(company)
        self.looks("sign-up")
        self.clicks("Sign up", on=self.page.locator("main"))
        self.sees("One more step: confirm your address")
        self.looks("confirm")
        self.clicks("read the mail here")
        mine = self.page.get_by_role("row").filter(has_text=email)
        self.looks("mails")
        mine.get_by_role("link").click()
        self.looks("mail")
        self.page.locator("pre").get_by_role("link").click()
        self.sees(f"Is {email} yours?")
        self.clicks("Yes, confirm")

    def signs_in(self, name: str, *, password: str = PASSWORD) -> None:
        """Sign in with a login or an e-mail address."""
        self.opens("/console/auth/login")
        self.page.get_by_label("Login or e-mail").fill(name)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.looks("sign-in")
        self.clicks("Sign in", on=self.page.locator("main"))

    def pays_with_card(self, amount: str, *, number: str = CARD) -> None:
        """Type a card of the sandbox into the cart and pay the order with it."""
        self.types_card(number)
        self.clicks(f"Pay {amount} with this card")

    def types_card(self, number: str) -> None:
        """Fill in the card of the form that is there."""
        self.page.get_by_label("Card number").fill(number)
        self.page.get_by_label("Expires, MM/YY").fill("09/29")

    def has_a_device_for_passkeys(self) -> None:
        """Give this window a virtual device that knows its owner by their finger."""
        devices = self._context.new_cdp_session(self.page)
        devices.send("WebAuthn.enable")
        device = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
        }
        devices.send("WebAuthn.addVirtualAuthenticator", {"options": device})

    def moves_clock(self, *, days: int, to: str) -> None:
        """Let time pass in the sandbox, with all that falls due on the way."""
        self.clicks("Move the clock")
        self.page.get_by_label("Days").fill(str(days))
        self.looks("clock")
        self.clicks("Go forward")
        self.sees(f"It is now {to}. Everything due has been done.")

    def _hear(self, message: ConsoleMessage) -> None:
        # A form that is refused says so on the page; Chromium notes its status as well.
        if message.type in ("error", "warning") and "status of 422" not in message.text:
            self.troubles.append(f"console: {message.text} ({self.page.url})")

    def _miss(self, request: Request) -> None:
        # A link that is clicked while a partial is under way takes it off the wire: no error.
        if request.failure != "net::ERR_ABORTED":
            self.troubles.append(f"no answer: {request.url} {request.failure}")

    def _answer(self, response: Response) -> None:
        if response.status >= 500:
            self.troubles.append(f"{response.status}: {response.url}")
        if urlsplit(response.url).netloc != urlsplit(self.site).netloc:
            self.troubles.append(f"another host: {response.url}")
