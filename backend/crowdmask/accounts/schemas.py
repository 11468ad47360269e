"""Forms and answers of signing in."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from crowdmask.models import Role, TokenScope
from crowdmask.web.forms import Answer, Form, Name, Time

Secret = Annotated[str, Field(min_length=1, max_length=200)]
Username = Annotated[str, Field(min_length=3, max_length=64, pattern=r"^[A-Za-z0-9._@+-]+$")]


class LinkForm(Form):
    token: Secret = Field(repr=False)


class PasswordSignInForm(Form):
    username: Annotated[str, Field(min_length=1, max_length=200)]
    password: Secret = Field(repr=False)


class ProfileForm(Form):
    name: Name


class PasswordForm(Form):
    """``current_password`` where there is one already."""

    username: Username
    password: Secret = Field(repr=False)
    current_password: Secret | None = Field(default=None, repr=False)


class MembershipAnswer(Answer):
    project_id: UUID
    project_name: str
    role: Role
    consent_needed: bool
    archived: bool


class MeAnswer(Answer):
    id: UUID
    name: str
    username: str | None
    has_password: bool
    is_operator: bool
    memberships: list[MembershipAnswer]


class SessionAnswer(Answer):
    """A browser that is signed in; ``is_this``: the one that asks."""

    id: UUID
    created_at: Time
    seen_at: Time
    expires_at: Time
    is_this: bool


class TokenForm(Form):
    name: Name
    scope: TokenScope = TokenScope.READ
    days: Annotated[int, Field(ge=1, le=365)] = 90


class TokenAnswer(Answer):
    id: UUID
    name: str
    scope: TokenScope
    created_at: Time
    expires_at: Time
    seen_at: Time | None


class NewTokenAnswer(TokenAnswer):
    """``token`` is shown this once."""

    token: str


class SignInLinkAnswer(Answer):
    """``url`` is shown this once."""

    url: str
    expires_at: Time
