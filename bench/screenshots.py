"""Take the pictures of README and docs: the real system, a real browser, the CT of the sample data.

    make screenshots

Writes docs/images/*.png. The steps are those of the browser tests. The CT is TotalSegmentator's test data (Wasserthal et
al., Radiology: AI 2023, doi:10.1148/ryai.230024, Apache-2.0), found through CROWDMASK_SAMPLE_DATA.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP))

from tests.browser.admin import AdminPages  # noqa: E402
from tests.browser.conftest import CHROMIUM_ARGUMENTS, DESKTOP, PHONE, TABLET  # noqa: E402
from tests.browser.organs import LABELS, Organs, organs_of  # noqa: E402
from tests.browser.platform import RunningPlatform, embedded_platform  # noqa: E402
from tests.browser.steps import finish, join  # noqa: E402
from tests.browser.workspace import Workspace, key_slices  # noqa: E402

IMAGES = TOP / "docs" / "images"
PANEL = {"viewport": {"width": 1100, "height": 760}}
GUIDE = (
    "The largest organ, on the left of the screen under the lung. Box all of it on a slice; a separate piece gets a box of "
    "its own. The gall bladder, a dark oval below it, is not part of it."
)


def main() -> None:
    sample = Path(os.environ.get("CROWDMASK_SAMPLE_DATA") or TOP.parent / "shared" / "data")
    if not (sample / "abdomen_ct").is_dir():
        sys.exit("screenshots: set CROWDMASK_SAMPLE_DATA to a folder of sample data.")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        organs = organs_of(sample, Path(folder))
        system = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=system, args=CHROMIUM_ARGUMENTS)
        with embedded_platform(Path(folder) / "data") as platform:
            take(browser, platform, organs, Path(folder))
        browser.close()
    for path in sorted(IMAGES.glob("*.png")):
        print(f"{path.relative_to(TOP)}  {path.stat().st_size // 1000} kB")


def take(browser: Browser, platform: RunningPlatform, organs: Organs, folder: Path) -> None:
    admin = AdminPages(_page(browser, DESKTOP), platform.url)
    admin.sign_in(platform.admin_link)
    admin.create_project("Abdomen", LABELS)
    admin.upload(organs.ct, name="CT 1")
    broken = folder / "CT 2.nii.gz"
    broken.write_bytes(organs.ct.read_bytes()[:60_000])
    admin.choose_scans(broken)
    admin.page.get_by_role("button", name="Upload 1 scan").click()
    expect(admin.page.get_by_role("alert")).to_be_visible()
    _shoot(admin.page, "upload-refused")
    _write_guide(admin)

    annotator = _page(browser, PANEL)
    join(annotator, admin.invite(note="Ada"), "Ada")
    phone = _page(browser, PHONE)
    join(phone, admin.invite(note="Ben"), "Ben")
    admin.hand_out("liver in CT 1", to="Ada")
    admin.hand_out("right kidney in CT 1", to="Ben")
    admin.hand_out("left kidney in CT 1")

    boxes = organs.boxes["liver"]
    keys = key_slices(sorted(boxes))
    annotator.reload()
    annotator.get_by_role("link", name="Start: Box the liver").click()
    work = Workspace(annotator)
    for z in keys:
        work.go(z, work.wheel)
        work.draw_by_mouse(boxes[z])
    drawn, between = keys[len(keys) // 2], keys[len(keys) // 2] - 2
    panels = []
    for name, z in (("draw", drawn), ("fill", between)):
        # A box that was looked at for a moment is no longer a suggestion; the camera looks for longer.
        annotator.evaluate("() => { const now = performance.now(); performance.now = () => now; }")
        work.go(z, work.wheel)
        panels.append(_shoot(annotator, name, folder=folder))
        annotator.evaluate("() => { delete performance.now; }")
    for device, name in ((DESKTOP, "workspace-desktop"), (TABLET, "workspace-tablet")):
        annotator.set_viewport_size(device["viewport"])
        annotator.wait_for_timeout(300)
        _shoot(annotator, name)
    annotator.set_viewport_size(PANEL["viewport"])
    finish(work, keys, step=work.wheel, press=lambda name: annotator.get_by_role("button", name=name).click())
    work.mask_is_ready()
    work.go(between, work.wheel)
    panels.append(_shoot(annotator, "mask", folder=folder))
    _beside(panels, IMAGES / "draw-fill-mask.png")

    kidney = organs.boxes["right kidney"]
    phone.reload()
    phone.get_by_role("link", name="Start: Box the right kidney").tap()
    small = Workspace(phone)
    large = [z for z, box in kidney.items() if box[2] - box[0] > 8]
    for z in (large[2], large[-3]):
        small.go(z, small.tap_step)
        small.draw_by_touch(kidney[z])
    small.go(large[-3] - 3, small.tap_step)
    _shoot(phone, "workspace-phone", scale="css")
    annotator.set_viewport_size(DESKTOP["viewport"])
    annotator.goto(f"{platform.url}/tasks")
    expect(annotator.get_by_role("button", name="Next task")).to_be_visible()
    _shoot(annotator, "tasks")
    admin.go("")
    expect(admin.page.get_by_role("row").filter(has_text="liver")).to_contain_text("1 of 1")
    _shoot(admin.page, "progress")


def _write_guide(admin: AdminPages) -> None:
    admin.go("organs")
    admin.page.get_by_role("button", name="Edit liver").click()
    admin.page.get_by_label("Guide", exact=True).fill(GUIDE)
    admin.page.get_by_role("button", name="Save").last.click()


def _page(browser: Browser, device: dict[str, Any]) -> Page:
    return browser.new_context(**device, color_scheme="dark", reduced_motion="reduce").new_page()


def _shoot(page: Page, name: str, *, folder: Path = IMAGES, scale: str = "device") -> Path:
    path = folder / f"{name}.png"
    page.wait_for_timeout(400)
    page.screenshot(path=path, scale=scale)  # type: ignore[arg-type]
    _smaller(path)
    return path


def _smaller(path: Path) -> None:
    """Grey pictures with few colours need no 24 bits."""
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _beside(paths: list[Path], target: Path) -> None:
    pictures = [Image.open(path).convert("RGB").resize((660, 456)) for path in paths]
    whole = Image.new("RGB", (sum(picture.width for picture in pictures) + 20, pictures[0].height), "white")
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, 0))
        left += picture.width + 10
    whole.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    main()
