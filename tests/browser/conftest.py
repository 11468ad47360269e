"""A real browser on the real system."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.platform import RunningPlatform, embedded_platform
from tests.conftest import missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

REACTION_MS = 120_000
"""For what a page does by itself: a bound against hanging."""

DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
TABLET: dict[str, Any] = {"viewport": {"width": 820, "height": 1180}, "has_touch": True}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
}


@pytest.fixture(scope="session")
def site() -> None:
    """The pages, built."""
    built = Path(__file__).parents[2] / "frontend" / "dist" / "index.html"
    if not built.is_file():
        missing("the built pages (run: make frontend)")


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """The system's Chromium, or the one that Playwright brought."""
    from playwright.sync_api import Error, expect, sync_playwright

    expect.set_options(timeout=REACTION_MS)
    system = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=system, args=CHROMIUM_ARGUMENTS)
        except Error:
            missing("a browser (Debian: apt-get install chromium; else: playwright install chromium)")
            raise
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def platform(site: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """An empty system of this file's own, as ``crowdmask up`` starts it."""
    with embedded_platform(tmp_path_factory.mktemp("platform") / "data") as running:
        yield running


OpenPage = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: "Browser") -> "Iterator[OpenPage]":
    """Makes a page in a new browser profile (or in a given one); at the end no page may have broken the content security
    policy or thrown an error."""
    wrong: list[str] = []
    contexts: list[BrowserContext] = []

    def watched(page: "Page") -> "Page":
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda message: (
                wrong.append(f"{page.url}: {message.text}")
                if "Content Security Policy" in message.text or "Content-Security-Policy" in message.text
                else None
            ),
        )
        page.set_default_timeout(REACTION_MS)
        return page

    def make(
        url: str = "about:blank",
        *,
        device: dict[str, Any] = DESKTOP,
        context: "BrowserContext | None" = None,
    ) -> "Page":
        if context is None:
            context = browser.new_context(**device, reduced_motion="reduce")
            contexts.append(context)
        page = watched(context.new_page())
        if url != "about:blank":
            page.goto(url)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)
