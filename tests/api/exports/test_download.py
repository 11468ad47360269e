"""Exports over HTTP: what would go in, how far a dataset is, and its folder as a zip."""

import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.client import Client, ExportView
from crowdmask.core import nifti
from crowdmask.core.dataset_choice import Twin
from crowdmask.core.errors import Corrupt, InvalidInput
from crowdmask.core.lifecycle import AnnotationState, AssignmentState, JobState, VolumeState
from crowdmask.core.volume import Grid
from crowdmask.exports.archive import FolderArchive
from crowdmask.exports.queries import export_key
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Account, Export, Job, JobKind, Label, Project, Queue, Role, Segmentation
from crowdmask_worker.runner import Runner
from tests import factories
from tests.api.progress.live import serving
from tests.api.server import AppServer, problem

pytestmark = pytest.mark.usefixtures("without_nnunet")

GRID = Grid(shape=(3, 10, 12), affine=np.array([[-2.0, 0, 0, 9], [0, -2, 0, 8], [0, 0, 3, 7], [0, 0, 0, 1]]))


@dataclass(frozen=True)
class Place:
    """A project with one finished volume and one that is not."""

    server: AppServer
    people: dict[str, Account]
    project: Project

    def get(self, path: str, *, by: str = "admin") -> Any:
        return self.server.sign_in(self.people[by]).get(f"/api/v1{path}")

    def preview(self, *, by: str = "admin", **choice: Any) -> Any:
        return self.server.sign_in(self.people[by]).post(
            f"/api/v1/projects/{self.project.id}/exports/preview", json={"choice": choice}
        )

    def export(self, *, by: str = "admin", **form: Any) -> Any:
        return self.server.sign_in(self.people[by]).post(
            f"/api/v1/projects/{self.project.id}/exports", json=form
        )

    def work(self) -> None:
        """Let a real worker do what is due."""
        server = self.server
        Runner(
            database=server.database,
            storage=LocalStorage(server.settings.blobs_dir),
            settings=server.settings,
            owner="test",
        ).drain([Queue.CPU])


@pytest.fixture
def place(server: AppServer, tmp_path: Path) -> Place:
    storage = server.storage
    voxels = np.random.default_rng(0).integers(-1000, 400, GRID.shape, dtype=np.int16)
    nifti.write_volume(tmp_path / "image.nii.gz", voxels, GRID)
    source_sha256 = storage.put_file(tmp_path / "image.nii.gz")
    block = np.zeros(GRID.shape, np.uint8)
    block[1, 2:5, 3:7] = 1
    nifti.write_mask(tmp_path / "mask.nii.gz", block, nifti.read_source_grid(tmp_path / "image.nii.gz"))
    roles = {"annotator": Role.ANNOTATOR, "reviewer": Role.REVIEWER, "researcher": Role.RESEARCHER}
    with server.database.write() as session:
        people = {name: factories.add_account(session, name=name) for name in ("admin", "stranger", *roles)}
        project = factories.add_project(session, people["admin"], name="../Two\norgans", labels=("liver",))
        for name, role in roles.items():
            factories.add_member(session, project, people[name], role=role)
        volume = factories.add_volume(
            session, project, name="done", shape=GRID.shape, source_sha256=source_sha256
        )
        factories.add_task(session, factories.add_volume(session, project, name="open"))
        for state in (VolumeState.QUARANTINED, VolumeState.INGESTING, VolumeState.FAILED):
            factories.add_volume(session, project, name=state.value, state=state)
        assignment = factories.add_assignment(
            session,
            factories.add_task(session, volume),
            people["annotator"],
            state=AssignmentState.SUBMITTED,
        )
        annotation = factories.add_annotation(
            session, assignment, state=AnnotationState.SUBMITTED, shape=GRID.shape
        )
        job = factories.add_job(session)
        job.state = JobState.DONE
        session.add(
            Segmentation(
                annotation_id=annotation.id,
                revision=0,
                job_id=job.id,
                model="litemedsam",
                mask_sha256=storage.put_file(tmp_path / "mask.nii.gz"),
                provenance={"slices": []},
                seconds=1.5,
            )
        )
    return Place(server, people, project)


LEFT_OUT = [
    {"volume_name": "failed", "reason": "it could not be read"},
    {"volume_name": "ingesting", "reason": "it is still being read"},
    {"volume_name": "open", "reason": "liver has 0 of 1 answers"},
    {"volume_name": "quarantined", "reason": "its file was refused"},
]


def test_a_preview_says_what_would_go_in_and_freezes_nothing(place: Place) -> None:
    told = place.preview().json()
    assert (told["cases"], told["left_out"]) == (["done"], LEFT_OUT)
    assert (told["labels"], told["test_cases"], told["masks_to_make"], told["problem"]) == (
        ["liver"],
        [],
        0,
        None,
    )
    assert told["files"] == [
        "DATASET_CARD.md",
        "crowd/boxes.csv",
        "crowdmask_manifest.json",
        "dataset.json",
        "imagesTr/done_0000.nii.gz",
        "labelsTr/done.nii.gz",
    ]
    assert place.get(f"/projects/{place.project.id}/exports").json() == []
    with place.server.database.write() as session:
        label = session.scalars(sa.select(Label)).one()
        label.deleted_at = label.created_at
    assert (place.preview().json()["cases"], place.preview().json()["labels"]) == ([], [])


def test_a_dataset_is_frozen_written_by_its_job_and_downloaded_byte_for_byte(place: Place) -> None:
    made = place.export()
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["version"], told["state"], told["dataset_name"]) == (1, "queued", "Dataset501_Two_organs")
    assert (told["cases"], told["labels"], told["left_out"]) == (["done"], {"liver": 1}, LEFT_OUT)
    assert told["created_by"] == "admin"
    address = f"/exports/{told['id']}"
    problem(place.get(f"{address}/download"), 409, "not_open")
    with place.server.database.read() as session:
        job = session.scalars(sa.select(Job).filter_by(kind=JobKind.EXPORT)).one()
    assert job.project_id == place.project.id
    place.work()
    done = place.get(address).json()
    assert (done["state"], done["progress"], done["error"]) == ("done", 1.0, None)
    answer = place.get(f"{address}/download", by="researcher")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="Dataset501_Two_organs.zip"'
    folder = place.server.settings.exports_dir / told["id"] / "Dataset501_Two_organs"
    expected = {
        f"Dataset501_Two_organs/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == expected
    assert "Dataset501_Two_organs/crowdmask_manifest.json" in expected
    assert place.get(f"{address}/download").content == answer.content
    second = place.export(by="researcher", name="Livers", dataset_id=7).json()
    assert (second["version"], second["dataset_name"]) == (2, "Dataset007_Livers")
    assert [one["version"] for one in place.get(f"/projects/{place.project.id}/exports").json()] == [2, 1]


def test_a_changed_folder_is_not_given_out(place: Place) -> None:
    told = place.export().json()
    place.work()
    folder = place.server.settings.exports_dir / told["id"] / told["dataset_name"]
    (folder / "crowdmask_manifest.json").write_text("{}")
    problem(place.get(f"/exports/{told['id']}/download"), 500, "blob_corrupt")
    (folder / "crowdmask_manifest.json").unlink()
    problem(place.get(f"/exports/{told['id']}/download"), 500, "blob_missing")


def test_a_failed_export_says_why(place: Place) -> None:
    told = place.export().json()
    with place.server.database.read() as session:
        mask = session.scalars(sa.select(Segmentation.mask_sha256)).one()
    place.server.storage.path(mask).unlink()
    place.work()
    failed = place.get(f"/exports/{told['id']}").json()
    assert failed["state"] == "failed"
    assert mask in failed["error"]
    problem(place.get(f"/exports/{told['id']}/download"), 409, "not_open")


def test_exports_are_for_admins_and_researchers_and_strangers_see_none(place: Place) -> None:
    """Fault 52."""
    export_id = UUID(place.export().json()["id"])
    urls = [
        f"/projects/{place.project.id}/exports",
        f"/exports/{export_id}",
        f"/exports/{export_id}/download",
    ]
    for url in urls:
        for name in ("annotator", "reviewer"):
            problem(place.get(url, by=name), 403, "not_allowed")
        problem(place.get(url, by="stranger"), 404, "not_found")
    problem(place.preview(by="reviewer"), 403, "not_allowed")
    problem(place.preview(by="stranger"), 404, "not_found")
    problem(place.export(by="reviewer"), 403, "not_allowed")
    problem(place.export(by="stranger"), 404, "not_found")
    with place.server.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Export)) == 1


def test_a_broken_download_goes_on_where_it_ended(place: Place) -> None:
    told = place.export().json()
    place.work()
    client = place.server.sign_in(place.people["researcher"])
    url = f"/api/v1/exports/{told['id']}/download"
    whole = client.get(url)
    size = len(whole.content)
    etag = whole.headers["etag"]
    manifest = client.get(f"/api/v1/exports/{told['id']}").json()["manifest_sha256"]
    assert etag == f'"{manifest}"'
    assert (whole.headers["content-length"], whole.headers["accept-ranges"]) == (str(size), "bytes")

    def part(asked: str, **headers: str) -> Any:
        return client.get(
            url, headers={"Range": asked, **{name.replace("_", "-"): headers[name] for name in headers}}
        )

    middle = size // 2
    rest = part(f"bytes={middle}-", If_Range=etag)
    assert (rest.status_code, rest.content) == (206, whole.content[middle:])
    assert rest.headers["content-range"] == f"bytes {middle}-{size - 1}/{size}"
    assert rest.headers["content-length"] == str(size - middle)
    for asked, expected in (
        ("bytes=0-0", whole.content[:1]),
        ("bytes=10-99", whole.content[10:100]),
        ("bytes=-22", whole.content[-22:]),
        (f"bytes=-{size + 5}", whole.content),
        (f"bytes=5-{size + 5}", whole.content[5:]),
    ):
        answer = part(asked)
        assert (answer.status_code, answer.content) == (206, expected), asked
    for asked in ("bytes=1-2,4-5", "bytes=9-3", "bytes=-", "lines=1-2", "bytes=x-"):
        answer = part(asked)
        assert (answer.status_code, answer.content) == (200, whole.content), asked
        assert "content-range" not in answer.headers
    assert part("bytes=5-", If_Range='"another"').status_code == 200
    behind = part(f"bytes={size}-")
    problem(behind, 416, "range_invalid")
    assert behind.headers["content-range"] == f"bytes */{size}"


def test_the_card_and_the_boxes_are_downloaded_without_the_images(place: Place) -> None:
    told = place.export().json()
    address = f"/exports/{told['id']}/parts"
    problem(place.get(f"{address}/card"), 409, "not_open")
    place.work()
    parts = ["card", "manifest", "boxes-csv", "boxes-coco", "boxes-yolo", "boxes-files"]
    assert place.get(f"/exports/{told['id']}").json()["parts"] == parts
    found = {part: place.get(f"{address}/{part}", by="researcher") for part in parts}
    assert [answer.status_code for answer in found.values()] == [200] * len(parts)
    name = told["dataset_name"]
    assert found["card"].text.startswith("# Dataset501")
    assert found["card"].headers["content-disposition"] == f'attachment; filename="{name}_DATASET_CARD.md"'
    assert found["boxes-csv"].text.startswith("volume,label_index,label,slice")
    assert found["boxes-coco"].json()["categories"] == [{"id": 1, "name": "liver"}]
    folder = place.server.settings.exports_dir / told["id"] / name
    with zipfile.ZipFile(io.BytesIO(found["boxes-files"].content)) as archive:
        written = {f"boxes/{path.name}" for path in (folder / "crowd" / "boxes").iterdir()}
        assert set(archive.namelist()) == written != set()
    problem(place.get(f"{address}/images"), 422, "request_invalid")
    problem(place.get(f"{address}/card", by="stranger"), 404, "not_found")
    (folder / "crowd" / "boxes.csv").unlink()
    problem(place.get(f"{address}/boxes-csv"), 404, "not_found")


def _zip_bytes(folder: Path) -> bytes:
    archive = FolderArchive.of(folder)
    return b"".join(archive.pieces(0, archive.size))


@given(
    st.dictionaries(st.text("abÄ/_.", min_size=1, max_size=8), st.binary(max_size=50), max_size=5),
    st.integers(0, 800),
    st.integers(0, 800),
)
def test_any_part_of_a_zip_is_that_part_of_the_whole(
    content: dict[str, bytes], first: int, length: int
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "Dataset001_Any"
        folder.mkdir()
        written = {}
        for number, (name, body) in enumerate(content.items()):
            relative = f"{number}/{name.replace('/', 's').replace('.', 'd')}"
            (folder / relative).parent.mkdir()
            (folder / relative).write_bytes(body)
            written[f"Dataset001_Any/{relative}"] = body
        archive = FolderArchive.of(folder)
        whole = b"".join(archive.pieces(0, archive.size))
        assert len(whole) == archive.size
        first = min(first, archive.size)
        end = min(first + length, archive.size)
        assert b"".join(archive.pieces(first, end)) == whole[first:end]
        with zipfile.ZipFile(io.BytesIO(whole)) as opened:
            assert opened.testzip() is None
            assert {name: opened.read(name) for name in opened.namelist()} == written


def test_a_zip_of_large_files_is_given_away_in_pieces(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset001_Large"
    folder.mkdir()
    (folder / "image").write_bytes(np.random.default_rng(0).bytes(5 * 2**20 + 3))
    (folder / "empty").touch()
    archive = FolderArchive.of(folder)
    assert max(len(piece) for piece in archive.pieces(0, archive.size)) <= 2**20
    with zipfile.ZipFile(io.BytesIO(_zip_bytes(folder))) as opened:
        assert opened.namelist() == ["Dataset001_Large/empty", "Dataset001_Large/image"]
        assert opened.read("Dataset001_Large/image") == (folder / "image").read_bytes()
        assert {entry.date_time for entry in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in opened.infolist()} == {0o100644}


@pytest.mark.slow
def test_a_zip_holds_a_file_of_more_than_four_gigabytes_and_files_behind_it(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset001_Huge"
    folder.mkdir()
    with (folder / "image").open("wb") as file:
        file.truncate(2**32 + 5)  # takes no room on the disk
    (folder / "last").write_bytes(b"last")
    archive = FolderArchive.of(folder)
    made = tmp_path / "made.zip"
    with made.open("wb") as target:
        for piece in archive.pieces(0, archive.size):  # zeros stay holes
            if piece == bytes(len(piece)):
                target.seek(len(piece), io.SEEK_CUR)
            else:
                target.write(piece)
    assert made.stat().st_size == archive.size
    with zipfile.ZipFile(made) as opened:
        assert opened.getinfo("Dataset001_Huge/image").file_size == 2**32 + 5
        assert opened.read("Dataset001_Huge/last") == b"last"
        assert opened.getinfo("Dataset001_Huge/image").CRC == opened.infolist()[0].CRC != 0
    first = 2**32 + 20
    with made.open("rb") as file:
        file.seek(first)
        assert b"".join(archive.pieces(first, archive.size)) == file.read()


@pytest.mark.slow
def test_a_zip_of_more_files_than_the_old_format_counts_opens(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset001_Many"
    folder.mkdir()
    for number in range(2**16 + 1):
        (folder / f"{number}").touch()
    with zipfile.ZipFile(io.BytesIO(_zip_bytes(folder))) as opened:
        assert len(opened.namelist()) == 2**16 + 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_python_client_looks_first_and_waits_for_a_dataset_and_its_twin(place: Place) -> None:
    token = place.server.token(place.people["researcher"])

    def record(made: ExportView, state: JobState, manifest_sha256: str | None) -> None:
        with place.server.database.write() as session:
            job = session.scalars(sa.select(Job).where(Job.idem_key == export_key(made.id))).one()
            job.state, job.error_text = state, "No room."
            session.get_one(Export, made.id).manifest_sha256 = manifest_sha256

    with serving(place.server) as live, Client(live.address, token) as client:
        preview = client.preview_export(place.project.id)
        assert (preview.cases, preview.labels, preview.problem) == (("done",), ("liver",), None)
        assert "open" in preview.left_out
        made = client.create_export(place.project.id)
        written = client.wait_for_export(
            made.id, watch=lambda one: record(one, JobState.DONE, "ab" * 32), every_s=0
        )
        assert (written.state, written.version) == ("done", 1)
        assert {"boxes-csv", "manifest"} <= set(written.parts)
        with pytest.raises(InvalidInput, match="no reference mask"):
            client.create_twin(written.id, Twin.REFERENCE)
        twin = client.create_twin(written.id, Twin.COMPLETE)
        record(twin, JobState.DEAD, None)
        with pytest.raises(Corrupt, match="No room"):
            client.wait_for_export(twin.id)
