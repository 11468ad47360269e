"""Sets of scores: which there are, what they come to, and two of them side by side."""

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from scipy import stats
from typer.testing import CliRunner

from crowdmask import cli
from crowdmask.client import Client
from crowdmask.core import nifti
from crowdmask.core.errors import NotFound
from crowdmask.models import TrainingScore, Volume
from tests.api.evaluations.place import Place, blob
from tests.api.progress.live import serving
from tests.api.server import problem

CROWD = [0.70, 0.75, 0.60, 0.82, 0.55, 0.78]
NETWORK = [0.80, 0.74, 0.72, 0.88, 0.69, 0.90]


@pytest.fixture
def volumes(place: Place) -> list[Volume]:
    """Six volumes with a liver by ann in each; in the first one by res as well."""
    expert = blob(z=slice(0, 3), x=3)
    made = [place.volume(f"CT {number}", expert) for number in range(6)]
    for volume, dice in zip(made, CROWD, strict=True):
        place.scored(volume, dice)
    return made


def test_the_sets_of_a_project_are_all_masks_those_of_each_person_and_each_training(
    place: Place, volumes: list[Volume]
) -> None:
    place.scored(volumes[0], 0.9, by="res")
    training = place.training("Crowd labels", {volumes[0].id: {"liver": 0.8}})
    ann, res = place.people["ann"], place.people["res"]
    assert place.get("sets", by="res").json() == [
        {"key": "masks", "kind": "masks", "name": None, "scores": 7},
        {"key": f"masks:{ann.id}", "kind": "person", "name": "ann", "scores": 6},
        {"key": f"masks:{res.id}", "kind": "person", "name": "res", "scores": 1},
        {"key": f"training:{training}", "kind": "training", "name": "Crowd labels", "scores": 1},
    ]


def test_masks_and_a_training_are_compared_volume_by_volume(place: Place, volumes: list[Volume]) -> None:
    place.scored(volumes[0], 0.9, by="res")
    scores = {volume.id: {"liver": dice} for volume, dice in zip(volumes, NETWORK, strict=True)}
    training = place.training("Network", scores)
    answer = place.get("comparison", by="res", a="masks", b=f"training:{training}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["a"]["kind"], found["b"]["name"], found["origins"]) == ("masks", "Network", ["expert"])
    row = next(one for one in found["rows"] if one["score"] == "volume_dice")
    a = np.array([(CROWD[0] + 0.9) / 2, *CROWD[1:]])
    assert (row["label_name"], row["pairs"], row["only_a"], row["only_b"]) == ("liver", 6, 0, 0)
    assert row["a"]["mean"] == pytest.approx(a.mean())
    assert row["a"]["ci"] == pytest.approx(1.96 * a.std() / 6**0.5)
    assert row["b"]["mean"] == pytest.approx(np.mean(NETWORK))
    assert row["p"] == row["p_holm"] == pytest.approx(stats.wilcoxon(a, NETWORK).pvalue)
    undefined = next(one for one in found["rows"] if one["score"] == "hd95_mm")
    assert (undefined["a"]["undefined"], undefined["pairs"], undefined["p"]) == (6, 0, None)


def test_the_command_finds_the_same_in_the_two_tables(
    place: Place, volumes: list[Volume], tmp_path: Path
) -> None:
    for volume in volumes[:5]:
        place.scored(volume, 0.9, label_index=2)
    training = place.training(
        "Network",
        {
            volume.id: {"liver": dice, "spleen": 0.7 + dice / 100}
            for volume, dice in zip(volumes[:5], NETWORK, strict=False)
        },
    )
    sets = {"a": "masks", "b": f"training:{training}"}
    rows = place.get("comparison", **sets).json()["rows"]
    dice = {row["label_name"]: row for row in rows if row["score"] == "volume_dice"}
    assert list(dice) == ["liver", "spleen", None]
    assert (dice["liver"]["only_a"], dice["liver"]["only_b"]) == (1, 0)
    for name, key in sets.items():
        (tmp_path / f"{name}.csv").write_text(place.get("table", of=key).text, encoding="utf-8")
    command = ["compare", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--json"]
    said = CliRunner().invoke(cli.app, command, catch_exceptions=False).stdout
    for label in ("liver", "spleen"):
        assert f'"p_holm": {dice[label]["p_holm"]}' in said
        assert str(dice[label]["a"]["mean"]) in said
    both = [(np.array(CROWD[:5]) + 0.9) / 2, [(one + 0.7 + one / 100) / 2 for one in NETWORK[:5]]]
    assert dice[None]["p"] == pytest.approx(stats.wilcoxon(*both).pvalue)
    assert dice[None]["p_holm"] is None


def test_a_training_of_some_labels_has_the_numbers_of_the_project(
    place: Place, volumes: list[Volume]
) -> None:
    """A dataset numbers its labels from 1: here spleen, which is 2 in the project, and one that was deleted since."""
    key = f"training:{place.training('Spleen', {volumes[0].id: {'spleen': 0.8, 'gone': 0.5}})}"
    found = place.get("summary", of=key).json()
    assert [(one["label_index"], one["label_name"]) for one in found["worst"]] == [(2, "gone"), (2, "spleen")]
    assert len(found["means"]) == 2
    assert place.get("table", of=key).text.splitlines() == [
        "case,gone_volume_dice,spleen_volume_dice",
        "CT 0,0.5,0.8",
    ]


def test_the_python_client_compares_and_keeps_the_report(
    place: Place, volumes: list[Volume], tmp_path: Path
) -> None:
    training = place.training(
        "Network", {volume.id: {"liver": dice} for volume, dice in zip(volumes, NETWORK, strict=True)}
    )
    project_id, key = place.project.id, f"training:{training}"
    with (
        serving(place.server) as live,
        Client(live.address, place.server.token(place.people["res"])) as client,
    ):
        assert [one.kind for one in client.score_sets(project_id)] == ["masks", "person", "training"]
        row = client.compare_scores(project_id, "masks", key)[0]
        client.download_report(project_id, tmp_path / "report.html", b=key)
        client.download_scores(project_id, tmp_path / "scores.csv", of=key)
        with place.server.database.write() as session:
            predicted = session.scalars(sa.select(TrainingScore)).first()
            assert predicted is not None
            predicted.prediction_sha256 = place.store(blob(z=slice(0, 1), x=3))
        masks = {mask.kind: mask for mask in client.masks(project_id)}
        for mask in masks.values():
            client.download_made_mask(mask, tmp_path / f"{mask.kind}.nii.gz")
        with pytest.raises(NotFound):
            client.compare_scores(project_id, "masks", "training:none")
    assert {kind: (mask.by, mask.label.name) for kind, mask in masks.items()} == {
        "person": ("ann", "liver"),
        "training": ("Network", "liver"),
    }
    for kind in masks:
        assert nifti.read_label_map(tmp_path / f"{kind}.nii.gz").voxels.any()
    assert (row.score, row.label, row.pairs, row.a.n) == ("volume_dice", "liver", 6, 6)
    assert row.p == pytest.approx(stats.wilcoxon(CROWD, NETWORK).pvalue)
    assert "Training Network" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len((tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()) == 7


def test_the_summary_holds_means_differences_of_volumes_and_the_worst_cases(
    place: Place, volumes: list[Volume]
) -> None:
    place.scored(volumes[0], None, by="res", ml=4.0)
    found = place.get("summary", by="res").json()
    assert found["set"] == {"key": "masks", "kind": "masks", "name": None}
    assert found["means"][0]["volume_dice"]["n"] == 6
    differences = np.array([-1.0] * 6 + [2.0])
    (one,) = found["volumes"]
    assert (one["label_name"], one["n"]) == ("liver", 7)
    assert one["mean"] == pytest.approx(differences.mean())
    assert one["high"] == pytest.approx(differences.mean() + 1.96 * differences.std(ddof=1))
    assert [case["volume_dice"] for case in found["worst"]] == sorted(CROWD)
    assert found["worst"][0]["volume_id"] == str(volumes[4].id)
    of_one = place.get("summary", of=f"masks:{place.people['res'].id}").json()
    assert (of_one["set"]["name"], of_one["worst"]) == ("res", [])


def test_sets_that_are_not_there_or_have_nothing_in_common_are_refused(
    place: Place, volumes: list[Volume]
) -> None:
    for key in ("", "maske", "masks:", f"masks:{place.people['res'].id}", f"training:{volumes[0].id}"):
        problem(place.get("summary", of=key), 404, "not_found")
        problem(place.get("comparison", a="masks", b=key), 404, "not_found")
    training = place.training("Other organ", {volumes[0].id: {"aorta": 0.8}})
    problem(place.get("comparison", a="masks", b=f"training:{training}"), 409, "scores_invalid")
    for path in ("summary", "comparison"):
        problem(place.get(path, by="ann", a="masks", b="masks"), 403, "not_allowed")
        problem(place.get(path, by="stranger", a="masks", b="masks"), 404, "not_found")
