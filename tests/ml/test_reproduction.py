"""``crowdmask reproduce``: published datasets in, masks and the paper's tables out; and what it does with half of one."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from crowdmask import cli
from crowdmask.core.boxes_file import read_boxes
from crowdmask.core.dataset_layouts import read_published
from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.labels import Label
from crowdmask.core.nifti import read_label_map, write_mask, write_volume
from crowdmask.core.nnunet import check_dataset
from crowdmask.core.phantom import AORTA, LIVER, SPLEEN, abdominal_phantom
from crowdmask.core.simulate import Rule, ideal_boxes
from crowdmask.core.study_report import write_report
from crowdmask.core.tracks import boxes_by_slice
from crowdmask.core.training import TrainingSettings
from crowdmask.core.volume import Grid
from crowdmask_ml import registry
from crowdmask_ml.models.sam import build_network
from crowdmask_ml.nnunet import runs
from crowdmask_ml.reproduction.cases import Plan, Simulation
from crowdmask_ml.reproduction.pairs import REFERENCE, PairCase, trained_tables, write_pairs
from crowdmask_ml.reproduction.segmenters import SobelSegmenter, model_folder, paper_segmenter, with_edges
from crowdmask_ml.reproduction.study import StudyProgress, study_cases
from crowdmask_ml.segmenter import MaskRule, Segmenter
from tests.conftest import missing
from tests.fake_nnunet import FakeNnunet
from tests.ml.conftest import SMALL_INPUT, SMALL_VIT, spec_like

# Of the phantom: the lower part of the spleen, with liver and aorta on every slice.
FIRST, LAST = 30, 36


def _reproduce(out: Path, *arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(
        cli.app, ["reproduce", "-o", str(out), *map(str, arguments), "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def _refused(out: Path, *arguments: object) -> CrowdmaskError:
    result = CliRunner().invoke(cli.app, ["reproduce", "-o", str(out), *map(str, arguments)])
    assert isinstance(result.exception, CrowdmaskError)
    return result.exception


def _table(found: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    """Label -> arm -> the cell."""
    (table,) = (one for one in found["tables"] if one["key"] == key)
    return {row["label"]: row["arms"] for row in table["rows"]}


@pytest.fixture(scope="module")
def piece() -> tuple[np.ndarray, np.ndarray, Grid]:
    """A few slices of the phantom: voxels, labels, grid."""
    phantom = abdominal_phantom(np.random.default_rng(0))
    slices = slice(FIRST, LAST)
    shape = (LAST - FIRST, *phantom.labels.shape[1:])
    return phantom.voxels[slices], phantom.labels[slices], Grid(shape, phantom.grid.affine)


@pytest.fixture(scope="module")
def decathlon(tmp_path_factory: pytest.TempPathFactory, piece: tuple[np.ndarray, np.ndarray, Grid]) -> Path:
    """One good case, one whose reference lies elsewhere, one test image without a reference."""
    folder = tmp_path_factory.mktemp("msd") / "Task99_Phantom"
    voxels, labels, grid = piece
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / name).mkdir(parents=True)
    for name in ("imagesTr/p_1", "imagesTr/p_2", "imagesTs/p_3"):
        write_volume(folder / f"{name}.nii.gz", voxels, grid)
    write_volume(folder / "labelsTr" / "p_1.nii.gz", labels, grid)
    shifted = grid.affine.copy()
    shifted[0, 3] += 20
    write_volume(folder / "labelsTr" / "p_2.nii.gz", labels, Grid(grid.shape, shifted))
    names = {"0": "background", str(SPLEEN): "spleen", str(LIVER): "liver", str(AORTA): "aorta"}
    (folder / "dataset.json").write_text(json.dumps({"modality": {"0": "CT"}, "labels": names}))
    return folder


@pytest.mark.slow
def test_a_decathlon_dataset_becomes_masks_and_tables_and_nothing_is_made_twice(
    decathlon: Path, tmp_path: Path, piece: tuple[np.ndarray, np.ndarray, Grid]
) -> None:
    wanted = ("--dataset", decathlon, "--label", "spleen", "--label", "aorta", "--miss-inner", 0.5)
    found = _reproduce(tmp_path, *wanted)

    table2, ways = _table(found, "table2"), _table(found, "completion_litemedsam")
    assert list(table2) == ["spleen", "aorta", "all"]
    for label in table2:
        assert ways[label]["none"]["mean"] == table2[label]["litemedsam"]["mean"]
        assert ways[label]["none"]["mean"] < 0.85 < ways[label]["fill"]["mean"]
    loss = _table(found, "loss_litemedsam_none")["spleen"]
    assert loss["coverage"]["mean"] == pytest.approx(_boxes_of(found, "spleen")["coverage"])
    parts = [cell["mean"] for name, cell in loss.items() if name.startswith("of it")]
    assert sum(parts) == pytest.approx(loss["loss"]["mean"])
    assert loss["of it: slices without a box"]["mean"] > loss["of it: the model on slices with a box"]["mean"]
    assert {(one["case"], one["code"]) for one in found["left_out"]} == {
        ("p_2", "grid_mismatch"),
        ("p_3", "dataset_invalid"),
    }

    boxes = boxes_by_slice(read_boxes(tmp_path / "boxes" / "p_1.json").labels[SPLEEN])
    ideal = ideal_boxes(piece[1] == SPLEEN, Rule.RELEASED_CODE)
    assert set(boxes) < set(ideal)
    assert all([entry.box for entry in boxes[z]] == ideal[z] for z in boxes)
    masks = sorted(tmp_path.glob("masks/litemedsam/*/p_1.nii.gz"))
    before = {path: path.read_bytes() for path in masks}
    assert len(masks) == 3
    assert set(np.unique(read_label_map(masks[0]).voxels)) == {0, SPLEEN, AORTA}
    assert (tmp_path / "report.md").read_text().startswith("# The paper, reproduced")
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["tables"] == found["tables"]

    # A mask that was damaged, and the same command again.
    masks[0].write_bytes(masks[0].read_bytes()[:-9])
    stamps = {path: path.stat().st_mtime_ns for path in masks}
    again = CliRunner().invoke(cli.app, ["reproduce", "-o", str(tmp_path), *map(str, wanted)])
    assert "masks made 1, kept 2" in again.stdout
    assert {path: path.read_bytes() for path in masks} == before
    assert [path.stat().st_mtime_ns == stamps[path] for path in masks] == [False, True, True]
    # Other boxes are other conditions.
    other = CliRunner().invoke(
        cli.app,
        ["reproduce", "-o", str(tmp_path), *map(str, wanted), "--jitter-mm", "2", "--completion", "none"],
    )
    assert "masks made 1, kept 0" in other.stdout


def _boxes_of(found: dict[str, Any], label: str) -> dict[str, Any]:
    (one,) = (one for one in found["boxes"] if one["label"] == label)
    return dict(one)


def _prompt_lines(reference: np.ndarray, k: int, values: dict[int, int]) -> str:
    """What OpenLabeling writes of the boxes around labels on slice k of an array in file order."""
    picture = np.rot90(reference[:, :, k])
    height, width = picture.shape
    lines = ""
    for class_number, value in values.items():
        rows, columns = (
            np.flatnonzero((picture == value).any(axis=1)),
            np.flatnonzero((picture == value).any(axis=0)),
        )
        if rows.size:
            top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
            lines += (
                f"{class_number} {(left + right) / 2 / width:.10g} {(top + bottom) / 2 / height:.10g} "
                f"{(right - left) / width:.10g} {(bottom - top) / height:.10g}\n"
            )
    return lines


@pytest.fixture(scope="module")
def challenge(tmp_path_factory: pytest.TempPathFactory, piece: tuple[np.ndarray, np.ndarray, Grid]) -> Path:
    """Cases of BTCV with its integers, stored as that challenge stores them (x to the left, y to the front); nobody boxed
    the third, and the liver of the others."""
    folder = tmp_path_factory.mktemp("btcv")
    voxels, labels, _ = piece
    numbers = np.array([0, 1, 2, 3, 6, 8], np.uint8)
    affine = np.diag([-3.0, 3.0, 3.0, 1.0])
    # Canonical (z, y, x) rises to the back; the file's second axis to the front.
    image, stored = (one.transpose(2, 1, 0)[:, ::-1] for one in (voxels, numbers[labels]))
    for name in ("img", "label", "prompt"):
        (folder / name).mkdir()
    for number in ("0001", "0002", "0003"):
        nib.save(nib.Nifti1Image(image, affine), folder / "img" / f"img{number}.nii.gz")
        nib.save(nib.Nifti1Image(stored, affine), folder / "label" / f"label{number}.nii.gz")
    for number in ("0001", "0002"):
        for k in range(stored.shape[2] - 2):  # the two upper slices were not visited
            lines = _prompt_lines(stored, k, {0: 1, 7: 8})
            (folder / "prompt" / f"img{number}-slice{k:03}.txt").write_text(lines)
    return folder


@pytest.mark.slow
def test_real_boxes_on_btcv_lie_where_they_were_drawn(
    challenge: Path, tmp_path: Path, piece: tuple[np.ndarray, np.ndarray, Grid]
) -> None:
    found = _reproduce(
        tmp_path, "--dataset", challenge, "--prompts", challenge / "prompt", "--completion", "none",
        "--label", "spleen", "--label", "liver", "--label", "aorta", "--case", "img0001",
    )  # fmt: skip
    spleen = piece[1] == SPLEEN
    measured = _boxes_of(found, "spleen")
    assert measured["slices"] == LAST - FIRST - 2
    assert measured["coverage"] == pytest.approx(spleen[:-2].sum() / spleen.sum())
    assert measured["in_boxes"] == pytest.approx(measured["coverage"])
    assert measured["completeness"]["unverified_ends"] == [[LAST - FIRST - 2, LAST - FIRST - 1]]
    # On slices with a box the mask is good, so the boxes are where the organ is.
    loss = _table(found, "loss_litemedsam_none")
    assert loss["spleen"]["Dice on slices with a box"]["mean"] > 0.9
    # An organ that nobody boxed counts with nothing, not as if it had not been asked for.
    assert _table(found, "table2")["liver"]["litemedsam"] == {"mean": 0.0, "ci": 0.0, "n": 1, "undefined": 0}
    assert loss["liver"]["of it: slices without a box"]["mean"] == 1


@pytest.mark.slow
def test_nnunet_is_trained_on_what_people_boxed_and_tested_on_a_volume_that_nobody_did(
    challenge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("nnunetv2") is None:
        missing("nnU-Net (the extra train)")
    fake = FakeNnunet()
    monkeypatch.setattr(runs, "run_command", fake)
    wanted = (
        "--dataset", challenge, "--prompts", challenge / "prompt", "--completion", "none",
        "--label", "spleen", "--test-case", "img0003", "--train", "--fold", 1, "--fold", 0,
        "--configuration", "2d", "--configuration", "3d_fullres", "--small", "--epochs", 1,
    )  # fmt: skip
    found = _reproduce(tmp_path, *wanted)
    assert [(one["case"], one["code"]) for one in found["left_out"]] == [("img0003", "boxes_file_invalid")]
    folders = sorted((tmp_path / "nnunet").iterdir())
    assert [path.name for path in folders] == ["Dataset701_reference_labels", "Dataset702_litemedsam_none"]
    for folder in folders:
        report = check_dataset(folder)
        assert (report.training_cases, report.test_cases) == (2, 1)
        assert (folder / "labelsTs" / "img0003.nii.gz").is_file()
    one_arm = ["plan_and_preprocess", *["train", "train", "predict"] * 2, "ensemble"]
    assert [command.split()[0].removeprefix("nnUNetv2_") for command in fake.commands] == one_arm * 2
    assert [command.split()[1] for command in fake.commands if "_train " in command] == [
        folder.name for folder in folders for _ in range(4)
    ]
    # Whatever the masks to train on: both arms are scored on the same test case.
    arms = _table(found, "table4")["spleen"]
    assert set(arms) == {REFERENCE, "litemedsam, none"}
    assert arms[REFERENCE] == arms["litemedsam, none"]
    assert arms[REFERENCE]["n"] == 1
    again = _reproduce(tmp_path, *wanted)
    assert _table(again, "table4") == _table(found, "table4")
    assert len(fake.commands) == 2 * len(one_arm)


def test_the_experiment_can_be_run_from_python(challenge: Path, tmp_path: Path) -> None:
    dataset = read_published(challenge)
    told: list[str] = []
    plan = Plan(dataset.labels, Simulation(miss_inner=0.5), [], tmp_path / "out")
    study = study_cases(
        plan, dataset, dataset.cases[:2], StudyProgress(watch=lambda what, done, total: told.append(what))
    )
    report = study.report()
    assert [one.case for one in report.boxes if one.label == "spleen"] == told == ["img0001", "img0002"]
    assert all(0 < one.coverage < 1 for one in report.boxes)
    assert (report.tables, report.left_out) == ([], [])
    write_report(tmp_path / "out", report)
    assert (tmp_path / "out" / "report.md").is_file()


@pytest.mark.slow
@pytest.mark.sample_data
def test_a_real_nnunet_dataset_is_read_as_it_is(sample_data: Path, tmp_path: Path) -> None:
    folder = sample_data / "nnunet" / "Dataset904_HippoMini"
    wanted = ("--dataset", folder, "--case", "hippocampus_148", "--label", "anterior")
    found = _reproduce(tmp_path, *wanted, "--completion", "none", "--every", 4)
    assert found["conditions"]["layout"] == "nnunet"
    boxes = _boxes_of(found, "anterior")
    assert (boxes["slices"], boxes["coverage"]) == (13, 1.0)
    assert 0.5 < _table(found, "table2")["anterior"]["litemedsam"]["mean"] < 1


@pytest.fixture
def cases_of_a_challenge(tmp_path: Path, piece: tuple[np.ndarray, np.ndarray, Grid]) -> list[PairCase]:
    """Three to train on, of which the last lacks the aorta in its mask, and one to test on; BTCV's integers."""
    voxels, labels, grid = piece
    reference = np.array([0, 1, 2, 3, 6, 8], np.uint8)[labels]
    cases = []
    for name in ("img-1", "img-2", "img-3", "img-4"):
        paths = [tmp_path / f"{name}_{kind}.nii.gz" for kind in ("image", "reference", "mask")]
        mask = np.where(np.arange(len(reference))[:, None, None] < 3, reference, 0).astype(np.uint8)
        if name == "img-3":
            mask[mask == 8] = 0
        for path, content in zip(paths, (voxels, reference, mask), strict=True):
            write_volume(path, content, grid)
        masks = {"litemedsam, none": paths[2]}
        cases.append(PairCase(name, name == "img-4", paths[0], None, paths[1], masks))
    return cases


def test_the_datasets_of_a_comparison_differ_in_their_training_labels_alone(
    cases_of_a_challenge: list[PairCase], tmp_path: Path
) -> None:
    labels = [Label(1, "spleen"), Label(6, "liver"), Label(8, "aorta")]
    written = write_pairs(
        tmp_path / "nnunet", cases_of_a_challenge, labels, merged={3: 1}, modality="CT",
        complete={"img-1", "img-2", "img-4"},
    )  # fmt: skip
    assert [(one.arm, one.complete, one.trained, one.tested) for one in written] == [
        (arm, complete, trained, ("img_4",))
        for complete, trained in ((False, ("img_1", "img_2", "img_3")), (True, ("img_1", "img_2")))
        for arm in (REFERENCE, "litemedsam, none")
    ]
    for one in written:
        report = check_dataset(one.folder)
        assert report.dataset.description.channel_names == ("CT",)
        assert report.test_cases == 1
        folds = json.loads((one.folder / "splits_final.json").read_text())
        assert sorted(name for fold in folds for name in fold["val"]) == list(one.trained)
    reference, masks = (
        read_label_map(one.folder / "labelsTr" / "img_1.nii.gz").voxels for one in written[:2]
    )
    source = read_label_map(cases_of_a_challenge[0].reference).voxels
    assert np.array_equal(reference == 1, np.isin(source, [1, 3]))
    assert np.array_equal(reference == 3, source == 8)
    # The paper's rule: where nobody boxed, background.
    assert not masks[3:].any()
    assert np.array_equal(masks[:3] == 2, source[:3] == 6)
    said = [json.loads((one.folder / "crowdmask_manifest.json").read_text()) for one in written[:2]]
    assert [one["partial"] for one in said] == [None, "background-as-in-the-paper"]
    assert said[1]["cases"]["img_1"] == "img-1"
    tests = [(one.folder / "labelsTs" / "img_4.nii.gz").read_bytes() for one in written]
    assert len(set(tests)) == 1

    # As if nnU-Net had predicted the training masks' way: tables 4 and 5 score the test cases.
    predicted = []
    for one in written:
        folder = tmp_path / f"predicted-{one.folder.name}"
        folder.mkdir()
        truth = read_label_map(one.folder / "labelsTs" / "img_4.nii.gz")
        kept = truth.voxels.copy()
        kept[3:] = 0
        write_mask(folder / "img_4.nii.gz", truth.voxels if one.arm == REFERENCE else kept, truth.source)
        predicted.append((one, folder))
    tables = trained_tables(predicted, TrainingSettings())
    assert [table.key for table in tables] == ["table4", "table5"]
    for table in tables:
        ours = {row.label: [one.mean for one in row.means] for row in table.rows}
        assert all(values[0] == 1 and values[1] < 1 for values in ours.values())
        assert "background-as-in-the-paper" in table.note


def test_a_comparison_needs_two_volumes_to_train_on(
    cases_of_a_challenge: list[PairCase], tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        write_pairs(
            tmp_path / "nnunet", cases_of_a_challenge[2:], [Label(1, "spleen")], merged={}, modality="CT",
            complete=(),
        )  # fmt: skip
    assert refused.value.code is ErrorCode.DATASET_INVALID


@pytest.mark.sample_data
def test_the_released_prompts_without_images_give_what_they_can_and_say_what_not(
    sample_data: Path, tmp_path: Path
) -> None:
    found = _reproduce(
        tmp_path, "--dataset", sample_data / "openlabeling", "--case", "img0007", "--case", "img0010"
    )
    assert found["tables"] == []
    assert any("image is missing" in note for note in found["notes"])
    aorta, spleen, unboxed = (
        next(one for one in found["boxes"] if (one["case"], one["label"]) == key)
        for key in (("img0007", "aorta"), ("img0007", "spleen"), ("img0010", "liver"))
    )
    assert aorta["completeness"]["holes"] == [[79, 79], [110, 123]]
    assert aorta["coverage"] is None
    assert aorta["estimate"]["coverage"] == pytest.approx(0.83, abs=0.01)
    assert spleen["in_boxes"] > 0.99
    assert (unboxed["slices"], unboxed["estimate"]["coverage"]) == (0, None)


def test_the_papers_tables_follow_from_scores_that_are_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("sam", "medsam"):
        rows = "".join(f"c{n},{rng.random():.4f},{rng.random():.4f}\n" for n in range(11))
        (tmp_path / f"{name}.csv").write_text(f"case,aorta,liver\n{rows}")
    (tmp_path / "slices_a.csv").write_text("case,slice,aorta,liver\nc1,4,0.5,0.6\nc1,5,,0.7\nc2,4,0.9,0.8\n")
    (tmp_path / "slices_b.csv").write_text(
        "slice,case,liver,aorta\n4,c2,0.7,0.6\n5,c1,0.1,0.2\n4,c1,nan,0.4\n"
    )
    given = [f"2:SAM={tmp_path}/sam.csv", f"2:MedSAM={tmp_path}/medsam.csv"]
    given += [f"3:SAM={tmp_path}/slices_a.csv", f"3:MedSAM={tmp_path}/slices_b.csv"]
    found = _reproduce(tmp_path / "out", *(part for one in given for part in ("--scores", one)))
    assert _table(found, "given2")["liver"]["SAM"]["n"] == 11
    assert _table(found, "given3")["aorta"]["MedSAM"] == {"mean": 0.6, "ci": 0.0, "n": 1, "undefined": 0}
    assert (tmp_path / "out" / "tables" / "given2.csv").is_file()


def test_what_cannot_be_reproduced_is_refused_with_its_reason(decathlon: Path, tmp_path: Path) -> None:
    for arguments, code in [
        ((), ErrorCode.OPTION_INVALID),
        (("--dataset", tmp_path / "nowhere"), ErrorCode.OPTION_INVALID),
        (("--dataset", tmp_path), ErrorCode.DATASET_INVALID),
        (("--dataset", decathlon, "--label", "heart"), ErrorCode.LABEL_UNKNOWN),
        (("--dataset", decathlon, "--case", "p_9"), ErrorCode.OPTION_INVALID),
        (("--dataset", decathlon, "--merge", "2=0"), ErrorCode.OPTION_INVALID),
        (("--dataset", decathlon, "--model", "sam-vit-x"), ErrorCode.MODEL_UNKNOWN),
        (("--dataset", decathlon, "--sobel"), ErrorCode.OPTION_INVALID),
        (("--dataset", decathlon, "--case", "p_3"), ErrorCode.DATASET_INVALID),
        (("--scores", "6:SAM=a.csv"), ErrorCode.OPTION_INVALID),
        (("--scores", "2:SAM"), ErrorCode.OPTION_INVALID),
        (("--dataset", decathlon, "--train", "--epochs", 0), ErrorCode.OPTION_INVALID),
        (("--dataset", decathlon, "--nnunet", "--test-case", "p_9"), ErrorCode.OPTION_INVALID),
    ]:
        assert _refused(tmp_path / "out", *arguments).code is code, arguments


def test_sam_can_see_the_edges_and_nothing_else_changes(small_sam: Segmenter) -> None:
    image = np.full((40, 56), 60, np.uint8)
    image[10:20, 15:30] = 160
    shown = with_edges(image)
    assert shown.max() == 255  # at a corner, where two edges meet
    assert shown[10, 20] > shown[15, 22] > shown[30, 50] > 0
    assert np.array_equal(with_edges(np.full((4, 5), 7, np.uint8)), np.full((4, 5), 7, np.uint8))
    edged = SobelSegmenter(small_sam)
    assert np.array_equal(edged.encode(image[None]).features, small_sam.encode(shown[None]).features)
    assert edged.preprocessing == f"{small_sam.preprocessing}+sobel"
    assert (model_folder(edged), model_folder(small_sam)) == ("sam-vit-b+sobel", "sam-vit-b")


def test_medsam_gives_the_best_of_its_three_masks_as_the_released_code_does(
    small_checkpoint: Path, small_medsam: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_MODELS", str(small_checkpoint.parent))
    small = spec_like("medsam", small_checkpoint)
    monkeypatch.setattr(registry, "MODELS", {**registry.MODELS, "medsam": small})
    segmenter = paper_segmenter("medsam", runtime="torch")
    image = np.random.default_rng(0).integers(0, 255, (1, SMALL_INPUT, SMALL_INPUT), np.uint8)
    boxes = np.array([[10.0, 20.0, 60.0, 80.0], [30.0, 5.0, 120.0, 50.0]])
    embedding = segmenter.encode(image)
    found = segmenter.decode(embedding, boxes)

    network = build_network(SMALL_VIT, input_size=SMALL_INPUT)
    network.load_state_dict(torch.load(small_checkpoint, weights_only=True))
    network.eval()
    with torch.inference_mode():
        corners = torch.from_numpy(boxes - np.array([0, 0, 1, 1])).float()  # of the outer voxels' centres
        sparse, dense = network.prompt_encoder(points=None, boxes=corners, masks=None)
        span = image[0].astype(np.float32) - image.min()
        colour = torch.from_numpy(np.repeat((span / span.max())[None], 3, axis=0))[None]
        low, iou = network.mask_decoder(
            image_embeddings=network.image_encoder(colour),
            image_pe=network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        masks = torch.nn.functional.interpolate(low, (SMALL_INPUT, SMALL_INPUT), mode="bilinear")
    best = masks[torch.arange(len(boxes)), iou.argmax(dim=1)].numpy()
    np.testing.assert_allclose(found.logits, best, atol=2e-3 * np.abs(best).max())
    np.testing.assert_allclose(found.predicted_iou, iou.max(dim=1).values.numpy(), atol=1e-3)
    assert segmenter.mask_rule is MaskRule.BEST_OF_THREE
    # The platform's own MedSAM gives another one: the first.
    assert not np.allclose(found.logits, small_medsam.decode(embedding, boxes).logits, atol=1e-2)


@pytest.mark.slow
def test_litemedsam_keeps_its_first_mask_and_no_edges_are_added_to_it() -> None:
    assert paper_segmenter("litemedsam").mask_rule is MaskRule.FIRST
    with pytest.raises(InvalidInput) as refused:
        paper_segmenter("litemedsam", sobel=True)
    assert refused.value.code is ErrorCode.OPTION_INVALID
