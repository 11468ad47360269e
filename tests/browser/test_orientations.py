"""Left is left on the screen, however the file stores its axes."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.admin import PATIENTLY
from tests.browser.platform import RunningPlatform, admin_client
from tests.browser.workspace import Workspace

if TYPE_CHECKING:
    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.slow

SHAPE = (6, 24, 30)  # (nz, ny, nx), canonical: x rises to the patient's left, y to the back, z to the head
BRIGHT_Z, BRIGHT_Y, BRIGHT_X = 4, 17, 22  # a block in the patient's left, back, upper part
_LOW, _HIGH = -160, 240  # the window of a CT

PIXEL = """([canvas, x, y]) => {
  const at = canvas.getBoundingClientRect();
  const ratio = canvas.width / at.width;
  const [r] = canvas.getContext("2d").getImageData((x - at.x) * ratio, (y - at.y) * ratio, 1, 1).data;
  return r;
}"""


def _phantom(number: int) -> nib.Nifti1Image:
    """RAS+; one voxel holds a number, so that no two are the same volume."""
    canonical = np.full(SHAPE, 0, np.int16)
    canonical[0] = -1000  # air makes it a CT
    canonical[0, 0, 0] = number
    canonical[BRIGHT_Z, BRIGHT_Y - 2 : BRIGHT_Y + 3, BRIGHT_X - 2 : BRIGHT_X + 3] = 200
    ras = canonical.transpose(2, 1, 0)[::-1, ::-1]
    return nib.Nifti1Image(np.ascontiguousarray(ras), np.diag([2.0, 2.0, 4.0, 1.0]))


def _orientations() -> list[str]:
    axes = [("R", "L"), ("A", "P"), ("S", "I")]
    return [
        "".join(axes[axis][flip] for axis, flip in zip(order, flips, strict=True))
        for order in itertools.permutations(range(3))
        for flips in itertools.product((0, 1), repeat=3)
    ]


def test_left_and_right_are_right_in_every_one_of_the_48_orientations(
    platform: RunningPlatform, open_page: "OpenPage", tmp_path: Path
) -> None:
    codes = _orientations()
    assert len(set(codes)) == 48
    page = open_page()
    with admin_client(platform) as admin:
        project = admin.create_project("Orientations", labels=["block"])
        volumes = {}
        for number, code in enumerate(codes):
            image = _phantom(number)
            to = nib.orientations.axcodes2ornt(tuple(code))
            stored = image.as_reoriented(
                nib.orientations.ornt_transform(nib.orientations.io_orientation(image.affine), to)
            )
            assert "".join(nib.aff2axcodes(stored.affine)) == code
            nib.save(stored, tmp_path / f"{code}.nii.gz")
            volumes[code] = admin.upload_volume(project.id, tmp_path / f"{code}.nii.gz", name=code).id
        admin.create_tasks(project.id, volume_ids=list(volumes.values()), label_indices=[1])
        invite = admin.create_invite(project.id)
        page.goto(invite)
        page.get_by_label("Your name").fill("Eva")
        page.get_by_role("button", name="Join").click()
        page.get_by_role("button", name="Next task").wait_for()
        page.wait_for_function(
            "async () => (await (await fetch('/api/v1/me/progress')).json())[0].available === 48",
            timeout=PATIENTLY,
        )
        seen = set()
        for _ in codes:
            answer = page.request.post(
                f"{platform.url}/api/v1/projects/{project.id}/next-task", headers={"Origin": platform.url}
            )
            work = answer.json()
            page.goto(f"{platform.url}/work/{work['id']}")
            _check(Workspace(page), work["volume_name"])
            seen.add(work["volume_name"])
            page.request.post(
                f"{platform.url}/api/v1/assignments/{work['id']}/give-back", headers={"Origin": platform.url}
            )
        assert seen == set(codes)


def _check(work: Workspace, code: str) -> None:
    work.go(BRIGHT_Z, work.key_step)
    mirrored_x, mirrored_y = SHAPE[2] - 1 - BRIGHT_X, SHAPE[1] - 1 - BRIGHT_Y
    bright = round((200 - _LOW) / (_HIGH - _LOW) * 255)
    dark = round((0 - _LOW) / (_HIGH - _LOW) * 255)
    found = {
        (x, y): _grey(work, x, y)
        for x, y in ((BRIGHT_X, BRIGHT_Y), (mirrored_x, BRIGHT_Y), (BRIGHT_X, mirrored_y))
    }
    assert abs(found[BRIGHT_X, BRIGHT_Y] - bright) <= 1, (code, found)
    assert abs(found[mirrored_x, BRIGHT_Y] - dark) <= 1, (code, found)
    assert abs(found[BRIGHT_X, mirrored_y] - dark) <= 1, (code, found)
    frame = work.viewer.bounding_box()
    assert frame is not None
    x, y = work.point(BRIGHT_X + 0.5, BRIGHT_Y + 0.5)
    assert x > frame["x"] + frame["width"] / 2, "the patient's left is on the right of the screen"
    assert y > frame["y"] + frame["height"] / 2, "the back is below"
    for edge, letter in (("left", "R"), ("right", "L"), ("top", "A"), ("bottom", "P")):
        expect(work.viewer.locator(f'[data-edge="{edge}"]')).to_have_text(letter)
    work.go(SHAPE[0] - 1 - BRIGHT_Z, work.key_step)
    assert abs(_grey(work, BRIGHT_X, BRIGHT_Y) - dark) <= 1, f"{code}: head and feet are exchanged"


def _grey(work: Workspace, x: int, y: int) -> int:
    """What the canvas shows in the middle of a voxel."""
    at = work.point(x + 0.5, y + 0.5)
    canvas = work.viewer.locator("canvas").element_handle()
    return int(work.page.evaluate(PIXEL, [canvas, *at]))
