"""The Dice of single slices: kept by the worker, downloaded, tested beside the scans, and made anew for older scores."""

import csv
import gzip
import io
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa
from scipy import stats
from typer.testing import CliRunner

from crowdmask import cli
from crowdmask.client import Client
from crowdmask.core.lifecycle import JobState
from crowdmask.core.nnunet_layout import DatasetFolder, Split
from crowdmask.core.slice_overlap import SliceOverlap
from crowdmask.core.training import TrainingSettings
from crowdmask.models import Evaluation, Job, JobKind, Training, TrainingScore
from tests import factories
from tests.api.evaluations.place import Place, blob
from tests.api.progress.live import serving
from tests.api.server import problem

EXPERT = blob(z=slice(0, 4), x=3)


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def crowd(place: Place) -> Place:
    """Three scans, each with a mask by ann and one by res, all of them evaluated."""
    for number in range(3):
        volume = place.volume(f"CT {number}", EXPERT)
        place.mask(volume, blob(z=slice(0, 4 - number), x=3))
        place.mask(volume, blob(z=slice(number, 4), x=4 + number), by="res")
    place.ask()
    place.work()
    return place


def _sets(place: Place) -> dict[str, str]:
    return {"a": f"masks:{place.people['ann'].id}", "b": f"masks:{place.people['res'].id}"}


def test_every_slice_of_every_mask_is_in_the_csv_and_read_for_nothing_else(crowd: Place) -> None:
    """They are long: the pages of scores come without them."""
    read: list[bool] = []

    def look(*said: Any) -> None:
        read.append(re.search(r"(evaluation|training_score)\.slices\b(?! IS)", said[2]) is not None)

    sa.event.listen(crowd.server.database.engine, "before_cursor_execute", look)
    for path in ("sets", "summary", "report", ""):
        assert crowd.get(path).status_code == 200
    assert read
    assert not any(read)
    answer = crowd.get("slices", by="res")
    assert any(read)
    assert answer.headers["content-disposition"] == 'attachment; filename="slices.csv"'
    rows = _rows(answer.text)
    assert len(rows) == 2 * 3 * 4  # each slice holds the reference
    (missed,) = (row for row in rows if (row["case"], row["slice"], row["by"]) == ("CT 2", "3", "ann"))
    assert missed == {
        "case": "CT 2",
        "slice": "3",
        "label_index": "1",
        "label": "liver",
        "by": "ann",
        "mask_voxels": "0",
        "reference_voxels": "16",
        "both_voxels": "0",
        "dice": "0.0",
    }
    table = crowd.get("table", of=_sets(crowd)["b"], score="slice_dice", each_slice="true").text.splitlines()
    assert table[0] == "case,slice,liver_slice_dice"
    assert table[1:] == [f"CT {n},{z},{(3 - n) / 4}" for n in range(3) for z in range(n, 4)]
    problem(crowd.get("table", score="hd95_mm", each_slice="true"), 422, "option_invalid")
    for path in ("slices", "comparison/table"):
        problem(crowd.get(path, by="ann", **_sets(crowd)), 403, "not_allowed")
        problem(crowd.get(path, by="stranger", **_sets(crowd)), 404, "not_found")


def test_two_sets_are_tested_over_slices_beside_the_scans(crowd: Place, tmp_path: Path) -> None:
    found = crowd.get("comparison", **_sets(crowd)).json()
    assert found["without_slices"] == 0
    rows = {row["score"]: row for row in found["rows"]}
    assert rows["volume_dice"]["slices"] is None
    # ann has the slices before 4 - n, all of them right; res those from n on, (3 - n) / 4 right
    pairs = [(1.0, (3 - n) / 4) for n in range(3) for z in range(n, 4 - n)]
    test = rows["slice_dice"]["slices"]
    assert (test["pairs"], test["volumes"]) == (len(pairs), 2)
    assert test["p"] == pytest.approx(stats.wilcoxon(*np.transpose(pairs)).pvalue)
    assert test["a"] == {"mean": 1.0, "ci": 0.0}
    assert test["b"]["mean"] == pytest.approx(np.mean([b for _, b in pairs]))
    everywhere = [(float(z < 4 - n), (3 - n) / 4 if z >= n else 0.0) for n in range(3) for z in range(4)]
    test = rows["slice_dice_all"]["slices"]
    assert (test["pairs"], test["volumes"]) == (12, 3)
    assert test["p"] == pytest.approx(stats.wilcoxon(*np.transpose(everywhere)).pvalue)
    (line,) = (
        row
        for row in _rows(crowd.get("comparison/table", **_sets(crowd)).text)
        if row["score"] == "slice_dice_all"
    )
    assert float(line["p_over_slices"]) == test["p"]
    assert (line["slices"], line["volumes_of_slices"], line["pairs"]) == ("12", "3", "3")
    assert "not independent" in line["remark"]
    report = crowd.get("report", **_sets(crowd)).text
    assert "n = 12 slices of 3 scans" in report
    assert "not independent" in report
    for name, key in _sets(crowd).items():
        text = crowd.get("table", of=key, score="slice_dice_all", each_slice="true").text
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    command = ["compare", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--json"]
    said = json.loads(CliRunner().invoke(cli.app, command, catch_exceptions=False).stdout)
    (column,) = said["columns"].values()
    assert (column["p"], column["pairs"]) == (test["p"], 12)
    assert column["cases"]["p"] == pytest.approx(rows["slice_dice_all"]["p"])
    with (
        serving(crowd.server) as live,
        Client(live.address, crowd.server.token(crowd.people["res"])) as client,
    ):
        compared = client.compare_scores(crowd.project.id, *_sets(crowd).values())
        client.download_slices(crowd.project.id, tmp_path / "slices.csv", of=_sets(crowd)["a"])
    (seen,) = (row.slices for row in compared if row.score == "slice_dice_all")
    assert seen is not None
    assert (seen.p, seen.pairs, seen.volumes) == (test["p"], 12, 3)
    assert len((tmp_path / "slices.csv").read_text(encoding="utf-8").splitlines()) == 1 + 12


def test_several_masks_of_a_scan_are_one_value_on_each_slice_and_organs_are_averaged(crowd: Place) -> None:
    key = crowd.get("table", score="slice_dice_all", each_slice="true").text.splitlines()[1]
    assert key == f"CT 0,0,{(1 + 3 / 4) / 2}"
    both = EXPERT | blob(z=slice(1, 2), x=8, value=2)
    volume = crowd.volume("CT 9", both)
    for person, x in (("ann", 8), ("res", 7)):
        crowd.mask(volume, EXPERT, by=person)
        crowd.mask(volume, blob(z=slice(1, 2), x=x), label_index=2, by=person)
    crowd.ask()
    crowd.work()
    rows = crowd.get("comparison", **_sets(crowd)).json()["rows"]
    (mean,) = (row for row in rows if row["score"] == "slice_dice" and row["label_name"] is None)
    assert mean["slices"]["pairs"] == 6 + 4  # the organs of a slice are one value
    means = [(3 - n) / 4 for n in range(3) for _ in range(n, 4 - n)] + [1, (1 + 0.75) / 2, 1, 1]
    assert mean["slices"]["b"]["mean"] == pytest.approx(np.mean(means))


def test_scores_of_an_earlier_version_are_shown_and_made_anew_with_their_slices(crowd: Place) -> None:
    with crowd.server.database.write() as session:
        first = session.scalars(sa.select(Evaluation).order_by(Evaluation.id)).first()
        assert first is not None
        first.slices = None
    before = crowd.table().json()
    assert (before["pending"], before["without_slices"], len(before["means"])) == (0, 1, 1)
    compared = crowd.get("comparison", **_sets(crowd)).json()
    assert compared["without_slices"] == 1
    rows = {row["score"]: row for row in compared["rows"]}
    assert rows["volume_dice"]["pairs"] == 3
    assert rows["slice_dice_all"]["slices"]["volumes"] == 2  # of its scan not even the other mask counts
    assert "1 of the scores were made by an earlier version" in crowd.get("report", **_sets(crowd)).text
    assert crowd.ask().json() == {"jobs": 1}
    crowd.work()
    after = crowd.table().json()
    assert (after["without_slices"], after["means"]) == (0, before["means"])
    assert crowd.get("comparison", **_sets(crowd)).json()["without_slices"] == 0
    assert crowd.ask().json() == {"jobs": 0}
    with crowd.server.database.write() as session:
        session.execute(sa.update(Evaluation).values(slices=None))
    problem(crowd.get("slices"), 409, "scores_invalid")


def _predicted(place: Place) -> tuple[UUID, Path]:
    """A training of the version before, which has predicted one scan; and where its dataset has the test labels."""
    volume = place.volume("CT 0", EXPERT)
    prediction = EXPERT.copy()
    prediction[3] = 0
    with place.server.database.write() as session:
        export = factories.add_export(session, place.project, test=(volume,), labels=("liver",))
        training = Training(
            project_id=place.project.id,
            export_id=export.id,
            name="Old",
            settings=TrainingSettings().to_json(),
            created_by=place.people["admin"].id,
        )
        session.add(training)
        session.flush()
        session.add(
            TrainingScore(
                training_id=training.id,
                configuration=TrainingSettings().result,
                case="test_0",
                volume_id=volume.id,
                label_index=1,
                label_name="liver",
                volume_dice=6 / 7,
                slices_predicted=3,
                slices_reference=4,
                prediction_sha256=place.store(prediction),
            )
        )
        folder = DatasetFolder(place.server.settings.exports_dir / str(export.id) / "Dataset501_Test")
        return training.id, folder.label_path("test_0", split=Split.TEST)


def test_predictions_of_an_earlier_version_are_measured_slice_by_slice_without_training_again(
    place: Place,
) -> None:
    training_id, labels = _predicted(place)
    assert place.table().json()["without_slices"] == 1
    assert place.ask().json() == {"jobs": 1}
    place.work()
    with place.server.database.read() as session:
        job = session.scalars(sa.select(Job).where(Job.kind == JobKind.EVALUATE)).one()
    assert job.state is JobState.DEAD
    assert "test labels of Dataset501_Test are gone" in (job.error_text or "")
    labels.parent.mkdir(parents=True)
    labels.write_bytes(gzip.compress(place.server.storage.path(place.store(EXPERT)).read_bytes()))
    assert place.ask().json() == {"jobs": 1}
    place.work()
    assert place.job_states() == [JobState.DONE]
    assert place.table().json()["without_slices"] == 0
    with place.server.database.read() as session:
        (stored,) = session.scalars(sa.select(TrainingScore.slices))
        (score,) = session.scalars(sa.select(TrainingScore))
    assert SliceOverlap.from_json(stored or {}) == SliceOverlap(
        0, (16, 16, 16, 0), (16,) * 4, (16, 16, 16, 0)
    )
    assert score.volume_dice == 6 / 7
    rows = _rows(place.get("slices", of=f"training:{training_id}").text)
    assert [row["dice"] for row in rows] == ["1.0", "1.0", "1.0", "0.0"]
