"""The whole experiment on a published dataset: every case, the comparison by nnU-Net, and the report on both.

dataset = read_published(Path("Task09_Spleen"))
plan = Plan(dataset.labels, Simulation(), [paper_segmenter("litemedsam")], Path("spleen"))
study = study_cases(plan, dataset, dataset.cases)
write_report(plan.out, study.report())
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import crowdmask
from crowdmask.core.dataset_layouts import PublishedCase, PublishedDataset
from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput, NotFound
from crowdmask.core.nnunet_layout import Split
from crowdmask.core.paper_tables import PaperTable
from crowdmask.core.study import BoxesResult, LabelResult, complete_cases, paper_results
from crowdmask.core.study_report import LeftOut, StudyReport
from crowdmask.core.training import TrainingSettings
from crowdmask_ml.reproduction.cases import Plan, Prompts, Simulation, Watch, mask_paths, run_case
from crowdmask_ml.reproduction.pairs import PairCase, predictions_of, trained_tables, write_pairs


def _nothing(*_told: object) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class StudyProgress:
    """Who is told: ``next_one`` after each case or dataset, ``watch`` while something is made."""

    next_one: Callable[[], None] = _nothing
    watch: Watch = _nothing


@dataclass
class Study:
    """What came of the cases so far.

    Attributes:
        conditions: what was run on what, for people.
        trained: tables 4 and 5, where nnU-Net was trained.
        made, kept: masks that were computed, and masks that were there with equal provenance.
    """

    conditions: dict[str, str] = field(default_factory=lambda: {"crowdmask": crowdmask.__version__})
    notes: list[str] = field(default_factory=list)
    boxes: list[BoxesResult] = field(default_factory=list)
    results: list[LabelResult] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    trained: list[PaperTable] = field(default_factory=list)
    made: int = 0
    kept: int = 0
    without_image: int = 0

    def report(self, given: Sequence[PaperTable] = ()) -> StudyReport:
        """All tables, and ``given`` ones behind them."""
        ours = paper_results(self.results, complete_cases(self.boxes)) if self.results else []
        tables = [*ours, *self.trained, *given]
        return StudyReport(self.conditions, self.notes, tables, self.boxes, self.results, self.left_out)


def study_cases(
    plan: Plan,
    dataset: PublishedDataset,
    cases: Sequence[PublishedCase],
    progress: StudyProgress = StudyProgress(),
) -> Study:
    """Boxes, masks and scores of every case; one that cannot be used is left out and does not stop a hundred others.

    Raises:
        InvalidInput: when nothing could be made of any case; with the code and the reason of the first.
        CrowdmaskError: what is wrong with more than a case.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    study = Study(_conditions(plan, dataset))
    for case in cases:
        try:
            result = run_case(plan, case, progress.watch)
        except CrowdmaskError as error:
            if not isinstance(error, InvalidInput | NotFound) and error.code is not ErrorCode.GRID_MISMATCH:
                raise
            study.left_out.append(LeftOut(case.name, error.code, str(error)))
        else:
            study.boxes += result.boxes
            study.results += result.results
            study.made += result.made
            study.kept += result.kept
            study.without_image += case.image is None
        progress.next_one()
    if len(study.left_out) == len(cases):
        first = study.left_out[0]
        raise InvalidInput(
            first.code, f"Nothing could be made of any of {len(cases)} cases; {first.case}: {first.reason}"
        )
    study.conditions["cases"] = str(len(cases) - len(study.left_out))
    study.notes += _notes(plan, study)
    return study


def compare_by_nnunet(
    plan: Plan,
    dataset: PublishedDataset,
    cases: Sequence[PublishedCase],
    study: Study,
    tested: Collection[str] = (),
    settings: TrainingSettings | None = None,
    progress: StudyProgress = StudyProgress(),
) -> None:
    """Write the datasets of the comparison; with ``settings`` train on each, and add tables 4 and 5 to the study.

    Args:
        cases: those of ``study_cases``, which made ``study``.
        tested: names of cases to test on; none: those of the layout.

    Raises:
        CrowdmaskError: as ``pairs.write_pairs`` and ``pairs.predictions_of``.
    """
    # A volume without boxes of its own can still be tested on.
    unboxed = {one.case for one in study.left_out if one.code is ErrorCode.BOXES_FILE_INVALID}
    unusable = {one.case for one in study.left_out} - unboxed
    pairs = [
        PairCase(
            case.name, is_test, case.image, case.volume_index, case.reference, mask_paths(plan, case.name)
        )
        for case in cases
        if case.image is not None
        and case.reference is not None
        and case.name not in unusable
        and ((is_test := _is_test(case, tested)) or case.name not in unboxed)
    ]
    folder = plan.out / "nnunet"
    folder.mkdir(exist_ok=True)
    written = write_pairs(
        folder,
        pairs,
        plan.labels,
        merged=plan.merged,
        modality=dataset.modality,
        complete=complete_cases(study.boxes),
    )
    study.notes.append(
        f"{len(written)} nnU-Net datasets are in nnunet/. In those of masks slices without a box are background, as in the "
        "paper, although nobody said that the organ is not there."
    )
    if settings is None:
        return
    predicted = []
    for one in written:
        made = predictions_of(
            one, plan.out / "trainings", settings, watch=lambda what: progress.watch(what, 0, 1)
        )
        predicted.append((one, made))
        progress.next_one()
    study.trained += trained_tables(predicted, settings)


def _is_test(case: PublishedCase, named: Collection[str]) -> bool:
    """Whether nnU-Net is tested on it: those that were named, else those of the layout."""
    return case.name in named if named else case.split is Split.TEST


def _conditions(plan: Plan, dataset: PublishedDataset) -> dict[str, str]:
    if isinstance(plan.boxes, Prompts):
        boxes = "drawn by people, imported from OpenLabeling"
    else:
        chosen = plan.boxes
        boxes = (
            f"simulated by the rule {chosen.rule}, error {chosen.jitter_mm or 0:g} mm, missing inside "
            f"{chosen.miss_inner:g} and at each end {chosen.miss_ends:g}, every {chosen.every}, seed {chosen.seed}"
        )
    models = [f"{one.name} ({one.runtime}, {one.mask_rule}, {one.preprocessing})" for one in plan.segmenters]
    return {
        "crowdmask": crowdmask.__version__,
        "dataset": dataset.folder.name,
        "layout": dataset.layout.value,
        "labels": ", ".join(label.name for label in plan.labels),
        "boxes": boxes,
        "models": "; ".join(models) or "none",
        "window": "by volume" if plan.window is None else f"{plan.window.low:g} to {plan.window.high:g}",
    }


def _notes(plan: Plan, study: Study) -> list[str]:
    notes = []
    if isinstance(plan.boxes, Simulation):
        notes.append(
            "The boxes derive from the reference itself: this checks the pipeline and compares ways, it is no evidence of "
            "how well people annotate."
        )
    if study.without_image:
        notes.append(
            f"Of {study.without_image} cases the image is missing: no mask was made of them and nothing scored; only boxes, "
            "and masks that are there, were looked at."
        )
    if not study.results:
        notes.append(
            "Dice needs an image and a reference of the same case; there was none, so there are no tables 2 and 3."
        )
    if study.left_out:
        notes.append(f"{len(study.left_out)} cases were left out, each with its reason.")
    if any(one.name == "litemedsam" for one in plan.segmenters):
        notes.append(
            "LiteMedSAM may have been trained on public data like this: read the differences, not the levels."
        )
    return notes
