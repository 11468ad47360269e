"""What nnU-Net prints while it trains, read epoch by epoch."""

import math
import re
from dataclasses import asdict, dataclass
from typing import Any

_LINE = re.compile(
    r"^(?:\S+ [\d:.]+: )?\s*(?:Epoch (?P<epoch>\d+)|train_loss (?P<train>\S+)|val_loss (?P<val>\S+)"
    r"|Pseudo dice \[(?P<dice>.*)\]|Epoch time: (?P<seconds>[\d.]+) s)\s*$",
    re.MULTILINE,
)
_NUMBER = re.compile(r"(?:np\.float\d+\()?(nan|-?inf|[-+]?\d[\d.e+-]*)\)?")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch that ended.

    Attributes:
        number: from 0.
        train_loss, val_loss: null where they are no number.
        pseudo_dice: by label in their order, over the patches of the validation; null for a label that was in none.
        seconds: how long it took.
    """

    number: int
    train_loss: float | None
    val_loss: float | None
    pseudo_dice: tuple[float | None, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "pseudo_dice": list(self.pseudo_dice)}


def read_epochs(printed: str) -> tuple[Epoch, ...]:
    """The epochs that ended, by number; of one that was trained again after a kill, the last time counts."""
    found: dict[int, Epoch] = {}
    number, values = -1, dict[str, str]()
    for line in _LINE.finditer(printed):
        said = {name: text for name, text in line.groupdict().items() if text is not None}
        if "epoch" in said:
            number, values = int(said["epoch"]), {}
            continue
        values |= said
        if "seconds" in said and {"train", "val", "dice"} <= values.keys():
            found[number] = Epoch(
                number=number,
                train_loss=_finite(values["train"]),
                val_loss=_finite(values["val"]),
                pseudo_dice=tuple(_finite(text) for text in _NUMBER.findall(values["dice"])),
                seconds=float(values["seconds"]),
            )
    return tuple(found[number] for number in sorted(found))


def _finite(text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    value = float(match.group(1)) if match else math.nan
    return value if math.isfinite(value) else None
