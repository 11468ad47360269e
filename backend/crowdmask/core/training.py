"""What a training of nnU-Net is asked for."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from crowdmask.core.errors import ErrorCode, InvalidInput

MOST_EPOCHS = 10_000
MOST_ITERATIONS = 10_000
MOST_FOLDS = 100


class Configuration(StrEnum):
    """nnU-Net's: one network for slices, one for volumes, one for volumes at a coarser grid."""

    FLAT = "2d"
    FULLRES = "3d_fullres"
    LOWRES = "3d_lowres"


class Device(StrEnum):
    """``auto``: a GPU where the worker has one, else the CPU."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """The defaults are the paper's: 3d_fullres, every fold, 1000 epochs of 250 iterations, no mirroring.

    Attributes:
        folds: those to train, numbers of the dataset's splits; empty for all of them.
        epochs: how many; nnU-Net lowers the learning rate over all of them.
        iterations: batches per epoch; a fifth as many are looked at for the validation loss.
        mirroring: whether images are mirrored for variety, while training and while predicting.
        small: a tiny network on small patches, to try the way from end to end; it learns nothing of use.
    """

    configuration: Configuration = Configuration.FULLRES
    folds: tuple[int, ...] = ()
    epochs: int = 1000
    iterations: int = 250
    device: Device = Device.AUTO
    mirroring: bool = False
    small: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= MOST_EPOCHS:
            raise _refused(f"{self.epochs} epochs are not in 1..{MOST_EPOCHS}.")
        if not 1 <= self.iterations <= MOST_ITERATIONS:
            raise _refused(f"{self.iterations} iterations are not in 1..{MOST_ITERATIONS}.")
        if len(set(self.folds)) != len(self.folds) or not all(0 <= fold < MOST_FOLDS for fold in self.folds):
            raise _refused(
                f"The folds {', '.join(map(str, self.folds))} are not different numbers from 0 on."
            )

    @property
    def validation_iterations(self) -> int:
        return max(1, self.iterations // 5)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "folds": list(self.folds)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what ``to_json`` wrote."""
        return cls(
            **{
                **document,
                "configuration": Configuration(document["configuration"]),
                "device": Device(document["device"]),
                "folds": tuple(document["folds"]),
            }
        )


def _refused(message: str) -> InvalidInput:
    return InvalidInput(ErrorCode.OPTION_INVALID, message)
