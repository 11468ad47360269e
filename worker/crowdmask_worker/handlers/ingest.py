"""The job ``ingest``: a volume's source file becomes its slice pack."""

from uuid import UUID

from sqlalchemy.orm import Session

from crowdmask.core import nifti
from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput, NotFound
from crowdmask.core.slicepack import write_pack
from crowdmask.models import Volume
from crowdmask.segmentations.service import request_embeddings
from crowdmask.volumes import service
from crowdmask_worker.context import Effect, JobContext


def handle(context: JobContext) -> Effect:
    """Payload: ``volume_id``. A file that turns out to be unusable makes the volume ``failed``, with the reason."""
    volume_id = UUID(context.job.payload["volume_id"])
    with context.database.read() as session:
        volume = session.get(Volume, volume_id)
    if volume is None:  # deleted meanwhile; trying again would not bring it back
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no volume {volume_id}.")
    try:
        context.storage.verify(volume.source_sha256)
        image = nifti.read_volume(
            context.storage.path(volume.source_sha256),
            assume_affine=volume.affine_assumed,
            volume_index=volume.volume_index,
        )
        context.report(0.5)
        with context.work_file(".pack") as path:
            summary = write_pack(path, image.voxels)
            context.storage.put_file(path)
    except (InvalidInput, Corrupt) as error:
        refusal = error  # the name `error` ends with this block

        def fail(session: Session) -> None:
            service.record_refusal(session, volume_id=volume_id, refusal=refusal)

        return fail

    def record(session: Session) -> None:
        service.record_pack(session, volume_id=volume_id, summary=summary)
        if context.settings.embed_ahead:
            request_embeddings(session, volume_id=volume_id)

    return record
