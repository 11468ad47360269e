"""``crowdmask reproduce``: the paper's experiment on a published dataset, and its tables from scores that are there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdmask.cli.options import program
from crowdmask.console import AsJson, check_folder, print_json, writing
from crowdmask.core.completion import Completion
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.simulate import Rule
from crowdmask.core.training import Configuration, TrainingSettings

if TYPE_CHECKING:
    from crowdmask.core.dataset_layouts import PublishedCase, PublishedDataset
    from crowdmask.core.labels import Label
    from crowdmask.core.windowing import Window
    from crowdmask_ml.reproduction.study import StudyProgress
    from crowdmask_ml.segmenter import Segmenter


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
    from crowdmask.core import study_report
    from crowdmask_ml.reproduction.study import Study, compare_by_nnunet, study_cases

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
    found = Study()
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
        with _bars(len(cases)) as progress:
            found = study_cases(plan, published, cases, progress)
        if nnunet or train:
            with _bars(None) as progress:
                compare_by_nnunet(
                    plan, published, cases, found, tested, settings if train else None, progress
                )
    report = found.report(given_tables)
    with writing(out):
        study_report.write_report(out, report)
    for note in report.notes:
        program.note(note)
    if as_json:
        print_json({"out": str(out.absolute()), **study_report.report_json(report)})
        return
    typer.echo(study_report.report_markdown(report))
    typer.echo(f"written to {out}; masks made {found.made}, kept {found.kept}")


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
def _bars(steps: int | None) -> "Iterator[StudyProgress]":
    """Two progress bars on a terminal, of the cases (or datasets) and of what is being made; elsewhere nothing."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from crowdmask.cli.options import news
    from crowdmask_ml.reproduction.study import StudyProgress

    console = news()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        whole = progress.add_task("cases", total=steps)
        current = progress.add_task("", total=None)

        def watch(what: str, done: int, total: int) -> None:
            progress.update(current, description=what, completed=done, total=total)

        yield StudyProgress(lambda: progress.advance(whole), watch)
