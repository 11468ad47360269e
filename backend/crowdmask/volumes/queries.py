"""Reading volumes. What the actor may not see is not there."""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import Conflict, Corrupt, ErrorCode, InvalidInput, NotFound
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.volume import Grid, spacing_of
from crowdmask.core.windowing import Window, default_window, is_ct
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Assignment, Project, ReferenceMask, Role, Task, Volume
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import takes_part
from crowdmask.projects.schemas import WindowAnswer
from crowdmask.volumes.schemas import (
    NoticeAnswer,
    PackAnswer,
    ReferenceAnswer,
    RefusalAnswer,
    StatedAnswer,
    VolumeAnswer,
)
from crowdmask.web.pages import Page, PageRequest

SEES_ALL = (Role.ADMIN, Role.REVIEWER, Role.RESEARCHER)


def sees_volume(actor: Actor) -> sa.ColumnElement[bool]:
    """The condition of every SELECT of volumes: annotators see those that they have, or had, work on, the other roles of
    the project all.
    """
    has_work = sa.exists().where(
        Task.id == Assignment.task_id,
        Task.volume_id == Volume.id,
        Assignment.account_id == actor.account_id,
    )
    return sa.or_(
        takes_part(actor, Volume.project_id, *SEES_ALL),
        sa.and_(takes_part(actor, Volume.project_id), has_work),
    )


def visible_volume(session: Session, actor: Actor, volume_id: UUID) -> Volume:
    """The volume, if the actor sees it (``sees_volume``).

    Raises:
        NotFound: ``not_found``.
    """
    volume = session.scalar(sa.select(Volume).where(Volume.id == volume_id, sees_volume(actor)))
    if volume is None:
        raise _not_found(volume_id)
    return volume


def volume_answer(session: Session, actor: Actor, storage: LocalStorage, volume_id: UUID) -> VolumeAnswer:
    """One volume with all that a page shows of it.

    Raises:
        NotFound: ``not_found``.
    """
    row = session.execute(_rows(actor).where(Volume.id == volume_id, sees_volume(actor))).one_or_none()
    if row is None:
        raise _not_found(volume_id)
    return _answer(storage, _Row(*row))


def volume_page(
    session: Session, actor: Actor, storage: LocalStorage, *, project_id: UUID, paging: PageRequest
) -> Page[VolumeAnswer]:
    """The volumes of a project by name, which is unlike every other name in it.

    Raises:
        NotFound, NotAllowed: the actor is no admin, reviewer or researcher of the project.
    """
    require_role(session, actor, project_id, *SEES_ALL)
    statement = _rows(actor).where(Volume.project_id == project_id, sees_volume(actor))
    if paging.after is not None:
        if "\0" in paging.after:  # no name holds it, and PostgreSQL takes no such text
            raise InvalidInput(ErrorCode.REQUEST_INVALID, "The cursor is not one of ours.")
        statement = statement.where(Volume.name > paging.after)
    found = session.execute(statement.order_by(Volume.name).limit(paging.limit + 1))
    return paging.page(
        [_Row(*row) for row in found],
        key=lambda row: row.volume.name,
        shown=lambda row: _answer(storage, row),
    )


def reference_answer(reference: ReferenceMask) -> ReferenceAnswer:
    return ReferenceAnswer(
        id=reference.id,
        origin=reference.origin,
        notices=_notices(reference.notices),
        created_at=reference.created_at,
    )


def grid_of(volume: Volume) -> Grid:
    """The canonical grid of an accepted volume.

    Raises:
        Conflict: ``not_open`` when the volume is quarantined and has no grid.
    """
    if volume.depth is None or volume.height is None or volume.width is None or volume.affine is None:
        raise Conflict(
            ErrorCode.NOT_OPEN,
            f"The volume {volume.name!r} is {volume.state.value}: {volume.refusal_text or 'it has no grid yet'}",
        )
    return Grid(shape=(volume.depth, volume.height, volume.width), affine=np.asarray(volume.affine))


def window_of(project: Project, volume: Volume) -> Window:
    """The grey-value window of a ready volume: the project's, or else the volume's default."""
    if project.window is not None:
        return Window.from_json(project.window)
    assert volume.finite_minimum is not None  # set with the slice pack, as are the percentiles
    assert volume.percentile_low is not None
    assert volume.percentile_high is not None
    return default_window(
        finite_minimum=volume.finite_minimum,
        percentile_low=volume.percentile_low,
        percentile_high=volume.percentile_high,
    )


class _Row(NamedTuple):
    """What one SELECT tells of a volume."""

    volume: Volume
    project: Project
    reference: ReferenceMask | None
    sees_all: bool
    tasks: int


def _rows(actor: Actor) -> sa.Select[Any]:
    tasks = (
        sa.select(sa.func.count())
        .select_from(Task)
        .where(Task.volume_id == Volume.id, Task.archived_at.is_(None))
        .scalar_subquery()
    )
    return (
        sa.select(Volume, Project, ReferenceMask, takes_part(actor, Volume.project_id, *SEES_ALL), tasks)
        .join(Project, Project.id == Volume.project_id)
        .outerjoin(ReferenceMask, ReferenceMask.volume_id == Volume.id)
    )


def _answer(storage: LocalStorage, row: _Row) -> VolumeAnswer:
    volume = row.volume
    shape = spacing = refusal = None
    if volume.affine is not None:
        grid = grid_of(volume)
        shape, spacing = grid.shape, spacing_of(grid.affine)
    if volume.refusal_code is not None:
        refusal = RefusalAnswer(code=ErrorCode(volume.refusal_code), text=volume.refusal_text or "")
    pack = _pack_answer(storage, volume)
    return VolumeAnswer(
        id=volume.id,
        project_id=volume.project_id,
        name=volume.name,
        state=volume.state,
        shape=shape,
        spacing=spacing,
        pack=pack,
        window=None if pack is None else WindowAnswer.model_validate(window_of(row.project, volume)),
        modality=_modality(volume),
        notices=_notices(volume.notices),
        refusal=refusal,
        reference=None if row.reference is None else reference_answer(row.reference),
        # An annotator has no use for a patient's pseudonym.
        stated=StatedAnswer.model_validate(volume) if row.sees_all else None,
        tasks=row.tasks,
        created_at=volume.created_at,
    )


def _modality(volume: Volume) -> Any:
    if volume.finite_minimum is None:
        return None
    return "ct" if is_ct(volume.finite_minimum) else "other"


def _notices(stored: list[dict[str, Any]]) -> list[NoticeAnswer]:
    return [NoticeAnswer(code=notice["code"], text=notice["text"]) for notice in stored]


def _pack_answer(storage: LocalStorage, volume: Volume) -> PackAnswer | None:
    """None also where the pack is missing or damaged: the list of volumes stays readable, asking for a slice says why."""
    if volume.pack_sha256 is None:
        return None
    try:
        front = _front_of(storage.path(volume.pack_sha256))
    except Corrupt:
        return None
    assert volume.finite_minimum is not None  # set with the slice pack, as are the others
    assert volume.finite_maximum is not None
    assert volume.percentile_low is not None
    assert volume.percentile_high is not None
    return PackAnswer(
        sha256=volume.pack_sha256,
        scale=front.scale,
        offset=front.offset,
        bytes=front.bytes,
        finite_minimum=volume.finite_minimum,
        finite_maximum=volume.finite_maximum,
        percentile_low=volume.percentile_low,
        percentile_high=volume.percentile_high,
    )


class _Front(NamedTuple):
    """What the front of a slice pack tells. Packs never change, so it is read once per process."""

    scale: float
    offset: float
    bytes: int


@lru_cache(maxsize=8192)
def _front_of(path: Path) -> _Front:
    with SlicePack.open(path) as pack:
        return _Front(pack.scale, pack.offset, pack.compressed_bytes)


def _not_found(volume_id: UUID) -> NotFound:
    return NotFound(ErrorCode.NOT_FOUND, f"There is no volume {volume_id}.")
