"""Answers of volumes."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from crowdmask.core.errors import ErrorCode
from crowdmask.core.lifecycle import VolumeState
from crowdmask.models import ReferenceOrigin
from crowdmask.projects.schemas import WindowAnswer
from crowdmask.web.forms import Answer, Form, Time

Value = Annotated[float, Field(allow_inf_nan=False)]


class NoticeAnswer(Answer):
    """What was accepted but is worth knowing."""

    code: str
    text: str


class RefusalAnswer(Answer):
    """Why the file cannot be used."""

    code: ErrorCode
    text: str


class PackAnswer(Answer):
    """What a viewer needs: ``value = stored * scale + offset``; ``bytes`` of all compressed slices."""

    sha256: str
    scale: float
    offset: float
    bytes: int
    finite_minimum: float
    finite_maximum: float
    percentile_low: float
    percentile_high: float


class ReferenceAnswer(Answer):
    id: UUID
    origin: ReferenceOrigin
    notices: list[NoticeAnswer]
    created_at: Time


class StatedAnswer(Answer):
    """What an admin said of a volume, which its file does not say; empty: not stated."""

    patient: str
    modality: str
    licence: str


Stated = Annotated[str, Field(max_length=200)]


class VolumePatch(Form):
    """What is left out stays as it is; an empty text: not stated any more. ``patient``: a pseudonym, never a name."""

    patient: Stated | None = None
    modality: Annotated[str, Field(max_length=20)] | None = None
    licence: Stated | None = None


class VolumesPatch(VolumePatch):
    """The same for several volumes of a project."""

    volume_ids: Annotated[list[UUID], Field(min_length=1, max_length=1000)]


class VolumeAnswer(Answer):
    """``shape``: (nz, ny, nx) and ``spacing``: mm along (x, y, z), of the canonical grid (axes rise to Left, Posterior,
    Superior), so that a slice as it comes is the radiological picture. ``window``: the project's, or the volume's own.
    ``modality`` follows from the values; ``stated`` is null for annotators.
    """

    id: UUID
    project_id: UUID
    name: str
    state: VolumeState
    shape: tuple[int, int, int] | None
    spacing: tuple[float, float, float] | None
    pack: PackAnswer | None
    window: WindowAnswer | None
    modality: Literal["ct", "other"] | None
    notices: list[NoticeAnswer]
    refusal: RefusalAnswer | None
    reference: ReferenceAnswer | None
    stated: StatedAnswer | None
    tasks: int
    created_at: Time
