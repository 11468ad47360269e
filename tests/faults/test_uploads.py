"""Faults 1 to 19, 22, 45, 46 and 58 (docs/faults.md) as the HTTP API answers them."""

import gzip
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from crowdmask.core import nifti
from crowdmask.core.volume import Grid
from crowdmask.infra.settings import Settings
from crowdmask.models import Job, ReferenceMask, Volume
from tests import factories, loops
from tests.api.server import AppServer, problem
from tests.faults.image_files import (
    DATATYPE,
    DIM,
    PIXDIM,
    QUATERNION,
    SHAPE,
    SROW,
    bomb,
    noise,
    plain,
    put,
)

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What the gate says does not depend on the database."""


@dataclass(frozen=True)
class Place:
    """A project on the real application, and its admin's client."""

    server: AppServer
    project_id: UUID
    admin: TestClient

    def upload(self, content: bytes, name: str = "ct", **query: Any) -> Any:
        return self.admin.post(
            f"/api/v1/projects/{self.project_id}/volumes", params={"name": name, **query}, content=content
        )

    def upload_reference(self, volume_id: str, content: bytes, **query: Any) -> Any:
        return self.admin.post(
            f"/api/v1/volumes/{volume_id}/reference", params={"origin": "expert", **query}, content=content
        )

    def count(self, table: type) -> int:
        with self.server.database.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0

    def leftovers(self) -> list[Path]:
        """Temporary files of uploads."""
        settings = self.server.settings
        return [*settings.work_dir.iterdir(), *(settings.blobs_dir / "incoming").iterdir()]


@pytest.fixture
def place(database_url: str, settings: Settings) -> Iterator[Place]:
    from crowdmask.app import create_app

    server = AppServer(create_app(settings))
    with server.database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin)
    yield Place(server, project.id, server.sign_in(admin))
    server.database.close()


def packed(content: bytes | None = None) -> bytes:
    return gzip.compress(bytes(plain()) if content is None else bytes(content), mtime=0)


def flipped(content: bytes) -> bytes:
    """One bit in the middle is another one."""
    damaged = bytearray(content)
    damaged[len(damaged) // 2] ^= 16
    return bytes(damaged)


def with_nan(share: float) -> bytes:
    voxels = noise(dtype=np.float32)
    voxels.reshape(-1)[: int(share * voxels.size)] = np.nan
    return bytes(plain(voxels))


DAMAGED = {
    "01 half of it": (packed()[: len(packed()) // 2], "nifti_truncated"),
    "02 no trailer": (packed()[:-8], "nifti_truncated"),
    "02 wrong sum": (packed()[:-8] + bytes(4) + packed()[-4:], "nifti_corrupt"),
    "03 flipped bit": (flipped(packed()), "nifti_corrupt"),
    "04 too few voxels": (bytes(plain()[:-5]), "nifti_truncated"),
    "06 absurd size": (bytes(put(plain(), DIM, "4h", 3, 32767, 32767, 32767)), "file_too_large"),
    "06 negative size": (bytes(put(plain(), DIM, "4h", 3, -12, 10, 8)), "dimensions_invalid"),
    "07 colours": (bytes(put(plain(), DATATYPE, "2h", 128, 24)), "unsupported_dtype"),
    "08 several volumes": (bytes(plain(noise((*SHAPE, 3)))), "volume_index_needed"),
    "09 no spacing": (bytes(put(plain(), PIXDIM + 4, "f", 0.0)), "spacing_invalid"),
    "10 no orientation": (bytes(plain(sform=0, qform=0)), "orientation_unknown"),
    "10 broken orientation": (bytes(put(plain(qform=0), SROW, "4f", 0, 0, 0, 0)), "orientation_invalid"),
    "12 impossible rotation": (
        bytes(put(plain(sform=0), QUATERNION, "3f", 0.9, 0.9, 0)),
        "orientation_invalid",
    ),
    "14 not finite": (with_nan(0.2), "not_finite"),
    "17 a web page": (b"<html>Sign in first</html>", "not_nifti"),
}


@ON_SQLITE
@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_refused_and_waits_in_quarantine_until_it_is_replaced_or_deleted(
    place: Place, kind: str
) -> None:
    content, code = DAMAGED[kind]
    refused = problem(place.upload(content), 422, code)
    assert refused["hint"]
    address = f"/api/v1/volumes/{refused['volume_id']}"
    waiting = place.admin.get(address).json()
    assert (waiting["state"], waiting["name"]) == ("quarantined", "ct")
    assert waiting["refusal"] == {"code": code, "text": refused["detail"]}
    assert waiting["pack"] is waiting["window"] is waiting["shape"] is None
    assert place.count(Job) == 0
    assert place.leftovers() == []
    if kind < "07":  # one way out for half of them, the other for the others
        replaced = place.upload(packed())
        assert replaced.status_code == 201, replaced.text
        assert replaced.json()["id"] == refused["volume_id"]
        assert replaced.json()["state"] == "ingesting"
        assert replaced.json()["refusal"] is None
        assert replaced.json()["notices"] == []
    else:
        assert place.admin.delete(address).status_code == 204
        problem(place.admin.get(address), 404, "not_found")
        assert place.count(Volume) == 0


@ON_SQLITE
def test_fault_05_a_bomb_is_refused_and_the_server_does_not_grow(
    place: Place, tmp_path: Path, settings: Settings
) -> None:
    header = bytes(put(plain(), DIM, "4h", 3, 1000, 1000, 700)[:352])
    made = bomb(tmp_path, header, 1400 * 2**20)
    program = """
import re, sys
from pathlib import Path
from uuid import UUID
from crowdmask.app import create_app
from crowdmask.infra.settings import Settings
from tests.api.server import AppServer

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

folder, database_url, bomb, project_id, token = sys.argv[1:]
server = AppServer(create_app(Settings.for_folder(Path(folder), database_url=database_url)))
client = server.client(Authorization="Bearer " + token)
url = f"/api/v1/projects/{project_id}/volumes"
content = Path(bomb).read_bytes()
client.post(url, params={"name": "warm"}, content=b"no image")
before = peak()
answer = client.post(url, params={"name": "bomb"}, content=content)
print(answer.json()["code"], answer.status_code, peak() - before)
"""
    token = place.server.token(_admin_of(place))
    done = subprocess.run(
        [
            *(sys.executable, "-c", program, str(settings.data_dir), settings.database_url),
            *(str(made), str(place.project_id), token),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code, status, kilobytes = done.stdout.split()[-3:]
    assert (code, status) == ("file_too_large", "422")
    assert int(kilobytes) < 50 * 1024


def _admin_of(place: Place) -> UUID:
    from crowdmask.models import Project

    with place.server.database.read() as session:
        return session.get_one(Project, place.project_id).created_by


@ON_SQLITE
def test_fault_08_a_choice_among_several_volumes_accepts_the_file(place: Place) -> None:
    answer = place.upload(bytes(plain(noise((*SHAPE, 3)))), volume_index=1)
    assert answer.status_code == 201, answer.text


@ON_SQLITE
def test_fault_10_an_assumed_orientation_accepts_the_file_and_is_noted(place: Place) -> None:
    answer = place.upload(bytes(plain(sform=0, qform=0)), assume_affine=True)
    assert answer.status_code == 201, answer.text
    assert "affine_assumed" in {notice["code"] for notice in answer.json()["notices"]}


@ON_SQLITE
@pytest.mark.parametrize("compressed", [True, False])
def test_fault_17_a_body_has_no_ending_that_could_be_wrong(place: Place, compressed: bool) -> None:
    answer = place.upload(
        packed() if compressed else bytes(plain()), name="ct.nii" if compressed else "ct.gz"
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["notices"] == []


@ON_SQLITE
def test_fault_17_an_empty_body_is_refused_and_nothing_is_kept(place: Place) -> None:
    problem(place.upload(b""), 422, "file_empty")
    assert place.count(Volume) == 0


def label_map(grid: Grid, folder: Path, *values: int) -> bytes:
    nifti.write_volume(folder / "grid.nii.gz", np.zeros(grid.shape, np.int16), grid)
    labels = np.zeros(grid.shape, np.uint8)
    for z, value in enumerate(values):
        labels[z, 2:6, 3:7] = value
    nifti.write_mask(folder / "labels.nii.gz", labels, nifti.read_source_grid(folder / "grid.nii.gz"))
    return (folder / "labels.nii.gz").read_bytes()


def test_fault_18_a_reference_must_fit_its_volume_and_the_projects_labels(
    place: Place, tmp_path: Path
) -> None:
    (tmp_path / "ct.nii.gz").write_bytes(packed())
    grid = nifti.read_volume(tmp_path / "ct.nii.gz").grid
    volume_id = place.upload(packed()).json()["id"]
    moved = grid.affine + np.array([[0, 0, 0, 1.0], *[[0] * 4] * 3])
    elsewhere = label_map(Grid(shape=grid.shape, affine=moved), tmp_path, 1)
    problem(place.upload_reference(volume_id, elsewhere), 409, "grid_mismatch")
    foreign = problem(
        place.upload_reference(volume_id, label_map(grid, tmp_path, 1, 99)), 422, "label_values_invalid"
    )
    assert "[99]" in foreign["detail"]
    problem(place.upload_reference(volume_id, packed()), 422, "label_values_invalid")
    problem(place.upload_reference(volume_id, packed()[:-9]), 422, "nifti_truncated")
    assert place.count(ReferenceMask) == 0
    fits = label_map(grid, tmp_path, 1, 2)
    made = place.upload_reference(volume_id, fits)
    assert made.status_code == 201, made.text
    assert (made.json()["origin"], made.json()["notices"]) == ("expert", [])
    assert place.upload_reference(volume_id, fits).json()["id"] == made.json()["id"]
    problem(place.upload_reference(volume_id, label_map(grid, tmp_path, 3)), 409, "name_taken")
    assert place.admin.get(f"/api/v1/volumes/{volume_id}").json()["reference"] == made.json()


def test_fault_19_the_same_voxels_are_one_volume_whatever_its_name_and_container(place: Place) -> None:
    first = place.upload(packed())
    assert first.status_code == 201, first.text
    for content, name in ((packed(), "ct"), (bytes(plain()), "another name")):
        again = place.upload(content, name)
        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
        assert again.json()["name"] == "ct"
    other = bytes(plain(noise()[::-1].copy()))
    problem(place.upload(other), 409, "name_taken")
    refused = problem(place.upload(packed()[:-9]), 422, "nifti_truncated")
    assert "volume_id" not in refused  # the name belongs to a good volume, which stays
    assert (place.count(Volume), place.count(Job)) == (1, 1)


def test_fault_19_eight_uploads_at_once_are_one_volume_with_one_job(place: Place) -> None:
    clients = [place.server.sign_in(_admin_of(place)) for _ in range(8)]
    url = f"/api/v1/projects/{place.project_id}/volumes"

    def upload(client: TestClient) -> Any:
        return client.post(url, params={"name": "ct"}, content=packed())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(upload, clients))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (place.count(Volume), place.count(Job)) == (1, 1)


@ON_SQLITE
def test_fault_22_an_interrupted_upload_leaves_nothing(place: Place) -> None:
    pieces = iter(
        [{"type": "http.request", "body": packed()[:100], "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(pieces)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": f"/api/v1/projects/{place.project_id}/volumes",
        "raw_path": b"",
        "root_path": "",
        "query_string": b"name=ct",
        "headers": [
            (b"host", b"localhost:8000"),
            (b"authorization", place.admin.headers["authorization"].encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 8000),
    }
    loops.run(place.server.app(scope, receive, send))
    assert sent[0]["status"] == 422  # nobody hears it, but it is no crash of ours
    assert place.leftovers() == []
    assert place.count(Volume) == 0
    assert not [path for path in place.server.settings.blobs_dir.rglob("*") if path.is_file()]


@ON_SQLITE
def test_fault_45_a_file_for_which_there_is_no_room_is_refused_before_it_is_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage(place.server.settings.data_dir)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: real._replace(total=1000, used=990, free=10))
    problem(place.upload(packed()), 507, "storage_full")
    assert place.count(Volume) == 0
    assert place.admin.get(f"/api/v1/projects/{place.project_id}/volumes").status_code == 200


@ON_SQLITE
def test_fault_45_a_disk_that_fills_up_during_an_upload_is_said_and_leaves_nothing(
    place: Place, settings: Settings
) -> None:
    """The process may write no file of more than 1 MiB."""
    program = """
import sys
from pathlib import Path
from crowdmask.app import create_app
from crowdmask.infra.settings import Settings
from tests.api.server import AppServer

folder, database_url, project_id, token = sys.argv[1:]
server = AppServer(create_app(Settings.for_folder(Path(folder), database_url=database_url)))
client = server.client(Authorization="Bearer " + token)
url = f"/api/v1/projects/{project_id}/volumes"
answer = client.post(url, params={"name": "large"}, content=bytes(3 * 2**20))
print(answer.status_code, answer.json()["code"], client.get(url).status_code)
"""
    done = subprocess.run(
        [
            *(sys.executable, "-c", program, str(settings.data_dir), settings.database_url),
            *(str(place.project_id), place.server.token(_admin_of(place))),
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-3:] == ["507", "storage_full", "200"], done.stdout + done.stderr
    assert place.leftovers() == []


@ON_SQLITE
def test_fault_58_names_are_kept_as_they_are_or_refused_and_never_become_paths(place: Place) -> None:
    kept = ["../../etc/passwd", "C:\\CON", "Lebér 😀", "בטן", "=cmd|x", "<script>alert(1)</script>"]
    for seed, name in enumerate(kept):
        voxels = np.random.default_rng(seed).integers(-1000, 1000, SHAPE, dtype=np.int16)
        answer = place.upload(bytes(plain(voxels)), name)
        assert answer.status_code == 201, answer.text
        assert answer.json()["name"] == name
    problem(place.upload(packed(), "a\0b"), 422, "request_invalid")
    for name in ("safe\u202egnp.exe", "\u200b", " "):
        problem(place.upload(packed(), name), 422, "option_invalid")
    problem(place.upload(packed(), "x" * 10_000), 422, "request_invalid")
    assert place.count(Volume) == len(kept)
    files = {path.name for path in place.server.settings.blobs_dir.rglob("*") if path.is_file()}
    assert files == {*place.server.storage.stored(), "names.lock"}
    assert len(files) == len(kept) + 1


@ON_SQLITE
def test_a_file_beyond_the_limit_is_refused_by_its_announced_size(place: Place) -> None:
    answer = place.admin.post(
        f"/api/v1/projects/{place.project_id}/volumes",
        params={"name": "ct"},
        content=b"x",
        headers={"Content-Length": str(5 * 1024**3)},
    )
    problem(answer, 413, "body_too_large")


@ON_SQLITE
def test_who_may_not_add_volumes_is_told_before_the_file_is_read(place: Place) -> None:
    with place.server.database.write() as session:
        from crowdmask.models import Project

        annotator = factories.add_account(session, name="Annotator")
        stranger = factories.add_account(session, name="Stranger")
        factories.add_member(session, session.get_one(Project, place.project_id), annotator)
    volume_id = place.upload(packed()).json()["id"]
    for person, status, code in ((annotator, 403, "not_allowed"), (stranger, 404, "not_found")):
        client = place.server.sign_in(person)
        url = f"/api/v1/projects/{place.project_id}/volumes"
        problem(client.post(url, params={"name": "new"}, content=packed()), status, code)
        url = f"/api/v1/volumes/{volume_id}/reference"
        problem(client.post(url, params={"origin": "expert"}, content=packed()), 404, "not_found")
    assert not [path for path in place.leftovers() if path.is_file()]
