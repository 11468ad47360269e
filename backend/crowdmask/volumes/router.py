"""Volumes: upload, look at slice by slice, delete; and the reference masks that come with them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from crowdmask.accounts.deps import CurrentActor
from crowdmask.models import ReferenceOrigin
from crowdmask.volumes import queries, reference_changes, references, service, slices, uploads
from crowdmask.volumes.schemas import ReferenceAnswer, VolumeAnswer, VolumePatch, VolumesPatch
from crowdmask.web.binary import BYTES, IfNoneMatch, if_changed
from crowdmask.web.forms import LabelIndex
from crowdmask.web.pages import Page, Paging
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession, WriteSession
from crowdmask.web.state import Server
from crowdmask.web.uploads import COUNTED_BY_US, received_file

router = APIRouter(tags=["volumes"])

Sha256 = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Value = Annotated[float, Query(allow_inf_nan=False)]
_IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}


@router.get("/projects/{project_id}/volumes", **needs(Permission.SEES_ALL))
def list_volumes(
    project_id: UUID, session: ReadSession, actor: CurrentActor, server: Server, paging: Paging
) -> Page[VolumeAnswer]:
    """The volumes of a project by name, quarantined ones with their reason."""
    return queries.volume_page(session, actor, server.storage, project_id=project_id, paging=paging)


@router.post(
    "/projects/{project_id}/volumes",
    status_code=201,
    max_body_size=COUNTED_BY_US,
    responses={200: {"model": VolumeAnswer, "description": "The project has these voxels already."}},
    **needs(Permission.ADMIN),
)
async def upload_volume(
    project_id: UUID,
    request: Request,
    response: Response,
    actor: CurrentActor,
    server: Server,
    name: Annotated[str, Query(min_length=1, max_length=200, description="How people will know the volume.")],
    assume_affine: Annotated[bool, Query(description="Accept a file that does not say how it lies.")] = False,
    volume_index: Annotated[
        int | None, Query(ge=0, description="Which volume of a file that holds several.")
    ] = None,
) -> VolumeAnswer:
    """Upload a NIfTI file (.nii, .nii.gz) as the body.

    201: accepted, being ingested. 200: these voxels are in the project already. 422: refused; the file stays in quarantine
    under its name, with the reason, until it is deleted or a usable file of that name is uploaded.
    """
    await uploads.check_upload_volume(server, actor, project_id=project_id, name=name)
    async with received_file(request, server) as path:
        volume, is_new = await uploads.run_upload_volume(
            server,
            actor,
            project_id=project_id,
            path=path,
            name=name,
            assume_affine=assume_affine,
            volume_index=volume_index,
        )
    response.status_code = 201 if is_new else 200
    return volume


@router.get("/volumes/{volume_id}", **needs(Permission.MEMBER))
def get_volume(volume_id: UUID, session: ReadSession, actor: CurrentActor, server: Server) -> VolumeAnswer:
    """One volume. Annotators see those that they have work on."""
    return queries.volume_answer(session, actor, server.storage, volume_id)


@router.patch("/volumes/{volume_id}", **needs(Permission.ADMIN))
def change_volume(
    volume_id: UUID, form: VolumePatch, session: WriteSession, actor: CurrentActor, server: Server
) -> VolumeAnswer:
    """Say of a volume what its file does not say: patient, modality, licence."""
    service.state_volumes(
        session,
        actor,
        project_id=queries.visible_volume(session, actor, volume_id).project_id,
        volume_ids=[volume_id],
        **form.model_dump(),
    )
    return queries.volume_answer(session, actor, server.storage, volume_id)


@router.patch("/projects/{project_id}/volumes", status_code=204, **needs(Permission.ADMIN))
def change_volumes(project_id: UUID, form: VolumesPatch, session: WriteSession, actor: CurrentActor) -> None:
    """Say the same of several volumes of a project. All of them, or none."""
    service.state_volumes(session, actor, project_id=project_id, **form.model_dump())


@router.delete("/volumes/{volume_id}", status_code=204, **needs(Permission.ADMIN))
def delete_volume(volume_id: UUID, session: WriteSession, actor: CurrentActor) -> None:
    """Delete a volume that nobody has worked on, with its reference and its tasks."""
    service.delete_volume(session, actor, volume_id=volume_id)


@router.post(
    "/volumes/{volume_id}/reference",
    status_code=201,
    max_body_size=COUNTED_BY_US,
    **needs(Permission.ADMIN),
)
async def upload_reference(
    volume_id: UUID,
    request: Request,
    actor: CurrentActor,
    server: Server,
    origin: Annotated[ReferenceOrigin, Query(description="Who made it.")],
    assume_affine: bool = False,
) -> ReferenceAnswer:
    """Upload a label map (NIfTI) of the volume as the body; its integers are those of the project's labels."""
    await uploads.check_upload_reference(server, actor, volume_id=volume_id)
    async with received_file(request, server) as path:
        return await uploads.run_upload_reference(
            server, actor, volume_id=volume_id, path=path, origin=origin, assume_affine=assume_affine
        )


@router.put(
    "/volumes/{volume_id}/reference",
    max_body_size=COUNTED_BY_US,
    **needs(Permission.ADMIN),
)
async def replace_reference(
    volume_id: UUID,
    request: Request,
    actor: CurrentActor,
    server: Server,
    origin: Annotated[ReferenceOrigin, Query(description="Who made it.")],
    assume_affine: bool = False,
) -> ReferenceAnswer:
    """Upload another label map (NIfTI) in the place of the volume's reference, which goes only when this one is accepted.

    Scores of masks against the old one are deleted with it. Datasets keep the labels that they were frozen with. The same
    file again corrects only ``origin``.
    """
    await uploads.check_upload_reference(server, actor, volume_id=volume_id)
    async with received_file(request, server) as path:
        return await uploads.run_upload_reference(
            server,
            actor,
            volume_id=volume_id,
            path=path,
            origin=origin,
            assume_affine=assume_affine,
            replace=True,
        )


@router.delete("/volumes/{volume_id}/reference", status_code=204, **needs(Permission.ADMIN))
def delete_reference(volume_id: UUID, session: WriteSession, actor: CurrentActor) -> None:
    """Take the reference from a volume, with the scores of masks against it. Datasets keep the labels that they were frozen
    with."""
    reference_changes.delete_reference(session, actor, volume_id=volume_id)


@router.get("/volumes/{volume_id}/reference/file", response_class=FileResponse, **needs(Permission.SEES_ALL))
def download_reference(
    volume_id: UUID, session: ReadSession, actor: CurrentActor, server: Server
) -> FileResponse:
    """The reference as it was uploaded."""
    found = references.visible_reference(session, actor, volume_id)
    file = references.reference_file(session, server.storage, found)
    return FileResponse(file.path, media_type=file.media_type, filename=file.name)


@router.get("/volumes/{volume_id}/reference/{label_index}/bits", **BYTES, **needs(Permission.SEES_ALL))
def get_reference_bits(
    volume_id: UUID,
    label_index: LabelIndex,
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One label of the reference on the canonical grid for a viewer: a zlib stream of bits, (nz, ny, nx), x fastest, each
    slice padded to whole bytes, the first voxel in the highest bit."""
    reference = references.visible_reference(session, actor, volume_id)
    return if_changed(
        f"{reference.source_sha256}-{label_index}",
        if_none_match,
        lambda: references.reference_bits(server.storage, reference, label_index),
    )


@router.get(
    "/volumes/{volume_id}/packs/{pack_sha256}/slices/{z}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
    **needs(Permission.MEMBER),
)
def get_slice(
    volume_id: UUID,
    pack_sha256: Sha256,
    z: Annotated[int, Path(ge=0)],
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
    low: Value | None = None,
    high: Value | None = None,
) -> Response:
    """One canonical slice: a zlib stream of little-endian int16 (ny, nx), ``value = stored * scale + offset``.

    With ``low`` and ``high`` the values are clamped to them, which makes the answer smaller; the address holds all that it
    depends on, so it never changes.
    """
    content = slices.slice_bytes(
        session, actor, server.storage, volume_id=volume_id, pack_sha256=pack_sha256, z=z, low=low, high=high
    )
    return Response(content, media_type="application/octet-stream", headers=_IMMUTABLE)


@router.get(
    "/volumes/{volume_id}/packs/{pack_sha256}/previews/{z}",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}}}},
    **needs(Permission.MEMBER),
)
def get_preview(
    volume_id: UUID,
    pack_sha256: Sha256,
    z: Annotated[int, Path(ge=0)],
    low: Value,
    high: Value,
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
) -> Response:
    """One slice as an 8-bit WebP through the window: preview quality, for slow links."""
    content = slices.preview_bytes(
        session, actor, server.storage, volume_id=volume_id, pack_sha256=pack_sha256, z=z, low=low, high=high
    )
    return Response(content, media_type="image/webp", headers=_IMMUTABLE)
