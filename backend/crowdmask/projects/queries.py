"""Reading projects, their labels, members and invites. What the actor may not see is not there."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.queries import lacks_consent
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.labels import Label as LabelName
from crowdmask.core.labels import LabelSet
from crowdmask.core.lifecycle import AssignmentState
from crowdmask.infra.db import now
from crowdmask.models import (
    Account,
    Annotation,
    Assignment,
    BrowserSession,
    GuidePicture,
    Invite,
    Label,
    Membership,
    Project,
    Role,
    Task,
    Volume,
)
from crowdmask.projects.policy import require_role
from crowdmask.projects.schemas import (
    ConsentAnswer,
    InviteAnswer,
    LabelAnswer,
    MemberAnswer,
    PictureAnswer,
    ProjectAnswer,
    ProjectSummary,
    WindowAnswer,
)


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


def project_summaries(session: Session, actor: Actor) -> list[ProjectSummary]:
    """The projects in which the actor takes part, the newest first; tasks that are archived do not count."""
    volumes = (
        sa.select(Volume.project_id, sa.func.count().label("volumes"))
        .where(takes_part(actor, Volume.project_id))
        .group_by(Volume.project_id)
        .subquery()
    )
    handed_in = Assignment.state == AssignmentState.SUBMITTED
    tasks = (
        sa.select(
            Volume.project_id,
            Task.overlap,
            sa.func.count(sa.case((handed_in, 1))).label("submitted"),
            # One more person where somebody answered that the label is not there.
            sa.func.count(sa.case((sa.and_(handed_in, Annotation.not_in_volume), 1))).label("absent"),
        )
        .select_from(Task)
        .join(Volume, Volume.id == Task.volume_id)
        .join(Label, Label.id == Task.label_id)
        .outerjoin(Assignment, Assignment.task_id == Task.id)
        .outerjoin(Annotation, Annotation.assignment_id == Assignment.id)
        .where(Task.archived_at.is_(None), Label.deleted_at.is_(None), takes_part(actor, Volume.project_id))
        .group_by(Task.id, Task.overlap, Volume.project_id)
        .subquery()
    )
    needed = tasks.c.overlap + sa.case((tasks.c.absent > 0, 1), else_=0)
    counts = (
        sa.select(
            tasks.c.project_id,
            sa.func.count().label("tasks"),
            sa.func.count(sa.case((tasks.c.submitted >= needed, 1))).label("complete"),
        )
        .group_by(tasks.c.project_id)
        .subquery()
    )
    found = session.execute(
        sa.select(Project, Membership.role, volumes.c.volumes, counts.c.tasks, counts.c.complete)
        .join(Membership, Membership.project_id == Project.id)
        .outerjoin(volumes, volumes.c.project_id == Project.id)
        .outerjoin(counts, counts.c.project_id == Project.id)
        .where(Membership.account_id == actor.account_id)
        .order_by(Project.created_at.desc(), Project.id.desc())
    )
    return [
        ProjectSummary(
            id=project.id,
            name=project.name,
            role=role,
            archived=project.archived_at is not None,
            volumes=n_volumes or 0,
            tasks=n_tasks or 0,
            tasks_complete=n_complete or 0,
            created_at=project.created_at,
        )
        for project, role, n_volumes, n_tasks, n_complete in found
    ]


def project_answer(session: Session, actor: Actor, project_id: UUID) -> ProjectAnswer:
    """A project with its labels and their guide, if the actor is a member.

    Raises:
        NotFound: ``not_found``.
    """
    found = session.execute(
        sa.select(Project, Membership.role, lacks_consent(actor.account_id))
        .join(Membership, Membership.project_id == Project.id)
        .where(Project.id == project_id, Membership.account_id == actor.account_id)
    ).one_or_none()
    if found is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no project {project_id}.")
    project, role, is_consent_missing = found
    labels = session.scalars(
        sa.select(Label)
        .where(Label.project_id == project_id, Label.deleted_at.is_(None))
        .order_by(Label.index)
    ).all()
    return ProjectAnswer(
        id=project.id,
        name=project.name,
        role=role,
        overlap=project.overlap,
        window=None if project.window is None else WindowAnswer(**project.window),
        label_heading=project.label_heading,
        labels=_label_answers(session, labels),
        consent=ConsentAnswer(
            version=consent_version(project), text=project.consent_text, accepted=not is_consent_missing
        ),
        completion=project.completion,
        citation=project.citation,
        archived=project.archived_at is not None,
        created_at=project.created_at,
    )


def consent_version(project: Project) -> int:
    """The version of the text that is to be accepted; 0: there is none. The row goes on counting without a text."""
    return project.consent_version if project.consent_text else 0


def label_answer(session: Session, label: Label) -> LabelAnswer:
    """For a caller that has checked the actor."""
    return _label_answers(session, [label])[0]


def visible_picture(session: Session, actor: Actor, picture_id: UUID) -> GuidePicture:
    """A picture of the guide of a project in which the actor takes part.

    Raises:
        NotFound: ``not_found``.
    """
    picture = session.scalar(
        sa.select(GuidePicture)
        .join(Label, Label.id == GuidePicture.label_id)
        .where(GuidePicture.id == picture_id, takes_part(actor, Label.project_id))
    )
    if picture is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no picture {picture_id}.")
    return picture


def picture_answer(picture: GuidePicture) -> PictureAnswer:
    return PictureAnswer(id=picture.id, caption=picture.caption, url=f"/api/v1/guide-pictures/{picture.id}")


def members(session: Session, actor: Actor, *, project_id: UUID) -> list[MemberAnswer]:
    """The people of a project, for its admins, by name.

    Raises:
        NotFound, NotAllowed: the actor is no admin.
    """
    require_role(session, actor, project_id, Role.ADMIN)
    return _member_answers(session, Membership.project_id == project_id)


def member(session: Session, actor: Actor, *, project_id: UUID, account_id: UUID) -> MemberAnswer:
    """One of the people of a project, for its admins, or for this person.

    Raises:
        NotFound: no such member; NotAllowed: the actor is no admin.
    """
    if account_id != actor.account_id:  # who gave up being an admin still gets an answer
        require_role(session, actor, project_id, Role.ADMIN)
    found = _member_answers(session, Membership.project_id == project_id, Membership.account_id == account_id)
    if not found:
        raise NotFound(ErrorCode.NOT_FOUND, f"The project has no member {account_id}.")
    return found[0]


def invites(session: Session, actor: Actor, *, project_id: UUID) -> list[InviteAnswer]:
    """The invites of a project, for its admins, the newest first.

    Raises:
        NotFound, NotAllowed: the actor is no admin.
    """
    require_role(session, actor, project_id, Role.ADMIN)
    return _invite_answers(session, Invite.project_id == project_id)


def invite_answer(session: Session, invite: Invite) -> InviteAnswer:
    """For a caller that has checked the actor."""
    return _invite_answers(session, Invite.id == invite.id)[0]


def _label_answers(session: Session, labels: Collection[Label]) -> list[LabelAnswer]:
    pictures: dict[UUID, list[PictureAnswer]] = defaultdict(list)
    for picture in session.scalars(
        sa.select(GuidePicture)
        .where(GuidePicture.label_id.in_([label.id for label in labels]))
        .order_by(GuidePicture.created_at, GuidePicture.id)
    ):
        pictures[picture.label_id].append(picture_answer(picture))
    return [
        LabelAnswer(index=label.index, name=label.name, guide=label.guide, pictures=pictures[label.id])
        for label in labels
    ]


def _member_answers(session: Session, *chosen: sa.ColumnElement[bool]) -> list[MemberAnswer]:
    seen_at = (
        sa.select(sa.func.max(BrowserSession.seen_at))
        .where(BrowserSession.account_id == Membership.account_id)
        .correlate(Membership)
        .scalar_subquery()
    )
    found = session.execute(
        sa.select(Membership, Account.name, Account.username, lacks_consent(Membership.account_id), seen_at)
        .join(Account, Account.id == Membership.account_id)
        .join(Project, Project.id == Membership.project_id)
        .where(*chosen)
        .order_by(sa.func.lower(Account.name), Account.id)
    )
    return [
        MemberAnswer(
            account_id=membership.account_id,
            name=name,
            username=username,
            role=membership.role,
            label_indices=membership.label_indices,
            qualification=membership.qualification,
            consent_accepted=not is_consent_missing,
            joined_at=membership.created_at,
            seen_at=last_seen,
        )
        for membership, name, username, is_consent_missing, last_seen in found
    ]


def _invite_answers(session: Session, *chosen: sa.ColumnElement[bool]) -> list[InviteAnswer]:
    state: sa.Case[Any] = sa.case(
        (Invite.used_at.is_not(None), "used"),
        (Invite.revoked_at.is_not(None), "revoked"),
        (Invite.expires_at <= now(), "expired"),
        else_="open",
    )
    found = session.execute(
        sa.select(Invite, state, Account.name)
        .outerjoin(Account, Account.id == Invite.used_by)
        .where(*chosen)
        .order_by(Invite.created_at.desc(), Invite.id.desc())
    )
    return [
        InviteAnswer(
            id=invite.id,
            role=invite.role,
            label_indices=invite.label_indices,
            note=invite.note,
            state=state_of,
            created_at=invite.created_at,
            expires_at=invite.expires_at,
            used_by=used_by,
        )
        for invite, state_of, used_by in found
    ]
