"""The part of the client that makes, follows and fetches datasets."""

import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from crowdmask.client.transport import Transport
from crowdmask.client.views import ExportPreviewView, ExportView, export_of, preview_of
from crowdmask.core.dataset_choice import DatasetChoice, Twin
from crowdmask.core.errors import Corrupt, ErrorCode


class Datasets:
    """Frozen nnU-Net v2 datasets, in the API exports."""

    _transport: Transport

    def preview_export(self, project_id: UUID, *, choice: DatasetChoice | None = None) -> ExportPreviewView:
        """What a dataset made now would hold, and what stays out and why; nothing is made.

        Raises:
            InvalidInput: ``option_invalid``, ``label_unknown``.
        """
        form = {"choice": (choice or DatasetChoice()).to_json()}
        return preview_of(self._transport.post(f"/projects/{project_id}/exports/preview", form))

    def create_export(
        self, project_id: UUID, *, name: str | None = None, choice: DatasetChoice | None = None
    ) -> ExportView:
        """Freeze what the choice gives (None: the first answers, of complete volumes) as an nnU-Net v2 dataset.

        Raises:
            InvalidInput: ``export_empty``, ``option_invalid``.
        """
        form = {"name": name, "choice": (choice or DatasetChoice()).to_json()}
        return export_of(self._transport.post(f"/projects/{project_id}/exports", form))

    def create_twin(self, export_id: UUID, twin: Twin) -> ExportView:
        """Freeze the dataset that another one is compared with: its labels or its scans differ.

        Raises:
            InvalidInput: ``option_invalid`` when a volume has no reference; ``export_empty``.
        """
        return export_of(self._transport.post(f"/exports/{export_id}/twin", {"twin": twin.value}))

    def export(self, export_id: UUID) -> ExportView:
        return export_of(self._transport.get(f"/exports/{export_id}"))

    def exports(self, project_id: UUID) -> list[ExportView]:
        """The datasets of a project."""
        return [export_of(found) for found in self._transport.get(f"/projects/{project_id}/exports")]

    def wait_for_export(
        self, export_id: UUID, *, watch: Callable[[ExportView], None] | None = None, every_s: float = 1.0
    ) -> ExportView:
        """Return when the dataset is written; ``watch`` is told how far it is.

        Raises:
            Corrupt: ``job_failed``, with the reason.
        """
        while (found := self.export(export_id)).state != "done":
            if watch is not None:
                watch(found)
            if found.state == "failed":
                raise Corrupt(
                    ErrorCode.JOB_FAILED, f"{found.dataset_name} could not be written: {found.error}"
                )
            time.sleep(every_s)
        return found

    def download_export(self, export_id: UUID, path: Path) -> None:
        """Write the dataset as a zip to ``path``."""
        self._transport.download(f"/exports/{export_id}/download", path)

    def download_export_part(self, export_id: UUID, part: str, path: Path) -> None:
        """Write one of ``ExportView.parts`` to ``path``, without the images: the card, the manifest, or everybody's boxes.

        Raises:
            NotFound: ``not_found``, the dataset has no such part.
        """
        self._transport.download(f"/exports/{export_id}/parts/{part}", path)
