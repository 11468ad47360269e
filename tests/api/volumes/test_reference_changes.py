"""A reference is replaced by another file, or deleted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.client import Client
from crowdmask.core import nifti
from crowdmask.core.errors import Conflict, NotFound
from crowdmask.core.volume import Grid
from crowdmask.models import Account, AuditEvent, ReferenceMask, Role, Volume
from tests import factories
from tests.api.progress.live import serving
from tests.api.server import AppServer, problem
from tests.api.volumes.ready import GRID, add_ready_volume


@dataclass(frozen=True)
class Place:
    """A project with a volume, and people of all roles."""

    server: AppServer
    folder: Path
    people: dict[str, Account]
    volume: Volume

    def labels(self, *values: int, grid: Grid = GRID) -> bytes:
        """A label map with one value per slice."""
        nifti.write_volume(self.folder / "grid.nii.gz", np.zeros(grid.shape, np.int16), grid)
        labels = np.zeros(grid.shape, np.uint8)
        for z, value in enumerate(values):
            labels[z, 2:6, 3:9] = value
        path = self.folder / "labels.nii.gz"
        nifti.write_mask(path, labels, nifti.read_source_grid(self.folder / "grid.nii.gz"))
        return path.read_bytes()

    def send(self, method: str, content: bytes | None = None, *, by: str = "admin", **query: str) -> Any:
        return self.server.sign_in(self.people[by]).request(
            method,
            f"/api/v1/volumes/{self.volume.id}/reference",
            params={} if content is None else {"origin": "expert", **query},
            content=content,
        )

    def told(self) -> Any:
        return self.server.sign_in(self.people["admin"]).get(f"/api/v1/volumes/{self.volume.id}").json()

    def file(self) -> Any:
        address = f"/api/v1/volumes/{self.volume.id}/reference/file"
        return self.server.sign_in(self.people["admin"]).get(address)

    def audit(self) -> list[tuple[str, Any]]:
        with self.server.database.read() as session:
            found = sa.select(AuditEvent).where(AuditEvent.action.startswith("reference_"))
            events = session.scalars(found.order_by(AuditEvent.created_at, AuditEvent.id))
            return [(event.action, event.subject_id) for event in events]


@pytest.fixture
def place(server: AppServer, tmp_path: Path) -> Place:
    with server.database.write() as session:
        people = {name: factories.add_account(session, name=name) for name in ("admin", "stranger", *Role)}
        project = factories.add_project(session, people["admin"])
        factories.add_project(session, people["stranger"], name="Other")
        for role in (Role.ANNOTATOR, Role.REVIEWER, Role.RESEARCHER):
            factories.add_member(session, project, people[role], role=role)
        volume, _ = add_ready_volume(
            session, Actor(people["admin"].id), server.storage, tmp_path, project_id=project.id
        )
    return Place(server, tmp_path, people, volume)


def test_another_file_takes_the_place_of_a_reference_once_it_is_accepted(place: Place) -> None:
    first, second = place.labels(1, 2), place.labels(2, 2)
    problem(place.send("PUT", second), 404, "not_found")
    old = place.send("POST", first).json()
    moved = Grid(shape=GRID.shape, affine=GRID.affine + np.array([[0, 0, 0, 1.0], *[[0] * 4] * 3]))
    problem(place.send("PUT", place.labels(1, grid=moved)), 409, "grid_mismatch")
    problem(place.send("PUT", place.labels(99)), 422, "label_values_invalid")
    problem(place.send("PUT", second[:-9]), 422, "nifti_truncated")
    assert (place.told()["reference"], place.file().content) == (old, first)
    new = place.send("PUT", second, origin="model")
    assert (new.status_code, new.json()["origin"]) == (200, "model")
    assert new.json()["id"] != old["id"]
    assert (place.told()["reference"], place.file().content) == (new.json(), second)
    assert place.audit() == [("reference_replace", place.volume.id)]
    problem(place.send("POST", first), 409, "name_taken")


def test_the_same_file_again_corrects_only_who_made_it(place: Place) -> None:
    content = place.labels(1, 2)
    old = place.send("POST", content).json()
    again = place.send("PUT", content, origin="model")
    assert again.json() == {**old, "origin": "model"}


def test_a_deleted_reference_is_gone_and_another_one_can_be_added(place: Place) -> None:
    problem(place.send("DELETE"), 404, "not_found")
    place.send("POST", place.labels(1, 2))
    assert place.send("DELETE").status_code == 204
    assert place.told()["reference"] is None
    problem(place.file(), 404, "not_found")
    problem(place.send("DELETE"), 404, "not_found")
    assert place.audit() == [("reference_delete", place.volume.id)]
    assert place.send("POST", place.labels(3)).status_code == 201


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_python_client_replaces_and_deletes(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "reference.nii.gz"
    token = place.server.token(place.people["admin"])
    with serving(place.server) as live, Client(live.address, token) as client:
        with pytest.raises(NotFound):
            client.delete_reference(place.volume.id)
        path.write_bytes(place.labels(1, 2))
        first = client.upload_reference(place.volume.id, path, origin="expert")
        path.write_bytes(place.labels(2, 2))
        with pytest.raises(Conflict):
            client.upload_reference(place.volume.id, path, origin="expert")
        second = client.upload_reference(place.volume.id, path, origin="model", replace=True)
        assert (first.origin, second.origin) == ("expert", "model")
        assert place.file().content == path.read_bytes()
        client.delete_reference(place.volume.id)
    assert place.told()["reference"] is None


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_only_admins_of_the_project_replace_and_delete(place: Place, method: str) -> None:
    place.send("POST", place.labels(1))
    content = place.labels(2) if method == "PUT" else None
    for name in (Role.REVIEWER, Role.RESEARCHER):
        problem(place.send(method, content, by=name), 403, "not_allowed")
    for name in (Role.ANNOTATOR, "stranger"):  # this annotator has no work on it
        problem(place.send(method, content, by=name), 404, "not_found")
    with place.server.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(ReferenceMask)) == 1
    assert place.audit() == []
