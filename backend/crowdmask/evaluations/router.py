"""Masks against references: scores, their means, and tables to take along."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.deps import CurrentActor
from crowdmask.core.csv_text import csv_text
from crowdmask.evaluations import queries, references, service, set_queries
from crowdmask.evaluations.pictures import Plot, boxes, volume_differences
from crowdmask.evaluations.report import html_report
from crowdmask.evaluations.schemas import (
    ComparisonAnswer,
    EvaluateAnswer,
    EvaluationAnswer,
    ReferenceUses,
    ScoreSetAnswer,
    ScoreSummary,
)
from crowdmask.evaluations.score_sets import (
    ScoreName,
    score_rows,
    score_table,
)
from crowdmask.evaluations.slices import slice_rows, slice_rule, slice_table
from crowdmask.evaluations.summary import comparison_answer, comparison_rows, summary_answer
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession, WriteSession
from crowdmask.web.state import Server

router = APIRouter(tags=["evaluations"])


@router.get("/projects/{project_id}/evaluations", **needs(Permission.EXPORTS))
def list_evaluations(project_id: UUID, session: ReadSession, actor: CurrentActor) -> EvaluationAnswer:
    """How the project's masks agree with the references, where there are any."""
    return queries.evaluation_answer(session, actor, project_id=project_id)


@router.post("/projects/{project_id}/evaluations", status_code=202, **needs(Permission.EXPORTS))
def evaluate(project_id: UUID, session: WriteSession, actor: CurrentActor) -> EvaluateAnswer:
    """Evaluate, by jobs, all masks with a reference that are not evaluated yet."""
    return EvaluateAnswer(jobs=service.request_evaluations(session, actor, project_id=project_id))


@router.get("/volumes/{volume_id}/reference/uses", **needs(Permission.ADMIN))
def get_reference_uses(volume_id: UUID, session: ReadSession, actor: CurrentActor) -> ReferenceUses:
    """What depends on the reference of a volume: asked before it is replaced or deleted."""
    return references.reference_uses(session, actor, volume_id=volume_id)


@router.get("/projects/{project_id}/evaluations/sets", **needs(Permission.EXPORTS))
def list_score_sets(project_id: UUID, session: ReadSession, actor: CurrentActor) -> list[ScoreSetAnswer]:
    """What has scores in a project: all masks, those of each person, and each training."""
    return set_queries.score_set_answers(session, actor, project_id=project_id)


@router.get("/projects/{project_id}/evaluations/summary", **needs(Permission.EXPORTS))
def get_score_summary(
    project_id: UUID, session: ReadSession, actor: CurrentActor, of: str = "masks"
) -> ScoreSummary:
    """Means, differences of the volumes, and the worst cases of a set of scores."""
    return summary_answer(set_queries.score_set(session, actor, project_id=project_id, key=of))


@router.get("/projects/{project_id}/evaluations/comparison", **needs(Permission.EXPORTS))
def compare_score_sets(
    project_id: UUID, a: str, b: str, session: ReadSession, actor: CurrentActor
) -> ComparisonAnswer:
    """Two sets of scores side by side, with a paired test per label and score."""
    return _comparison(session, actor, project_id, a, b)


@router.get(
    "/projects/{project_id}/evaluations/comparison/table",
    response_class=Response,
    **needs(Permission.EXPORTS),
)
def download_comparison(
    project_id: UUID, a: str, b: str, session: ReadSession, actor: CurrentActor
) -> Response:
    """Two sets of scores side by side as CSV, a line per label and score."""
    return _csv(csv_text(comparison_rows(_comparison(session, actor, project_id, a, b))), "comparison.csv")


@router.get("/projects/{project_id}/evaluations/table", response_class=Response, **needs(Permission.EXPORTS))
def download_score_table(
    project_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    of: str = "masks",
    score: ScoreName = ScoreName.VOLUME_DICE,
    each_slice: Annotated[bool, Query(description="A line per slice: slice_dice, slice_dice_all.")] = False,
) -> Response:
    """One score as CSV: a line per volume or slice, a column per label, as ``crowdmask compare`` reads it."""
    found = set_queries.score_set(session, actor, project_id=project_id, key=of, with_slices=each_slice)
    if each_slice:
        return _csv(slice_table(found.scored, slice_rule(score)).to_csv(), f"{score}-of-slices.csv")
    return _csv(score_table(found.scored, score).to_csv(), f"{score}.csv")


@router.get("/projects/{project_id}/evaluations/scores", response_class=Response, **needs(Permission.EXPORTS))
def download_scores(
    project_id: UUID, session: ReadSession, actor: CurrentActor, of: str = "masks"
) -> Response:
    """All scores as CSV, a line per mask or prediction."""
    found = set_queries.score_set(session, actor, project_id=project_id, key=of)
    return _csv(csv_text(score_rows(found.scored)), "scores.csv")


@router.get("/projects/{project_id}/evaluations/slices", response_class=Response, **needs(Permission.EXPORTS))
def download_slices(
    project_id: UUID, session: ReadSession, actor: CurrentActor, of: str = "masks"
) -> Response:
    """Voxels and Dice of every slice as CSV, a line per mask or prediction and slice."""
    found = set_queries.score_set(session, actor, project_id=project_id, key=of, with_slices=True)
    return _csv(csv_text(slice_rows(found.scored)), "slices.csv")


@router.get(
    "/projects/{project_id}/evaluations/plots/{plot}",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}}}},
    **needs(Permission.EXPORTS),
)
def get_plot(
    project_id: UUID,
    plot: Plot,
    session: ReadSession,
    actor: CurrentActor,
    a: str = "masks",
    b: str | None = None,
    score: ScoreName = ScoreName.VOLUME_DICE,
) -> Response:
    """A plot of a set of scores as SVG; the box plot, of two as well."""
    sets = [
        set_queries.score_set(session, actor, project_id=project_id, key=key)
        for key in (a, b)
        if key is not None
    ]
    svg = boxes(sets, score) if plot is Plot.BOXES else volume_differences(sets[0])
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "private, no-cache"})


@router.get("/projects/{project_id}/evaluations/report", response_class=Response, **needs(Permission.EXPORTS))
def download_report(
    project_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
    a: str = "masks",
    b: str | None = None,
) -> Response:
    """The report on one or two sets of scores as an HTML file that needs nothing else."""
    facts = set_queries.report_facts(
        session,
        actor,
        project_id=project_id,
        address=server.settings.base_url,
    )
    sets = [
        set_queries.score_set(session, actor, project_id=project_id, key=key, with_slices=b is not None)
        for key in (a, b)
        if key is not None
    ]
    return Response(
        html_report(facts, *sets),
        media_type="text/html; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="report.html"'},
    )


def _comparison(session: Session, actor: Actor, project_id: UUID, a: str, b: str) -> ComparisonAnswer:
    sets = [
        set_queries.score_set(session, actor, project_id=project_id, key=key, with_slices=True)
        for key in (a, b)
    ]
    return comparison_answer(*sets)


def _csv(text: str, filename: str) -> Response:
    return Response(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )
