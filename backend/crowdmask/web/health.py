"""Whether the server is up and reaches its database."""

from typing import Literal

import sqlalchemy as sa
from fastapi import APIRouter

import crowdmask
from crowdmask.web.forms import Answer
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession

router = APIRouter(tags=["health"])


class HealthAnswer(Answer):
    status: Literal["ok"]
    version: str


@router.get("/health", **needs(Permission.PUBLIC))
def health(session: ReadSession) -> HealthAnswer:
    """200 when the database answers, else 503."""
    session.execute(sa.select(1))
    return HealthAnswer(status="ok", version=crowdmask.__version__)
