"""Changing a project's label set and the texts of its guide. An integer stands for one name for ever."""

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.audit import record
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, NotFound
from crowdmask.core.labels import MAX_LABELS
from crowdmask.core.labels import Label as LabelName
from crowdmask.infra.db import now
from crowdmask.models import Label, Project, Role
from crowdmask.projects.policy import require_role


def add_label(session: Session, actor: Actor, *, project_id: UUID, name: str, guide: str = "") -> Label:
    """Add a label. It gets the next integer; a deleted label of that name comes back with its old one.

    Raises:
        NotFound, NotAllowed: the actor is no admin of the project.
        Conflict: ``name_taken``.
        InvalidInput: ``labels_invalid``: the name is unusable, or all integers of a mask are taken.
    """
    labels = _labels(session, actor, project_id)
    index = max((label.index for label in labels), default=0) + 1
    if index > MAX_LABELS:
        raise InvalidInput(
            ErrorCode.LABELS_INVALID,
            f"The project has had {MAX_LABELS} labels, as many as a mask can hold.",
            hint="Make another project.",
        )
    clean = LabelName(index, name).name
    label = _named(labels, clean)
    if label is None:
        label = Label(project_id=project_id, index=index, name=clean, guide=guide)
        session.add(label)
    elif label.deleted_at is None:
        raise _taken(label)
    else:
        label.deleted_at, label.name, label.guide = None, clean, guide or label.guide
    session.flush()
    record(session, actor, "label_add", project_id=project_id, subject_id=label.id)
    return label


def change_label(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    index: int,
    name: str | None = None,
    guide: str | None = None,
) -> Label:
    """Rename a label, or change the text of its guide; None leaves either as it is.

    Raises:
        NotFound, NotAllowed: no such label, or it is deleted; the actor is no admin.
        Conflict: ``name_taken``, by a deleted label too: its integer goes by that name in masks.
        InvalidInput: ``labels_invalid``, the name is unusable.
    """
    labels = _labels(session, actor, project_id)
    label = _live(labels, index)
    if name is not None:
        clean = LabelName(index, name).name
        other = _named(labels, clean)
        if other is not None and other is not label:
            raise _taken(other)
        label.name = clean
    if guide is not None:
        label.guide = guide
    session.flush()
    record(session, actor, "label_change", project_id=project_id, subject_id=label.id)
    return label


def delete_label(session: Session, actor: Actor, *, project_id: UUID, index: int) -> None:
    """Delete a label. Open work on it stays valid, and its integer is not given to another.

    Raises:
        NotFound, NotAllowed: no such label, or it is deleted already; the actor is no admin.
    """
    label = _live(_labels(session, actor, project_id), index)
    label.deleted_at = now()
    session.flush()
    record(session, actor, "label_delete", project_id=project_id, subject_id=label.id)


def checked_label_indices(
    session: Session, project_id: UUID, indices: Collection[int] | None
) -> list[int] | None:
    """The integers of labels for a person or an invite: sorted, each once; None: all labels.

    Raises:
        InvalidInput: ``label_unknown``.
    """
    if indices is None:
        return None
    known = set(
        session.scalars(
            sa.select(Label.index).where(Label.project_id == project_id, Label.deleted_at.is_(None))
        )
    )
    unknown = sorted(set(indices) - known)
    if unknown:
        raise InvalidInput(
            ErrorCode.LABEL_UNKNOWN,
            f"The project has no label {unknown[0]}.",
            hint=f"There are: {', '.join(map(str, sorted(known)))}.",
        )
    return sorted(set(indices))


def _labels(session: Session, actor: Actor, project_id: UUID) -> list[Label]:
    """All labels, deleted ones too, for an admin who changes them; who else wants to, waits."""
    require_role(session, actor, project_id, Role.ADMIN)
    session.get_one(Project, project_id, with_for_update=True)
    return list(session.scalars(sa.select(Label).where(Label.project_id == project_id)))


def _live(labels: list[Label], index: int) -> Label:
    for label in labels:
        if label.index == index and label.deleted_at is None:
            return label
    raise NotFound(ErrorCode.NOT_FOUND, f"The project has no label {index}.")


def _named(labels: list[Label], name: str) -> Label | None:
    return next((label for label in labels if label.name.casefold() == name.casefold()), None)


def _taken(label: Label) -> Conflict:
    deleted = "" if label.deleted_at is None else ", which is deleted"
    return Conflict(
        ErrorCode.NAME_TAKEN,
        f"The project has a label {label.name!r} already, number {label.index}{deleted}.",
        hint="Choose another name, or add the deleted label again." if deleted else "Choose another name.",
    )
