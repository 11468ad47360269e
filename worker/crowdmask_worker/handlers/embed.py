"""The job ``embed``: the slices of a volume are encoded before anybody draws on them."""

from uuid import UUID

from sqlalchemy.orm import Session

from crowdmask.core.slicepack import SlicePack
from crowdmask.jobs import waits_before
from crowdmask.models import Queue
from crowdmask.segmentations.queries import embed_request
from crowdmask.segmentations.service import EMBED_PRIORITY, request_embeddings
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.reading import SliceReader
from crowdmask_worker.context import Effect, JobContext
from crowdmask_worker.segmenters import segmenter


def handle(context: JobContext) -> Effect:
    """Payload: ``volume_id``, ``first``. Slices that are in the cache cost next to nothing, so running twice is cheap.

    It makes way: when another job waits, it ends after the slice at hand and asks for a job that does the rest.
    """
    volume_id, first = UUID(context.job.payload["volume_id"]), int(context.job.payload["first"])
    with context.database.read() as session:
        request = embed_request(session, volume_id=volume_id)
    context.storage.verify(request.pack_sha256)
    cache = SliceCache(context.settings.embeddings_dir)
    model = segmenter(context.settings.model, context.settings.runtime)
    with SlicePack.open(context.storage.path(request.pack_sha256)) as pack:
        reader = SliceReader(pack, model, request.window, cache)
        n_slices, step = pack.shape[0], max(1, model.batch_size)
        done = min(first, n_slices)
        while done < n_slices:
            context.report(done / n_slices)
            reader.load(range(done, min(done + step, n_slices)))
            done = min(done + step, n_slices)
            if done < n_slices and _somebody_waits(context):
                break

    def ask_for_the_rest(session: Session) -> None:
        if done < n_slices:
            request_embeddings(session, volume_id=volume_id, first=done)

    return ask_for_the_rest


def _somebody_waits(context: JobContext) -> bool:
    # On one computer one worker serves both queues.
    queues = (Queue.CPU, Queue.GPU) if context.settings.embedded_broker else (Queue.GPU,)
    with context.database.read() as session:
        return waits_before(session, queues, priority=EMBED_PRIORITY)
