"""The job ``export``: a frozen selection becomes a dataset folder."""

from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from crowdmask.exports import service
from crowdmask.exports.builder import build_dataset
from crowdmask.exports.crowd import read_documents
from crowdmask_ml.nnunet.integrity import verify_integrity
from crowdmask_worker.context import Effect, JobContext

log = structlog.get_logger(__name__)


def handle(context: JobContext) -> Effect:
    """Payload: ``export_id``. Running twice writes the same bytes.

    Where nnU-Net is installed, its own check has to pass too; the log says whether it ran, the manifest does not, because
    it is the same everywhere.
    """
    export_id = UUID(context.job.payload["export_id"])
    with context.database.read() as session:
        selection = service.selection_with_masks(session, export_id)
        documents = read_documents(session, selection)

    def verify(folder: Path) -> None:
        log.info("nnunet_integrity", job=str(context.job.id), checked=verify_integrity(folder))

    manifest_sha256 = build_dataset(
        selection,
        context.storage,
        context.settings.exports_dir / str(export_id),
        documents=documents,
        report=context.report,
        verify=verify,
    )

    def record(session: Session) -> None:
        service.record_folder(
            session, export_id=export_id, selection=selection, manifest_sha256=manifest_sha256
        )

    return record
