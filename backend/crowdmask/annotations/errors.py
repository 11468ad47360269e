"""Errors that carry what the caller needs to go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crowdmask.core.errors import Conflict, ErrorCode, Stale
from crowdmask.core.operations import Operation
from crowdmask.core.tracks import Gap, GapKind


@dataclass(frozen=True)
class AcceptedBatch:
    """A save that the caller has not seen. ``revision`` is the one it produced."""

    revision: int
    operations: tuple[Operation, ...]
    saved_at: datetime

    def to_json(self) -> dict[str, Any]:
        return {
            "revision": self.revision,
            "operations": [operation.to_json() for operation in self.operations],
            "saved_at": self.saved_at.isoformat(),
        }


class RevisionStale(Stale):
    """The caller's revision is not the stored one.

    Attributes:
        current_revision: the stored one.
        since: what was saved after the caller's revision, oldest first; empty when the caller's is from the future.
    """

    def __init__(self, *, revision: int, current_revision: int, since: tuple[AcceptedBatch, ...]) -> None:
        super().__init__(
            ErrorCode.REVISION_STALE,
            f"The change is for revision {revision}, but the annotation is at revision {current_revision}.",
            hint="Apply what was saved since to your copy, then send the change again.",
        )
        self.current_revision = current_revision
        self.since = since

    def members(self) -> Mapping[str, Any]:
        return {"current_revision": self.current_revision, "since": [batch.to_json() for batch in self.since]}


class NotComplete(Conflict):
    """Slices are undecided. ``gaps`` are all of them, ascending."""

    def __init__(self, gaps: tuple[Gap, ...]) -> None:
        super().__init__(
            ErrorCode.NOT_COMPLETE,
            f"Not every slice is decided: {', '.join(_named(gap) for gap in gaps[:20])}"
            f"{f' and {len(gaps) - 20} more gaps' if len(gaps) > 20 else ''}.",
            hint="Box or mark as absent what is to do, and look at what is suggested.",
        )
        self.gaps = gaps

    def members(self) -> Mapping[str, Any]:
        return {"gaps": [{"kind": gap.kind.value, "first": gap.first, "last": gap.last} for gap in self.gaps]}


def _named(gap: Gap) -> str:
    kind = "to do" if gap.kind is GapKind.TODO else "suggested"
    slices = f"slice {gap.first}" if gap.first == gap.last else f"slices {gap.first} to {gap.last}"
    return f"{slices} {kind}"
