"""Writing a frozen selection as an nnU-Net v2 raw dataset. The same selection gives the same bytes."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crowdmask.core import nifti, nnunet
from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask.core.files import sync_folder
from crowdmask.exports.selection import MANIFEST_NAME, SelectedCase, Selection
from crowdmask.infra.storage import LocalStorage, sha256_of
from crowdmask.models.base import JsonDict

OVERLAP_RULE = "a voxel claimed by several labels belongs to the one with the fewest voxels in the volume"


def build_dataset(
    selection: Selection,
    storage: LocalStorage,
    parent: Path,
    *,
    report: Callable[[float], None],
    verify: Callable[[Path], None],
) -> str:
    """Write ``parent / selection.dataset_name`` whole or not at all, checked by nnU-Net's integrity rules.

    Two may run at once: the folder of the first one stays.

    Args:
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
            overlaps[case.case] = _write_case(folder, case, storage)
            report((number + 1) / (len(selection.cases) + 1))
        nnunet.write_dataset_json(
            folder,
            nnunet.DatasetDescription((selection.channel_name,), selection.labels, len(selection.cases)),
        )
        nnunet.check_dataset(folder.path)
        verify(folder.path)
        manifest = json.dumps(
            _manifest(selection, folder.path, overlaps), indent=1, sort_keys=True, ensure_ascii=False
        )
        content = f"{manifest}\n".encode()
        (folder.path / MANIFEST_NAME).write_bytes(content)
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


def _write_case(folder: nnunet.DatasetFolder, case: SelectedCase, storage: LocalStorage) -> int:
    """Image and label map of one case; returns how many voxels were claimed by several labels."""
    storage.verify(case.source_sha256)
    masks = {}
    for mask in case.masks:
        storage.verify(mask.mask_sha256)
        # A mask lies on its source's grid: without orientation where the source has none.
        made = nifti.read_label_map(storage.path(mask.mask_sha256), assume_affine=case.affine_assumed)
        masks[mask.label_index] = made.voxels > 0
    labels, overlapping = merge_masks(masks)
    nnunet.write_case(
        folder,
        case.case,
        image=storage.path(case.source_sha256),
        mask=labels,
        assume_affine=case.affine_assumed,
        volume_index=case.volume_index,
    )
    return overlapping


def merge_masks(masks: dict[int, NDArray[np.bool_]]) -> tuple[NDArray[np.uint8], int]:
    """Merge one mask (z, y, x) per label into a label map; see ``OVERLAP_RULE`` (equal sizes: the lower index).

    Returns:
        The label map (z, y, x) uint8 and the number of voxels that several masks claimed.
    """
    first = next(iter(masks.values()))
    labels = np.zeros(first.shape, np.uint8)
    claims = np.zeros(first.shape, np.uint8)
    for index in sorted(masks, key=lambda index: (-int(masks[index].sum()), -index)):
        labels[masks[index]] = index
        claims += masks[index]
    return labels, int((claims > 1).sum())


def _manifest(selection: Selection, folder: Path, overlaps: dict[str, int]) -> JsonDict:
    """No time and no id of this export in it: the same choice again must be byte-identical."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "manifest_version": 1,
        **selection.to_json(),
        "overlap_rule": OVERLAP_RULE,
        "overlapping_voxels": overlaps,
        "completion": "none",
        "files": {path.relative_to(folder).as_posix(): sha256_of(path) for path in files},
    }


def _flush(folder: Path) -> None:
    """Make sure that the folder is on the disk before its name appears."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
