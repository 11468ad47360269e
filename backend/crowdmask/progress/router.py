"""The table volumes x labels, people, jobs, and the live stream."""

from collections.abc import AsyncIterable
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from crowdmask.accounts.deps import CurrentActor
from crowdmask.core.lifecycle import JobState
from crowdmask.progress import changes, jobs, queries, table
from crowdmask.progress.schemas import JobAnswer, PersonProgress, ProgressRow, ProgressSummary
from crowdmask.web.forms import LabelIndex
from crowdmask.web.pages import Page, Paging
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession, WriteSession
from crowdmask.web.state import Server

router = APIRouter(tags=["progress"])


class TaskFilter(StrEnum):
    """Which tasks: not complete, complete, nobody has begun, with holes, with ends nobody looked at."""

    OPEN = "open"
    COMPLETE = "complete"
    UNTOUCHED = "untouched"
    HOLES = "holes"
    ENDS = "ends"


@router.get("/projects/{project_id}/progress/summary", **needs(Permission.SEES_ALL))
def get_summary(project_id: UUID, session: ReadSession, actor: CurrentActor) -> ProgressSummary:
    """How far the project is."""
    return queries.summary(session, actor, project_id=project_id)


@router.get("/projects/{project_id}/progress", **needs(Permission.SEES_ALL))
def list_progress(
    project_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    paging: Paging,
    show: Annotated[list[TaskFilter], Query(default_factory=list, description="All of these hold.")],
    label_index: Annotated[list[LabelIndex], Query(default_factory=list, description="One of these labels.")],
    account_id: Annotated[UUID | None, Query(description="Tasks of this person.")] = None,
    search: Annotated[str, Query(max_length=200, description="Part of the volume's name.")] = "",
    agreement_at_most: Annotated[
        float | None, Query(ge=0, le=1, description="Two people agree no better about the boxes.")
    ] = None,
) -> Page[ProgressRow]:
    """The tasks of a project by volume name and label, with what is undecided in each."""
    return table.progress_page(
        session,
        actor,
        project_id=project_id,
        paging=paging,
        show=frozenset(filter_.value for filter_ in show),
        label_indices=frozenset(label_index),
        account_id=account_id,
        search=search,
        agreement_at_most=agreement_at_most,
    )


@router.get("/projects/{project_id}/progress.csv", response_class=Response, **needs(Permission.SEES_ALL))
def download_progress(project_id: UUID, session: ReadSession, actor: CurrentActor) -> Response:
    """The whole table as CSV, a line per person and task."""
    return Response(
        table.progress_csv(session, actor, project_id=project_id),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="progress.csv"'},
    )


@router.get("/projects/{project_id}/progress/people", **needs(Permission.SEES_ALL))
def list_people(project_id: UUID, session: ReadSession, actor: CurrentActor) -> list[PersonProgress]:
    """What each person of a project has done."""
    return queries.people(session, actor, project_id=project_id)


@router.get("/projects/{project_id}/jobs", **needs(Permission.ADMIN))
def list_jobs(
    project_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    paging: Paging,
    state: Annotated[list[JobState], Query(default_factory=list)],
) -> Page[JobAnswer]:
    """The jobs of a project, the newest first."""
    return jobs.job_page(session, actor, project_id=project_id, paging=paging, states=frozenset(state))


@router.post("/jobs/{job_id}/retry", **needs(Permission.ADMIN))
def retry_job(job_id: UUID, session: WriteSession, actor: CurrentActor) -> JobAnswer:
    """Run a job that has ended again, with all its attempts: one that failed, or one whose result is wanted anew."""
    return jobs.retry_job(session, actor, job_id=job_id)


@router.post("/jobs/{job_id}/cancel", **needs(Permission.ADMIN))
def cancel_job(job_id: UUID, session: WriteSession, actor: CurrentActor) -> JobAnswer:
    """Stop a job that waits or runs."""
    return jobs.cancel_job(session, actor, job_id=job_id)


def _listener(project_id: UUID, actor: CurrentActor, server: Server) -> None:
    """A stream that has begun can no longer be refused."""
    changes.check_listener(server.database, actor, project_id)


@router.get(
    "/projects/{project_id}/events",
    response_class=EventSourceResponse,
    dependencies=[Depends(_listener)],
    **needs(Permission.MEMBER),
)
async def stream_events(
    project_id: UUID,
    actor: CurrentActor,
    server: Server,
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterable[ServerSentEvent]:
    """Changes as they happen: ``job`` and ``task`` events. Annotators are told of their own work only."""
    async for event in changes.stream(server, actor, project_id=project_id, last_event_id=last_event_id):
        yield event
