"""Masks against references: asked for over HTTP, computed by the real worker, compared with the metrics by hand."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from scipy import stats

from crowdmask.core import metrics
from crowdmask.core.lifecycle import JobState
from crowdmask.core.score_table import read_scores
from crowdmask.models import Evaluation, Job, Segmentation
from tests.api.evaluations.place import GRID, Place, blob
from tests.api.server import problem


def test_masks_are_compared_with_their_references_by_the_worker(place: Place) -> None:
    made, expert = blob(z=slice(0, 3), x=3), blob(z=slice(1, 4), x=4)
    both = expert | blob(z=slice(0, 1), x=8, value=2)
    place.mask(place.volume("a", both), made)
    place.mask(place.volume("b", blob(z=slice(0, 2), x=1)), blob(z=slice(0, 2), x=1))
    place.mask(place.volume("c", None), made)
    before = place.table().json()
    assert (len(before["rows"]), before["pending"], before["without_reference"]) == (2, 2, 1)
    assert (before["means"], before["origins"]) == ([], [])
    assert before["rows"][0]["evaluated_at"] is before["rows"][0]["volume_dice"] is None
    asked = place.ask(by="res")
    assert (asked.status_code, asked.json()) == (202, {"jobs": 2})
    assert place.ask().json() == {"jobs": 2}  # twice is as good as once
    assert place.job_states() == [JobState.QUEUED] * 2
    place.work()
    after = place.table(by="res").json()
    assert (after["pending"], after["without_reference"]) == (0, 1)
    first, second = after["rows"]
    expected = metrics.score(made > 0, both == 1)
    assert (first["volume_name"], first["label_name"], first["annotator"]) == ("a", "liver", "ann")
    assert first["reference_origin"] == "expert"
    assert first["volume_dice"] == pytest.approx(expected.volume_dice)
    assert first["slice_dice"] == pytest.approx(expected.slice_dice)
    assert first["slice_dice_all"] == pytest.approx(expected.slice_dice_all)
    assert (first["slices_predicted"], first["slices_reference"]) == (3, 3)
    assert (second["volume_name"], second["volume_dice"]) == ("b", 1.0)
    assert first["predicted_ml"] == pytest.approx(np.count_nonzero(made) * 12 / 1000)
    assert first["reference_ml"] == pytest.approx(np.count_nonzero(both == 1) * 12 / 1000)
    (means,) = after["means"]
    assert (means["label_index"], means["label_name"]) == (1, "liver")
    dice = means["volume_dice"]
    assert (dice["n"], dice["undefined"], dice["shapiro_p"]) == (2, 0, None)
    assert dice["mean"] == pytest.approx((expected.volume_dice + 1) / 2)
    assert dice["ci"] == pytest.approx(1.96 * (1 - expected.volume_dice) / 2 / 2**0.5)
    assert expected.volume_dice <= dice["low"] <= dice["mean"] <= dice["high"] <= 1
    assert means["hd95_mm"]["mean"] == pytest.approx(np.mean([first["hd95_mm"], 0]))
    assert after["origins"] == ["expert"]
    assert place.ask().json() == {"jobs": 0}
    with place.server.database.read() as session:
        assert {job.project_id for job in session.scalars(sa.select(Job).filter_by(kind="evaluate"))} == {
            place.project.id
        }


def test_an_undefined_score_is_null_and_counts_in_no_mean(place: Place) -> None:
    nothing = np.zeros(GRID.shape, np.uint8)
    place.mask(place.volume("a", blob(z=slice(0, 1), x=3, value=2)), nothing)
    place.ask()
    place.work()
    table = place.table().json()
    (row,) = table["rows"]
    assert row["volume_dice"] is row["slice_dice"] is row["slice_dice_all"] is None
    assert row["slices_predicted"] == 0
    assert row["evaluated_at"] is not None
    assert table["pending"] == 0
    assert row["predicted_ml"] == row["reference_ml"] == 0
    (means,) = table["means"]
    assert means["volume_dice"] == {
        "mean": None,
        "ci": None,
        "low": None,
        "high": None,
        "n": 0,
        "undefined": 1,
        "shapiro_p": None,
    }


def test_files_without_orientation_lie_as_the_admin_said(place: Place) -> None:
    made = blob(z=slice(0, 3), x=3)
    place.mask(place.volume("a", made, bare=True), made, bare=True)
    place.ask()
    place.work()
    assert place.job_states() == [JobState.DONE]
    assert place.table().json()["rows"][0]["volume_dice"] == 1.0


def test_a_mask_that_was_made_again_is_evaluated_again(place: Place) -> None:
    expert = blob(z=slice(0, 3), x=3)
    segmentation_id = place.mask(place.volume("a", expert), blob(z=slice(0, 1), x=3))
    place.ask()
    place.work()
    with place.server.database.write() as session:
        session.get_one(Segmentation, segmentation_id).mask_sha256 = place.store(expert)
    assert place.table().json()["pending"] == 1
    assert place.ask().json() == {"jobs": 1}
    place.work()
    assert place.table().json()["rows"][0]["volume_dice"] == 1.0
    with place.server.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Evaluation)) == 2


def test_a_damaged_file_fails_the_evaluation_and_asking_again_after_its_repair_does_it(place: Place) -> None:
    """Fault 46."""
    expert = blob(z=slice(0, 3), x=3)
    segmentation_id = place.mask(place.volume("a", expert), expert)
    with place.server.database.read() as session:
        path = place.server.storage.path(session.get_one(Segmentation, segmentation_id).mask_sha256)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"\1")
    place.ask()
    place.work()
    assert place.job_states() == [JobState.DEAD]
    assert place.table().json()["pending"] == 1
    place.server.storage.put_bytes(whole)
    assert place.ask().json() == {"jobs": 1}
    place.work()
    assert place.job_states() == [JobState.DONE]
    assert place.table().json()["rows"][0]["volume_dice"] == 1.0


def test_evaluations_are_for_admins_and_researchers(place: Place) -> None:
    for answer in (place.table(by="ann"), place.ask(by="ann")):
        problem(answer, 403, "not_allowed")
    for answer in (place.table(by="stranger"), place.ask(by="stranger")):
        problem(answer, 404, "not_found")
    for path in ("sets", "table"):
        problem(place.get(path, by="ann"), 403, "not_allowed")
        problem(place.get(path, by="stranger"), 404, "not_found")


def test_the_dice_table_is_read_by_the_command_that_compares(place: Place, tmp_path: Path) -> None:
    expert = blob(z=slice(0, 3), x=3)
    whole = expert | blob(z=slice(0, 1), x=8, value=2)
    first, second = place.volume("b, c", whole), place.volume("=a", whole)
    place.mask(first, expert)
    place.mask(first, expert, label_index=2)
    place.mask(second, expert)
    place.ask()
    place.work()
    answer = place.get("table", by="res")
    assert answer.headers["content-disposition"] == 'attachment; filename="volume_dice.csv"'
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    heading, *lines = csv.reader(io.StringIO(answer.text))
    assert heading == ["case", "liver_volume_dice", "spleen_volume_dice"]
    assert lines == [["'=a", "1.0", ""], ["b, c", "1.0", "0.0"]]  # no formula for a spreadsheet
    (tmp_path / "a.csv").write_text(answer.text, encoding="utf-8")
    assert read_scores(tmp_path / "a.csv").cases == ("'=a", "b, c")
    other = place.get("table", score="slice_dice", of="masks").text
    assert other.startswith("case,liver_slice_dice,spleen_slice_dice")


def test_two_masks_of_one_volume_are_one_value(place: Place) -> None:
    """Their scores depend on each other; an interval that took them for two cases would be too narrow."""
    expert = blob(z=slice(0, 4), x=3)
    twice = place.volume("a", expert)
    place.mask(twice, expert)
    place.mask(twice, blob(z=slice(0, 2), x=3), by="res")
    for name, to in (("b", 3), ("c", 1)):
        place.mask(place.volume(name, expert), blob(z=slice(0, to), x=3))
    place.ask()
    place.work()
    values = [(1 + 2 / 3) / 2, 6 / 7, 2 / 5]
    (means,) = place.table().json()["means"]
    dice = means["volume_dice"]
    assert (dice["n"], dice["mean"]) == (3, pytest.approx(np.mean(values)))
    assert dice["shapiro_p"] == pytest.approx(stats.shapiro(values).pvalue)
    lines = place.get("table").text.splitlines()
    assert [float(line.split(",")[1]) for line in lines[1:]] == pytest.approx(values)


def test_an_evaluation_from_before_volumes_were_kept_is_asked_for_again(place: Place) -> None:
    expert = blob(z=slice(0, 3), x=3)
    place.mask(place.volume("a", expert), expert)
    place.ask()
    place.work()
    with place.server.database.write() as session:
        session.scalars(sa.select(Evaluation)).one().reference_ml = None
    assert place.table().json()["pending"] == 1
    assert place.ask().json() == {"jobs": 1}
    place.work()
    assert place.table().json()["rows"][0]["reference_ml"] == pytest.approx(48 * 12 / 1000)
