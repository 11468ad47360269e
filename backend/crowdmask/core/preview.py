"""What the server asks the preview service, and what it is answered: the only place that knows the form of both."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.region import MaskRegion
from crowdmask.core.windowing import Window

PATIENCE_S = 4.0
"""Nobody waits longer for a preview: the server stops asking, and the service leaves out what is older."""

SECRET_HEADER = "X-Crowdmask-Preview"
SECRET_PURPOSE = "preview"


@dataclass(frozen=True)
class PreviewRequest:
    """Boxes on one slice, to be shown as a mask.

    Attributes:
        asker: for whom; a newer request of the same asker makes an older one that still waits pointless.
        pack_sha256, slice, window: what is on the screen.
        boxes: on the canonical grid, at least one.
    """

    asker: str
    pack_sha256: str
    slice: int
    window: Window
    boxes: tuple[Box, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "asker": self.asker,
            "pack_sha256": self.pack_sha256,
            "slice": self.slice,
            "window": self.window.to_json(),
            "boxes": [list(box.values) for box in self.boxes],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises `InvalidInput` ``request_invalid``."""
        try:
            return cls(
                asker=str(document["asker"]),
                pack_sha256=str(document["pack_sha256"]),
                slice=int(document["slice"]),
                window=Window.from_json(document["window"]),
                boxes=tuple(Box.from_values(values) for values in document["boxes"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, CrowdmaskError) as error:
            raise InvalidInput(ErrorCode.REQUEST_INVALID, "That is no request for a preview.") from error


@dataclass(frozen=True)
class Preview:
    """The mask of all boxes together, as the mask of the submitted work would be, and the model's guess of each.

    Attributes:
        region: of the mask, on the canonical grid.
        predicted_iou: by box, roughly 0..1.
    """

    region: MaskRegion
    predicted_iou: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """``box`` and ``bits`` (base64) are those of ``MaskRegion``."""
        return {
            "box": list(self.region.box),
            "bits": base64.b64encode(self.region.bits).decode(),
            "predicted_iou": [round(value, 4) for value in self.predicted_iou],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises `KeyError`, `TypeError` or `ValueError` for anything but what ``to_json`` wrote."""
        x0, y0, x1, y1 = (int(value) for value in document["box"])
        return cls(
            MaskRegion((x0, y0, x1, y1), base64.b64decode(document["bits"], validate=True)),
            tuple(float(value) for value in document["predicted_iou"]),
        )
