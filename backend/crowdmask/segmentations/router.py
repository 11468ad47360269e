"""Masks made from submitted annotations, and previews of those to come."""

from typing import Annotated
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import FileResponse

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.deps import CurrentActor
from crowdmask.core.preview import PreviewRequest
from crowdmask.segmentations import derived_queries, files, lists, queries, service
from crowdmask.segmentations.agreement import agreement_answer
from crowdmask.segmentations.lists import MaskFilter
from crowdmask.segmentations.schemas import (
    AgreementAnswer,
    DerivedMaskAnswer,
    JobsAnswer,
    MaskAnswer,
    MaskSubject,
    PreviewAnswer,
    PreviewForm,
    ProjectMaskAnswer,
    SuggestionAnswer,
)
from crowdmask.segmentations.suggestions import request_suggestion, suggestion
from crowdmask.web.binary import BYTES, IfNoneMatch, if_changed, nifti_file
from crowdmask.web.forms import LabelIndex
from crowdmask.web.pages import Page, Paging
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession, WriteSession
from crowdmask.web.state import Server, ServerState

router = APIRouter(tags=["segmentations"])

_PREVIEWS_A_MINUTE = 600
_SUGGESTIONS_A_MINUTE = 20


def _mask_filter(
    label_index: Annotated[
        list[LabelIndex], Query(default_factory=list, description="Of one of these labels.")
    ],
    volume_id: Annotated[UUID | None, Query(description="Of this volume.")] = None,
    search: Annotated[
        str, Query(max_length=200, description="Part of the names of volume, label and annotators.")
    ] = "",
) -> MaskFilter:
    return MaskFilter(volume_id, frozenset(label_index), search)


_Wanted = Annotated[MaskFilter, Depends(_mask_filter)]


@router.get("/annotations/{annotation_id}/mask", **needs(Permission.OWN_OR_SEES_ALL))
def get_mask(annotation_id: UUID, session: ReadSession, actor: CurrentActor) -> MaskAnswer:
    """Whether the mask of the submitted work is there, and how far it is."""
    return queries.mask_answer(session, actor, annotation_id=annotation_id)


@router.post("/annotations/{annotation_id}/suggestions", status_code=202, **needs(Permission.OWN))
def request_suggestions(
    annotation_id: UUID, session: WriteSession, actor: CurrentActor, server: Server
) -> SuggestionAnswer:
    """Have boxes found for the slices of my work that I have not looked at."""
    server.throttle.check("suggestions", str(actor.account_id), times=_SUGGESTIONS_A_MINUTE)
    model = server.settings.model
    return request_suggestion(session, actor, annotation_id=annotation_id, default_model=model)


@router.get("/annotations/{annotation_id}/suggestions", **needs(Permission.OWN))
def get_suggestions(
    annotation_id: UUID, session: ReadSession, actor: CurrentActor, server: Server
) -> SuggestionAnswer:
    """The boxes, or how far a worker is with finding them. Nothing is saved: taking them is a save of mine."""
    return suggestion(session, actor, annotation_id=annotation_id, default_model=server.settings.model)


@router.get("/projects/{project_id}/masks", **needs(Permission.SEES_ALL))
def list_masks(
    project_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    paging: Paging,
    wanted: _Wanted,
) -> Page[ProjectMaskAnswer]:
    """The masks of a project's submitted work, by volume name and label."""
    return lists.mask_page(session, actor, project_id=project_id, paging=paging, wanted=wanted)


@router.get("/projects/{project_id}/mask-subjects", **needs(Permission.SEES_ALL))
def list_mask_subjects(
    project_id: UUID, session: ReadSession, actor: CurrentActor, paging: Paging
) -> Page[MaskSubject]:
    """Of which labels in which volumes a project has masks of boxes, by volume name and label."""
    return lists.subject_page(session, actor, project_id=project_id, paging=paging)


@router.get("/projects/{project_id}/agreement", **needs(Permission.SEES_ALL))
def get_agreement(project_id: UUID, session: ReadSession, actor: CurrentActor) -> AgreementAnswer:
    """How far people agree who have submitted the same task, by pair, label and person."""
    return agreement_answer(session, actor, project_id=project_id)


@router.post("/projects/{project_id}/agreement", status_code=202, **needs(Permission.SEES_ALL))
def compare_masks(project_id: UUID, session: WriteSession, actor: CurrentActor) -> JobsAnswer:
    """Have the masks compared that are not yet."""
    return JobsAnswer(jobs=service.request_mask_agreement(session, actor, project_id=project_id))


@router.get("/projects/{project_id}/derived-masks", **needs(Permission.SEES_ALL))
def list_derived_masks(
    project_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    paging: Paging,
    wanted: _Wanted,
) -> Page[DerivedMaskAnswer]:
    """The masks that a project's datasets asked for and no submission made, by volume name and label."""
    return lists.derived_mask_page(session, actor, project_id=project_id, paging=paging, wanted=wanted)


@router.get(
    "/segmentations/{segmentation_id}/file", response_class=FileResponse, **needs(Permission.OWN_OR_SEES_ALL)
)
def download_mask(
    segmentation_id: UUID, session: ReadSession, actor: CurrentActor, server: Server
) -> FileResponse:
    """The mask as NIfTI on the source file's grid."""
    found = files.of_segmentation(queries.visible_segmentation(session, actor, segmentation_id))
    return nifti_file(files.checked_path(server.storage, found), found.name)


@router.get("/segmentations/{segmentation_id}/bits", **BYTES, **needs(Permission.OWN_OR_SEES_ALL))
def get_bits(
    segmentation_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The mask on the canonical grid for a viewer: a zlib stream of bits, (nz, ny, nx), x fastest, each slice padded to
    whole bytes, the first voxel in the highest bit."""
    found = files.of_segmentation(queries.visible_segmentation(session, actor, segmentation_id))
    return if_changed(found.version, if_none_match, lambda: files.canonical_bits(server.storage, found))


@router.get("/segmentations/{segmentation_id}/uncertainty", **BYTES, **needs(Permission.OWN_OR_SEES_ALL))
def get_uncertainty(
    segmentation_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """How undecided the model was, by voxel: a zlib stream of bytes, (nz, ny, nx), x fastest, hundredths of a bit of entropy
    (100: the voxel may as well be in the mask as not). 404 where an earlier version made the mask."""
    found = files.of_segmentation(queries.visible_segmentation(session, actor, segmentation_id))
    path = files.uncertainty_path(server.storage, found)
    return if_changed(path.name, if_none_match, path.read_bytes)


@router.get(
    "/derived-masks/{derived_mask_id}/file", response_class=FileResponse, **needs(Permission.SEES_ALL)
)
def download_derived_mask(
    derived_mask_id: UUID, session: ReadSession, actor: CurrentActor, server: Server
) -> FileResponse:
    """A mask that a dataset asked for, as NIfTI on the source file's grid."""
    found = files.of_derived(derived_queries.visible_derived(session, actor, derived_mask_id))
    return nifti_file(files.checked_path(server.storage, found), found.name)


@router.get("/derived-masks/{derived_mask_id}/bits", **BYTES, **needs(Permission.SEES_ALL))
def get_derived_bits(
    derived_mask_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A mask that a dataset asked for, as the bits of a submitted one."""
    found = files.of_derived(derived_queries.visible_derived(session, actor, derived_mask_id))
    return if_changed(found.version, if_none_match, lambda: files.canonical_bits(server.storage, found))


@router.get("/derived-masks/{derived_mask_id}/uncertainty", **BYTES, **needs(Permission.SEES_ALL))
def get_derived_uncertainty(
    derived_mask_id: UUID,
    session: ReadSession,
    actor: CurrentActor,
    server: Server,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """How undecided the model was, as of a submitted mask."""
    found = files.of_derived(derived_queries.visible_derived(session, actor, derived_mask_id))
    path = files.uncertainty_path(server.storage, found)
    return if_changed(path.name, if_none_match, path.read_bytes)


@router.post("/assignments/{assignment_id}/preview", **needs(Permission.OWN_OR_ADMIN))
async def preview_mask(
    assignment_id: UUID, form: PreviewForm, actor: CurrentActor, server: Server
) -> PreviewAnswer:
    """The mask that boxes on one slice would give. Nothing is saved. 503 ``preview_unavailable``: go on without it, and
    ask again after ``Retry-After``."""
    async with server.admission.reading():
        request = await to_thread.run_sync(_preview_request, server, actor, assignment_id, form)
    # From here on it holds no session and no thread: the answer may take as long as the service's patience.
    preview = await server.previews.ask(request)
    return PreviewAnswer.model_validate(preview.to_json())


def _preview_request(
    server: ServerState, actor: Actor, assignment_id: UUID, form: PreviewForm
) -> PreviewRequest:
    server.throttle.check("preview", str(actor.account_id), times=_PREVIEWS_A_MINUTE)
    with server.database.read() as session:
        return queries.preview_request(
            session, actor, assignment_id=assignment_id, z=form.slice, boxes=form.boxes
        )
