"""What is looked at on every page: the rules of axe-core, the width on a phone, the words."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tests.conftest import missing

if TYPE_CHECKING:
    from playwright.sync_api import Page

_AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"

_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
# A page has the same elements in the other theme; these are the rules of the tags above that look at colours.
_RULES_OF_COLOUR = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}

_RUN = """async ([rules, exclude]) => {
    const found = await axe.run(
        {include: [["html"]], exclude: exclude.map((selector) => [selector])},
        {runOnly: rules, resultTypes: ["violations"]},
    );
    return found.violations.flatMap(({id, nodes}) =>
        nodes.map(({html, any, all, none}) =>
            `${id}: ${html.slice(0, 160)} (${[...any, ...all, ...none].map(({message}) => message)[0]})`));
}"""

_TOO_WIDE = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.body.querySelectorAll("*")]
        .filter((element) => element.getBoundingClientRect().right > width + 0.5)
        .slice(0, 3)
        .map((element) => element.outerHTML.slice(0, 120));
}"""

# A word that nothing breaks, in what does not scroll: it runs over the edge of its box, or is cut there.
_CUT = """() => [...document.querySelectorAll(".cm-admin-links, .cm-problem")]
    .filter((element) => element.scrollWidth > element.clientWidth)
    .map((element) => element.outerHTML.slice(0, 120))"""

_SMALL = """(least) => [...document.querySelectorAll("button, a[href], [role=menuitem], summary")]
    .filter((element) => element.checkVisibility({visibilityProperty: true}) && !element.matches(".cm-skip"))
    .map((element) => [element, element.getBoundingClientRect()])
    .filter(([, {width, height}]) => width > 0 && (width < least || height < least))
    .map(([element, {width, height}]) => `${element.outerHTML.slice(0, 120)} is ${width} x ${height}`)"""

_OF_THE_CODE = (
    "lease",
    "assignment",
    "track",
    "keyframe",
    "segmenter",
    "overlap",
    "interpolated",
    "propagated",
    "unknown",
    "absent",
    "ground truth",
)
_WORDS = re.compile(rf"\b({'|'.join(_OF_THE_CODE)})s?\b", re.IGNORECASE)

_DESKTOP, _PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 780}
_THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@dataclass
class Inspection:
    """Collects what is wrong, over many pages, so that one run tells all of it."""

    wrong: list[str] = field(default_factory=list)

    def look(
        self,
        page: "Page",
        state: str,
        *,
        sizes: tuple[dict[str, Any], ...] = (_DESKTOP, _PHONE),
        exclude: tuple[str, ...] = (),
        words: bool = True,
    ) -> None:
        """At the page as it is now, in both colour schemes. What is opened stays open, and the size as it was."""
        before = page.viewport_size
        for size in sizes:
            page.set_viewport_size(size)  # type: ignore[arg-type]
            for theme in _THEMES:
                page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                rules = _RULES if theme == _THEMES[0] else _RULES_OF_COLOUR
                self._rules(page, f"{state}, {theme}, {size['width']} px", rules, exclude)
            if size["width"] < 500:
                self._note(f"{state} is wider than a phone", page.evaluate(_TOO_WIDE))
                self._note(f"{state} has words that do not fit on a phone", page.evaluate(_CUT))
        if words:
            text = page.locator("body").inner_text()
            self._note(f"{state} shows words of the code", [found[0] for found in _WORDS.finditer(text)])
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        if before is not None:
            page.set_viewport_size(before)

    def buttons(self, page: "Page", state: str, *, least: int = 44) -> None:
        """Nothing to tap is smaller than a fingertip, CSS pixels."""
        self._note(f"{state} has small buttons", page.evaluate(_SMALL, least))

    def nothing_is_wrong(self) -> None:
        assert not self.wrong, "\n".join(dict.fromkeys(self.wrong))

    def _rules(self, page: "Page", where: str, rules: dict[str, Any], exclude: tuple[str, ...]) -> None:
        if not _AXE.is_file():
            missing("axe-core (run: npm ci in frontend)")
        if not page.evaluate("() => 'axe' in window"):
            page.evaluate(f"() => {{{_AXE.read_text(encoding='utf-8')}\n}}")
        # Colours change a frame later.
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self._note(where, page.evaluate(_RUN, [rules, list(exclude)]))

    def _note(self, where: str, what: list[str]) -> None:
        self.wrong.extend(f"{where}: {one}" for one in what)


ONLY_PHONE = (_PHONE,)
