"""Reading volumes. What the actor may not see is not there."""

from uuid import UUID

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import Conflict, ErrorCode, NotFound
from crowdmask.core.volume import Grid
from crowdmask.core.windowing import Window, default_window
from crowdmask.models import Project, Volume
from crowdmask.projects.queries import takes_part


def visible_volume(session: Session, actor: Actor, volume_id: UUID) -> Volume:
    """The volume, if the actor is a member of its project.

    Raises:
        NotFound: ``not_found``.
    """
    volume = session.scalar(
        sa.select(Volume).where(Volume.id == volume_id, takes_part(actor, Volume.project_id))
    )
    if volume is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no volume {volume_id}.")
    return volume


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
