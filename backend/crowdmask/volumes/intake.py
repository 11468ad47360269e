"""Receiving a file: kept byte for byte, then judged by the gate in a child process, before any row exists."""

from dataclasses import dataclass, replace
from pathlib import Path

from crowdmask.core.errors import InvalidInput
from crowdmask.core.notices import Notice
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Volume
from crowdmask.volumes.gate import GateKind, GateResult, run_gate


@dataclass(frozen=True)
class Received:
    """A stored file and the gate's verdict: exactly one of ``accepted`` and ``refusal`` is set.

    ``volume_index`` is the admin's decision that the verdict rests on.
    """

    source_sha256: str
    accepted: GateResult | None
    refusal: InvalidInput | None
    volume_index: int | None = None

    @property
    def affine_assumed(self) -> bool:
        """Whether the file lies as the admin said; being allowed to assume is not enough when the file says it itself."""
        return self.accepted is not None and any(
            notice.code == "affine_assumed" for notice in self.accepted.notices
        )


def receive(
    path: Path,
    storage: LocalStorage,
    *,
    assume_affine: bool = False,
    volume_index: int | None = None,
    name: str | None = None,
) -> Received:
    """Store a volume's file under its sha256 and run the gate on the stored bytes.

    Args:
        name: that people know the file by, in refusals and notices; None: the path's; empty: "The file".

    Raises:
        Unavailable: ``storage_full``.
        CrowdmaskError: ``internal`` when the gate itself failed, which is not the file's fault.
    """
    return _receive(
        path,
        storage,
        kind=GateKind.VOLUME,
        name=name,
        assume_affine=assume_affine,
        volume_index=volume_index,
    )


def receive_reference(
    path: Path, storage: LocalStorage, *, volume: Volume, assume_affine: bool = False, name: str | None = None
) -> Received:
    """Store a label map's file and run the gate on it; axes in another order than the volume's are noted.

    Args:
        volume: the one that the label map came with.
        name: as ``receive``.

    Raises:
        Unavailable, CrowdmaskError: as ``receive``.
        Corrupt: ``blob_missing`` when the volume's file is gone.
    """
    received = _receive(path, storage, kind=GateKind.LABELS, name=name, assume_affine=assume_affine)
    if received.accepted is None or volume.affine is None or not _axes_differ(storage, volume, received):
        return received
    notice = Notice(
        "axes_differ",
        "The axes of the reference run in another order or direction than the volume's; they were matched, "
        "nothing was resampled.",
    )
    return replace(
        received, accepted=replace(received.accepted, notices=(*received.accepted.notices, notice))
    )


def _receive(
    path: Path,
    storage: LocalStorage,
    *,
    kind: GateKind,
    name: str | None,
    assume_affine: bool,
    volume_index: int | None = None,
) -> Received:
    storage.require_space(path.stat().st_size)
    source_sha256 = storage.put_file(path)
    accepted, refusal = None, None
    try:
        accepted = run_gate(
            storage.path(source_sha256),
            kind=kind,
            name=path.name if name is None else name,
            assume_affine=assume_affine,
            volume_index=volume_index,
        )
    except InvalidInput as error:
        refusal = error
    return Received(source_sha256, accepted, refusal, volume_index)


def _axes_differ(storage: LocalStorage, volume: Volume, reference: Received) -> bool:
    # Imported here: a server starts without nibabel. Both headers have passed the gate.
    from crowdmask.core.nifti import read_source_grid

    of_volume = read_source_grid(
        storage.path(volume.source_sha256), assume_affine=volume.affine_assumed
    ).orientation
    of_reference = read_source_grid(
        storage.path(reference.source_sha256), assume_affine=reference.affine_assumed
    ).orientation
    return of_volume != of_reference
