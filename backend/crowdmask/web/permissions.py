"""What each route asks of its caller, said where the route is declared.

The services enforce it; this is how the API documents it and how the generated test knows whom to try
(``tests/api/test_permissions.py``).
"""

from enum import StrEnum
from typing import Any


class Permission(StrEnum):
    """``OWN``: it is the caller's own; everybody else gets 404. Roles are those in the object's project."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    OPERATOR = "operator"
    MEMBER = "member"
    WORKS = "admin, reviewer or annotator"
    SEES_ALL = "admin, reviewer or researcher"
    EXPORTS = "admin or researcher"
    REVIEWS = "admin or reviewer"
    ADMIN = "admin"
    OWN = "own"
    OWN_OR_SEES_ALL = "own, or admin, reviewer or researcher"
    OWN_OR_ADMIN = "own, or admin"


def needs(permission: Permission) -> dict[str, Any]:
    """Arguments of a route: ``@router.get("/...", **needs(Permission.MEMBER))``."""
    return {"openapi_extra": {"x-permission": permission.value}}
