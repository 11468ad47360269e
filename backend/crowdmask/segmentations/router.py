"""Masks made from submitted annotations."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response
from fastapi.responses import FileResponse

from crowdmask.accounts.deps import CurrentActor
from crowdmask.segmentations import files, queries
from crowdmask.segmentations.schemas import MaskAnswer, ProjectMaskAnswer
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession
from crowdmask.web.state import Server

router = APIRouter(tags=["segmentations"])


@router.get("/annotations/{annotation_id}/mask", **needs(Permission.OWN_OR_SEES_ALL))
def get_mask(annotation_id: UUID, session: ReadSession, actor: CurrentActor) -> MaskAnswer:
    """Whether the mask of the submitted work is there, and how far it is."""
    return queries.mask_answer(session, actor, annotation_id=annotation_id)


@router.get("/projects/{project_id}/masks", **needs(Permission.SEES_ALL))
def list_masks(project_id: UUID, session: ReadSession, actor: CurrentActor) -> list[ProjectMaskAnswer]:
    """The masks of a project's submitted work, by volume name and label."""
    return queries.project_mask_answers(session, actor, project_id=project_id)


@router.get(
    "/segmentations/{segmentation_id}/file", response_class=FileResponse, **needs(Permission.OWN_OR_SEES_ALL)
)
def download_mask(
    segmentation_id: UUID, session: ReadSession, actor: CurrentActor, server: Server
) -> FileResponse:
    """The mask as NIfTI on the source file's grid."""
    found = queries.visible_segmentation(session, actor, segmentation_id)
    return FileResponse(
        files.checked_path(server.storage, found),
        media_type="application/gzip",
        filename=files.download_name(found),
    )


@router.get(
    "/segmentations/{segmentation_id}/bits",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
    **needs(Permission.OWN_OR_SEES_ALL),
)
def get_bits(
    segmentation_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The mask on the canonical grid for a viewer: a zlib stream of bits, (nz, ny, nx), x fastest, each slice padded to
    whole bytes, the first voxel in the highest bit."""
    found = queries.visible_segmentation(session, actor, segmentation_id)
    tag = f'"{found.segmentation.mask_sha256}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": tag}
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    return Response(
        files.canonical_bits(server.storage, found), media_type="application/octet-stream", headers=headers
    )
