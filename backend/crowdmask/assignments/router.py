"""Tasks, and who works on them: "next task", assigning, taking back."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from crowdmask.accounts.deps import CurrentActor
from crowdmask.assignments import assigning, overview, service
from crowdmask.assignments.schemas import (
    AssignAnswer,
    AssignForm,
    AssignmentAnswer,
    MyProgressAnswer,
    TaskAnswer,
    TasksForm,
)
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession, WriteSession
from crowdmask.web.state import Server

router = APIRouter(tags=["assignments"])

NO_WORK: dict[int | str, dict[str, Any]] = {204: {"description": "There is no work for this person now."}}


@router.post("/projects/{project_id}/tasks", **needs(Permission.ADMIN))
def create_tasks(
    project_id: UUID, form: TasksForm, session: WriteSession, actor: CurrentActor
) -> list[TaskAnswer]:
    """Make a task of each volume and label; those that exist stay as they are. Answers with all of them."""
    tasks = service.create_tasks(
        session,
        actor,
        project_id=project_id,
        volume_ids=form.volume_ids,
        label_indices=form.label_indices,
        overlap=form.overlap,
    )
    return overview.task_answers(session, actor, project_id=project_id, task_ids=[task.id for task in tasks])


@router.get("/projects/{project_id}/tasks", **needs(Permission.SEES_ALL))
def list_tasks(project_id: UUID, session: ReadSession, actor: CurrentActor) -> list[TaskAnswer]:
    """All tasks of a project, by volume name and label."""
    return overview.task_answers(session, actor, project_id=project_id)


@router.post("/projects/{project_id}/assignments", **needs(Permission.ADMIN))
def assign(project_id: UUID, form: AssignForm, session: WriteSession, actor: CurrentActor) -> AssignAnswer:
    """Reserve each of the tasks for each of the people, for some days; says which could not be and why."""
    return assigning.assign(
        session,
        actor,
        project_id=project_id,
        task_ids=form.task_ids,
        account_ids=form.account_ids,
        days=form.days,
    )


@router.post(
    "/projects/{project_id}/next-task",
    response_model=AssignmentAnswer,
    responses=NO_WORK,
    **needs(Permission.WORKS),
)
def next_task(
    project_id: UUID, session: WriteSession, actor: CurrentActor, server: Server
) -> AssignmentAnswer | Response:
    """Give me something to do: what I have begun, what is reserved for me, or a new task. 204: nothing to do."""
    assignment = service.claim_next(
        session, actor, project_id=project_id, lease_s=server.settings.task_lease_s
    )
    if assignment is None:
        return Response(status_code=204)
    return overview.assignment_answer(session, actor, server.storage, assignment.id)


@router.post(
    "/tasks/{task_id}/claim", response_model=AssignmentAnswer, responses=NO_WORK, **needs(Permission.WORKS)
)
def claim(
    task_id: UUID, session: WriteSession, actor: CurrentActor, server: Server
) -> AssignmentAnswer | Response:
    """Give me this task. 204: all its places are taken."""
    assignment = service.claim(session, actor, task_id=task_id, lease_s=server.settings.task_lease_s)
    if assignment is None:
        return Response(status_code=204)
    return overview.assignment_answer(session, actor, server.storage, assignment.id)


@router.get("/me/assignments", **needs(Permission.SIGNED_IN))
def my_assignments(
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
    project_id: UUID | None = None,
    open_only: Annotated[bool, Query(description="Leave out what is submitted.")] = False,
) -> list[AssignmentAnswer]:
    """What is or was mine: returned work first, then what is reserved, then submitted; the newest first in each."""
    return overview.own_assignments(
        session, actor, server.storage, project_id=project_id, open_only=open_only
    )


@router.get("/me/progress", **needs(Permission.SIGNED_IN))
def my_progress(session: ReadSession, actor: CurrentActor) -> list[MyProgressAnswer]:
    """What I have done, for each project I take part in."""
    return overview.own_progress(session, actor)


@router.get("/assignments/{assignment_id}", **needs(Permission.OWN))
def get_assignment(
    assignment_id: UUID, session: ReadSession, actor: CurrentActor, server: Server
) -> AssignmentAnswer:
    """One task of mine."""
    return overview.assignment_answer(session, actor, server.storage, assignment_id)


@router.post("/assignments/{assignment_id}/renew", **needs(Permission.OWN))
def renew(
    assignment_id: UUID, session: WriteSession, actor: CurrentActor, server: Server
) -> AssignmentAnswer:
    """Keep a task for as long again."""
    service.renew(session, actor, assignment_id=assignment_id)
    return overview.assignment_answer(session, actor, server.storage, assignment_id)


@router.post("/assignments/{assignment_id}/give-back", status_code=204, **needs(Permission.OWN))
def give_back(assignment_id: UUID, session: WriteSession, actor: CurrentActor) -> None:
    """I do not want this task: its place becomes free for somebody else. What I saved is kept."""
    service.give_back(session, actor, assignment_id=assignment_id)


@router.post("/assignments/{assignment_id}/take-back", status_code=204, **needs(Permission.ADMIN))
def take_back(assignment_id: UUID, session: WriteSession, actor: CurrentActor) -> None:
    """Take a task back from somebody. What they made, and still save, stays in their own annotation."""
    service.take_back(session, actor, assignment_id=assignment_id)


@router.delete("/projects/{project_id}/members/{account_id}", status_code=204, **needs(Permission.ADMIN))
def remove_member(project_id: UUID, account_id: UUID, session: WriteSession, actor: CurrentActor) -> None:
    """End a person's part in the project. Their work stays; tasks that are reserved for them become free."""
    service.remove_member(session, actor, project_id=project_id, account_id=account_id)
