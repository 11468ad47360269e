"""A reviewer looks at masks in three planes and in 3D, and sends one back; left is left in both kinds of viewers."""

import io
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from crowdmask.client import Client
from crowdmask.core.geometry import Box
from crowdmask.core.operations import AddTrack, Operation, SetLabelRange
from crowdmask.core.tracks import BoxSource, Keyframe
from tests.browser.admin import PATIENTLY
from tests.browser.conftest import DESKTOP
from tests.browser.inspection import Inspection
from tests.browser.platform import RunningPlatform, admin_client
from tests.browser.steps import join
from tests.browser.workspace import Workspace
from tests.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from tests.browser.conftest import OpenPage

SHAPE = (12, 48, 64)  # (nz, ny, nx), canonical: x rises to the patient's left, y to the back, z to the head
MARKER = (44, 38, 9)  # x, y, z of the middle of a bright block: left, back, head
PEOPLE = {"Ada": "annotator", "Ben": "annotator", "Rita": "reviewer", "Max": "admin"}
BAD = 7
COMMENT = "The box of this slice lies beside the liver."
NO_WEBGL2 = """
const before = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind === "webgl2" ? null : before.call(this, kind, ...rest);
};
"""


def _oblique(canonical: np.ndarray, dtype: type) -> nib.Nifti1Image:
    """As a scanner might store it: tilted, its axes towards Posterior, Inferior, Right."""
    tilt, turn = np.deg2rad(12), np.deg2rad(-9)
    around_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    around_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = around_x @ around_z @ np.diag([3.0, 3.0, 5.0])
    ras = np.ascontiguousarray(canonical.transpose(2, 1, 0)[::-1, ::-1]).astype(dtype)
    image = nib.Nifti1Image(ras, affine)
    to = nib.orientations.axcodes2ornt(("P", "I", "R"))
    stored = image.as_reoriented(
        nib.orientations.ornt_transform(nib.orientations.io_orientation(image.affine), to)
    )
    assert nib.aff2axcodes(stored.affine) == ("P", "I", "R")
    return stored


@dataclass(frozen=True)
class Study:
    """Two people's masks of one organ that has a reference; Ada's box lies beside the organ on one slice."""

    url: str
    project_id: UUID
    volume_id: UUID
    masks: dict[str, UUID]
    signed_in: dict[str, Any]


@pytest.fixture(scope="module")
def study(platform: RunningPlatform, browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("scan")
    z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    organ = ((z - 6) / 4) ** 2 + ((y - 22) / 10) ** 2 + ((x - 26) / 12) ** 2 < 1
    values = np.where(organ, 120.0, -60.0) + np.random.default_rng(7).normal(0, 12, SHAPE)
    values[0] -= 900  # air makes it a CT
    block = np.maximum(abs(x - MARKER[0]), abs(y - MARKER[1])) <= 4
    values[block & (abs(z - MARKER[2]) <= 1)] = 230
    nib.save(_oblique(values, np.int16), folder / "scan.nii.gz")
    nib.save(_oblique(organ, np.uint8), folder / "reference.nii.gz")
    masks, signed_in = {}, {}
    with admin_client(platform) as admin:
        project = admin.create_project("Abdomen", labels=["liver"], overlap=2)
        volume = admin.upload_volume(project.id, folder / "scan.nii.gz", name="CT 1")
        admin.upload_reference(volume.id, folder / "reference.nii.gz", origin="expert")
        eventually(lambda: admin.volume(volume.id).state == "ready")
        admin.create_tasks(project.id, volume_ids=[volume.id], label_indices=[1])
        for name, role in PEOPLE.items():
            invite = admin.create_invite(project.id, role=role)
            context = browser.new_context()
            page = join(context.new_page(), invite, name)
            made = page.request.post(
                f"{platform.url}/api/v1/me/tokens",
                data={"name": "test", "scope": "write", "days": 1},
                headers={"Origin": platform.url},
            ).json()
            signed_in[name] = context.storage_state()
            context.close()
            if role == "annotator":
                with Client(platform.url, made["token"]) as client:
                    masks[name] = _box(client, project.id, organ, beside=name == "Ada")
    return Study(platform.url, project.id, volume.id, masks, signed_in)


def _box(client: Client, project_id: UUID, organ: np.ndarray, *, beside: bool) -> UUID:
    """Every slice boxed as it should be, but one; returns the mask."""
    keyframes = {}
    for z in map(int, np.flatnonzero(organ.any(axis=(1, 2)))):
        rows, columns = np.flatnonzero(organ[z].any(axis=1)), np.flatnonzero(organ[z].any(axis=0))
        off = 14 if beside and z == BAD else 0
        drawn = Box(columns[0] + off, rows[0], columns[-1] + 1 + off, rows[-1] + 1)
        keyframes[z] = Keyframe(drawn, BoxSource.DRAWN)
    first, last = min(keyframes), max(keyframes)
    assignment = client.next_task(project_id)
    assert assignment is not None
    annotation = client.open_annotation(assignment.id)
    operations: list[Operation] = [AddTrack("a", first, last, keyframes), SetLabelRange(first, last)]
    saved = client.save(annotation, operations, revision=0)
    client.submit(annotation.id, revision=saved.revision)
    eventually(lambda: client.mask(annotation.id).state == "done")
    made = client.mask(annotation.id).segmentation_id
    assert made is not None
    return made


def _bits(page: "Page", path: str) -> np.ndarray:
    answer = page.request.get(path)
    assert answer.ok, answer.text()
    rows = np.frombuffer(zlib.decompress(answer.body()), np.uint8).reshape(SHAPE[0], -1)
    return np.unpackbits(rows, axis=1, count=SHAPE[1] * SHAPE[2]).reshape(SHAPE).astype(bool)


def _slice(page: "Page", study: Study, z: int) -> np.ndarray:
    """What the API says are the values of a slice."""
    volume = page.request.get(f"{study.url}/api/v1/volumes/{study.volume_id}").json()
    pack = volume["pack"]
    answer = page.request.get(
        f"{study.url}/api/v1/volumes/{study.volume_id}/packs/{pack['sha256']}/slices/{z}"
    )
    stored = np.frombuffer(zlib.decompress(answer.body()), "<i2").reshape(SHAPE[1:])
    return stored * pack["scale"] + pack["offset"]


def _voxel(viewer: "Locator") -> tuple[int, int, int]:
    x, y, z = (int(one) for one in (viewer.get_attribute("data-voxel") or "").split(","))
    return x, y, z


def _is_what_the_api_says(page: "Page", study: Study, viewer: "Locator") -> None:
    x, y, z = _voxel(viewer)
    expected = _slice(page, study, z)[y, x]
    assert float(viewer.get_attribute("data-value") or "nan") == pytest.approx(expected, abs=1e-3)


def _picture(page: "Page") -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"), dtype=float)


def _open_review(study: Study, open_page: "OpenPage", *, webgl2: bool) -> "Page":
    page = open_page(device={**DESKTOP, "storage_state": study.signed_in["Rita"]})
    if not webgl2:
        page.add_init_script(NO_WEBGL2)
    page.goto(f"{study.url}/admin/projects/{study.project_id}/masks")
    page.get_by_role("link", name="Look at it in 3D: liver in CT 1 by Ada").click()
    expect(page.get_by_role("heading", name="Review in 3D")).to_be_visible()
    return page


def _worst(page: "Page", study: Study) -> tuple[int, float]:
    mask = _bits(page, f"{study.url}/api/v1/segmentations/{study.masks['Ada']}/bits")
    reference = _bits(page, f"{study.url}/api/v1/volumes/{study.volume_id}/reference/1/bits")
    both, all_of = (mask & reference).sum(axis=(1, 2)), mask.sum(axis=(1, 2)) + reference.sum(axis=(1, 2))
    dice = np.where(all_of > 0, 2 * both / np.maximum(all_of, 1), np.inf)
    return int(np.argmin(dice)), float(dice.min())


def _goes_to_the_worst_slice(page: "Page", study: Study, viewer: "Locator") -> None:
    worst, dice = _worst(page, study)
    page.get_by_role("button", name="Worst slice").click()
    expect(viewer).to_have_attribute("data-voxel", re.compile(rf",{worst}$"))
    expect(page.get_by_test_id("slice-scores")).to_contain_text(f"{dice:.3f}")
    expect(page.get_by_label(f"Slice {worst + 1} of {SHAPE[0]}")).to_have_value(str(worst + 1))


def test_the_three_planes_and_the_rendering_show_left_as_left_and_lead_to_the_worst_slice(
    study: Study, open_page: "OpenPage"
) -> None:
    page = _open_review(study, open_page, webgl2=True)
    viewer = page.get_by_test_id("volume-3d")
    expect(viewer).to_have_attribute("data-ready", "true", timeout=PATIENTLY)
    _goes_to_the_worst_slice(page, study, viewer)
    _is_what_the_api_says(page, study, viewer)

    page.get_by_role("slider", name="Slice").fill(str(MARKER[2] + 1))
    for name in ("Mask of Ada's boxes", "Reference (expert)"):
        page.get_by_role("checkbox", name=name).uncheck()
    expect(viewer).to_have_attribute("data-voxel", re.compile(rf",{MARKER[2]}$"))
    x, y = _find(page, viewer, MARKER[:2])
    _is_what_the_api_says(page, study, viewer)
    bright, dark = _beside_the_crosshair(page, (x, y))
    assert bright > 200 > dark, "the block is where its voxels are said to be"
    left, _ = _find(page, viewer, (SHAPE[2] - 1 - MARKER[0], MARKER[1]))
    assert left < x, "the patient's right is on the left of the screen"
    _is_what_the_api_says(page, study, viewer)


def _find(page: "Page", viewer: "Locator", wanted: tuple[int, ...]) -> tuple[float, float]:
    """Click in the axial plane until the crosshair is at that column and row."""
    viewer.evaluate("(element) => element.scrollIntoView({block: 'center'})")
    frame = viewer.bounding_box()
    assert frame is not None
    left, top, width, height = (float(one) for one in (viewer.get_attribute("data-axial") or "").split())
    corner, size = np.array([frame["x"], frame["y"]]), np.array([frame["width"], frame["height"]])
    place = corner + size * (np.array([left, top]) + np.array([width, height]) * 0.55)
    pixels = np.array([8.0, 8.0])  # of a voxel, learned on the way
    for _ in range(12):
        at = _click(page, viewer, place)
        if tuple(at) == wanted:
            return float(place[0]), float(place[1])
        moved = _click(page, viewer, place + 40) - at
        pixels = np.where(moved > 0, 40 / np.maximum(moved, 1), pixels)
        place = place + (np.array(wanted) - at) * pixels
    raise AssertionError(f"the crosshair does not come to {wanted}: {_voxel(viewer)}")


def _click(page: "Page", viewer: "Locator", place: np.ndarray) -> np.ndarray:
    """Where the crosshair is then: column and row."""
    page.mouse.click(*place)
    page.wait_for_timeout(250)  # until it is drawn
    return np.array(_voxel(viewer)[:2])


def _beside_the_crosshair(page: "Page", place: tuple[float, float]) -> tuple[float, float]:
    """The grey of the block beside the lines, and of what lies in front of it."""
    picture = _picture(page)
    x, y = (round(one) for one in place)
    return float(picture[y + 12, x + 12]), float(picture[y - 60, x + 12])


def test_without_webgl_2_the_planes_are_drawn_all_the_same(study: Study, open_page: "OpenPage") -> None:
    page = _open_review(study, open_page, webgl2=False)
    viewer = page.get_by_test_id("volume-planes")
    expect(viewer).to_be_visible(timeout=PATIENTLY)
    expect(page.get_by_text("This browser cannot show this scan in 3D")).to_be_visible()
    _goes_to_the_worst_slice(page, study, viewer)
    _is_what_the_api_says(page, study, viewer)
    axial = viewer.locator('[data-plane="axial"]')
    _shows_where_the_model_is_undecided(page, study, axial)
    for edge, letter in (("left", "R"), ("right", "L"), ("top", "A"), ("bottom", "P")):
        expect(axial.locator(f'[data-edge="{edge}"]')).to_have_text(letter)
    page.get_by_role("slider", name="Slice").fill(str(MARKER[2] + 1))
    axial.evaluate("(element) => element.scrollIntoView({block: 'center'})")
    frame = axial.locator("canvas").bounding_box()
    assert frame is not None
    place = (
        frame["x"] + (MARKER[0] + 0.5) / SHAPE[2] * frame["width"],
        frame["y"] + (MARKER[1] + 0.5) / SHAPE[1] * frame["height"],
    )
    page.mouse.click(*place)
    expect(viewer).to_have_attribute("data-voxel", ",".join(map(str, MARKER)))
    _is_what_the_api_says(page, study, viewer)
    bright, dark = _beside_the_crosshair(page, place)
    assert bright > 200 > dark
    axial.locator("canvas").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("PageUp")
    expect(viewer).to_have_attribute("data-voxel", f"{MARKER[0] - 1},{MARKER[1]},{MARKER[2] - 1}")


def test_a_scan_is_looked_at_by_itself_and_with_its_reference(study: Study, open_page: "OpenPage") -> None:
    page = open_page(device={**DESKTOP, "storage_state": study.signed_in["Max"]})
    page.add_init_script(NO_WEBGL2)
    page.goto(f"{study.url}/admin/projects/{study.project_id}/scans")
    page.get_by_role("link", name="CT 1").click()
    expect(page.get_by_role("heading", name="CT 1")).to_be_visible()
    viewer = page.get_by_test_id("volume-planes")
    expect(viewer).to_be_visible(timeout=PATIENTLY)
    _is_what_the_api_says(page, study, viewer)
    page.get_by_role("slider", name="Slice").fill("1")
    expect(viewer).to_have_attribute("data-voxel", re.compile(",0$"))
    page.get_by_label("Reference", exact=True).select_option("liver")
    expect(viewer).not_to_have_attribute("data-voxel", re.compile(",0$"))
    reference = _bits(page, f"{study.url}/api/v1/volumes/{study.volume_id}/reference/1/bits")
    x, y, z = _voxel(viewer)
    assert reference[z, y, x], "the crosshair is in the organ"
    assert reference[z, y - 4, x - 4]
    axial = viewer.locator('[data-plane="axial"]')
    red, green, _, _ = axial.locator("canvas").evaluate(_colour_at(x - 4, y - 4))
    assert green > red + 20, "the organ is green"
    page.get_by_role("link", name="All scans").click()
    expect(page.get_by_role("heading", name="Scans")).to_be_visible()


def _colour_at(x: int, y: int) -> str:
    """A function of an axial canvas: red, green, blue and opacity in a voxel of it."""
    return f"""(canvas) => {{
        const at = (n, size, of) => Math.floor((n + 0.25) / size * of);
        const place = [at({x}, {SHAPE[2]}, canvas.width), at({y}, {SHAPE[1]}, canvas.height)];
        return [...canvas.getContext("2d").getImageData(...place, 1, 1).data];
    }}"""


def _shows_where_the_model_is_undecided(page: "Page", study: Study, axial: "Locator") -> None:
    """The most undecided voxel of the slice that is shown is nearly white, and was not before."""
    address = f"{study.url}/api/v1/segmentations/{study.masks['Ada']}/uncertainty"
    answer = page.request.get(address)
    doubt = np.frombuffer(zlib.decompress(answer.body()), np.uint8).reshape(SHAPE)
    _, _, z = _voxel(page.get_by_test_id("volume-planes"))
    y, x = np.unravel_index(int(doubt[z].argmax()), SHAPE[1:])
    page.get_by_label(re.compile("Opacity")).fill("100")
    colour = _colour_at(int(x), int(y))
    canvas = axial.locator("canvas")
    before = canvas.evaluate(colour)
    page.get_by_label("Where the model is undecided").check()
    expect(page.get_by_text("How undecided the model is of each voxel")).to_be_visible()
    page.wait_for_timeout(500)
    red, green, blue, _ = canvas.evaluate(colour)
    assert min(red, green) > 200 > before[2], (before, red, green, blue)
    assert doubt[z].max() > 80
    page.get_by_label("Where the model is undecided").uncheck()
    page.get_by_label(re.compile("Opacity")).fill("50")


def _look_at_the_list(page: "Page", study: Study, inspection: Inspection) -> None:
    page.goto(f"{study.url}/admin/projects/{study.project_id}/masks")
    expect(page.get_by_role("link", name="Look at it in 3D: liver in CT 1 by Ada")).to_be_visible()
    inspection.look(page, "masks", sizes=({"width": 360, "height": 740},))
    search = page.get_by_label("Search by scan, organ or person")
    search.fill("ben")
    expect(page.get_by_role("link", name=re.compile("Look at it in 3D: .* by Ada"))).to_have_count(0)
    expect(page.get_by_role("link", name="Look at it in 3D: liver in CT 1 by Ben")).to_be_visible()
    search.fill("nobody")
    expect(page.get_by_role("heading", name="No mask is like that")).to_be_visible()
    inspection.look(page, "masks, none like that", sizes=({"width": 360, "height": 740},))


def test_masks_stand_side_by_side_and_one_is_accepted_and_goes_back_all_the_same(
    study: Study, open_page: "OpenPage"
) -> None:
    inspection = Inspection()
    page = open_page(device={**DESKTOP, "storage_state": study.signed_in["Rita"]})
    _look_at_the_list(page, study, inspection)
    page = _open_review(study, open_page, webgl2=True)
    viewer = page.get_by_test_id("volume-3d")
    expect(viewer).to_have_attribute("data-ready", "true", timeout=PATIENTLY)
    inspection.look(page, "review in 3D")
    page.get_by_label("Compare with").select_option("Mask of Ben's boxes")
    page.get_by_label("Side by side").check()
    page.get_by_label("Colour by the model's own estimate").check()
    expect(viewer).to_have_count(2)
    for one in viewer.all():
        expect(one).to_have_attribute("data-ready", "true", timeout=PATIENTLY)
    page.get_by_role("button", name="Worst slice").click()
    places = {one.get_attribute("data-voxel") for one in viewer.all()}
    assert len(places) == 1, "both look at the same voxel"
    inspection.look(page, "review side by side", sizes=({"width": 1440, "height": 900},))
    page.get_by_label("With 3D").uncheck()
    expect(page.get_by_test_id("volume-planes")).to_have_count(2)
    inspection.look(page, "review side by side, planes", sizes=({"width": 360, "height": 740},))

    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Accepted: Ada's work stays as it is.")).to_be_visible()
    expect(page.get_by_role("button", name="Accept")).to_have_count(0)
    page.get_by_role("button", name="Send back").click()
    dialog = page.get_by_role("dialog", name="Send back to Ada")
    dialog.get_by_label("What should be changed").fill(COMMENT)
    dialog.get_by_label("Slice to look at first").fill(str(BAD + 1))
    inspection.look(page, "sending back")
    dialog.get_by_role("button", name="Send back").click()
    expect(page.get_by_text("Sent back to Ada.")).to_be_visible()
    expect(page.get_by_label("Show")).not_to_contain_text("Ada")
    page.goto(f"{study.url}/admin/projects/{study.project_id}")
    expect(page.get_by_role("row").filter(has_text="Ada")).to_contain_text("returned")

    ada = open_page(f"{study.url}/tasks", device={**DESKTOP, "storage_state": study.signed_in["Ada"]})
    expect(ada.get_by_role("listitem").filter(has_text="Sent back to you")).to_contain_text(COMMENT)
    ada.get_by_role("link", name=re.compile("Continue: Box the liver")).click()
    work = Workspace(ada)
    banner = ada.get_by_role("status").filter(has_text="Sent back to you:")
    expect(banner).to_contain_text(COMMENT)
    inspection.look(ada, "work that was sent back")
    banner.get_by_role("button", name=f"Go to slice {BAD + 1}").click()
    assert work.z == BAD
    inspection.nothing_is_wrong()
