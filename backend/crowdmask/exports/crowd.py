"""What people did for a dataset, beside nnU-Net's files: their boxes in four forms and the mask of each one's boxes.

``crowd/`` holds ``boxes.csv`` and ``boxes_coco.json`` of everything, a boxes file for each case and person in ``boxes/``, the
text files of OpenLabeling and YOLO in ``boxes_yolo.zip``, and in ``masks/`` the masks of each person's boxes and of the
median boxes, one label each.
"""

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from crowdmask.annotations.queries import document_at
from crowdmask.core import nifti
from crowdmask.core.box_formats import DrawnBoxes, boxes_csv, coco
from crowdmask.core.boxes_file import BoxesFile, write_boxes
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.labels import Label
from crowdmask.core.nnunet_layout import FILE_ENDING, case_name
from crowdmask.core.openlabeling import openlabeling_files
from crowdmask.core.tracks import AnnotationDocument
from crowdmask.exports.selection import CROWD_FOLDER, Answer, SelectedCase, SelectedMask, Selection
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Annotation

Documents = Mapping[tuple[str, int], AnnotationDocument]
"""By annotation id and revision."""

_DATE = (1980, 1, 1, 0, 0, 0)  # no time of ours: the earliest that a zip can say


def read_documents(session: Session, selection: Selection) -> Documents:
    """What the answers of a dataset say, each at the revision that was frozen.

    Raises:
        NotFound: ``not_found`` when a revision is gone.
    """
    wanted = {
        (answer.annotation_id, answer.revision) for mask in selection.masks() for answer in mask.answers
    }
    return {
        (annotation_id, revision): document_at(
            session, session.get_one(Annotation, UUID(annotation_id)), revision
        )
        for annotation_id, revision in sorted(wanted)
    }


def write_crowd(folder: Path, selection: Selection, documents: Documents, storage: LocalStorage) -> None:
    """Write ``folder / crowd``; nothing where nobody's work is in the dataset."""
    if not any(mask.answers for mask in selection.masks()):
        return
    crowd = folder / CROWD_FOLDER
    (crowd / "boxes").mkdir(parents=True)
    (crowd / "masks").mkdir()
    drawn = list(_drawn(selection, documents))
    with (crowd / "boxes.csv").open("w", encoding="utf-8", newline="") as table:
        table.writelines(boxes_csv(drawn))
    (crowd / "boxes_coco.json").write_text(json.dumps(coco(drawn), allow_nan=False) + "\n", encoding="utf-8")
    with zipfile.ZipFile(crowd / "boxes_yolo.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("classes.txt", _DATE), _classes(selection))
        for case in selection.cases:
            _write_case(crowd, archive, selection, case, documents, storage)


def _drawn(selection: Selection, documents: Documents) -> Iterator[DrawnBoxes]:
    for case in selection.cases:
        for mask in case.masks:
            label = Label(mask.label_index, selection.labels.name(mask.label_index))
            for answer in mask.answers:
                document = documents[answer.annotation_id, answer.revision]
                yield DrawnBoxes(case.case, label, answer.annotator, document)


def _classes(selection: Selection) -> str:
    """YOLO numbers classes from 0, by the lines of this file."""
    return "".join(f"{label.name}\n" for label in selection.labels.labels)


def _write_case(
    crowd: Path,
    archive: zipfile.ZipFile,
    selection: Selection,
    case: SelectedCase,
    documents: Documents,
    storage: LocalStorage,
) -> None:
    source = nifti.read_source_grid(storage.path(case.source_sha256), assume_affine=case.affine_assumed)
    for annotator in sorted({answer.annotator for mask in case.masks for answer in mask.answers}):
        work = {
            mask.label_index: documents[answer.annotation_id, answer.revision]
            for mask in case.masks
            for answer in mask.answers
            if answer.annotator == annotator
        }
        name = f"{case.case}__{annotator}"
        write_boxes(crowd / "boxes" / f"{name}.json", BoxesFile(source.grid, work))
        for file_name, text in _yolo(case.case, work, source).items():
            archive.writestr(zipfile.ZipInfo(f"{annotator}/{file_name}", _DATE), text)
    for mask in case.masks:
        label = case_name(selection.labels.name(mask.label_index))
        for who, sha256 in _masks(mask):
            path = crowd / "masks" / f"{case.case}__{label}__{who}{FILE_ENDING}"
            shutil.copyfile(storage.verify(sha256), path)


def _masks(mask: SelectedMask) -> Sequence[tuple[str, str]]:
    """Of each person's boxes, and of what was derived from them, with a word for the file's name."""
    found = [(answer.annotator, answer.mask_sha256) for answer in mask.answers if answer.mask_sha256]
    if mask.derived_key is not None and mask.mask_sha256 is not None:
        who = "median" if len(mask.inputs) > 1 else f"{_only(mask.inputs).annotator}-derived"
        found.append((who, mask.mask_sha256))
    return found


def _only(answers: Sequence[Answer]) -> Answer:
    (answer,) = answers
    return answer


def _yolo(case: str, work: Mapping[int, AnnotationDocument], source: nifti.SourceGrid) -> Mapping[str, str]:
    """None of a file whose slices are not axial: that form cannot say where such a box lies."""
    classes = {label_index: label_index - 1 for label_index in work}
    try:
        return openlabeling_files(
            case, work, classes=classes, orientation=source.orientation, file_shape=source.shape
        )
    except InvalidInput as error:
        if error.code is not ErrorCode.SLICE_AXIS_UNSUPPORTED:
            raise
        return {}
