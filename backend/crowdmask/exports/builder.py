"""Writing a frozen selection as an nnU-Net v2 raw dataset. The same selection gives the same bytes."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crowdmask.core import nifti, nnunet
from crowdmask.core.dataset_card import CARD_NAME, dataset_card
from crowdmask.core.dataset_choice import LabelSource, OverlapRule
from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask.core.files import sync_folder
from crowdmask.exports.agreement import agreement_of_people
from crowdmask.exports.crowd import Documents, write_crowd
from crowdmask.exports.facts import CHOICE_RULES, OVERLAP_RULES, dataset_facts
from crowdmask.exports.selection import MANIFEST_NAME, SPLITS_NAME, SelectedCase, SelectedMask, Selection
from crowdmask.infra.storage import LocalStorage, sha256_of
from crowdmask.models.base import JsonDict


def build_dataset(
    selection: Selection,
    storage: LocalStorage,
    parent: Path,
    *,
    documents: Documents,
    report: Callable[[float], None],
    verify: Callable[[Path], None],
) -> str:
    """Write ``parent / selection.dataset_name`` whole or not at all, checked by nnU-Net's integrity rules.

    Two may run at once: the folder of the first one stays.

    Args:
        documents: what the answers say.
        verify: a further check of the folder before its name appears; what it raises ends the attempt.

    Returns:
        The sha256 of the manifest, which names the sha256 of every file.

    Raises:
        InvalidInput: ``dataset_invalid`` when the result breaks a rule.
        Corrupt: when a stored image or mask is missing or damaged, or another dataset stands where this one belongs.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".partial-") as work:
        folder = nnunet.DatasetFolder(Path(work) / selection.dataset_name)
        overlaps = {}
        for number, case in enumerate(selection.cases):
            overlaps[case.case] = _write_case(folder, selection, case, storage)
            report((number + 1) / (len(selection.cases) + 1))
        nnunet.write_dataset_json(folder, _description(selection))
        if selection.folds:
            _write_json(folder.path / SPLITS_NAME, list(selection.folds))
        nnunet.check_dataset(folder.path)
        verify(folder.path)
        write_crowd(folder.path, selection, documents, storage)
        card = dataset_card(dataset_facts(selection, documents, overlaps))
        (folder.path / CARD_NAME).write_text(card, encoding="utf-8")
        manifest = {
            **_manifest(selection, folder.path, overlaps),
            "agreement": agreement_of_people(selection, documents, storage),
        }
        content = _write_json(folder.path / MANIFEST_NAME, manifest)
        _flush(folder.path)
        manifest_sha256 = hashlib.sha256(content).hexdigest()
        _publish(folder.path, parent / selection.dataset_name, manifest_sha256)
    return manifest_sha256


def _publish(folder: Path, target: Path, manifest_sha256: str) -> None:
    """Give the folder its name, unless another attempt at the same frozen export already has it."""
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        present = target / MANIFEST_NAME
        if not present.is_file() or sha256_of(present) != manifest_sha256:
            raise Corrupt(
                ErrorCode.BLOB_CORRUPT,
                f"Another dataset already stands in {target}, where the export with the manifest "
                f"{manifest_sha256[:12]}... belongs.",
                hint="Nothing was written over. Move that folder away, then export again.",
            ) from error
    sync_folder(target.parent)


def _description(selection: Selection) -> nnunet.DatasetDescription:
    n_training = len(selection.of(nnunet.Split.TRAINING))
    return nnunet.DatasetDescription(
        (selection.channel_name,), selection.labels, n_training, ignores=selection.ignores
    )


def _write_case(
    folder: nnunet.DatasetFolder, selection: Selection, case: SelectedCase, storage: LocalStorage
) -> int:
    """Image and label map of one case; returns how many voxels were claimed by several labels."""
    storage.verify(case.source_sha256)
    masks, shape = _masks(case, storage)
    labels, overlapping = merge_masks(masks, shape, selection.choice.overlap_rule)
    for mask in case.masks:
        undecided = list(mask.undecided)
        # What another label holds is known; everything else on the slice could be this label.
        labels[undecided] = np.where(
            labels[undecided] == 0, _description(selection).ignore_index, labels[undecided]
        )
    nnunet.write_case(
        folder,
        case.case,
        image=storage.path(case.source_sha256),
        mask=labels,
        split=case.split,
        assume_affine=case.affine_assumed,
        volume_index=case.volume_index,
    )
    return overlapping


def _masks(
    case: SelectedCase, storage: LocalStorage
) -> tuple[dict[int, NDArray[np.bool_]], tuple[int, int, int]]:
    """One mask (z, y, x) per label of the dataset that has one, empty where the label is undecided; and their shape."""
    read: dict[str, NDArray[np.uint8]] = {}
    masks = {}
    for mask in case.masks:
        if mask.mask_sha256 is None:
            continue
        if mask.mask_sha256 not in read:
            read[mask.mask_sha256] = _read(mask, case, storage)
        voxels = read[mask.mask_sha256]
        # A mask of ours holds one label; a reference holds several.
        own = voxels == mask.value if mask.source is LabelSource.REFERENCE else voxels > 0
        own[list(mask.undecided)] = False
        masks[mask.label_index] = own
    return masks, next(iter(read.values())).shape


def _read(mask: SelectedMask, case: SelectedCase, storage: LocalStorage) -> NDArray[np.uint8]:
    assert mask.mask_sha256 is not None
    assumed = case.affine_assumed  # a mask of ours lies on its source's grid
    if mask.source is LabelSource.REFERENCE and case.reference is not None:
        assumed = case.reference.affine_assumed
    return nifti.read_label_map(storage.verify(mask.mask_sha256), assume_affine=assumed).voxels


def merge_masks(
    masks: Mapping[int, NDArray[np.bool_]],
    shape: tuple[int, int, int],
    rule: OverlapRule = OverlapRule.SMALLEST_WINS,
) -> tuple[NDArray[np.uint8], int]:
    """Merge one mask (z, y, x) per label into a label map (``OVERLAP_RULES``; of equal sizes the lower index wins).

    Returns:
        The label map (z, y, x) uint8 and the number of voxels that several masks claimed.
    """
    labels = np.zeros(shape, np.uint8)
    claims = np.zeros(shape, np.uint8)
    in_order = sorted(masks)
    if rule is OverlapRule.SMALLEST_WINS:
        in_order.sort(key=lambda index: (-int(masks[index].sum()), -index))
    for index in in_order:
        labels[masks[index]] = index
        claims += masks[index]
    return labels, int((claims > 1).sum())


def _manifest(selection: Selection, folder: Path, overlaps: dict[str, int]) -> JsonDict:
    """No time and no id of this export in it: the same choice again must be byte-identical."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "manifest_version": 2,
        **selection.to_json(),
        "choice_rule": CHOICE_RULES[selection.choice.source],
        "overlap_rule": OVERLAP_RULES[selection.choice.overlap_rule],
        "overlapping_voxels": overlaps,
        "completion": selection.choice.completion,
        "files": {path.relative_to(folder).as_posix(): sha256_of(path) for path in files},
    }


def _write_json(path: Path, document: object) -> bytes:
    content = f"{json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)}\n".encode()
    path.write_bytes(content)
    return content


def _flush(folder: Path) -> None:
    """Make sure that the folder is on the disk before its name appears."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
