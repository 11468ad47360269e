"""``crowdmask reproduce``: the paper's experiment on a published dataset, and its tables from scores that are there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdmask.cli.options import program
from crowdmask.console import AsJson, check_folder, print_json, writing
from crowdmask.core.completion import Completion
from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput, NotFound
from crowdmask.core.simulate import Rule
from crowdmask.core.training import Configuration, TrainingSettings

if TYPE_CHECKING:
    from crowdmask.core.dataset_layouts import PublishedCase, PublishedDataset
    from crowdmask.core.labels import Label
    from crowdmask.core.paper_tables import PaperTable
    from crowdmask.core.study import BoxesResult, LabelResult
    from crowdmask.core.study_report import LeftOut
    from crowdmask.core.windowing import Window
    from crowdmask_ml.reproduction.cases import Plan, Watch
    from crowdmask_ml.segmenter import Segmenter


@dataclass
class Run:
    """What came of the cases so far; ``conditions``: what is run on what, for people."""

    conditions: dict[str, str]
    notes: list[str] = field(default_factory=list)
    boxes: "list[BoxesResult]" = field(default_factory=list)
    results: "list[LabelResult]" = field(default_factory=list)
    left_out: "list[LeftOut]" = field(default_factory=list)
    trained: "list[PaperTable]" = field(default_factory=list)
    made: int = 0
    kept: int = 0
    without_image: int = 0


def reproduce(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for results; made if needed.")
    ],
    dataset: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A dataset as it is published: nnU-Net v2, MSD, BTCV, or the paper's prompts."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model; may be given several times. See: crowdmask-ml models list."),
    ] = None,
    sobel: Annotated[
        bool, typer.Option("--sobel", help="Add the slice's edges to what SAM sees, as the paper does.")
    ] = False,
    completion: Annotated[
        list[Completion] | None,
        typer.Option(help="none, fill, full; may be given several times. Default: all three."),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Boxes that people drew with OpenLabeling, instead of simulated ones."
        ),
    ] = None,
    prompt_class: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=LABEL", help="The label of a class of these boxes; for BTCV it is known."
        ),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this label; may be given several times.")
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FROM=INTO", help="Count the voxels of a label as another's, by their integers."
        ),
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this case; may be given several times.")
    ] = None,
    channel: Annotated[int, typer.Option(min=0, help="Which channel of images that have several.")] = 0,
    rule: Annotated[Rule, typer.Option(help="How boxes are simulated.")] = Rule.RELEASED_CODE,
    jitter_mm: Annotated[
        float | None, typer.Option(help="Error of each edge of simulated boxes in mm; default: none.")
    ] = None,
    miss_inner: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the inner slices without a simulated box.")
    ] = 0.0,
    miss_ends: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the slices without one at each end.")
    ] = 0.0,
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Simulate a box on every Nth slice.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the errors and of the slices missed.")] = 0,
    window: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LO HI", help="Values shown as black and as white; default: by volume."),
    ] = None,
    runtime: Annotated[str, typer.Option(help="What computes: auto, torch, openvino or onnx.")] = "auto",
    scores: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE:NAME=FILE.csv",
            help="Scores per case that are there, for the paper's table 2, 3, 4 or 5.",
        ),
    ] = None,
    nnunet: Annotated[
        bool,
        typer.Option("--nnunet", help="Write nnU-Net datasets of the reference's labels and of the masks."),
    ] = False,
    test_case: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Test on this case instead of training on it; also several times."),
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train nnU-Net on these datasets, for tables 4 and 5.")
    ] = False,
    configuration: Annotated[
        list[Configuration] | None,
        typer.Option(help="What nnU-Net trains; several predict together. Default: 3d_fullres."),
    ] = None,
    fold: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Train this fold; may be given several times. Default: all."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Epochs of a training.")] = 1000,
    iterations: Annotated[int, typer.Option(help="Iterations of an epoch.")] = 250,
    small: Annotated[
        bool, typer.Option("--small", help="A tiny network, to try the way from end to end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Reproduce the paper: boxes to masks to its tables, and where the Dice is lost; on any published dataset.

    What is there with equal provenance is not computed again, so the command may be stopped and repeated.
    """
    import crowdmask
    from crowdmask.core import study, study_report

    if dataset is None and not scores:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            "There is nothing to reproduce.",
            hint="Give --dataset, or scores that are there with --scores.",
        )
    from crowdmask.cli.given_scores import tables_of_scores

    given_tables = tables_of_scores(scores or [])
    settings = TrainingSettings(
        tuple(configuration or [Configuration.FULLRES]), tuple(fold or ()), epochs, iterations, small=small
    )
    if train and find_spec("nnunetv2") is None:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            "--train needs the package nnunetv2, which is not installed.",
            hint="Install the extra: pip install 'crowdmask[train]'; or write the datasets with --nnunet alone.",
        )
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    check_folder(out, wanted_for=out)
    run = Run({"crowdmask": crowdmask.__version__})
    if dataset is not None:
        from crowdmask.core.dataset_layouts import read_published
        from crowdmask_ml.reproduction.cases import Plan, Prompts, Simulation

        published = read_published(_folder(dataset), channel=channel)
        cases = _cases(published, case)
        drawn = published.prompts if prompts is None else _folder(prompts)
        classes = dict(_numbers("--prompt-class", text) for text in prompt_class or [])
        plan = Plan(
            labels=_labels(published, label),
            merged=dict(_numbers("--merge", text) for text in merge or []),
            boxes=Simulation(rule, jitter_mm, miss_inner, miss_ends, every, seed)
            if drawn is None
            else Prompts(drawn, classes or published.prompt_classes),
            segmenters=_segmenters(model or ["litemedsam"], sobel=sobel, runtime=runtime)
            if any(one.image is not None for one in cases)
            else [],
            completions=list(dict.fromkeys(completion or list(Completion))),
            window=None if window is None else _window(window),
            out=out,
        )
        tested = {one.name for one in _cases(published, test_case)} if test_case else set()
        run = _run(plan, published, cases)
        if nnunet or train:
            run.trained += _compare_by_nnunet(
                plan, published, cases, run, tested, settings if train else None
            )
    tables = [
        *(study.paper_results(run.results, study.complete_cases(run.boxes)) if run.results else []),
        *run.trained,
        *given_tables,
    ]
    report = study_report.StudyReport(run.conditions, run.notes, tables, run.boxes, run.results, run.left_out)
    with writing(out):
        study_report.write_report(out, report)
    for note in report.notes:
        program.note(note)
    if as_json:
        print_json({"out": str(out.absolute()), **study_report.report_json(report)})
        return
    typer.echo(study_report.report_markdown(report))
    typer.echo(f"written to {out}; masks made {run.made}, kept {run.kept}")


def _run(plan: "Plan", dataset: "PublishedDataset", cases: "Sequence[PublishedCase]") -> Run:
    """Every case; one that cannot be used is left out and does not stop a hundred others."""
    from crowdmask.core.study_report import LeftOut
    from crowdmask_ml.reproduction.cases import run_case

    run = Run(_conditions(plan, dataset))
    with _bars(len(cases)) as (next_case, watch):
        for case in cases:
            try:
                result = run_case(plan, case, watch)
            except CrowdmaskError as error:
                if (
                    not isinstance(error, InvalidInput | NotFound)
                    and error.code is not ErrorCode.GRID_MISMATCH
                ):
                    raise
                run.left_out.append(LeftOut(case.name, error.code, str(error)))
            else:
                run.boxes += result.boxes
                run.results += result.results
                run.made += result.made
                run.kept += result.kept
                run.without_image += case.image is None
            next_case()
    if len(run.left_out) == len(cases):
        first = run.left_out[0]
        raise InvalidInput(
            first.code, f"Nothing could be made of any of {len(cases)} cases; {first.case}: {first.reason}"
        )
    run.conditions["cases"] = str(len(cases) - len(run.left_out))
    run.notes += _notes(plan, run)
    return run


def _compare_by_nnunet(
    plan: "Plan",
    dataset: "PublishedDataset",
    cases: "Sequence[PublishedCase]",
    run: Run,
    tested: set[str],
    settings: TrainingSettings | None,
) -> "list[PaperTable]":
    """Write the datasets of the comparison; with ``settings`` train on each, and make tables 4 and 5."""
    from crowdmask.core.study import complete_cases
    from crowdmask_ml.reproduction.cases import mask_paths
    from crowdmask_ml.reproduction.pairs import PairCase, predictions_of, trained_tables, write_pairs

    # A volume without boxes of its own can still be tested on.
    unboxed = {one.case for one in run.left_out if one.code is ErrorCode.BOXES_FILE_INVALID}
    unusable = {one.case for one in run.left_out} - unboxed
    pairs = [
        PairCase(
            case.name,
            is_test,
            case.image,
            case.volume_index,
            case.reference,
            mask_paths(plan, case.name),
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
        complete=complete_cases(run.boxes),
    )
    run.notes.append(
        f"{len(written)} nnU-Net datasets are in nnunet/. In those of masks slices without a box are background, as in the "
        "paper, although nobody said that the organ is not there."
    )
    if settings is None:
        return []
    with _bars(len(written)) as (next_dataset, watch):
        predicted = []
        for one in written:
            made = predictions_of(one, plan.out / "trainings", settings, watch=lambda what: watch(what, 0, 1))
            predicted.append((one, made))
            next_dataset()
    return trained_tables(predicted, settings)


def _is_test(case: "PublishedCase", named: set[str]) -> bool:
    """Whether nnU-Net is tested on it: those that were named, else those of the layout."""
    from crowdmask.core.nnunet_layout import Split

    return case.name in named if named else case.split is Split.TEST


def _conditions(plan: "Plan", dataset: "PublishedDataset") -> dict[str, str]:
    import crowdmask
    from crowdmask_ml.reproduction.cases import Prompts

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


def _notes(plan: "Plan", run: Run) -> list[str]:
    from crowdmask_ml.reproduction.cases import Simulation

    notes = []
    if isinstance(plan.boxes, Simulation):
        notes.append(
            "The boxes derive from the reference itself: this checks the pipeline and compares ways, it is no evidence of "
            "how well people annotate."
        )
    if run.without_image:
        notes.append(
            f"Of {run.without_image} cases the image is missing: no mask was made of them and nothing scored; only boxes, "
            "and masks that are there, were looked at."
        )
    if not run.results:
        notes.append(
            "Dice needs an image and a reference of the same case; there was none, so there are no tables 2 and 3."
        )
    if run.left_out:
        notes.append(f"{len(run.left_out)} cases were left out, each with its reason.")
    if any(one.name == "litemedsam" for one in plan.segmenters):
        notes.append(
            "LiteMedSAM may have been trained on public data like this: read the differences, not the levels."
        )
    return notes


def _segmenters(names: Sequence[str], *, sobel: bool, runtime: str) -> "list[Segmenter]":
    from crowdmask_ml.registry import find_model
    from crowdmask_ml.reproduction.segmenters import paper_segmenter

    names = list(dict.fromkeys(names))
    for name in names:
        find_model(name)
    edged = [name for name in names if name.startswith("sam-")]
    if sobel and not edged:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            "Edges are added to what SAM sees, and no SAM is asked for.",
            hint="Leave out --sobel, or add --model sam-vit-b, sam-vit-l or sam-vit-h.",
        )
    return [paper_segmenter(name, sobel=sobel and name in edged, runtime=runtime) for name in names]


def _cases(dataset: "PublishedDataset", names: Sequence[str] | None) -> "list[PublishedCase]":
    if not names:
        return list(dataset.cases)
    unknown = sorted(set(names) - {case.name for case in dataset.cases})
    if unknown:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{dataset.folder} has no case {unknown[0]}.",
            hint=f"It has {len(dataset.cases)}, among them {dataset.cases[0].name}.",
        )
    return [case for case in dataset.cases if case.name in names]


def _labels(dataset: "PublishedDataset", names: Sequence[str] | None) -> "tuple[Label, ...]":
    if not names:
        return dataset.labels
    known = {one.name: one for one in dataset.labels}
    for name in names:
        if name not in known:
            raise InvalidInput(
                ErrorCode.LABEL_UNKNOWN, f"{dataset.folder} has no label {name}; it has {', '.join(known)}."
            )
    return tuple(one for one in dataset.labels if one.name in names)


def _numbers(option: str, text: str) -> tuple[int, int]:
    first, separator, second = text.partition("=")
    if not (separator and first.isdecimal() and second.isdecimal() and 1 <= int(second) <= 255):
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{option} {text} is not two whole numbers, such as 2=1, the second a label.",
        )
    return int(first), int(second)


def _window(given: tuple[float, float]) -> "Window":
    from crowdmask.core.windowing import Window

    return Window(low=given[0], high=given[1])


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise InvalidInput(ErrorCode.OPTION_INVALID, f"{path} is not a folder.")
    return path


@contextmanager
def _bars(cases: int) -> Iterator[tuple[Callable[[], None], "Watch"]]:
    """Two progress bars on a terminal, of the cases and of what is being made; elsewhere nothing."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from crowdmask.cli.options import news

    console = news()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        whole = progress.add_task("cases", total=cases)
        current = progress.add_task("", total=None)

        def watch(what: str, done: int, total: int) -> None:
            progress.update(current, description=what, completed=done, total=total)

        yield lambda: progress.advance(whole), watch
