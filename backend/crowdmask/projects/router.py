"""Projects with their labels, guide, consent, members and invites."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from crowdmask.accounts import sessions
from crowdmask.accounts.deps import CurrentActor, CurrentOperator, cookie_name
from crowdmask.accounts.router import address_of, set_cookie
from crowdmask.projects import invites, pictures, queries, service
from crowdmask.projects.schemas import (
    AcceptAnswer,
    AcceptForm,
    ConsentForm,
    InviteAnswer,
    InviteForm,
    InvitePreview,
    InviteTokenForm,
    LabelAnswer,
    LabelForm,
    LabelPatch,
    MemberAnswer,
    MemberPatch,
    NewInviteAnswer,
    PictureAnswer,
    ProjectAnswer,
    ProjectForm,
    ProjectPatch,
    ProjectSummary,
)
from crowdmask.web.forms import LabelIndex
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession, WriteSession
from crowdmask.web.state import Server
from crowdmask.web.uploads import COUNTED_BY_US, received_file

router = APIRouter(tags=["projects"])

LARGEST_PICTURE = 10 * 1024**2


@router.get("/projects", **needs(Permission.SIGNED_IN))
def list_projects(session: ReadSession, actor: CurrentActor) -> list[ProjectSummary]:
    """The projects I take part in, the newest first."""
    return queries.project_summaries(session, actor)


@router.post("/projects", status_code=201, **needs(Permission.OPERATOR))
def create_project(form: ProjectForm, session: WriteSession, actor: CurrentOperator) -> ProjectAnswer:
    """Make a project; I become its first admin."""
    project = service.create_project_from(session, actor, form)
    return queries.project_answer(session, actor, project.id)


@router.get("/projects/{project_id}", **needs(Permission.MEMBER))
def get_project(project_id: UUID, session: ReadSession, actor: CurrentActor) -> ProjectAnswer:
    """A project with its labels and their guide."""
    return queries.project_answer(session, actor, project_id)


@router.patch("/projects/{project_id}", **needs(Permission.ADMIN))
def change_project(
    project_id: UUID, form: ProjectPatch, session: WriteSession, actor: CurrentActor
) -> ProjectAnswer:
    """Change a project's rules. A new text of consent has to be accepted by everybody again."""
    service.change_project(session, actor, project_id=project_id, changes=form.model_dump(exclude_unset=True))
    return queries.project_answer(session, actor, project_id)


@router.post("/projects/{project_id}/labels", status_code=201, **needs(Permission.ADMIN))
def add_label(project_id: UUID, form: LabelForm, session: WriteSession, actor: CurrentActor) -> LabelAnswer:
    """Add a label; it gets the next integer."""
    label = service.add_label(session, actor, project_id=project_id, name=form.name, guide=form.guide)
    return queries.label_answer(session, label)


@router.patch("/projects/{project_id}/labels/{label_index}", **needs(Permission.ADMIN))
def change_label(
    project_id: UUID, label_index: LabelIndex, form: LabelPatch, session: WriteSession, actor: CurrentActor
) -> LabelAnswer:
    """Rename a label or change the text of its guide."""
    label = service.change_label(
        session, actor, project_id=project_id, index=label_index, name=form.name, guide=form.guide
    )
    return queries.label_answer(session, label)


@router.delete("/projects/{project_id}/labels/{label_index}", status_code=204, **needs(Permission.ADMIN))
def delete_label(
    project_id: UUID, label_index: LabelIndex, session: WriteSession, actor: CurrentActor
) -> None:
    """Delete a label. Open work on it stays valid; its integer is not used again."""
    service.delete_label(session, actor, project_id=project_id, index=label_index)


@router.post(
    "/projects/{project_id}/labels/{label_index}/pictures",
    status_code=201,
    max_body_size=COUNTED_BY_US,
    **needs(Permission.ADMIN),
)
async def add_picture(
    project_id: UUID,
    label_index: LabelIndex,
    request: Request,
    actor: CurrentActor,
    server: Server,
    caption: Annotated[str, Query(max_length=200)] = "",
) -> PictureAnswer:
    """Add a picture to a label's guide: PNG, JPEG or WebP as the body. It is encoded anew as PNG."""
    async with received_file(request, server, largest=LARGEST_PICTURE) as path:
        return await pictures.run_add_picture(
            server.database,
            server.storage,
            actor,
            project_id=project_id,
            index=label_index,
            path=path,
            caption=caption,
        )


@router.get("/guide-pictures/{picture_id}", response_class=FileResponse, **needs(Permission.MEMBER))
def get_picture(picture_id: UUID, session: ReadSession, actor: CurrentActor, server: Server) -> FileResponse:
    """A picture of a guide, as PNG."""
    picture = queries.visible_picture(session, actor, picture_id)
    return FileResponse(
        server.storage.path(picture.picture_sha256),
        media_type="image/png",
        headers={
            "Cache-Control": "private, max-age=86400, immutable",
            "Content-Disposition": "attachment; filename=guide.png",
        },
    )


@router.delete("/guide-pictures/{picture_id}", status_code=204, **needs(Permission.ADMIN))
def delete_picture(picture_id: UUID, session: WriteSession, actor: CurrentActor) -> None:
    """Take a picture out of the guide."""
    pictures.delete_picture(session, actor, picture_id=picture_id)


@router.put("/projects/{project_id}/consent", status_code=204, **needs(Permission.MEMBER))
def accept_consent(project_id: UUID, form: ConsentForm, session: WriteSession, actor: CurrentActor) -> None:
    """Accept the project's text in the version that I have read."""
    service.accept_consent(session, actor, project_id=project_id, version=form.version)


@router.delete("/projects/{project_id}/consent", status_code=204, **needs(Permission.MEMBER))
def withdraw_consent(project_id: UUID, session: WriteSession, actor: CurrentActor) -> None:
    """Take my acceptance back: I am given no more tasks. What I made stays until an admin removes it."""
    service.withdraw_consent(session, actor, project_id=project_id)


@router.get("/projects/{project_id}/members", **needs(Permission.ADMIN))
def list_members(project_id: UUID, session: ReadSession, actor: CurrentActor) -> list[MemberAnswer]:
    """The people of a project."""
    return queries.members(session, actor, project_id=project_id)


@router.patch("/projects/{project_id}/members/{account_id}", **needs(Permission.ADMIN))
def change_member(
    project_id: UUID, account_id: UUID, form: MemberPatch, session: WriteSession, actor: CurrentActor
) -> MemberAnswer:
    """Change a person's role, labels or stated qualification. The last admin stays one."""
    service.change_member(
        session,
        actor,
        project_id=project_id,
        account_id=account_id,
        role=form.role,
        label_indices=form.label_indices,
        all_labels=form.all_labels,
        qualification=form.qualification,
    )
    return queries.member(session, actor, project_id=project_id, account_id=account_id)


@router.get("/projects/{project_id}/invites", **needs(Permission.ADMIN))
def list_invites(project_id: UUID, session: ReadSession, actor: CurrentActor) -> list[InviteAnswer]:
    """The invites of a project, the newest first."""
    return queries.invites(session, actor, project_id=project_id)


@router.post("/projects/{project_id}/invites", status_code=201, **needs(Permission.ADMIN))
def create_invite(
    project_id: UUID, form: InviteForm, session: WriteSession, actor: CurrentActor, server: Server
) -> NewInviteAnswer:
    """Make a link that lets one person join, once. It is shown this once."""
    created = invites.create_invite(
        session,
        actor,
        project_id=project_id,
        role=form.role,
        label_indices=form.label_indices,
        note=form.note,
        days=form.days,
    )
    answer = queries.invite_answer(session, created.invite)
    return NewInviteAnswer(**answer.model_dump(), url=f"{server.settings.base_url}/join#{created.token}")


@router.delete("/projects/{project_id}/invites/{invite_id}", status_code=204, **needs(Permission.ADMIN))
def revoke_invite(project_id: UUID, invite_id: UUID, session: WriteSession, actor: CurrentActor) -> None:
    """End an invite that nobody has used."""
    invites.revoke_invite(session, actor, project_id=project_id, invite_id=invite_id)


@router.post("/invites/preview", **needs(Permission.PUBLIC))
def preview_invite(
    form: InviteTokenForm, request: Request, session: ReadSession, server: Server
) -> InvitePreview:
    """What an invite is for. It stays unused."""
    server.throttle.check("invite", address_of(request), times=30)
    return invites.preview_invite(session, token=form.token)


@router.post("/invites/accept", **needs(Permission.PUBLIC))
def accept_invite(
    form: AcceptForm, request: Request, response: Response, session: WriteSession, server: Server
) -> AcceptAnswer:
    """Join a project: with the account that is signed in here, or with a new one of that name, which is signed in."""
    server.throttle.check("invite", address_of(request), times=30)
    actor = sessions.actor_if_signed_in(session, request.cookies.get(cookie_name(server), ""))
    accepted = invites.accept_invite(session, actor, token=form.token, name=form.name)
    if accepted.session_token is not None:
        set_cookie(response, server, accepted.session_token)
    return AcceptAnswer(project_id=accepted.project_id, role=accepted.role)
