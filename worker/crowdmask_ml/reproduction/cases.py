"""One case of a published dataset: its boxes, the masks that follow from them, and what both are worth."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.boxes_file import BoxesFile, write_boxes
from crowdmask.core.completeness import completeness
from crowdmask.core.completion import Completion
from crowdmask.core.coverage import estimate_coverage, share_in_boxes
from crowdmask.core.dataset_layouts import PublishedCase
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.labels import Label
from crowdmask.core.nifti import SourceGrid, read_label_map, read_source_grid
from crowdmask.core.openlabeling import read_openlabeling
from crowdmask.core.simulate import Annotator, Rule, simulate
from crowdmask.core.study import BoxesResult, LabelResult, Way, label_result
from crowdmask.core.tracks import AnnotationDocument, boxes_by_slice, empty_document
from crowdmask.core.volume import check_same_grid
from crowdmask.core.windowing import Window
from crowdmask_ml.reproduction.masks import CaseFiles, KeptMask, keep_masks
from crowdmask_ml.reproduction.segmenters import model_folder
from crowdmask_ml.segmenter import Segmenter

LabelMap = NDArray[np.integer[Any]]
Watch = Callable[[str, int, int], None]
"""Told what is being made, how much of it is done and how much there is."""


@dataclass(frozen=True)
class Simulation:
    """How boxes are simulated, as in ``core.simulate.simulate``; without ``jitter_mm`` their edges have no error."""

    rule: Rule = Rule.RELEASED_CODE
    jitter_mm: float | None = None
    miss_inner: float = 0.0
    miss_ends: float = 0.0
    every: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Prompts:
    """Boxes that people drew: a folder in OpenLabeling's form, and the label of each class in it."""

    folder: Path
    classes: Mapping[int, int]


@dataclass(frozen=True)
class Plan:
    """What is done with every case.

    Attributes:
        labels: that count.
        boxes: simulated or drawn.
        segmenters: none: no masks are made.
        out: folder of boxes and masks.
        completions: of each model.
        merged: integers of a reference that are read as others.
        window: None: by volume.
    """

    labels: tuple[Label, ...]
    boxes: Simulation | Prompts
    segmenters: Sequence[Segmenter]
    out: Path
    completions: Sequence[Completion] = tuple(Completion)
    merged: Mapping[int, int] = field(default_factory=dict)
    window: Window | None = None


@dataclass(frozen=True)
class CaseResult:
    """What came of a case.

    Attributes:
        boxes: of each label that the reference holds or people were to box.
        results: of each label and way; none without a reference or an image.
        made, kept: masks that were computed, and masks that were there with equal provenance.
    """

    boxes: tuple[BoxesResult, ...]
    results: tuple[LabelResult, ...]
    made: int
    kept: int


def run_case(plan: Plan, case: PublishedCase, watch: Watch) -> CaseResult:
    """Boxes, masks and scores of one case, as far as its files allow.

    Raises:
        InvalidInput, NotFound: a file is refused, or nothing says what to box.
        Conflict: ``grid_mismatch``.
    """
    watch(case.name, 0, 1)
    source, reference, released = _read_maps(plan, case)
    documents = _documents(plan, case, source, reference)
    labels = [label for label in plan.labels if label.index in documents]
    masks = reference if reference is not None else released
    boxes = tuple(
        _boxes_result(case.name, label, documents[label.index], masks, is_reference=reference is not None)
        for label in labels
    )
    boxes_path = plan.out / "boxes" / f"{case.name}.json"
    boxes_path.parent.mkdir(exist_ok=True)
    write_boxes(boxes_path, BoxesFile(grid=source.grid, labels=documents))
    results: list[LabelResult] = []
    made: list[KeptMask] = []
    for segmenter in plan.segmenters if case.image is not None else ():
        assert case.image is not None
        name = model_folder(segmenter)
        targets = {one: _mask_path(plan, segmenter, one, case.name) for one in plan.completions}
        for target in targets.values():
            target.parent.mkdir(parents=True, exist_ok=True)
        kept = keep_masks(
            CaseFiles(case.image, case.volume_index, boxes_path),
            documents,
            segmenter,
            targets,
            window=plan.window,
            progress=_titled(watch, f"{case.name}, {name}"),
        )
        made += kept.values()
        if reference is not None:
            for completion, mask in kept.items():
                results += _scored(case.name, Way(name, completion), mask, reference, labels, source)
    return CaseResult(
        boxes, tuple(results), sum(mask.made for mask in made), sum(not mask.made for mask in made)
    )


def mask_paths(plan: Plan, case: str) -> dict[str, Path]:
    """Where the masks of a case belong, by the name of the way."""
    return {
        Way(model_folder(segmenter), completion).name: _mask_path(plan, segmenter, completion, case)
        for segmenter in plan.segmenters
        for completion in plan.completions
    }


def _mask_path(plan: Plan, segmenter: Segmenter, completion: Completion, case: str) -> Path:
    return plan.out / "masks" / model_folder(segmenter) / completion / f"{case}.nii.gz"


def _scored(
    case: str,
    way: Way,
    mask: KeptMask,
    reference: LabelMap,
    labels: Sequence[Label],
    source: SourceGrid,
) -> list[LabelResult]:
    image = read_label_map(mask.path)
    check_same_grid(source.grid, image.grid, image_name=case, label_name=str(mask.path))
    return [
        label_result(
            case,
            label.name,
            way,
            image.voxels == label.index,
            reference == label.index,
            mask.covered(label.index),
        )
        for label in labels
    ]


def _read_maps(plan: Plan, case: PublishedCase) -> tuple[SourceGrid, LabelMap | None, LabelMap | None]:
    """The grid of the case, its reference and the masks that others released, the last two on that grid ``(z, y, x)``."""
    source = None if case.image is None else read_source_grid(case.image)
    reference = released = None
    if case.reference is not None:
        image = read_label_map(case.reference)
        if source is None:
            source = image.source
        check_same_grid(source.grid, image.grid, image_name=str(case.image), label_name=str(case.reference))
        reference = image.voxels.copy()
        for before, after in plan.merged.items():
            reference[reference == before] = after
    if case.released is not None:
        # They say nothing about how they lie; what counts is the order of their axes, which the boxes share.
        image = read_label_map(case.released, assume_affine=True)
        released = image.voxels
        source = source or image.source
    if source is None:
        raise InvalidInput(
            ErrorCode.DATASET_INVALID,
            f"{case.name} has neither an image nor masks, so nothing says how large its slices are.",
        )
    return source, reference, released


def _documents(
    plan: Plan, case: PublishedCase, source: SourceGrid, reference: LabelMap | None
) -> dict[int, AnnotationDocument]:
    """The boxes by label: those that people drew, an empty document where nobody did; or simulated from the reference, of
    the labels that it holds."""
    if isinstance(plan.boxes, Prompts):
        drawn = read_openlabeling(
            plan.boxes.folder,
            case.name,
            labels=plan.boxes.classes,
            orientation=source.orientation,
            file_shape=source.shape,
        )
        nobody_boxed = empty_document(source.grid.shape)
        return {label.index: drawn.documents.get(label.index, nobody_boxed) for label in plan.labels}
    if reference is None:
        raise InvalidInput(
            ErrorCode.DATASET_INVALID,
            f"{case.name} has no reference to simulate boxes from.",
            hint="Give boxes that people drew with --prompts.",
        )
    chosen = plan.boxes
    return {
        label.index: simulate(
            reference == label.index,
            annotator=Annotator.IDEAL if chosen.jitter_mm is None else Annotator.CROWD,
            grid=source.grid,
            # Its own stream per case and label: boxes do not depend on which others are asked for.
            rng=np.random.default_rng([chosen.seed, zlib.crc32(case.name.encode()), label.index]),
            jitter_mm=chosen.jitter_mm or 0.0,
            rule=chosen.rule,
            miss_inner=chosen.miss_inner,
            miss_ends=chosen.miss_ends,
            every=chosen.every,
        )
        for label in plan.labels
        if (reference == label.index).any()
    }


def _boxes_result(
    case: str, label: Label, document: AnnotationDocument, masks: LabelMap | None, *, is_reference: bool
) -> BoxesResult:
    boxes = {z: [entry.box for entry in on_slice] for z, on_slice in boxes_by_slice(document).items()}
    share, inside, estimate = float("nan"), float("nan"), None
    if masks is not None:
        mask = masks == label.index
        areas = np.count_nonzero(mask, axis=(1, 2))
        inside = share_in_boxes(mask, boxes)
        if not is_reference:
            estimate = estimate_coverage(areas, boxes.keys())
        elif areas.any():
            share = float(areas[list(boxes)].sum() / areas.sum())
    return BoxesResult(case, label.name, len(boxes), completeness(document), share, estimate, inside)


def _titled(watch: Watch, title: str) -> Callable[[int, int], None]:
    return lambda done, total: watch(title, done, total)
