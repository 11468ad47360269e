"""What a choice makes of a project's work: sources, filters, undecided slices, test set, folds, twins."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.core import nifti
from crowdmask.core.boxes_file import read_boxes
from crowdmask.core.completion import Completion
from crowdmask.core.dataset_choice import DatasetChoice, LabelSource, PartialRule, Twin
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.core.nnunet import check_dataset
from crowdmask.core.nnunet_layout import Split
from crowdmask.core.tracks import BoxSource, document_from_tracks, link
from crowdmask.core.volume import Grid
from crowdmask.exports import queries, service
from crowdmask.exports.builder import build_dataset
from crowdmask.exports.crowd import read_documents
from crowdmask.exports.schemas import ExportPreview
from crowdmask.exports.selection import Selection
from crowdmask.infra.db import Database
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import (
    Account,
    Annotation,
    Assignment,
    DerivedMask,
    Export,
    Job,
    JobKind,
    Project,
    ReferenceMask,
    ReferenceOrigin,
    Segmentation,
    Task,
    Volume,
)
from crowdmask.segmentations.derived import record_derived
from tests import factories

SHAPE = (6, 10, 12)
GRID = Grid(shape=SHAPE, affine=np.array([[-2.0, 0, 0, 9], [0, -2, 0, 8], [0, 0, 3, 7], [0, 0, 0, 1]]))
BLOCK = (slice(1, 4), slice(2, 7), slice(3, 9))
BOX = Box(3, 2, 9, 7)


@dataclass(frozen=True)
class Place:
    """A project with two labels; its helpers add volumes, references and work of any state."""

    database: Database
    storage: LocalStorage
    folder: Path
    admin: Actor
    project: Project
    people: Sequence[Account]

    def volume(self, name: str, *, reference: bool = False, **stated: str) -> Volume:
        path = self.folder / f"{name}.nii.gz"
        rng = np.random.default_rng(list(name.encode()))
        nifti.write_volume(path, rng.integers(-1000, 400, SHAPE, dtype=np.int16), GRID)
        with self.database.write() as session:
            volume = factories.add_volume(
                session, self.project, name=name, shape=SHAPE, source_sha256=self.storage.put_file(path)
            )
            for key, value in stated.items():
                setattr(volume, key, value)
            if reference:
                labels = np.zeros(SHAPE, np.uint8)
                labels[BLOCK] = 1
                labels[0] = 2
                session.add(
                    ReferenceMask(
                        volume_id=volume.id,
                        source_sha256=self.blob(volume, labels),
                        origin=ReferenceOrigin.EXPERT,
                    )
                )
            return volume

    def blob(self, volume: Volume, voxels: Any) -> str:
        path = self.folder / "mask.nii.gz"
        nifti.write_mask(path, voxels, nifti.read_source_grid(self.storage.path(volume.source_sha256)))
        return self.storage.put_file(path)

    def work(
        self,
        volume: Volume,
        label_index: int,
        *,
        by: int = 0,
        slices: Sequence[int] = (1, 2, 3),
        box: Box = BOX,
        absent: Sequence[int] | None = None,
        submitted: bool = True,
        state: AssignmentState | None = None,
        iou: float = 0.9,
    ) -> None:
        """Boxes on ``slices``; every other slice absent unless given. Submitted work has its mask."""
        block = np.zeros(SHAPE, np.uint8)
        block[list(slices), 2:7, 3:9] = label_index
        empty = absent if absent is not None else [z for z in range(SHAPE[0]) if z not in slices]
        document = document_from_tracks(
            SHAPE,
            link({z: [box] for z in slices}, source=BoxSource.DRAWN),
            absent=Intervals.from_slices(empty),
        )
        with self.database.write() as session:
            label = factories.label_of(session, self.project, label_index)
            task = session.scalar(sa.select(Task).filter_by(volume_id=volume.id, label_id=label.id))
            task = task or factories.add_task(session, volume, label_index=label_index)
            taken = session.scalars(sa.select(Assignment).filter_by(task_id=task.id)).all()
            assignment = factories.add_assignment(
                session,
                task,
                self.people[by],
                slot=len(taken),
                state=state or (AssignmentState.SUBMITTED if submitted else AssignmentState.RESERVED),
            )
            annotation = factories.add_annotation(
                session,
                assignment,
                state=AnnotationState.SUBMITTED if submitted else AnnotationState.OPEN,
                shape=SHAPE,
            )
            annotation.document = document.to_json()
            annotation.revision = 1
            annotation.not_in_volume = document.absent_everywhere
            if submitted:
                annotation.submitted_revision = 1
                session.add(
                    Segmentation(
                        annotation_id=annotation.id,
                        revision=1,
                        job_id=factories.add_job(session).id,
                        model="litemedsam",
                        mask_sha256=self.blob(volume, block),
                        provenance={
                            "model": "litemedsam",
                            "slices": [
                                {"slice": z, "sources": ["drawn"], "predicted_iou": [iou]} for z in slices
                            ],
                        },
                        seconds=1.0,
                    )
                )

    def preview(self, **choice: Any) -> ExportPreview:
        with self.database.read() as session:
            return queries.export_preview(
                session,
                self.admin,
                project_id=self.project.id,
                choice=DatasetChoice(**choice),
                default_model="litemedsam",
            )

    def reasons(self, **choice: Any) -> dict[str, str]:
        return {one.volume_name: one.reason for one in self.preview(**choice).left_out}

    def export(self, **choice: Any) -> Export:
        with self.database.write() as session:
            return service.create_export(
                session, self.admin, project_id=self.project.id, name="Set", choice=DatasetChoice(**choice)
            )

    def selection(self, export: Export) -> Selection:
        with self.database.read() as session:
            return service.selection_with_masks(session, export.id)

    def build(self, export: Export) -> Path:
        selection = self.selection(export)
        parent = self.folder / str(export.id)
        with self.database.read() as session:
            documents = read_documents(session, selection)
        build_dataset(
            selection,
            self.storage,
            parent,
            documents=documents,
            report=lambda share: None,
            verify=lambda folder: None,
        )
        return parent / selection.dataset_name

    def make_masks(self) -> int:
        """What the worker does for the derived masks that are wanted; how many there were."""
        with self.database.write() as session:
            wanted = session.scalars(sa.select(DerivedMask).where(DerivedMask.mask_sha256.is_(None))).all()
            for mask in wanted:
                volume = session.get_one(Volume, mask.volume_id)
                block = np.zeros(SHAPE, np.uint8)
                block[BLOCK] = mask.label_index
                made = record_derived(
                    session,
                    derived_mask_id=mask.id,
                    mask_sha256=self.blob(volume, block),
                    provenance={"model": mask.model, "slices": [{"slice": 1, "predicted_iou": [0.8]}]},
                    seconds=1.0,
                )
                service.write_when_masks_are_made(session, made)
            return len(wanted)

    def writing_jobs(self) -> int:
        with self.database.read() as session:
            return len(session.scalars(sa.select(Job).filter_by(kind=JobKind.EXPORT)).all())


@pytest.fixture
def place(database: Database, storage: LocalStorage, tmp_path: Path) -> Place:
    with database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin, labels=("spleen", "liver"))
        people = [factories.add_account(session, name=name) for name in ("One", "Two", "Three")]
        for number, person in enumerate(people):
            factories.add_member(session, project, person).qualification = f"student {number}"
    folder = tmp_path / "made"
    folder.mkdir()
    return Place(database, storage, folder, Actor(admin.id), project, people)


def whole(place: Place, name: str, **volume: Any) -> Volume:
    made = place.volume(name, **volume)
    place.work(made, 1)
    place.work(made, 2)
    return made


def labels_of(folder: Path, case: str, *, split: str = "Tr") -> Any:
    return nifti.read_label_map(folder / f"labels{split}" / f"{case}.nii.gz").voxels


def test_labels_can_be_left_out_and_put_in_another_order(place: Place) -> None:
    whole(place, "a")
    place.work(place.volume("b"), 2)
    assert place.preview(labels=("liver",)).cases == ["a", "b"]
    export = place.export(labels=("liver", "spleen"))
    assert place.selection(export).project_labels == {"liver": 2, "spleen": 1}
    with pytest.raises(InvalidInput, match="no label 'kidney'"):
        place.preview(labels=("kidney",))


def test_only_volumes_of_the_chosen_modality_go_in(place: Place) -> None:
    whole(place, "a", modality="CT")
    whole(place, "b", modality="MR")
    whole(place, "c")
    assert place.reasons(modalities=("CT",)) == {
        "b": "its modality is MR",
        "c": "its modality is not stated",
    }


def test_the_work_of_one_annotator_can_be_taken_alone(place: Place) -> None:
    volume = whole(place, "a")
    place.work(volume, 1, by=1)
    place.work(volume, 2, by=1)
    whole(place, "b")
    second = {"source": LabelSource.ANNOTATOR, "annotator": str(place.people[1].id)}
    assert place.reasons(**second) == {
        "b": "spleen has no answer of the chosen annotator; liver has no answer of the chosen annotator"
    }
    selection = place.selection(place.export(**second))
    assert selection.people == {"annotator-1": "student 1"}


def test_labels_can_be_the_references_and_need_no_work(place: Place) -> None:
    place.volume("a", reference=True)
    place.volume("b")
    assert place.reasons(source=LabelSource.REFERENCE) == {
        "b": "it has no reference mask; it has no reference mask"
    }
    folder = place.build(place.export(source=LabelSource.REFERENCE, labels=("liver",)))
    voxels = labels_of(folder, "a")
    assert set(np.unique(voxels)) == {0, 1}
    assert np.flatnonzero(voxels.any(axis=(1, 2))).tolist() == [0]  # liver is 2 in the reference, 1 here


def test_filters_ask_for_more_answers_more_agreement_or_a_better_score(place: Place) -> None:
    volume = whole(place, "a")
    assert place.reasons(min_annotators=2)["a"].startswith("spleen has 1 of 2 answers")
    assert "agreement on spleen is not known: it has 1 answer" in place.reasons(min_agreement=0.5)["a"]
    for label in (1, 2):
        place.work(volume, label, by=1, box=Box(3, 2, 9, 12 - 5 * label) if label == 1 else Box(3, 2, 6, 7))
    assert place.preview(min_annotators=2).cases == ["a"]
    reason = place.reasons(min_agreement=0.9)["a"]
    assert "spleen" not in reason
    assert "the boxes of liver agree by 0.50, 0.90 is asked for" in reason
    assert (
        "the model's score of spleen is 0.90, 0.95 is asked for" in place.reasons(min_predicted_iou=0.95)["a"]
    )
    assert place.preview(min_predicted_iou=0.5).cases == ["a"]


def test_a_median_of_several_people_is_made_before_the_folder_is_written(place: Place) -> None:
    volume = whole(place, "a")
    place.work(volume, 1, by=1, box=Box(2, 2, 9, 7))
    preview = place.preview(source=LabelSource.MEDIAN)
    assert (preview.cases, preview.masks_to_make) == (["a"], 1)
    export = place.export(source=LabelSource.MEDIAN)
    assert place.writing_jobs() == 0
    with place.database.read() as session:
        told = queries.export_answer(session, place.admin, export_id=export.id)
    assert (told.state, told.masks_made, told.masks_needed) == ("making", 0, 1)
    assert place.make_masks() == 1
    assert place.writing_jobs() == 1
    spleen, liver = place.selection(export).cases[0].masks
    assert len(spleen.inputs) == 2
    assert spleen.mask_sha256 is not None
    assert liver.derived_key is None  # one answer is its own median
    assert check_dataset(place.build(export)).training_cases == 1
    place.export(source=LabelSource.MEDIAN)  # the same mask again
    assert place.make_masks() == 0
    assert place.writing_jobs() == 2


def test_another_model_makes_its_own_masks_of_submitted_work(place: Place) -> None:
    whole(place, "a")
    assert place.preview(model="litemedsam").masks_to_make == 0
    assert place.preview(model="medsam").masks_to_make == 2


def test_unfinished_work_is_out_unless_asked_for(place: Place) -> None:
    volume = place.volume("a")
    place.work(volume, 1)
    place.work(volume, 2, submitted=False, absent=())
    assert place.reasons() == {"a": "liver has 0 of 1 answers"}
    assert place.reasons(unfinished=True) == {"a": "liver is undecided on 3 of 6 slices"}
    assert place.preview(unfinished=True, completion=Completion.FULL).cases == ["a"]
    sparse = {"unfinished": True, "completion": Completion.FULL, "min_completeness": 0.6}
    assert place.reasons(**sparse) == {"a": "liver is decided on 50% of the slices, 60% are asked for"}


def test_taken_back_work_is_never_unfinished_work(place: Place) -> None:
    volume = place.volume("a")
    place.work(volume, 1)
    place.work(volume, 2, submitted=False, state=AssignmentState.TAKEN_BACK)
    assert place.reasons(unfinished=True) == {"a": "liver has 0 of 1 answers"}


def test_a_label_that_is_undecided_somewhere_can_be_dropped_from_the_dataset(place: Place) -> None:
    whole(place, "a")
    place.work(place.volume("b"), 1)
    preview = place.preview(partial=PartialRule.DROP_LABEL)
    assert (preview.cases, preview.labels) == (["a", "b"], ["spleen"])
    assert [(one.label, one.reason) for one in preview.dropped_labels] == [("liver", "b: no task for liver")]
    assert place.selection(place.export(partial=PartialRule.DROP_LABEL)).labels.name(1) == "spleen"


def test_undecided_slices_become_ignore_and_never_background(place: Place) -> None:
    volume = place.volume("a")
    place.work(volume, 1)
    place.work(volume, 2, submitted=False, slices=(1, 2), absent=(0,))
    choice = {"unfinished": True, "partial": PartialRule.IGNORE}
    assert place.preview(**choice).partial_cases == ["a"]
    export = place.export(**choice)
    place.make_masks()
    folder = place.build(export)
    report = check_dataset(folder)
    assert report.dataset.description.ignore_index == 3
    voxels = labels_of(folder, "a")
    assert set(np.unique(voxels[0])) == {0}
    assert set(np.unique(voxels[4:])) == {3}
    # On slice 3 the spleen is known where it is; everything else could be liver.
    assert set(np.unique(voxels[3])) == {1, 3}
    assert set(np.unique(voxels[1:3])) <= {0, 1, 2}


def test_a_label_without_any_answer_is_ignored_on_every_slice_but_where_another_label_lies(
    place: Place,
) -> None:
    place.work(place.volume("a"), 1)
    place.volume("b")
    assert place.preview(partial=PartialRule.IGNORE).cases == ["a"]
    assert place.reasons(partial=PartialRule.IGNORE) == {"b": "no task for spleen; no task for liver"}
    voxels = labels_of(place.build(place.export(partial=PartialRule.IGNORE)), "a")
    assert set(np.unique(voxels)) == {1, 3}


def test_the_test_set_holds_references_whoever_has_worked_on_it(place: Place) -> None:
    whole(place, "a")
    tested = whole(place, "b", reference=True)
    untouched = place.volume("c", reference=True)
    export = place.export(test=(str(tested.id), str(untouched.id)))
    selection = place.selection(export)
    assert {case.case: case.split for case in selection.cases} == {
        "a": Split.TRAINING,
        "b": Split.TEST,
        "c": Split.TEST,
    }
    folder = place.build(export)
    report = check_dataset(folder)
    assert (report.training_cases, report.test_cases) == (1, 2)
    voxels = labels_of(folder, "b", split="Ts")
    assert voxels[BLOCK].min() == 1
    assert voxels[0].min() == 2
    bare = place.volume("d")
    with pytest.raises(InvalidInput, match="no reference mask: d"):
        place.preview(test=(str(bare.id),))


def test_volumes_of_one_patient_stay_on_one_side_and_folds_reach_nnunet(place: Place) -> None:
    for name in "abcdef":
        whole(place, name, reference=True, patient={"a": "p", "b": "p"}.get(name, ""))
    choice = {"test_share": 0.34, "folds": 2, "seed": 1}
    export = place.export(**choice)
    selection = place.selection(export)
    test = {case.case for case in selection.of(Split.TEST)}
    assert len(test) == 2
    assert len(test & {"a", "b"}) in (0, 2)
    assert (place.build(export) / "splits_final.json").is_file()
    for fold in selection.folds:
        assert set(fold["train"]) | set(fold["val"]) == set("abcdef") - test
        assert len({"a", "b"} & set(fold["val"])) in (0, 2)
    assert place.preview(folds=7).problem is not None
    with pytest.raises(InvalidInput, match="7 folds"):
        place.export(folds=7)


def test_a_twin_has_the_same_volumes_and_splits_with_the_references_labels(place: Place) -> None:
    for name in "abc":
        whole(place, name, reference=True)
    export = place.export(test_share=0.34, folds=2)
    with place.database.write() as session:
        twin = service.create_twin(session, place.admin, export_id=export.id, twin=Twin.REFERENCE)
    one, other = place.selection(export), place.selection(twin)
    assert [(case.case, case.split) for case in one.cases] == [
        (case.case, case.split) for case in other.cases
    ]
    assert one.folds == other.folds
    assert {mask.source for mask in other.masks()} == {LabelSource.REFERENCE}
    assert other.people == {}
    with place.database.read() as session:
        pairs = session.scalars(sa.select(Export.pair_id)).all()
    assert len(set(pairs)) == 1
    assert pairs[0] is not None
    first, second = place.build(export), place.build(twin)
    tested = [case.case for case in one.of(Split.TEST)]
    for case in tested:
        assert (first / f"labelsTs/{case}.nii.gz").read_bytes() == (
            second / f"labelsTs/{case}.nii.gz"
        ).read_bytes()


def test_a_twin_with_references_needs_one_for_every_volume(place: Place) -> None:
    whole(place, "a")
    export = place.export()
    with (
        pytest.raises(InvalidInput, match="volume a has no reference mask"),
        place.database.write() as session,
    ):
        service.create_twin(session, place.admin, export_id=export.id, twin=Twin.REFERENCE)


def test_the_complete_twin_of_a_partial_dataset_holds_the_complete_volumes_and_the_same_test_set(
    place: Place,
) -> None:
    whole(place, "a")
    place.work(place.volume("b"), 1)
    tested = place.volume("c", reference=True)
    export = place.export(partial=PartialRule.IGNORE, test=(str(tested.id),))
    with place.database.write() as session:
        twin = service.create_twin(session, place.admin, export_id=export.id, twin=Twin.COMPLETE)
    assert [case.case for case in place.selection(export).of(Split.TRAINING)] == ["a", "b"]
    assert [case.case for case in place.selection(twin).of(Split.TRAINING)] == ["a"]
    assert [case.case for case in place.selection(twin).of(Split.TEST)] == ["c"]


def test_other_work_does_not_change_who_is_annotator_one(place: Place) -> None:
    whole(place, "b")
    before = place.selection(place.export()).people
    place.work(place.volume("a"), 1, by=2)  # sorts before b, and stays out
    assert place.selection(place.export()).people == before == {"annotator-1": "student 0"}


def test_a_selection_that_an_earlier_version_froze_is_still_read() -> None:
    old = {
        "crowdmask": "0.1.0", "dataset_name": "Dataset501_Set", "project_name": "Set", "channel_name": "CT",
        "choice_rule": "first submitted", "labels": [{"index": 1, "name": "liver"}], "project_labels": {"liver": 1},
        "cases": [{
            "case": "a", "volume_name": "a", "source_sha256": "0" * 64, "affine_assumed": False, "volume_index": None,
            "masks": [{
                "label_index": 1, "annotation_id": "x", "revision": 3, "annotator": "annotator-1", "answers": 1,
                "mask_sha256": "1" * 64, "provenance": {"model": "litemedsam"},
            }],
        }],
        "left_out": [{"volume_name": "b", "reason": "no task for liver"}],
    }  # fmt: skip
    selection = Selection.from_json(old)
    (mask,) = selection.masks()
    assert (mask.mask_sha256, mask.inputs[0].annotator, mask.inputs[0].revision) == (
        "1" * 64,
        "annotator-1",
        3,
    )
    assert selection.of(Split.TRAINING) == selection.cases
    assert Selection.from_json(selection.to_json()) == selection


def test_nothing_goes_in_without_a_volume_that_is_ready_for_it(place: Place) -> None:
    place.volume("a")
    with pytest.raises(InvalidInput) as refused:
        place.export()
    assert refused.value.code is ErrorCode.EXPORT_EMPTY


def test_annotations_of_the_choice_stay_as_they_are(place: Place) -> None:
    """The worker and the export only read them."""
    whole(place, "a")
    with place.database.read() as session:
        before = session.execute(sa.select(Annotation.id, Annotation.revision, Annotation.state)).all()
    place.export(source=LabelSource.MEDIAN, completion=Completion.FULL)
    with place.database.read() as session:
        assert (
            session.execute(sa.select(Annotation.id, Annotation.revision, Annotation.state)).all() == before
        )


def test_the_boxes_and_masks_of_every_person_lie_beside_the_dataset(place: Place) -> None:
    volume = whole(place, "a")
    place.work(volume, 1, by=1, box=Box(2, 2, 9, 7))
    export = place.export(source=LabelSource.MEDIAN)
    place.make_masks()
    crowd = place.build(export) / "crowd"
    assert sorted(path.relative_to(crowd).as_posix() for path in crowd.rglob("*") if path.is_file()) == [
        "boxes.csv",
        "boxes/a__annotator-1.json",
        "boxes/a__annotator-2.json",
        "boxes_coco.json",
        "boxes_yolo.zip",
        "masks/a__liver__annotator-1.nii.gz",
        "masks/a__spleen__annotator-1.nii.gz",
        "masks/a__spleen__annotator-2.nii.gz",
        "masks/a__spleen__median.nii.gz",
    ]
    assert sorted(read_boxes(crowd / "boxes/a__annotator-1.json").labels) == [1, 2]
    assert len((crowd / "boxes.csv").read_text().splitlines()) == 1 + 9
    assert len(json.loads((crowd / "boxes_coco.json").read_text())["annotations"]) == 9
    with zipfile.ZipFile(crowd / "boxes_yolo.zip") as archive:
        assert archive.read("classes.txt").decode() == "spleen\nliver\n"
        texts = {name: archive.read(name).decode() for name in archive.namelist() if "/" in name}
    assert {name.split("/")[0] for name in texts} == {"annotator-1", "annotator-2"}
    assert sum(len(text.splitlines()) for text in texts.values()) == 9


def test_a_dataset_of_references_has_no_crowd(place: Place) -> None:
    place.volume("a", reference=True)
    folder = place.build(place.export(source=LabelSource.REFERENCE))
    assert not (folder / "crowd").exists()
    assert "No person's work is in it." in (folder / "DATASET_CARD.md").read_text()


def test_the_card_says_what_the_labels_rest_on(place: Place) -> None:
    volume = place.volume("a", licence="CC BY 4.0", modality="CT")
    place.work(volume, 1)
    place.work(volume, 2, submitted=False, slices=(1, 3), absent=(0,))
    place.volume("b")
    export = place.export(unfinished=True, completion=Completion.FILL, partial=PartialRule.IGNORE)
    with place.database.write() as session:
        mask = session.scalars(sa.select(DerivedMask)).one()
        made = record_derived(
            session,
            derived_mask_id=mask.id,
            mask_sha256=place.blob(volume, np.zeros(SHAPE, np.uint8)),
            provenance={
                "model": "litemedsam",
                "model_sha256": "ab" * 32,
                "window": {"low": -160.0, "high": 240.0},
                "slices": [{"slice": 2, "added_boxes": [[3, 2, 9, 7]], "predicted_iou": [0.8]}],
            },
            seconds=1.0,
        )
        service.write_when_masks_are_made(session, made)
    card = (place.build(export) / "DATASET_CARD.md").read_text()
    for line in (
        "| drawn or corrected by a person | 5 | 41.7 % |",
        "| filled in between pieces | 1 | 8.3 % |",
        "| marked as without the label | 4 | 33.3 % |",
        "| decided by nobody | 2 | 16.7 % |",
        "| CC BY 4.0 | 1 |",
        "| no task for liver | 1 |",
        "| student 0 | 1 |",
    ):
        assert line in card, card
    assert "litemedsam (sha256 abababababab, 1 mask, grey values -160 to 240)" in card
