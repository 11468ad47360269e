"""Making a project and changing its rules."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.audit import record
from crowdmask.core.completion import Completion
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.labels import LabelSet, checked_name
from crowdmask.core.windowing import Window
from crowdmask.infra.db import now
from crowdmask.models import Label, Membership, Project, Role
from crowdmask.projects.labels import add_label, change_label, delete_label
from crowdmask.projects.members import (
    accept_consent,
    add_member,
    change_member,
    remove_member,
    withdraw_consent,
)
from crowdmask.projects.policy import require_role
from crowdmask.projects.schemas import ProjectForm

__all__ = [
    "accept_consent",
    "add_label",
    "add_member",
    "change_label",
    "change_member",
    "change_project",
    "checked_overlap",
    "create_project",
    "create_project_from",
    "delete_label",
    "remove_member",
    "withdraw_consent",
]

MAX_OVERLAP = 100  # people per task; more is a typing error
LONGEST_HEADING = 40


def create_project(
    session: Session,
    actor: Actor,
    *,
    name: str,
    labels: LabelSet,
    overlap: int = 1,
    window: Window | None = None,
) -> Project:
    """Create a project; the actor becomes its first admin.

    Args:
        overlap: how many people a task needs, unless the task says otherwise.
        window: grey values that are shown and segmented; None: each volume's default.

    Raises:
        InvalidInput: the name is unusable, or ``option_invalid`` for the overlap.
    """
    project = Project(
        name=checked_name(name),
        overlap=checked_overlap(overlap),
        window=None if window is None else window.to_json(),
        created_by=actor.account_id,
    )
    session.add(project)
    session.flush()
    session.add_all(
        Label(project_id=project.id, index=label.index, name=label.name) for label in labels.labels
    )
    session.add(Membership(project_id=project.id, account_id=actor.account_id, role=Role.ADMIN))
    session.flush()
    record(session, actor, "project_create", project_id=project.id)
    return project


def create_project_from(session: Session, actor: Actor, form: ProjectForm) -> Project:
    """Create a project with its guide, heading, text of consent, and what its datasets say.

    Raises:
        InvalidInput: ``labels_invalid``, ``window_invalid``, or ``option_invalid`` for a name or the overlap.
    """
    project = create_project(
        session,
        actor,
        name=form.name,
        labels=LabelSet.from_names(label.name for label in form.labels),
        overlap=form.overlap,
        window=None if form.window is None else Window(form.window.low, form.window.high),
    )
    project.label_heading = _checked_heading(form.label_heading)
    _set_consent(project, form.consent_text)
    project.completion = form.completion
    project.citation = form.citation
    guides = {index: label.guide for index, label in enumerate(form.labels, start=1)}
    for label in session.scalars(sa.select(Label).where(Label.project_id == project.id)):
        label.guide = guides[label.index]
    session.flush()
    return project


def change_project(
    session: Session, actor: Actor, *, project_id: UUID, changes: Mapping[str, Any]
) -> Project:
    """Change a project's rules. A new text of consent is a new version, to be accepted by everybody again.

    Args:
        changes: the fields of ``ProjectPatch`` that were sent. null leaves a field as it is, except ``window``, where it
            goes back to each volume's own. New tasks take the new overlap; those there are keep theirs.

    Raises:
        NotFound, NotAllowed: the actor is no admin of the project.
        InvalidInput: ``window_invalid``, or ``option_invalid`` for a name or the overlap.
    """
    require_role(session, actor, project_id, Role.ADMIN)
    project = session.get_one(Project, project_id, with_for_update=True)
    given = {field: value for field, value in changes.items() if value is not None}
    if "name" in given:
        project.name = checked_name(given["name"])
    if "overlap" in given:
        project.overlap = checked_overlap(given["overlap"])
    if "label_heading" in given:
        project.label_heading = _checked_heading(given["label_heading"])
    if "window" in changes:
        project.window = None if changes["window"] is None else Window.from_json(changes["window"]).to_json()
    if "completion" in given:
        project.completion = Completion(given["completion"])
    if "citation" in given:
        project.citation = given["citation"]
    if "consent_text" in given:
        _set_consent(project, given["consent_text"])
    if "archived" in given and given["archived"] != (project.archived_at is not None):
        project.archived_at = now() if given["archived"] else None
        record(
            session,
            actor,
            "project_archive" if given["archived"] else "project_reopen",
            project_id=project_id,
        )
    if changes.keys() - {"archived"}:
        record(session, actor, "project_change", project_id=project_id)
    session.flush()
    session.refresh(project)
    return project


def checked_overlap(overlap: int) -> int:
    """Refuse an unusable number of people per task.

    Raises:
        InvalidInput: ``option_invalid``.
    """
    if isinstance(overlap, bool) or not isinstance(overlap, int) or not 1 <= overlap <= MAX_OVERLAP:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"A task needs 1 to {MAX_OVERLAP} people; got {overlap!r}."
        )
    return overlap


def _checked_heading(heading: str) -> str:
    return checked_name(heading, longest=LONGEST_HEADING, what="A heading")


def _set_consent(project: Project, text: str) -> None:
    """Every new text gets a new version, one that was taken away too: no version ever stands for two texts."""
    if text != project.consent_text:
        project.consent_text = text
        project.consent_version += 1
