"""Masks against references: the Dice table."""

from uuid import UUID

from fastapi import APIRouter

from crowdmask.accounts.deps import CurrentActor
from crowdmask.evaluations import queries, service
from crowdmask.evaluations.schemas import EvaluateAnswer, EvaluationAnswer
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession, WriteSession

router = APIRouter(tags=["evaluations"])


@router.get("/projects/{project_id}/evaluations", **needs(Permission.EXPORTS))
def list_evaluations(project_id: UUID, session: ReadSession, actor: CurrentActor) -> EvaluationAnswer:
    """How the project's masks agree with the references, where there are any."""
    return queries.evaluation_answer(session, actor, project_id=project_id)


@router.post("/projects/{project_id}/evaluations", status_code=202, **needs(Permission.EXPORTS))
def evaluate(project_id: UUID, session: WriteSession, actor: CurrentActor) -> EvaluateAnswer:
    """Evaluate, by jobs, all masks with a reference that are not evaluated yet."""
    return EvaluateAnswer(jobs=service.request_evaluations(session, actor, project_id=project_id))
