"""A researcher builds a dataset and sees why three scans are out, trains a network and watches it, opens the report, finds
the worst scan in 3D, and sends its mask back. Real scans; the boxes are a simulated crowd's, and no accuracy is claimed."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from playwright.sync_api import expect

from crowdmask.client import Client
from crowdmask.core import nifti
from crowdmask.core.simulate import Annotator, simulate
from crowdmask.demo import decided
from tests.browser.admin import PATIENTLY, AdminPages
from tests.browser.inspection import Inspection
from tests.browser.platform import RunningPlatform
from tests.conftest import missing
from tests.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import OpenPage

LABELS = ("anterior", "posterior")
BOXED, NOT_BOXED = 5, 3
BAD = "scan 5"


def test_a_researcher_goes_from_boxes_to_a_trained_network_and_back_to_the_worst_box(
    platform: RunningPlatform, open_page: "OpenPage", sample_data: Path, tmp_path: Path
) -> None:
    if find_spec("nnunetv2") is None:
        missing("nnU-Net (the extra train)")
    folder = sample_data / "nnunet" / "Dataset904_HippoMini"
    admin = AdminPages(open_page(), platform.url)
    admin.sign_in(platform.admin_link)
    page = admin.page
    with _token_client(page, platform.url) as researcher:
        project = researcher.create_project("Hippocampus", labels=LABELS)
        boxed = _import(researcher, project.id, folder, tmp_path)
        researcher.create_tasks(project.id, volume_ids=list(boxed.values()), label_indices=[1])
        invite = researcher.create_invite(project.id)
    _box_like_a_crowd(invite, project.id, folder, boxed)
    page.goto(f"{platform.url}/admin/projects/{project.id}")

    inspection = Inspection()
    _build_a_dataset(admin)
    _train(admin, inspection)
    admin.go("evaluations")
    page.get_by_role("button", name="Evaluate new masks").click()
    scores = page.get_by_role("group", name=re.compile("Masks")).locator("tbody tr")
    expect(scores).to_have_count(BOXED, timeout=PATIENTLY)
    expect(scores.filter(has_text="not yet")).to_have_count(0, timeout=PATIENTLY)
    _send_the_worst_back(admin)
    inspection.nothing_is_wrong()


def _token_client(page: "Page", url: str) -> Client:
    made = page.request.post(
        f"{url}/api/v1/me/tokens",
        data={"name": "test", "scope": "write", "days": 1},
        headers={"Origin": url},
    )
    return Client(url, made.json()["token"])


def _import(client: Client, project_id: UUID, folder: Path, work: Path) -> dict[str, UUID]:
    """The smallest scans with their references; returns those that will be boxed, by name."""
    labels = sorted((folder / "labelsTr").iterdir(), key=lambda path: path.stat().st_size)
    volumes = {}
    for number, label in enumerate(labels[: BOXED + NOT_BOXED], start=1):
        image = folder / "imagesTr" / label.name.replace(".nii.gz", "_0000.nii.gz")
        volume = client.upload_volume(project_id, image, name=f"scan {number}")
        client.upload_reference(volume.id, label, origin="expert")
        volumes[volume.name] = volume.id
    eventually(lambda: all(volume.state == "ready" for volume in client.volumes(project_id)))
    return dict(list(volumes.items())[:BOXED])


def _box_like_a_crowd(invite: str, project_id: UUID, folder: Path, boxed: dict[str, UUID]) -> None:
    """Every task of the first label, with errors; the boxes of one scan lie beside the organ."""
    labels = sorted((folder / "labelsTr").iterdir(), key=lambda path: path.stat().st_size)
    names = {volume_id: name for name, volume_id in boxed.items()}
    submitted = []
    with Client.join(invite, name="Ada") as ada:
        while (assignment := ada.next_task(project_id)) is not None:
            name = names[assignment.volume_id]
            reference = nifti.read_label_map(labels[int(name.split()[1]) - 1])
            organ = reference.voxels == 1
            if name == BAD:
                organ = np.roll(organ, 9, axis=2)
            drawn = simulate(
                organ,
                annotator=Annotator.CROWD,
                grid=reference.grid,
                rng=np.random.default_rng(0),
                jitter_mm=0.5,
                one_box=True,
            )
            annotation = ada.open_annotation(assignment.id)
            saved = ada.save(annotation, decided(drawn), revision=0)
            ada.submit(annotation.id, revision=saved.revision)
            submitted.append(annotation.id)
        assert len(submitted) == BOXED
        eventually(lambda: all(ada.mask(one).state == "done" for one in submitted))


def _build_a_dataset(admin: AdminPages) -> None:
    admin.go("datasets")
    form = admin.page.get_by_role("form", name="New dataset")
    form.get_by_label("All organs of the project").uncheck()
    form.get_by_label("posterior", exact=True).uncheck()
    counts = form.get_by_role("status")
    expect(counts).to_contain_text(f"{BOXED} scans for training, 0 for the test, {NOT_BOXED} left out")
    why = form.get_by_role("listitem").filter(has_text="no task for anterior")
    for number in range(BOXED + 1, BOXED + NOT_BOXED + 1):
        expect(why).to_contain_text(f"scan {number}")
    form.get_by_label("A share, drawn by the seed").check()
    form.get_by_label("Share of test scans (%)").fill("40")
    form.get_by_label("Folds of the training scans").fill("2")
    expect(counts).to_contain_text(f"3 scans for training, 2 for the test, {NOT_BOXED} left out")
    form.get_by_role("button", name="Freeze and write the dataset").click()
    link = admin.page.get_by_role("link", name=re.compile("^Download zip: "))
    expect(link).to_be_visible(timeout=PATIENTLY)


def _train(admin: AdminPages, inspection: Inspection) -> None:
    """A network so small that it learns nothing of use, watched while it is trained."""
    page = admin.page
    admin.go("trainings")
    page.get_by_role("button", name="A quick try on a CPU").click()
    page.get_by_role("button", name="Start the training").click()
    page.get_by_role("link", name="Dataset501_Hippocampus 2d").click()
    expect(page.get_by_role("img", name=re.compile("^Loss, over"))).to_be_visible(timeout=PATIENTLY)
    scores = page.get_by_role("link", name="See the scores of its test scans: 2d")
    expect(scores).to_be_visible(timeout=PATIENTLY)
    inspection.look(page, "a training that is done")
    scores.click()
    expect(page.get_by_role("heading", name="Report")).to_be_visible()
    expect(page.get_by_role("table").first).to_contain_text("anterior")


def _send_the_worst_back(admin: AdminPages) -> None:
    page = admin.page
    admin.go("report")
    lowest = page.get_by_role("group", name=re.compile("^Lowest")).locator("tbody tr").first
    expect(lowest).to_contain_text(BAD)
    lowest.get_by_role("link", name=BAD).click()
    viewer = page.get_by_test_id("volume-3d")
    expect(viewer).to_have_attribute("data-ready", "true", timeout=PATIENTLY)
    page.get_by_role("button", name="Worst slice").click()
    page.get_by_role("button", name="Send back").click()
    dialog = page.get_by_role("dialog", name="Send back to Ada")
    dialog.get_by_label("What should be changed").fill("The boxes lie beside the organ.")
    dialog.get_by_role("button", name="Send back").click()
    expect(page.get_by_text("Sent back to Ada.")).to_be_visible()
    admin.go("")
    expect(page.get_by_role("row").filter(has_text=BAD)).to_contain_text("returned")
