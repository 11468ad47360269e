"""The trainer that nnU-Net runs for us: its own, with the number of epochs, iterations and the mirroring that were asked
for, and a checkpoint after each epoch that a kill cannot spoil.
"""

import os
from collections.abc import Sequence
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer

from crowdmask_ml.nnunet.command import EPOCHS, ITERATIONS, MIRRORING, PICTURE, THREADS, VALIDATION_ITERATIONS


class CrowdmaskTrainer(nnUNetTrainer.nnUNetTrainer):  # type: ignore[misc]  # nnU-Net has no types
    """nnU-Net's trainer; what differs stands in the environment, which is how nnU-Net itself is told things."""

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008  as nnU-Net's own
    ) -> None:
        # nnU-Net looks up these very names to be able to make the trainer again.
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = int(os.environ[EPOCHS])
        self.num_iterations_per_epoch = int(os.environ[ITERATIONS])
        self.num_val_iterations_per_epoch = int(os.environ[VALIDATION_ITERATIONS])
        self.save_every = 1
        if os.environ[PICTURE] == "0":
            self.logger.plot_progress_png = lambda _folder: None

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:  # noqa: N802  nnU-Net's
        rotation, flat, patch_size, mirror_axes = (
            super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        if os.environ[MIRRORING] == "0":
            mirror_axes = None
            self.inference_allowed_mirroring_axes = None
        return rotation, flat, patch_size, mirror_axes

    def save_checkpoint(self, filename: str) -> None:
        """Whole or not at all: a training that is killed here goes on from the checkpoint before."""
        if self.disable_checkpointing or self.local_rank != 0:
            return
        partial = f"{filename}.partial"
        super().save_checkpoint(partial)
        os.replace(partial, filename)


def register() -> None:
    """Have nnU-Net find our trainer by its name: it looks through the modules of its own folder only."""
    nnUNetTrainer.CrowdmaskTrainer = CrowdmaskTrainer


def keep_threads() -> None:
    """Compute in as many threads as the environment says, whatever nnU-Net asks for: a thread for each core.

    Threads that wait for each other on a busy computer made a tiny network a hundred times slower.
    """
    threads = os.environ.get(THREADS)
    if threads is not None:
        torch.set_num_threads(int(threads))
        torch.set_num_threads = _keep  # this process does nothing else


def _keep(nthreads: int) -> None:
    """Leave the number of threads as it is."""
    del nthreads


def with_device(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``auto``, if they name it, replaced by the device that is here."""
    best = "cuda" if "auto" in arguments and torch.cuda.is_available() else "cpu"
    return [best if argument == "auto" else argument for argument in arguments]
