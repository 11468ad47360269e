"""Uploads of volumes and reference masks: received, judged by the gate, added.

Permission and name are checked before the body is read (``check_*``); what blocks runs in a thread, with sessions of its
own, and only so many gates at once as there are processors: each may need much memory.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import InvalidInput
from crowdmask.core.labels import checked_name
from crowdmask.models import ReferenceOrigin, Role, Volume
from crowdmask.projects.policy import require_role
from crowdmask.volumes import queries, reference_changes, service
from crowdmask.volumes.intake import receive, receive_reference
from crowdmask.volumes.schemas import ReferenceAnswer, VolumeAnswer
from crowdmask.web.state import ServerState

Result = TypeVar("Result")

_UNNAMED = ""
"""The name of an upload in sentences ("The file ..."): what lies in our work folder has none that people know."""

_GATES: RunVar[CapacityLimiter] = RunVar("crowdmask_gates")


class Quarantined(InvalidInput):
    """The file was refused and waits, under its name, to be deleted or replaced: the page needs the volume's id."""

    def __init__(self, refusal: InvalidInput, volume_id: UUID) -> None:
        super().__init__(refusal.code, refusal.message, hint=refusal.hint)
        self.volume_id = volume_id

    def members(self) -> Mapping[str, Any]:
        return {"volume_id": str(self.volume_id)}


async def check_upload_volume(server: ServerState, actor: Actor, *, project_id: UUID, name: str) -> None:
    """Refuse an upload before its body is read.

    Raises:
        NotFound, NotAllowed: the actor is no admin of the project.
        InvalidInput: ``option_invalid``, the name cannot be shown.
    """

    def check() -> None:
        with server.database.read() as session:
            require_role(session, actor, project_id, Role.ADMIN)
        checked_name(name)

    await to_thread.run_sync(check)


async def check_upload_reference(server: ServerState, actor: Actor, *, volume_id: UUID) -> None:
    """Refuse an upload before its body is read.

    Raises:
        NotFound, NotAllowed: the actor is no admin of the volume's project.
        Conflict: ``not_open``, the volume is quarantined.
    """
    await to_thread.run_sync(_checked_volume, server, actor, volume_id)


async def run_upload_volume(
    server: ServerState,
    actor: Actor,
    *,
    project_id: UUID,
    path: Path,
    name: str,
    assume_affine: bool,
    volume_index: int | None,
) -> tuple[VolumeAnswer, bool]:
    """Add the file at ``path`` to a project; the second value says whether the volume is new.

    Raises:
        InvalidInput: the gate refused the file. It is in quarantine, named by ``members()``, unless its name belongs to
            another volume.
        Conflict: ``name_taken`` by a different volume.
        NotFound, NotAllowed: the actor is no admin of the project.
        Unavailable: ``storage_full``.
    """
    return await _in_turn(
        partial(
            _take_volume,
            server,
            actor,
            project_id=project_id,
            path=path,
            name=name,
            assume_affine=assume_affine,
            volume_index=volume_index,
        )
    )


async def run_upload_reference(
    server: ServerState,
    actor: Actor,
    *,
    volume_id: UUID,
    path: Path,
    origin: ReferenceOrigin,
    assume_affine: bool,
    replace: bool = False,
) -> ReferenceAnswer:
    """Add the label map at ``path`` to a volume; ``replace``: in the place of the reference that it has.

    Raises:
        InvalidInput: the gate refused the file; ``label_values_invalid``.
        Conflict: ``grid_mismatch``; ``name_taken`` when the volume has another reference, which is not to be replaced;
            ``not_open``.
        NotFound, NotAllowed: the actor is no admin of the volume's project; there is none to be replaced.
        Unavailable: ``storage_full``.
    """
    return await _in_turn(
        partial(
            _take_reference,
            server,
            actor,
            volume_id=volume_id,
            path=path,
            origin=origin,
            assume_affine=assume_affine,
            replace=replace,
        )
    )


def _take_volume(
    server: ServerState,
    actor: Actor,
    *,
    project_id: UUID,
    path: Path,
    name: str,
    assume_affine: bool,
    volume_index: int | None,
) -> tuple[VolumeAnswer, bool]:
    received = receive(
        path, server.storage, assume_affine=assume_affine, volume_index=volume_index, name=_UNNAMED
    )
    with server.database.write() as session:
        added = service.add_or_find_volume(
            session, actor, project_id=project_id, name=name, received=received
        )
        answer = queries.volume_answer(session, actor, server.storage, added.volume.id)
    if received.refusal is not None:  # only now: the row in quarantine stays
        raise Quarantined(received.refusal, added.volume.id) from received.refusal
    return answer, added.is_new


def _take_reference(
    server: ServerState,
    actor: Actor,
    *,
    volume_id: UUID,
    path: Path,
    origin: ReferenceOrigin,
    assume_affine: bool,
    replace: bool,
) -> ReferenceAnswer:
    volume = _checked_volume(server, actor, volume_id)
    received = receive_reference(
        path, server.storage, volume=volume, assume_affine=assume_affine, name=_UNNAMED
    )
    take = reference_changes.replace_reference if replace else service.add_reference
    with server.database.write() as session:
        reference = take(session, actor, volume_id=volume_id, received=received, origin=origin)
        session.refresh(reference)
        return queries.reference_answer(reference)


def _checked_volume(server: ServerState, actor: Actor, volume_id: UUID) -> Volume:
    with server.database.read() as session:
        volume = queries.visible_volume(session, actor, volume_id)
        require_role(session, actor, volume.project_id, Role.ADMIN)
    queries.grid_of(volume)
    return volume


async def _in_turn(take: Callable[[], Result]) -> Result:
    try:
        gates = _GATES.get()
    except LookupError:
        gates = CapacityLimiter(max(os.cpu_count() or 1, 2))
        _GATES.set(gates)
    return await to_thread.run_sync(take, limiter=gates)
