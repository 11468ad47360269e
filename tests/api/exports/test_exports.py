"""A frozen dataset: what goes in, what stays out and why, and the same bytes every time."""

import json
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray

import crowdmask
from crowdmask.accounts.actor import Actor
from crowdmask.core import nifti
from crowdmask.core.dataset_choice import OverlapRule
from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput, NotAllowed, NotFound
from crowdmask.core.labels import LabelSet
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.core.nnunet import check_dataset
from crowdmask.core.volume import Grid
from crowdmask.exports import service
from crowdmask.exports.builder import MANIFEST_NAME, build_dataset, merge_masks
from crowdmask.exports.crowd import Documents, read_documents
from crowdmask.exports.selection import Selection
from crowdmask.infra.db import Database, now
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Account, Annotation, Assignment, Label, Project, Role, Segmentation, Task, Volume
from tests import factories

SHAPE = (3, 10, 12)
GRID = Grid(shape=SHAPE, affine=np.array([[-2.0, 0, 0, 9], [0, -2, 0, 8], [0, 0, 3, 7], [0, 0, 0, 1]]))


@dataclass(frozen=True)
class Place:
    """A project with two labels; its helpers add finished work to it."""

    database: Database
    storage: LocalStorage
    folder: Path
    admin: Actor
    project: Project
    annotator: Account

    def volume(self, name: str, *, low: int = -1000) -> Volume:
        path = self.folder / f"{name}.nii.gz"
        voxels = np.random.default_rng(len(name)).integers(low, 400, SHAPE, dtype=np.int16)
        voxels[0, 0, 0] = low
        nifti.write_volume(path, voxels, GRID)
        with self.database.write() as session:
            volume = factories.add_volume(
                session, self.project, name=name, shape=SHAPE, source_sha256=self.storage.put_file(path)
            )
            volume.finite_minimum = float(low)
            return volume

    def mask(
        self,
        volume: Volume,
        label_index: int,
        box: tuple[slice, slice, slice] | None,
        *,
        by: Account | None = None,
        made: bool = True,
    ) -> UUID:
        """A submitted annotation, and its mask when it is ``made``; returns the annotation's id.

        The mask is a block of voxels; without ``box`` the answer is that the label is not in the volume.
        """
        block = np.zeros(SHAPE, np.uint8)
        if box is not None:
            block[box] = label_index
        path = self.folder / "mask.nii.gz"
        nifti.write_mask(path, block, nifti.read_source_grid(self.storage.path(volume.source_sha256)))
        with self.database.write() as session:
            label = factories.label_of(session, self.project, label_index)
            task = session.scalar(sa.select(Task).filter_by(volume_id=volume.id, label_id=label.id))
            task = task or factories.add_task(session, volume, label_index=label_index)
            assignment = factories.add_assignment(
                session,
                task,
                by or self.annotator,
                slot=len(session.scalars(sa.select(Assignment).filter_by(task_id=task.id)).all()),
                state=AssignmentState.SUBMITTED,
            )
            annotation = factories.add_annotation(
                session, assignment, state=AnnotationState.SUBMITTED, shape=SHAPE
            )
            annotation.not_in_volume = box is None
            if made:
                session.add(
                    Segmentation(
                        annotation_id=annotation.id,
                        revision=0,
                        job_id=factories.add_job(session).id,
                        model="litemedsam",
                        mask_sha256=self.storage.put_file(path),
                        provenance={"model": "litemedsam", "slices": []},
                        seconds=1.5,
                    )
                )
            return annotation.id

    def person(self, name: str) -> Account:
        with self.database.write() as session:
            account = factories.add_account(session, name=name)
            factories.add_member(session, self.project, account)
            return account

    def reason(self) -> str:
        """Why the only volume is left out."""
        with pytest.raises(InvalidInput) as refused:
            self.export()
        assert refused.value.code is ErrorCode.EXPORT_EMPTY
        return refused.value.message

    def export(self, actor: Actor | None = None) -> Selection:
        with self.database.write() as session:
            export = service.create_export(
                session, actor or self.admin, project_id=self.project.id, name="Two organs"
            )
        return Selection.from_json(export.selection)

    def documents(self, selection: Selection) -> Documents:
        with self.database.read() as session:
            return read_documents(session, selection)

    def build(self, selection: Selection, folder: str = "out") -> tuple[str, Path]:
        """The manifest's sha256 and the dataset's folder."""
        built = build_dataset(
            selection,
            self.storage,
            self.folder / folder,
            documents=self.documents(selection),
            report=_ignore,
            verify=_ignore,
        )
        return built, self.folder / folder / selection.dataset_name


def _ignore(said: object) -> None:
    """Nobody watches the progress, and nnU-Net's own check is tested elsewhere."""


@pytest.fixture
def place(database: Database, storage: LocalStorage, tmp_path: Path) -> Place:
    with database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin, labels=("spleen", "liver"))
        annotator = factories.add_account(session, name="Annotator")
        factories.add_member(session, project, annotator)
    folder = tmp_path / "made"
    folder.mkdir()
    return Place(database, storage, folder, Actor(admin.id), project, annotator)


FRONT = (slice(0, 2), slice(1, 5), slice(1, 6))
BACK = (slice(1, 3), slice(4, 9), slice(5, 11))


def test_a_volume_with_a_mask_for_every_label_goes_in_and_the_others_say_why_not(place: Place) -> None:
    whole, part = place.volume("whole"), place.volume("part")
    place.mask(whole, 1, FRONT)
    place.mask(whole, 2, BACK)
    place.mask(part, 1, FRONT)
    selection = place.export()
    assert [case.volume_name for case in selection.cases] == ["whole"]
    assert [(left.volume_name, left.reason) for left in selection.left_out] == [("part", "no task for liver")]
    assert selection.channel_name == "CT"
    assert selection.dataset_name == "Dataset501_Two_organs"


def test_a_project_without_a_finished_volume_has_nothing_to_export(place: Place) -> None:
    place.mask(place.volume("part"), 1, FRONT)
    assert "part: no task for liver" in place.reason()


def test_a_single_answer_of_absence_is_not_yet_background(place: Place) -> None:
    volume = place.volume("ct")
    place.mask(volume, 1, FRONT)
    place.mask(volume, 2, None)
    assert "ct: liver has 1 of 2 answers" in place.reason()
    place.mask(volume, 2, None, by=place.person("Second"))
    (case,) = place.export().cases
    assert [len(mask.answers) for mask in case.masks] == [1, 2]
    assert [mask.inputs[0].annotator for mask in case.masks] == ["annotator-1", "annotator-1"]


@pytest.mark.parametrize("first", [FRONT, None])
def test_a_volume_stays_out_while_its_annotators_disagree_whether_a_label_is_there(
    place: Place, first: tuple[slice, slice, slice] | None
) -> None:
    volume = place.volume("ct")
    place.mask(volume, 1, FRONT)
    place.mask(volume, 2, first)
    place.mask(volume, 2, None if first else BACK, by=place.person("Second"))
    assert "ct: annotators disagree whether liver is in the volume" in place.reason()


def test_a_task_for_two_people_goes_in_when_both_have_answered_with_the_mask_submitted_first(
    place: Place,
) -> None:
    volume = place.volume("ct")
    place.mask(volume, 1, FRONT)
    first = place.mask(volume, 2, BACK)
    with place.database.write() as session:
        session.scalars(sa.select(Task).join(Label).where(Label.index == 2)).one().overlap = 2
    assert "ct: liver has 1 of 2 answers" in place.reason()
    place.mask(volume, 2, FRONT, by=place.person("Second"))
    selection = place.export()
    liver = selection.cases[0].masks[1]
    assert ([one.annotation_id for one in liver.inputs], len(liver.answers)) == ([str(first)], 2)
    manifest = json.loads((place.build(selection)[1] / MANIFEST_NAME).read_bytes())
    assert manifest["choice_rule"].startswith("first submitted: ")
    masks = manifest["cases"][0]["masks"]
    assert [len(mask["inputs"]) + len(mask["others"]) for mask in masks] == [1, 2]


def test_the_first_answer_is_waited_for_when_only_the_mask_of_the_second_is_made(place: Place) -> None:
    """Which mask goes in does not depend on which worker was faster."""
    volume = place.volume("ct")
    place.mask(volume, 1, FRONT)
    place.mask(volume, 2, BACK, made=False)
    place.mask(volume, 2, FRONT, by=place.person("Second"))
    assert "ct: no mask yet for liver" in place.reason()


def test_a_deleted_label_leaves_the_dataset_and_the_others_are_numbered_without_gaps(place: Place) -> None:
    volume = place.volume("ct")
    place.mask(volume, 2, BACK)
    with place.database.write() as session:
        factories.label_of(session, place.project, 1).deleted_at = now()
    selection = place.export()
    assert selection.labels == LabelSet.from_names(["liver"])
    folder = place.build(selection)[1]
    assert check_dataset(folder).cases_with_label == {1: 1}
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    assert (manifest["labels"], manifest["project_labels"]) == (
        [{"index": 1, "name": "liver"}],
        {"liver": 2},
    )


def test_work_that_was_reopened_is_not_exported(place: Place) -> None:
    volume = place.volume("whole")
    place.mask(volume, 1, FRONT)
    reopened = place.mask(volume, 2, BACK)
    with place.database.write() as session:
        session.get_one(Annotation, reopened).state = AnnotationState.OPEN
    with pytest.raises(InvalidInput, match="liver"):
        place.export()


def test_work_that_was_taken_back_is_not_exported(place: Place) -> None:
    volume = place.volume("whole")
    place.mask(volume, 1, FRONT)
    late = place.mask(volume, 2, BACK)
    with place.database.write() as session:
        assignment_id = session.get_one(Annotation, late).assignment_id
        session.get_one(Assignment, assignment_id).state = AssignmentState.TAKEN_BACK
    with pytest.raises(InvalidInput, match="liver"):
        place.export()


def test_only_admins_and_researchers_export(place: Place) -> None:
    with pytest.raises(NotAllowed):
        place.export(Actor(place.annotator.id))
    with place.database.write() as session:
        stranger = factories.add_account(session, name="Stranger")
        researcher = factories.add_account(session, name="Researcher")
        factories.add_member(session, place.project, researcher, role=Role.RESEARCHER)
    with pytest.raises(NotFound):
        place.export(Actor(stranger.id))
    volume = place.volume("whole")
    place.mask(volume, 1, FRONT)
    place.mask(volume, 2, BACK)
    assert place.export(Actor(researcher.id)).cases


def test_the_folder_keeps_the_rules_of_nnunet_and_the_same_choice_gives_the_same_bytes(place: Place) -> None:
    """Fault 51."""
    for name in ("b volume", "a/volume"):
        volume = place.volume("x" if "/" in name else "y")
        with place.database.write() as session:
            session.get_one(Volume, volume.id).name = name
        place.mask(volume, 1, FRONT)
        place.mask(volume, 2, BACK)
    written = []
    for attempt in ("first", "second"):
        selection = place.export()
        manifest_sha256, folder = place.build(selection, attempt)
        with place.database.write() as session:  # the masks are made again, which takes another time
            session.execute(sa.update(Segmentation).values(seconds=Segmentation.seconds + 1))
        assert check_dataset(folder).training_cases == 2
        files = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        written.append((manifest_sha256, files))
    assert written[0] == written[1]
    manifest = json.loads(written[0][1][Path(MANIFEST_NAME)])
    assert [case["case"] for case in manifest["cases"]] == ["a_volume", "b_volume"]
    assert str(place.annotator.id) not in json.dumps(manifest)


def test_a_damaged_mask_stops_the_export_and_leaves_no_dataset(place: Place) -> None:
    volume = place.volume("whole")
    place.mask(volume, 1, FRONT)
    place.mask(volume, 2, BACK)
    selection = place.export()
    damaged = place.storage.path(selection.cases[0].masks[1].mask_sha256)
    damaged.chmod(0o600)
    damaged.write_bytes(b"damaged")
    with pytest.raises(Corrupt) as refused:
        place.build(selection)
    assert refused.value.code is ErrorCode.BLOB_CORRUPT
    assert not (place.folder / "out" / selection.dataset_name).exists()


@pytest.fixture
def finished(place: Place) -> Selection:
    volume = place.volume("whole")
    place.mask(volume, 1, FRONT)
    place.mask(volume, 2, BACK)
    return place.export()


def test_a_frozen_export_names_the_version_that_made_the_choice_whoever_writes_it(
    place: Place, finished: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = place.build(finished, "before")[0]
    monkeypatch.setattr(crowdmask, "__version__", "999.0")
    assert place.build(finished, "after")[0] == before


def test_two_attempts_at_one_export_at_once_both_end_well(place: Place, finished: Selection) -> None:
    """Fault 40: the worker that was given up may still be writing."""
    inner: list[str] = []

    def report(share: float) -> None:
        inner.append(place.build(finished)[0])

    outer = build_dataset(
        finished,
        place.storage,
        place.folder / "out",
        documents=place.documents(finished),
        report=report,
        verify=_ignore,
    )
    assert inner == [outer]
    assert check_dataset(place.folder / "out" / finished.dataset_name).training_cases == 1
    assert [path.name for path in (place.folder / "out").iterdir()] == [finished.dataset_name]


def test_a_finished_folder_is_left_as_it_is_by_a_later_attempt(place: Place, finished: Selection) -> None:
    _, folder = place.build(finished)
    before = [path.stat().st_ino for path in sorted(folder.rglob("*"))]
    place.build(finished)
    assert [path.stat().st_ino for path in sorted(folder.rglob("*"))] == before


def test_another_dataset_in_the_place_of_an_export_is_not_written_over(
    place: Place, finished: Selection
) -> None:
    _, folder = place.build(finished)
    (folder / MANIFEST_NAME).write_text("{}")
    with pytest.raises(Corrupt, match="Another dataset"):
        place.build(finished)
    assert (folder / MANIFEST_NAME).read_text() == "{}"
    assert [path.name for path in folder.parent.iterdir()] == [finished.dataset_name]


def test_a_dataset_that_a_further_check_refuses_does_not_appear(place: Place, finished: Selection) -> None:
    def refuse(folder: Path) -> None:
        assert (folder / "dataset.json").is_file()
        raise InvalidInput(ErrorCode.DATASET_INVALID, "It is refused.")

    with pytest.raises(InvalidInput, match="refused"):
        build_dataset(
            finished,
            place.storage,
            place.folder / "out",
            documents=place.documents(finished),
            report=_ignore,
            verify=refuse,
        )
    assert list((place.folder / "out").iterdir()) == []


def test_a_voxel_of_several_labels_belongs_to_the_smallest_one() -> None:
    large: NDArray[np.bool_] = np.zeros((1, 4, 4), bool)
    large[0, :, :3] = True
    small = np.zeros_like(large)
    small[0, 1:3, 2] = True
    expected = large.astype(np.uint8)
    expected[small] = 2
    labels, overlapping = merge_masks({1: large, 2: small}, large.shape)
    np.testing.assert_array_equal(labels, expected)
    assert overlapping == 2
    np.testing.assert_array_equal(merge_masks({2: small, 1: large}, large.shape)[0], expected)


def test_a_voxel_of_several_labels_belongs_to_the_later_one_where_that_is_asked_for() -> None:
    everywhere: NDArray[np.bool_] = np.ones((1, 2, 2), bool)
    corner = np.zeros_like(everywhere)
    corner[0, 0, 0] = True
    masks = {1: corner, 2: everywhere}
    np.testing.assert_array_equal(merge_masks(masks, corner.shape)[0], [[[1, 2], [2, 2]]])
    np.testing.assert_array_equal(
        merge_masks(masks, corner.shape, OverlapRule.LABEL_ORDER)[0], [[[2, 2], [2, 2]]]
    )
