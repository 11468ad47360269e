"""How long a slice change takes in the browser, for ``bench/server.py``."""

import contextlib
import json
import shutil
from pathlib import Path

from server_process import Client, Study

from crowdmask.accounts.service import make_sign_in_link
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings

PAGES = Path(__file__).parents[1] / "frontend" / "dist" / "index.html"


def measure_browser(settings: Settings, study: Study, changes: int) -> tuple[list[float], str]:
    """Milliseconds from the key press until the canvas holds the next slice, slices being in the browser already.

    Returns:
        The times and "", or none and why they could not be measured.
    """
    if not PAGES.is_file():
        return [], "the pages are not built (make frontend)"
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        return [], "Playwright is not installed (the extra dev)"
    client = Client(settings.port, study.tokens[0])
    with contextlib.closing(client):
        work = json.loads(client.ask("POST", f"/projects/{study.project_id}/next-task"))
    database = Database(settings.database_url)
    with contextlib.closing(database), database.write() as session:
        link = make_sign_in_link(session, study.account_ids[0]).token
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"{settings.base_url}/sign-in#{link}")
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/tasks", timeout=15_000)
            page.goto(f"{settings.base_url}/work/{work['id']}")
            page.wait_for_selector('[data-testid="viewer"][data-loaded="true"]', timeout=15_000)
            taken = []
            for number in range(changes):
                page.wait_for_timeout(120)  # for the slices around to arrive
                # To and fro: the volume ends somewhere.
                taken.append(page.evaluate(_CHANGE_SLICE, "s" if number // 10 % 2 == 0 else "w"))
            browser.close()
    except Error as error:
        return [], f"the workspace could not be used ({str(error).splitlines()[0]})"
    warm = [float(one) for one in taken if one is not None]
    return (warm, "") if warm else ([], "no slice was in the browser when it was asked for")


# React draws in the same turn as the key's event; the observer is told right after. null: the slice had to be fetched.
_CHANGE_SLICE = """(key) => new Promise((resolve) => {
  const viewer = document.querySelector('[data-testid="viewer"]');
  let began = 0;
  const observer = new MutationObserver(() => {
    const took = performance.now() - began;
    observer.disconnect();
    resolve(viewer.dataset.loaded === "true" ? took : null);
  });
  setTimeout(() => resolve(null), 5_000);
  observer.observe(viewer, { attributes: true, attributeFilter: ["data-z"] });
  began = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, code: `Key${key.toUpperCase()}`, bubbles: true, cancelable: true }));
})"""
