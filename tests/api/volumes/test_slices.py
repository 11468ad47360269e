"""Slices over HTTP: the stored bytes, clamped ones, previews, and who may look."""

import io
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import nibabel
import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

from crowdmask.accounts.actor import Actor
from crowdmask.core.slicepack import SlicePack, write_pack
from crowdmask.core.windowing import Window, apply_window
from crowdmask.models import Project, Volume
from crowdmask.volumes.slices import OpenPacks
from tests import factories
from tests.api.server import AppServer, problem
from tests.api.volumes.ready import GRID, add_ready_volume, ingest


@dataclass(frozen=True)
class Place:
    """A project with one ready volume, and its admin's client."""

    server: AppServer
    folder: Path
    admin_id: UUID
    admin: TestClient
    volume: Volume
    pack: SlicePack

    def slice_at(self, z: int, *, kind: str = "slices", by: TestClient | None = None, **query: Any) -> Any:
        url = f"/api/v1/volumes/{self.volume.id}/packs/{self.pack.summary.sha256}/{kind}/{z}"
        return (by or self.admin).get(url, params=query)


Make = Callable[..., Place]


@pytest.fixture
def make(server: AppServer, tmp_path: Path) -> Make:
    def made(voxels: NDArray[Any] | None = None) -> Place:
        folder = tmp_path / "made"
        folder.mkdir()
        with server.database.write() as session:
            admin = factories.add_account(session)
            project = factories.add_project(session, admin)
            volume, summary = add_ready_volume(
                session, Actor(admin.id), server.storage, folder, project_id=project.id, voxels=voxels
            )
        pack = SlicePack.open(server.storage.path(summary.sha256))
        return Place(server, folder, admin.id, server.sign_in(admin), volume, pack)

    return made


def stored(answer: Any) -> NDArray[np.int16]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    return np.frombuffer(zlib.decompress(answer.content), "<i2").reshape(GRID.size)


def test_a_slice_is_the_packs_own_bit_for_bit(make: Make) -> None:
    place = make()
    for z in range(GRID.shape[0]):
        assert np.array_equal(stored(place.slice_at(z)), place.pack.stored(z))
    assert place.slice_at(1).content == place.pack.compressed(1)
    problem(place.slice_at(GRID.shape[0]), 422, "slice_out_of_range")


@pytest.mark.parametrize("kind", ["whole numbers", "fractions"])
def test_a_clamped_slice_is_exact_between_its_ends_and_flat_beyond(make: Make, kind: str) -> None:
    voxels = np.random.default_rng(5).normal(0, 400, GRID.shape).astype(np.float32)
    place = make(voxels.astype(np.int16) if kind == "whole numbers" else voxels)
    low, high = -160.0, 240.0
    got = stored(place.slice_at(2, low=low, high=high)).astype(np.float64) * place.pack.scale
    got += place.pack.offset
    whole = place.pack.stored(2).astype(np.float64) * place.pack.scale + place.pack.offset
    if kind == "whole numbers":
        assert np.array_equal(got, np.clip(whole, low, high))
    inside = (whole >= low) & (whole <= high)
    assert inside.any()
    assert np.array_equal(got[inside], whole[inside])
    assert np.abs(got - np.clip(whole, low, high)).max() <= place.pack.scale
    window = Window(low, high)
    assert np.array_equal(apply_window(got, window), apply_window(whole, window))
    assert place.slice_at(2, low=low, high=high).content == place.slice_at(2, low=low, high=high).content
    assert stored(place.slice_at(2, low=-1e300)).tolist() == place.pack.stored(2).tolist()


def test_a_window_that_is_none_is_refused(make: Make) -> None:
    place = make()
    for kind in ("slices", "previews"):
        problem(place.slice_at(0, kind=kind, low=5, high=5), 422, "window_invalid")
        problem(place.slice_at(0, kind=kind, low="nan", high=5), 422, "request_invalid")
    problem(place.slice_at(0, kind="previews"), 422, "request_invalid")


def test_a_preview_shows_the_slice_through_the_window(make: Make) -> None:
    z, y, x = np.ogrid[: GRID.shape[0], : GRID.shape[1], : GRID.shape[2]]
    place = make((x * 20 + y * 5 + z - 160).astype(np.int16))
    answer = place.slice_at(1, kind="previews", low=-160, high=240)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    seen = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L")).astype(int)
    exact = apply_window(place.pack.values(1), Window(-160, 240)).astype(int)
    assert seen.shape == exact.shape
    assert np.abs(seen - exact).mean() < 6


def test_the_patients_left_is_in_the_right_column_whatever_way_the_file_is_stored(
    make: Make, tmp_path: Path
) -> None:
    """A bright voxel at the patient's left, front and feet, stored towards Left, Anterior and Superior."""
    place = make()
    affine = np.diag([-2.0, 2, 3, 1])  # rising i is the patient's left, rising j anterior
    nx, ny, nz = 17, 12, 4
    affine[:3, 3] = 2.0 * (nx - 1), 0, 0
    voxels = np.full((nx, ny, nz), -1000, np.int16)
    voxels[nx - 2, ny - 1, 0] = 900  # left, front, feet
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "las.nii.gz")
    answer = place.admin.post(
        f"/api/v1/projects/{place.volume.project_id}/volumes",
        params={"name": "las"},
        content=(tmp_path / "las.nii.gz").read_bytes(),
    )
    assert answer.status_code == 201, answer.text
    with place.server.database.write() as session:
        volume = session.get_one(Volume, UUID(answer.json()["id"]))
        summary = ingest(session, place.server.storage, place.folder, volume)
    url = f"/api/v1/volumes/{volume.id}/packs/{summary.sha256}/slices/0"
    image = np.frombuffer(zlib.decompress(place.admin.get(url).content), "<i2").reshape(ny, nx)
    # Radiological: the patient's left is at the right edge, the front at the top.
    assert np.argwhere(image == 900).tolist() == [[0, nx - 2]]


def test_only_the_volumes_own_pack_is_read_and_only_by_who_sees_the_volume(make: Make) -> None:
    place = make()
    other = f"/api/v1/volumes/{place.volume.id}/packs/{place.volume.source_sha256}/slices/0"
    problem(place.admin.get(other), 404, "not_found")
    problem(place.admin.get(other.replace(place.volume.source_sha256, "secret")), 422, "request_invalid")
    problem(place.admin.get(other.replace(place.volume.source_sha256, "..%2Fsecret")), 404, "not_found")
    with place.server.database.write() as session:
        project = session.get_one(Project, place.volume.project_id)
        worker = factories.add_account(session, name="Worker")
        idle = factories.add_account(session, name="Idle")
        stranger = factories.add_account(session, name="Stranger")
        factories.add_member(session, project, worker)
        factories.add_member(session, project, idle)
        task = factories.add_task(session, session.get_one(Volume, place.volume.id))
        factories.add_assignment(session, task, worker)
    assert place.slice_at(0, by=place.server.sign_in(worker)).status_code == 200
    for person in (idle, stranger):
        client = place.server.sign_in(person)
        problem(place.slice_at(0, by=client), 404, "not_found")
        problem(place.slice_at(0, kind="previews", by=client, low=0, high=1), 404, "not_found")
        problem(client.get(f"/api/v1/volumes/{place.volume.id}"), 404, "not_found")
    problem(place.slice_at(0, by=place.server.client()), 401, "not_signed_in")


def test_fault_46_a_damaged_slice_is_never_served_and_the_right_bytes_repair_it(make: Make) -> None:
    place = make()
    path = place.server.storage.path(place.pack.summary.sha256)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[-20] ^= 255  # in the last slice
    path.write_bytes(damaged)
    last = GRID.shape[0] - 1
    problem(place.slice_at(last), 500, "slice_pack_corrupt")
    problem(place.slice_at(last, low=0, high=100), 500, "slice_pack_corrupt")
    problem(place.slice_at(last, kind="previews", low=0, high=100), 500, "slice_pack_corrupt")
    assert place.slice_at(0).status_code == 200
    place.server.storage.put_bytes(whole)
    assert place.slice_at(last).status_code == 200


def test_open_packs_are_few_and_each_is_closed_by_its_last_reader(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.pack" for number in range(3)]
    for number, path in enumerate(paths):
        write_pack(path, np.full((2, 3, 4), number, np.int16))
    packs = OpenPacks(1)
    with packs.opened(paths[0]) as first:
        with packs.opened(paths[1]) as second:
            assert first.stored(0)[0, 0] == 0  # still open, though its place is taken
        with packs.opened(paths[1]) as again:
            assert again is second
    assert first._file.closed
    assert not second._file.closed

    def read(path: Path, number: int) -> None:
        for _ in range(200):
            with packs.opened(path) as pack:
                right.append(int(pack.stored(1)[0, 0]) == number)

    right: list[bool] = []
    threads = [threading.Thread(target=read, args=(path, number)) for number, path in enumerate(paths)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(right) == 600
    assert all(right)
