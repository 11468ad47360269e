"""Forms and answers of projects, labels, members and invites."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from crowdmask.core.completion import Completion
from crowdmask.models import Role
from crowdmask.web.forms import Answer, Form, LabelIndices, Name, Time

Overlap = Annotated[int, Field(ge=1, le=100)]
Heading = Annotated[str, Field(min_length=1, max_length=40)]
LongText = Annotated[str, Field(max_length=20_000)]
Citation = Annotated[str, Field(max_length=5_000)]


class WindowForm(Form):
    """Values shown as black and as white: Hounsfield units for a CT."""

    low: float
    high: float


class WindowAnswer(Answer):
    low: float
    high: float


class LabelForm(Form):
    name: Name
    guide: LongText = ""


class LabelPatch(Form):
    name: Name | None = None
    guide: LongText | None = None


class ProjectForm(Form):
    """``overlap``: how many people each task needs. ``window``: null for each volume's own. ``completion``: what datasets
    take unless they say otherwise. ``citation``: how the makers of the volumes want to be cited.
    """

    name: Name
    labels: Annotated[list[LabelForm], Field(min_length=1, max_length=255)]
    overlap: Overlap = 1
    window: WindowForm | None = None
    label_heading: Heading = "Organ"
    consent_text: LongText = ""
    completion: Completion = Completion.NONE
    citation: Citation = ""


class ProjectPatch(Form):
    """What is left out stays as it is. ``window``: null goes back to each volume's own. ``completion``: what datasets take
    unless they say otherwise. ``citation``: how the makers of the volumes want to be cited.
    """

    name: Name | None = None
    overlap: Overlap | None = None
    window: WindowForm | None = None
    label_heading: Heading | None = None
    consent_text: LongText | None = None
    archived: bool | None = None
    completion: Completion | None = None
    citation: Citation | None = None


class PictureAnswer(Answer):
    id: UUID
    caption: str
    url: str


class LabelAnswer(Answer):
    index: int
    name: str
    guide: str
    pictures: list[PictureAnswer]


class ConsentAnswer(Answer):
    """``version`` 0: the project has no text. ``accepted``: by me, in this version."""

    version: int
    text: str
    accepted: bool


class ProjectAnswer(Answer):
    id: UUID
    name: str
    role: Role
    overlap: int
    window: WindowAnswer | None
    label_heading: str
    labels: list[LabelAnswer]
    consent: ConsentAnswer
    completion: Completion
    citation: str
    archived: bool
    created_at: Time


class ProjectSummary(Answer):
    """``tasks`` and ``tasks_complete``: of all its volumes."""

    id: UUID
    name: str
    role: Role
    archived: bool
    volumes: int
    tasks: int
    tasks_complete: int
    created_at: Time


class ConsentForm(Form):
    version: Annotated[int, Field(ge=1)]


class MemberAnswer(Answer):
    """``label_indices``: null for all labels. ``seen_at``: last time at the screen, if ever."""

    account_id: UUID
    name: str
    username: str | None
    role: Role
    label_indices: list[int] | None
    qualification: str
    consent_accepted: bool
    joined_at: Time
    seen_at: Time | None


class MemberPatch(Form):
    """``qualification``: as the person states it, for the card of datasets; empty: not stated."""

    role: Role | None = None
    label_indices: LabelIndices | None = None
    all_labels: bool = False
    qualification: Annotated[str, Field(max_length=200)] | None = None


class InviteForm(Form):
    role: Role = Role.ANNOTATOR
    label_indices: LabelIndices | None = None
    note: Annotated[str, Field(max_length=200)] = ""
    days: Annotated[int, Field(ge=1, le=30)] = 7


class InviteAnswer(Answer):
    id: UUID
    role: Role
    label_indices: list[int] | None
    note: str
    state: Literal["open", "used", "expired", "revoked"]
    created_at: Time
    expires_at: Time
    used_by: str | None


class NewInviteAnswer(InviteAnswer):
    """``url`` is shown this once."""

    url: str


class InviteTokenForm(Form):
    token: Annotated[str, Field(min_length=1, max_length=200, repr=False)]


class InvitePreview(Answer):
    project_name: str
    role: Role
    label_names: list[str]
    expires_at: Time


class AcceptForm(InviteTokenForm):
    """``name``: for somebody who has no account yet."""

    name: Name | None = None


class AcceptAnswer(Answer):
    project_id: UUID
    role: Role
