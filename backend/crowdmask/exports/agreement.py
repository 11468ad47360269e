"""How far the people agree whose work is in a dataset, for its manifest."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import combinations
from statistics import fmean

from crowdmask.core import nifti
from crowdmask.core.agreement import agreement, range_difference
from crowdmask.core.metrics import volume_dice
from crowdmask.core.statistics import defined
from crowdmask.exports.crowd import Documents
from crowdmask.exports.selection import Answer, SelectedCase, Selection
from crowdmask.infra.storage import LocalStorage
from crowdmask.models.base import JsonDict


def agreement_of_people(selection: Selection, documents: Documents, storage: LocalStorage) -> JsonDict:
    """Of every two people who did the same label of a case: ``pairs``, and their means by ``labels`` and by ``people``.

    A pair has the fields of ``core.agreement.Agreement`` and ``mask_dice``, the Dice of the masks of their boxes; null
    where one is undefined or has no mask. A mean is over the pairs that have the figure, ``n`` of them;
    ``range_difference`` is by how many slices first and last slice differ, on average.

    Raises:
        Corrupt: when a stored mask is missing or damaged.
    """
    pairs = [pair for case in selection.cases for pair in _pairs(selection, case, documents, storage)]
    by_label: defaultdict[str, list[JsonDict]] = defaultdict(list)
    by_person: defaultdict[str, list[JsonDict]] = defaultdict(list)
    for pair in pairs:
        by_label[pair["label"]].append(pair)
        for person in (pair["one"], pair["other"]):
            by_person[person].append(pair)
    return {
        "pairs": pairs,
        "labels": {label: _means(found) for label, found in by_label.items()},
        "people": {person: _means(found) for person, found in by_person.items()},
    }


def _pairs(
    selection: Selection, case: SelectedCase, documents: Documents, storage: LocalStorage
) -> Iterable[JsonDict]:
    for mask in case.masks:
        answers = sorted(mask.answers, key=lambda answer: answer.annotator)
        for one, other in combinations(answers, 2):
            found = agreement(*(documents[answer.annotation_id, answer.revision] for answer in (one, other)))
            yield {
                "case": case.case,
                "label": selection.labels.name(mask.label_index),
                "one": one.annotator,
                "other": other.annotator,
                "box_iou": defined(found.box_iou),
                "presence": defined(found.presence),
                "first_difference": found.first_difference,
                "last_difference": found.last_difference,
                "slices_both": found.slices_both,
                "slices_either": found.slices_either,
                "slices_decided": found.slices_decided,
                "mask_dice": _mask_dice(case, (one, other), storage),
            }


def _mask_dice(case: SelectedCase, answers: Collection[Answer], storage: LocalStorage) -> float | None:
    files = [storage.verify(answer.mask_sha256) for answer in answers if answer.mask_sha256 is not None]
    if len(files) < len(answers):
        return None
    one, other = (nifti.read_label_map(path, assume_affine=case.affine_assumed).voxels > 0 for path in files)
    return defined(volume_dice(one, other))


def _means(pairs: Collection[JsonDict]) -> JsonDict:
    return {
        "pairs": len(pairs),
        "box_iou": _mean(pair["box_iou"] for pair in pairs),
        "presence": _mean(pair["presence"] for pair in pairs),
        "range_difference": _mean(
            range_difference(pair["first_difference"], pair["last_difference"]) for pair in pairs
        ),
        "mask_dice": _mean(pair["mask_dice"] for pair in pairs),
    }


def _mean(values: Iterable[float | None]) -> JsonDict:
    defined = [value for value in values if value is not None]
    return {"mean": fmean(defined) if defined else None, "n": len(defined)}
