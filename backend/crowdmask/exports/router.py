"""Frozen nnU-Net v2 datasets."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from crowdmask.accounts.deps import CurrentActor
from crowdmask.exports import queries, service
from crowdmask.exports.archive import FolderArchive
from crowdmask.exports.parts import DatasetPart, part_path
from crowdmask.exports.schemas import ExportAnswer, ExportForm, ExportPreview, PreviewForm, TwinForm
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.ranges import ranged_response
from crowdmask.web.sessions import ReadSession, WriteSession
from crowdmask.web.state import Server

router = APIRouter(tags=["exports"])


@router.get("/projects/{project_id}/exports", **needs(Permission.EXPORTS))
def list_exports(project_id: UUID, session: ReadSession, actor: CurrentActor) -> list[ExportAnswer]:
    """The datasets of a project, the newest first."""
    return queries.export_answers(session, actor, project_id=project_id)


@router.post("/projects/{project_id}/exports/preview", **needs(Permission.EXPORTS))
def preview_export(
    project_id: UUID, form: PreviewForm, session: ReadSession, actor: CurrentActor, server: Server
) -> ExportPreview:
    """What a dataset made now of this choice would hold, and which volumes and labels would be left out and why."""
    return queries.export_preview(
        session,
        actor,
        project_id=project_id,
        choice=form.choice.choice(),
        default_model=server.settings.model,
    )


@router.post("/projects/{project_id}/exports", status_code=201, **needs(Permission.EXPORTS))
def create_export(
    project_id: UUID, form: ExportForm, session: WriteSession, actor: CurrentActor, server: Server
) -> ExportAnswer:
    """Freeze what the choice gives as the next version of the dataset; jobs make the masks it lacks and write it."""
    export = service.create_export(
        session,
        actor,
        project_id=project_id,
        name=form.name,
        dataset_id=form.dataset_id,
        choice=form.choice.choice(),
        default_model=server.settings.model,
    )
    return queries.export_answer(session, actor, export_id=export.id)


@router.post("/exports/{export_id}/twin", status_code=201, **needs(Permission.EXPORTS))
def create_twin(
    export_id: UUID, form: TwinForm, session: WriteSession, actor: CurrentActor, server: Server
) -> ExportAnswer:
    """Freeze the other arm of a comparison with this dataset: the same volumes and splits with the references' labels, or
    the complete volumes alone with the same test set."""
    export = service.create_twin(
        session, actor, export_id=export_id, twin=form.twin, default_model=server.settings.model
    )
    return queries.export_answer(session, actor, export_id=export.id)


@router.get("/exports/{export_id}", **needs(Permission.EXPORTS))
def get_export(export_id: UUID, session: ReadSession, actor: CurrentActor) -> ExportAnswer:
    """One dataset and how far it is."""
    return queries.export_answer(session, actor, export_id=export_id)


@router.get(
    "/exports/{export_id}/download",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/zip": {}}},
        206: {"content": {"application/zip": {}}, "description": "The part that `Range` names."},
    },
    **needs(Permission.EXPORTS),
)
def download_export(
    export_id: UUID, request: Request, session: ReadSession, actor: CurrentActor, server: Server
) -> Response:
    """The dataset's folder as a zip, with its manifest. A broken download goes on with `Range` and `If-Range`."""
    folder = queries.written_folder(session, actor, server.settings.exports_dir, export_id=export_id)
    archive = FolderArchive.of(folder)
    return ranged_response(
        request,
        archive.pieces,
        size=archive.size,
        etag=archive.etag,
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{folder.name}.zip"'},
    )


@router.get(
    "/exports/{export_id}/parts/{part}",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
    **needs(Permission.EXPORTS),
)
def download_export_part(
    export_id: UUID, part: DatasetPart, session: ReadSession, actor: CurrentActor, server: Server
) -> Response:
    """The card, the manifest, or everybody's boxes in one form, without the images."""
    folder = queries.written_folder(session, actor, server.settings.exports_dir, export_id=export_id)
    path = part_path(folder, part)
    if path.is_file():
        return FileResponse(path, filename=f"{folder.name}_{path.name}")
    archive = FolderArchive.of(path)
    return StreamingResponse(
        archive.pieces(0, archive.size),
        media_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{folder.name}_{path.name}.zip"',
            "Content-Length": str(archive.size),
        },
    )
