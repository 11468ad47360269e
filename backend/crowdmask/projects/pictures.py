"""Pictures of the guide: whatever is sent is decoded and encoded anew, so that only pixels are left of it."""

import io
import struct
import zlib
from functools import partial
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from anyio import to_thread
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.audit import record
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, NotFound
from crowdmask.infra.db import Database
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import GuidePicture, Label, Role
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import picture_answer, visible_picture
from crowdmask.projects.schemas import PictureAnswer

MOST_PICTURES = 8
"""Of one label."""
MOST_PIXELS = 40_000_000
LONGEST_SIDE = 1600
"""Pixels of what is kept."""
_FORMATS = ("PNG", "JPEG", "WEBP")
# What Pillow's readers raise on a broken file.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)


async def run_add_picture(
    database: Database,
    storage: LocalStorage,
    actor: Actor,
    *,
    project_id: UUID,
    index: int,
    path: Path,
    caption: str = "",
) -> PictureAnswer:
    """``add_picture`` in a thread, with sessions of its own."""
    work = partial(
        add_picture, database, storage, actor, project_id=project_id, index=index, path=path, caption=caption
    )
    return await to_thread.run_sync(work)


def add_picture(
    database: Database,
    storage: LocalStorage,
    actor: Actor,
    *,
    project_id: UUID,
    index: int,
    path: Path,
    caption: str = "",
) -> PictureAnswer:
    """Add the picture in the file ``path`` to a label's guide. Nothing is decoded for who may not add it.

    Raises:
        NotFound, NotAllowed: no such label; the actor is no admin.
        InvalidInput: ``picture_invalid``: no PNG, JPEG or WebP, damaged, or too many pixels.
        Conflict: ``picture_invalid``: the label has ``MOST_PICTURES``.
        Unavailable: ``storage_full``.
    """
    with database.read() as session:
        _label(session, actor, project_id, index)
    sha256 = storage.put_bytes(encoded_anew(path))
    with database.write() as session:
        label = _label(session, actor, project_id, index, lock=True)
        count = session.scalar(sa.select(sa.func.count()).where(GuidePicture.label_id == label.id)) or 0
        if count >= MOST_PICTURES:
            raise Conflict(
                ErrorCode.PICTURE_INVALID,
                f"The guide of {label.name!r} has {count} pictures, which is as many as it takes.",
                hint="Take one out first.",
            )
        picture = GuidePicture(label_id=label.id, picture_sha256=sha256, caption=caption)
        session.add(picture)
        session.flush()
        record(session, actor, "picture_add", project_id=project_id, subject_id=picture.id)
        return picture_answer(picture)


def delete_picture(session: Session, actor: Actor, *, picture_id: UUID) -> None:
    """Take a picture out of the guide.

    Raises:
        NotFound, NotAllowed: no such picture; the actor is no admin.
    """
    picture = visible_picture(session, actor, picture_id)
    project_id = session.get_one(Label, picture.label_id).project_id
    require_role(session, actor, project_id, Role.ADMIN)
    session.delete(picture)
    session.flush()
    record(session, actor, "picture_delete", project_id=project_id, subject_id=picture_id)


def encoded_anew(path: Path) -> bytes:
    """A picture as PNG: its pixels, upright, none of its metadata, at most ``LONGEST_SIDE`` pixels a side.

    Raises:
        InvalidInput: ``picture_invalid``.
    """
    from PIL import Image, ImageOps  # imported here: a server starts without it

    try:
        with Image.open(path, formats=_FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise _unusable(f"It has {picture.width} x {picture.height} pixels")
            picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            upright = ImageOps.exif_transpose(picture)
            pixels = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
        pixels.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        bare = Image.frombytes(pixels.mode, pixels.size, pixels.tobytes())
        target = io.BytesIO()
        bare.save(target, "PNG")
    except (*_BROKEN, Image.DecompressionBombError) as error:
        raise _unusable("It cannot be read as one") from error
    return target.getvalue()


def _unusable(why: str) -> InvalidInput:
    return InvalidInput(
        ErrorCode.PICTURE_INVALID,
        f"This is no usable picture. {why}; a guide takes PNG, JPEG and WebP of at most {MOST_PIXELS // 10**6} "
        "million pixels.",
        hint="Save it anew as PNG, or take a screenshot of it.",
    )


def _label(session: Session, actor: Actor, project_id: UUID, index: int, *, lock: bool = False) -> Label:
    require_role(session, actor, project_id, Role.ADMIN)
    wanted = sa.select(Label).where(
        Label.project_id == project_id, Label.index == index, Label.deleted_at.is_(None)
    )
    label = session.scalar(wanted.with_for_update() if lock else wanted)
    if label is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"The project has no label {index}.")
    return label
