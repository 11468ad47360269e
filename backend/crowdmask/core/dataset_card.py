"""The card of a dataset: how its labels were made, for readers who were not there.

Everything in it comes from ``DatasetFacts``; what is unknown is said to be unknown, and nothing is estimated. The same facts
give the same bytes, so the card is part of what a manifest's hash stands for.
"""

from collections.abc import Iterable, Sequence

from crowdmask.core.completion import Completion
from crowdmask.core.dataset_facts import Counted, DatasetFacts, ModelFacts, SliceCounts
from crowdmask.core.markdown import inline, verbatim

CARD_NAME = "DATASET_CARD.md"
"""In the dataset's folder."""

_NOT_STATED = "not stated"
_SOFTWARE = "Crowdmask {version}, the software that the boxes were drawn in and this dataset was made with."
_STUDY = (
    "Kulkarni, Kanhere, Savani, Chan, Chatterjee, Yi, Parekh: Anytime, Anywhere, Anyone: Investigating the Feasibility of "
    "Segment Anything Model for Crowd-Sourcing Medical Image Annotations. arXiv:2402.05713, 2024. The study whose question "
    "this software takes up."
)
_COMPLETION = {
    Completion.NONE: "Only slices with a box were given to the model; no slice was filled in.",
    Completion.FILL: "Slices nobody had decided that lie between two boxed pieces of a label were filled in.",
    Completion.FULL: (
        "Slices nobody had decided were filled in between two boxed pieces of a label, and guessed beyond its ends."
    ),
}


def methods_text(facts: DatasetFacts) -> str:
    """One paragraph for the methods section of a paper, as Markdown on one line."""
    return " ".join(
        [
            *_volumes(facts),
            *_people(facts),
            *_time(facts),
            *_masks(facts),
            *_slices(facts),
            *_agreement(facts),
            *_selection(facts),
            *_sides(facts),
        ]
    )


def dataset_card(facts: DatasetFacts) -> str:
    """The whole card as Markdown."""
    people = sum(entry.count for entry in facts.qualifications)
    sections = [
        f"# {inline(facts.dataset_name)}",
        f"Of the project {inline(facts.project_name)}, written by Crowdmask {inline(facts.crowdmask)} as an nnU-Net v2 raw "
        "dataset. For research, not for diagnosis. `crowdmask_manifest.json` names the origin and the sha256 of every file.",
        "## How the labels were made",
        methods_text(facts),
        "## Labels",
        _table(
            ("Integer", "Label"), [(str(label.index), inline(label.name)) for label in facts.labels.labels]
        ),
        "## Volumes",
        f"{facts.training_volumes} for training, {facts.test_volumes} for the test.",
        _counted(
            "Licence", "Volumes", facts.licences, "Nobody stated a licence: ask the maker of the volumes."
        ),
        _counted("Modality", "Volumes", facts.modalities, "Nobody stated a modality."),
        _counted(
            "Origin of reference masks", "Volumes", facts.reference_origins, "No reference mask is in it."
        ),
        "## People",
        _counted("Qualification, as stated", "People", facts.qualifications, "No person's work is in it."),
        *([f"{people} in all."] if people else []),
        "## Slices",
        _slice_table(facts.slices),
        "## Boxes",
        _counted("Source", "Boxes", facts.boxes_by_source, "It is not known where the boxes come from."),
        "## Models",
        _model_table(facts.models),
        "## What was left out",
        *(
            ["Conditions:", "\n".join(f"- It had to meet this: {inline(rule)}" for rule in facts.filters)]
            if facts.filters
            else ["No condition was set."]
        ),
        _counted("Reason", "Volumes", facts.left_out, "No volume was left out."),
        *(
            [f"{_number(facts.volumes_left_out, 'volume')} in all; one can be left out for several reasons."]
            if facts.volumes_left_out
            else []
        ),
        "## Before you use it",
        "\n".join(f"- {line}" for line in _warnings(facts)),
        "## How to cite",
        f"- {_SOFTWARE.format(version=inline(facts.crowdmask))}\n- {_STUDY}",
        *(
            ["The makers of the volumes ask to be cited so:", verbatim(facts.citation)]
            if facts.citation.strip()
            else ["The project does not state how the makers of the volumes want to be cited."]
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _volumes(facts: DatasetFacts) -> Iterable[str]:
    modalities = _list_counted(facts.modalities) or f"modality {_NOT_STATED}"
    names = ", ".join(inline(label.name) for label in facts.labels.labels)
    yield (
        f"The dataset holds {_number(facts.training_volumes, 'volume')} for training and {facts.test_volumes} for the test "
        f"({modalities}), with labels of {names}."
    )


def _people(facts: DatasetFacts) -> Iterable[str]:
    people = sum(entry.count for entry in facts.qualifications)
    if people:
        yield (
            f"{_number(people, 'person', 'people')} drew boxes on axial slices in Crowdmask {inline(facts.crowdmask)} "
            f"(qualification as stated: {_list_counted(facts.qualifications)})."
        )
    else:
        yield "No person's work is in it."
    simulated = sum(entry.count for entry in facts.boxes_by_source if entry.what == "simulated")
    if simulated:
        yield (
            f"{_number(simulated, 'box', 'boxes')} were made by simulated annotators from reference masks: they say "
            "nothing about people."
        )
    if facts.label_rule:
        yield _sentence(facts.label_rule)


def _time(facts: DatasetFacts) -> Iterable[str]:
    effort = facts.effort
    if effort is None:
        yield "The time that it took is unknown."
        return
    parts = [f"{effort.minutes:,.1f} active minutes in all"]
    if effort.annotations:
        parts.append(
            f"{effort.minutes / effort.annotations:.1f} minutes for each of "
            f"{effort.annotations:,} annotations (a person, a volume, a label)"
        )
    if effort.boxes:
        parts.append(
            f"{60 * effort.minutes / effort.boxes:.1f} seconds for each of {effort.boxes:,} boxes that people made"
        )
    yield f"It took {_joined(parts)}."


def _masks(facts: DatasetFacts) -> Iterable[str]:
    if facts.models:
        made = [
            f"{inline(model.name)} (sha256 {inline(model.sha256[:12]) or 'unknown'}, {_number(model.masks, 'mask')}, grey "
            f"values {inline(model.window) or 'of each volume'})"
            for model in facts.models
        ]
        yield f"Masks were made from the boxes slice by slice by {_joined(made)}."
        yield _COMPLETION[facts.completion]
    else:
        yield "No model made a mask of it."
    if facts.overlap_rule:
        claimed = (
            "how many there were is unknown"
            if facts.overlapping_voxels is None
            else f"there were {facts.overlapping_voxels:,}"
        )
        yield f"Voxels that several labels claim: {_sentence(facts.overlap_rule, end='')} ({claimed})."


def _slices(facts: DatasetFacts) -> Iterable[str]:
    if facts.slices is None:
        yield "What the labels of the single slices rest on is unknown."
        return
    rows, total = _slice_rows(facts.slices)
    if total:
        shares = [f"{_share(count, total)} {what}" for what, count in rows if count]
        yield f"Of {total:,} slices, counted once per label, {_joined(shares)}."


def _agreement(facts: DatasetFacts) -> Iterable[str]:
    found = facts.agreement
    if found is None or not found.tasks:
        yield "How far people agree is unknown: no task in it was done by several."
    else:
        yield (
            f"Boxes of two people overlapped with a mean IoU of {found.box_iou:.2f} over the "
            f"{_number(found.tasks, 'task')} that several people did."
        )


def _selection(facts: DatasetFacts) -> Iterable[str]:
    if facts.partial_rule:
        yield _sentence(facts.partial_rule)
    if facts.volumes_left_out:
        yield (
            f"{_number(facts.volumes_left_out, 'volume')} of the project were left out "
            f"({_list_counted(facts.left_out) or 'the reason is unknown'})."
        )


def _sides(facts: DatasetFacts) -> Iterable[str]:
    split = facts.split
    if split is None or not (split.folds or facts.test_volumes):
        return
    sides = "Test volumes were kept apart" if facts.test_volumes else "No volume was kept for a test"
    folds = f", and the others divided into {split.folds} folds" if split.folds else ""
    yield f"{sides}{folds} (seed {split.seed}); volumes of one patient stand on one side."
    if split.without_patient:
        yield (
            f"The patient of {_number(split.without_patient, 'volume')} is not stated; each counts as a patient of its own."
        )
    if facts.test_volumes:
        origins = _list_counted(facts.reference_origins)
        yield f"Test volumes carry reference labels (origin of reference masks: {origins or _NOT_STATED})."


def _warnings(facts: DatasetFacts) -> Iterable[str]:
    yield "It is for research. It is not a medical device, and nothing in it is a diagnosis."
    if facts.models:
        yield (
            "The models may have been trained on public images like these: a score on them is no evidence that they do as "
            "well elsewhere."
        )
    counts = facts.slices
    if counts is not None and counts.filled + counts.guessed + counts.interpolated:
        yield "Boxes that were interpolated, filled in or guessed were checked by nobody; see the table of slices."
    if counts is not None and counts.unknown:
        yield "There are slices that nobody decided. Background there does not mean that somebody saw that nothing is there."
    if any(not entry.what for entry in facts.licences) or not facts.licences:
        yield "Licences are not stated for all volumes: before you pass them on, ask who made them."


def _slice_rows(counts: SliceCounts) -> tuple[list[tuple[str, int]], int]:
    rows = [
        ("drawn or corrected by a person", counts.drawn),
        ("looked at by a person and left", counts.confirmed),
        ("interpolated between drawn boxes, not looked at", counts.interpolated),
        ("filled in between pieces", counts.filled),
        ("guessed beyond the ends", counts.guessed),
        ("marked as without the label", counts.absent),
        ("decided by nobody", counts.unknown),
    ]
    return rows, sum(count for _, count in rows)


def _slice_table(counts: SliceCounts | None) -> str:
    rows, total = _slice_rows(counts) if counts is not None else ([], 0)
    if not total:
        return "What the labels of the single slices rest on is unknown."
    table = _table(
        ("The label on the slice is", "Slices", "Share"),
        [(what, f"{count:,}", _percent(count, total)) for what, count in rows],
    )
    return f"{table}\n\nEvery slice counts once per label: {total:,} in all."


def _model_table(models: Sequence[ModelFacts]) -> str:
    if not models:
        return "No model made a mask of it."
    return _table(
        ("Model", "sha256 of its weights", "Grey values", "Masks"),
        [
            (
                inline(model.name),
                inline(model.sha256) or "unknown",
                inline(model.window) or "of each volume",
                f"{model.masks:,}",
            )
            for model in models
        ],
    )


def _counted(what: str, of: str, entries: Sequence[Counted], none: str) -> str:
    if not entries:
        return none
    return _table((what, of), [(inline(entry.what) or _NOT_STATED, f"{entry.count:,}") for entry in entries])


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list_counted(entries: Sequence[Counted]) -> str:
    return ", ".join(f"{inline(entry.what) or _NOT_STATED}: {entry.count:,}" for entry in entries)


def _share(count: int, total: int) -> str:
    return f"{_percent(count, total)} ({count:,})"


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %"


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _sentence(text: str, *, end: str = ".") -> str:
    """A rule of ours as it stands in a manifest, lower case and without a full stop, inside the paragraph."""
    plain = inline(text).rstrip(".")
    return f"{plain[:1].upper()}{plain[1:]}{end}" if end else plain
