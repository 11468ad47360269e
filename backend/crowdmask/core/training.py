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
        configurations: the networks, each trained on every fold; several predict together (nnU-Net's ensemble).
        folds: those to train, numbers of the dataset's splits; empty for all of them.
        epochs: how many; nnU-Net lowers the learning rate over all of them.
        iterations: batches per epoch; a fifth as many are looked at for the validation loss.
        mirroring: whether images are mirrored for variety, while training and while predicting.
        small: a tiny network on small patches, to try the way from end to end; it learns nothing of use.
    """

    configurations: tuple[Configuration, ...] = (Configuration.FULLRES,)
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
        if not self.configurations or len(set(self.configurations)) != len(self.configurations):
            raise _refused(
                f"The configurations ({', '.join(self.configurations)}) are not one or more different ones."
            )
        if len(set(self.folds)) != len(self.folds) or not all(0 <= fold < MOST_FOLDS for fold in self.folds):
            raise _refused(
                f"The folds {', '.join(map(str, self.folds))} are not different numbers from 0 on."
            )

    @property
    def result(self) -> Configuration | None:
        """Whose predictions are the training's: its only configuration's; None: the ensemble's."""
        return self.configurations[0] if len(self.configurations) == 1 else None

    @property
    def validation_iterations(self) -> int:
        return max(1, self.iterations // 5)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "configurations": list(self.configurations), "folds": list(self.folds)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what ``to_json`` wrote, also when it knew a single ``configuration``."""
        rest = dict(document)
        only = rest.pop("configuration", None)
        return cls(
            **{
                **rest,
                "configurations": tuple(map(Configuration, rest.get("configurations", [only]))),
                "device": Device(rest["device"]),
                "folds": tuple(rest["folds"]),
            }
        )


def _refused(message: str) -> InvalidInput:
    return InvalidInput(ErrorCode.OPTION_INVALID, message)
