"""The part of the client that trains nnU-Net on datasets."""

import time
from collections.abc import Callable
from uuid import UUID

from crowdmask.client.training_views import (
    DatasetPairView,
    TrainingDetailsView,
    TrainingView,
    details_of,
    pair_of,
    training_of,
)
from crowdmask.client.transport import Transport
from crowdmask.core.errors import Conflict, Corrupt, ErrorCode
from crowdmask.core.training import TrainingSettings


class Trainings:
    """Trainings and comparison pairs."""

    _transport: Transport

    def start_training(
        self, export_id: UUID, settings: TrainingSettings | None = None, *, name: str | None = None
    ) -> TrainingView:
        """Train nnU-Net on a written dataset, step by step; ``settings`` None: the paper's.

        Raises:
            Conflict: ``not_open`` while the dataset is not written.
            InvalidInput: ``option_invalid`` when a fold is not there.
        """
        form = {"name": name, "settings": (settings or TrainingSettings()).to_json()}
        return training_of(self._transport.post(f"/exports/{export_id}/trainings", form))

    def dataset_pairs(self, project_id: UUID) -> list[DatasetPairView]:
        """The comparison pairs among a project's written datasets."""
        return [pair_of(found) for found in self._transport.get(f"/projects/{project_id}/training-pairs")]

    def start_training_pair(
        self, export_id: UUID, other_id: UUID, settings: TrainingSettings | None = None
    ) -> tuple[TrainingView, TrainingView]:
        """Train both datasets of a comparison pair with the same settings.

        Raises:
            InvalidInput: ``option_invalid`` when they are no pair; else as ``start_training``.
        """
        form = {"other": str(other_id), "settings": (settings or TrainingSettings()).to_json()}
        one, other = self._transport.post(f"/exports/{export_id}/training-pair", form)
        return training_of(one), training_of(other)

    def trainings(self, project_id: UUID) -> list[TrainingView]:
        """Those of a project, the newest first; without logs and epochs."""
        return [training_of(found) for found in self._transport.get(f"/projects/{project_id}/trainings")]

    def training(self, training_id: UUID) -> TrainingDetailsView:
        """One training with its epochs, the end of its logs, and the Dice of its test scans."""
        return details_of(self._transport.get(f"/trainings/{training_id}"))

    def wait_for_training(
        self,
        training_id: UUID,
        *,
        watch: Callable[[TrainingView], None] | None = None,
        every_s: float = 5.0,
    ) -> TrainingDetailsView:
        """Return when the training is done; ``watch`` is told how far it is, with its epochs.

        Raises:
            Corrupt: ``training_failed``, with the reason.
            Conflict: ``job_cancelled`` when somebody stopped it.
        """
        while (found := self.training(training_id)).training.state != "done":
            training = found.training
            if watch is not None:
                watch(training)
            if training.state == "failed":
                raise Corrupt(
                    ErrorCode.TRAINING_FAILED,
                    f"The training {training.name!r} failed: {training.error}",
                    hint="After the cause is removed, resume_training goes on from the last checkpoint.",
                )
            if training.state == "cancelled":
                raise Conflict(ErrorCode.JOB_CANCELLED, f"The training {training.name!r} was stopped.")
            time.sleep(every_s)
        return found

    def cancel_training(self, training_id: UUID) -> TrainingView:
        """Stop it; it can be resumed.

        Raises:
            Conflict: ``transition_invalid`` when it has ended.
        """
        return training_of(self._transport.post(f"/trainings/{training_id}/cancel"))

    def resume_training(self, training_id: UUID) -> TrainingView:
        """Go on with one that failed or was stopped, from its last checkpoint.

        Raises:
            Conflict: ``transition_invalid`` when it waits, runs or is done.
        """
        return training_of(self._transport.post(f"/trainings/{training_id}/resume"))
