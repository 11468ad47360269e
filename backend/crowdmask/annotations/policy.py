"""What may be saved, and what a saved annotation allows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.lifecycle import AnnotationState
from crowdmask.core.operations import MAX_OPERATIONS, Operation
from crowdmask.models import Annotation, Volume
from crowdmask.models.base import JsonDict

MAX_KEY_LENGTH = 200
_OPEN = (AnnotationState.OPEN, AnnotationState.RETURNED)


@dataclass(frozen=True)
class ClientTimes:
    """What the client's clock said. Only stored: no lease and no order depends on it, however wrong it is.

    Attributes:
        began_ms, sent_ms: first input of the batch and its sending, milliseconds since 1970.
        shown_ms: slice -> milliseconds that it was on the screen since the batch before.
    """

    began_ms: float
    sent_ms: float
    shown_ms: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.began_ms, self.sent_ms, *self.shown_ms.values())):
            raise InvalidInput(ErrorCode.OPERATION_INVALID, "A time of the client is not a finite number.")

    def to_json(self) -> JsonDict:
        return {
            "began_ms": self.began_ms,
            "sent_ms": self.sent_ms,
            "shown_ms": {str(z): shown for z, shown in self.shown_ms.items()},
        }


def check_batch(operations: Sequence[Operation], idempotency_key: str) -> None:
    """Refuse a batch that cannot be stored.

    Raises:
        InvalidInput: ``operation_invalid``.
    """
    if not 1 <= len(operations) <= MAX_OPERATIONS:
        raise InvalidInput(
            ErrorCode.OPERATION_INVALID,
            f"A save holds 1 to {MAX_OPERATIONS} operations; got {len(operations)}.",
            hint="Send them in several saves.",
        )
    if not (idempotency_key.isascii() and idempotency_key.isprintable() and idempotency_key.strip()) or (
        len(idempotency_key) > MAX_KEY_LENGTH
    ):
        raise InvalidInput(
            ErrorCode.OPERATION_INVALID,
            f"The idempotency key must have 1 to {MAX_KEY_LENGTH} printable ASCII characters.",
            hint="Make a new random key for every save, and send it again with a retry.",
        )


def check_volume(volume: Volume, volume_sha256: str) -> None:
    """Refuse boxes that were drawn on another volume. The hash is of the slice pack: what the client was shown.

    Raises:
        Conflict: ``volume_mismatch``.
    """
    if volume.pack_sha256 != volume_sha256:
        raise Conflict(
            ErrorCode.VOLUME_MISMATCH,
            f"The boxes were drawn on the volume {volume_sha256[:12]}..., but this annotation is of {volume.name!r} "
            f"({'no slice pack' if volume.pack_sha256 is None else volume.pack_sha256[:12] + '...'}).",
            hint="Load the task again; do not move the boxes over.",
        )


def check_open(annotation: Annotation) -> None:
    """Refuse a change of what was handed in.

    Raises:
        Conflict: ``not_open``.
    """
    if annotation.state not in _OPEN:
        reopen = annotation.state is AnnotationState.SUBMITTED
        raise Conflict(
            ErrorCode.NOT_OPEN,
            f"The annotation is {annotation.state.value} and takes no changes.",
            hint="Reopen it first." if reopen else "It has been accepted.",
        )
