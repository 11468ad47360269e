"""What a trained network made of its test scans, beside the masks of people's boxes."""

import math
import zlib
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import nibabel
import numpy as np

from crowdmask.core import metrics
from crowdmask.core.training import Configuration, TrainingSettings
from crowdmask.models import Account, Role, Training
from crowdmask.trainings import service
from crowdmask.trainings.service import ScoredLabel
from tests import factories
from tests.api.server import AppServer, problem

SHAPE = (3, 5, 7)


def _scored(volume_id: UUID, case: str, dice: float, sha256: str) -> ScoredLabel:
    masks = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    scores = replace(metrics.score(*masks, (1.0, 1.0, 1.0)), volume_dice=dice)
    return ScoredLabel(case, volume_id, 1, "liver", scores, 0.001, sha256)


def test_predictions_have_the_projects_numbers_the_worst_first_and_are_given_out(
    server: AppServer, tmp_path: Path
) -> None:
    canonical = np.random.default_rng(3).integers(0, 3, SHAPE, dtype=np.uint8)
    stored = canonical.transpose(2, 1, 0)[:, ::-1]
    nibabel.save(nibabel.Nifti1Image(stored, np.diag([-2.0, 2, 3, 1])), tmp_path / "predicted.nii.gz")
    sha256 = server.storage.put_file(tmp_path / "predicted.nii.gz")
    with server.database.write() as session:
        people: dict[str, Account] = {
            name: factories.add_account(session, name=name) for name in ("admin", "rev", "ann", "other")
        }
        project = factories.add_project(session, people["admin"], labels=("spleen", "liver"))
        factories.add_member(session, project, people["rev"], role=Role.REVIEWER)
        factories.add_member(session, project, people["ann"])
        volumes = [factories.add_volume(session, project, name=f"CT {n}", shape=SHAPE) for n in range(3)]
        export = factories.add_export(session, project, test=volumes, labels=("liver",))
        # The liver is label 1 of the dataset and label 2 of the project.
        export.selection = {**export.selection, "project_labels": {"liver": 2}}
        training = Training(
            project_id=project.id,
            export_id=export.id,
            name="First",
            settings=TrainingSettings().to_json(),
            created_by=people["admin"].id,
        )
        session.add(training)
        session.flush()
        scored = [
            _scored(volume.id, f"case_{n}", dice, sha256)
            for n, (volume, dice) in enumerate(zip(volumes, (0.9, math.nan, 0.2), strict=True))
        ]
        service.record_scores(
            session, training_id=training.id, configuration=Configuration.FULLRES, scored=scored
        )
    clients = {name: server.sign_in(person) for name, person in people.items()}
    path = f"/api/v1/projects/{project.id}/predictions"
    listed = clients["rev"].get(path).json()["items"]
    assert [one["volume_dice"] for one in listed] == [0.2, 0.9, None]
    assert (listed[0]["volume_name"], listed[0]["training_name"]) == ("CT 2", "First")
    assert {(one["label_index"], one["label_name"]) for one in listed} == {(2, "liver")}

    paged, cursor = [], {}
    while cursor is not None:
        page = clients["rev"].get(path, params={"limit": 1, **cursor}).json()
        paged += page["items"]
        cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    assert paged == listed
    of_one = clients["rev"].get(path, params={"volume_id": str(volumes[1].id)}).json()["items"]
    assert of_one == [one for one in listed if one["volume_name"] == "CT 1"]
    problem(clients["rev"].get(path, params={"cursor": "bm9uc2Vuc2U="}), 422, "request_invalid")

    found = f"/api/v1/predictions/{listed[0]['id']}"
    answer = clients["rev"].get(f"{found}/bits")
    rows = np.frombuffer(zlib.decompress(answer.content), np.uint8).reshape(SHAPE[0], -1)
    bits = np.unpackbits(rows, axis=1, count=SHAPE[1] * SHAPE[2]).reshape(SHAPE)
    assert np.array_equal(bits, canonical == 1), "the dataset's number, not the project's"
    file = clients["rev"].get(f"{found}/file")
    assert file.content == (tmp_path / "predicted.nii.gz").read_bytes()
    assert 'filename="CT_2_First.nii.gz"' in file.headers["content-disposition"]
    problem(clients["ann"].get(path), 403, "not_allowed")
    problem(clients["other"].get(path), 404, "not_found")
    for name in ("ann", "other"):
        for kind in ("bits", "file"):
            problem(clients[name].get(f"{found}/{kind}"), 404, "not_found")
