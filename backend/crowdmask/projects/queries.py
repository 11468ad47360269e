"""Reading projects. What the actor may not see is not there."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.labels import Label as LabelName
from crowdmask.core.labels import LabelSet
from crowdmask.models import Label, Membership, Project, Role


def takes_part(actor: Actor, project_id: InstrumentedAttribute[UUID], *roles: Role) -> sa.ColumnElement[bool]:
    """Whether the actor is a member of the project in that column, in one of ``roles`` if any are given.

    The condition of every SELECT of what belongs to a project.
    """
    return sa.exists().where(
        Membership.project_id == project_id,
        Membership.account_id == actor.account_id,
        *([Membership.role.in_(roles)] if roles else []),
    )


def visible_project(session: Session, actor: Actor, project_id: UUID) -> Project:
    """The project, if the actor is a member.

    Raises:
        NotFound: ``not_found``.
    """
    project = session.scalar(
        sa.select(Project).where(Project.id == project_id, takes_part(actor, Project.id))
    )
    if project is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no project {project_id}.")
    return project


def label_set(session: Session, project_id: UUID) -> LabelSet:
    """The project's labels, deleted ones too: their integers stay taken, in masks and in open work.

    For a caller that has checked the actor, or a worker that has none.
    """
    rows = session.scalars(sa.select(Label).where(Label.project_id == project_id).order_by(Label.index))
    return LabelSet(tuple(LabelName(index=row.index, name=row.name) for row in rows))


def live_labels(session: Session, project_id: UUID) -> tuple[LabelName, ...]:
    """The labels that are not deleted, by their integers, which may have gaps. For callers as those of ``label_set``."""
    rows = session.scalars(
        sa.select(Label)
        .where(Label.project_id == project_id, Label.deleted_at.is_(None))
        .order_by(Label.index)
    )
    return tuple(LabelName(index=row.index, name=row.name) for row in rows)


def project_named(session: Session, actor: Actor, name: str) -> Project | None:
    """The oldest project of that name in which the actor takes part, that is not archived."""
    return session.scalar(
        sa.select(Project)
        .where(Project.name == name, takes_part(actor, Project.id), Project.archived_at.is_(None))
        .order_by(Project.created_at, Project.id)
        .limit(1)
    )
