"""A reference as it was uploaded, and one label of it as a viewer gets it."""

import zlib
from pathlib import Path

import nibabel
import numpy as np

from crowdmask.infra.db import Database
from crowdmask.models import ReferenceMask, ReferenceOrigin, Role
from tests import factories
from tests.api.server import AppServer, problem

SHAPE = (3, 5, 7)  # 35 voxels a slice: not a whole number of bytes


def test_a_label_of_the_reference_lies_on_the_canonical_grid_however_its_file_lies(
    server: AppServer, database: Database, tmp_path: Path
) -> None:
    canonical = np.random.default_rng(3).integers(0, 3, SHAPE, dtype=np.uint8)
    # Canonical x and y rise to Left and Posterior; a file with axes to Left, Anterior, Superior has y turned round.
    stored = canonical.transpose(2, 1, 0)[:, ::-1]
    nibabel.save(nibabel.Nifti1Image(stored, np.diag([-2.0, 2, 3, 1])), tmp_path / "reference.nii.gz")
    with database.write() as session:
        people = {
            name: factories.add_account(session, name=name) for name in ("admin", "rev", "ann", "other")
        }
        project = factories.add_project(session, people["admin"])
        factories.add_member(session, project, people["rev"], role=Role.REVIEWER)
        factories.add_member(session, project, people["ann"])
        volume = factories.add_volume(session, project, name="CT 1", shape=SHAPE)
        without = factories.add_volume(session, project, shape=SHAPE)
        session.add(
            ReferenceMask(
                volume_id=volume.id,
                source_sha256=server.storage.put_file(tmp_path / "reference.nii.gz"),
                origin=ReferenceOrigin.EXPERT,
            )
        )
    clients = {name: server.sign_in(person) for name, person in people.items()}
    path = f"/api/v1/volumes/{volume.id}/reference"
    for label in (1, 2, 200):
        answer = clients["rev"].get(f"{path}/{label}/bits")
        assert answer.status_code == 200, answer.text
        rows = np.frombuffer(zlib.decompress(answer.content), np.uint8).reshape(SHAPE[0], -1)
        bits = np.unpackbits(rows, axis=1, count=SHAPE[1] * SHAPE[2]).reshape(SHAPE)
        assert np.array_equal(bits, canonical == label)
        again = clients["rev"].get(f"{path}/{label}/bits", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    problem(clients["rev"].get(f"{path}/0/bits"), 422, "request_invalid")
    problem(clients["rev"].get(f"/api/v1/volumes/{without.id}/reference/1/bits"), 404, "not_found")
    file = clients["rev"].get(f"{path}/file")
    assert file.content == (tmp_path / "reference.nii.gz").read_bytes()
    assert 'filename="CT_1_reference.nii.gz"' in file.headers["content-disposition"]
    for name in ("ann", "other"):
        for what in ("1/bits", "file"):
            problem(clients[name].get(f"{path}/{what}"), 404, "not_found")
