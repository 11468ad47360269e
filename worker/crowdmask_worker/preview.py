"""``python -m crowdmask_worker.preview --port 8100``: the preview service, boxes in, the mask they would give out.

It holds one model, loaded with the first request and kept, and computes in one thread, one request after the other. Who
would have to wait too long is told at once (503 with Retry-After): a preview that comes late is of no use, and drawing
goes on without it. It trusts whoever knows the installation's secret, so only the server asks it.
"""

import argparse
import asyncio
import hmac
import json
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import lru_cache

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crowdmask.core.errors import CrowdmaskError, InvalidInput
from crowdmask.core.preview import PATIENCE_S, SECRET_HEADER, SECRET_PURPOSE, Preview, PreviewRequest
from crowdmask.core.region import MaskRegion
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.windowing import Window
from crowdmask.infra.logs import set_up_logs
from crowdmask.infra.security import derived_secret
from crowdmask.infra.settings import Settings, load_settings
from crowdmask.infra.storage import LocalStorage
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.loading import load_segmenter
from crowdmask_ml.reading import SliceReader
from crowdmask_ml.segmenter import Segmenter
from crowdmask_worker.lifeline import end_with_supervisor

LONGEST_QUEUE = 16
"""Requests that wait; at 50 ms each the last one waits for less than a second."""

_LARGEST_BODY = 64 * 1024
_ASK_MODEL_AGAIN_S = 30.0
_SLICES_KEPT = 16  # restored embeddings, 4 MB each
_PACKS_KEPT = 8
_RETRY_AFTER_S = 1
_END_S = 2
_REFUSED = 2

log = structlog.get_logger(__name__)


class Predictor:
    """The model and the slices that were asked for last. For one thread."""

    def __init__(self, settings: Settings) -> None:
        self._model, self._runtime = settings.model, settings.runtime
        self._storage = LocalStorage(settings.blobs_dir)
        self._cache = SliceCache(settings.embeddings_dir)
        self._segmenter: Segmenter | None = None
        self._refusal: tuple[float, CrowdmaskError] | None = None
        self._pack = lru_cache(_PACKS_KEPT)(self._open)
        self._reader = lru_cache(_SLICES_KEPT)(self._begin)

    def preview(self, request: PreviewRequest) -> Preview:
        """The mask of the boxes together, as it is in the mask of submitted work where no other label claims a voxel.

        Raises:
            CrowdmaskError: the model, the volume or the slice is not there or cannot be used.
        """
        reader = self._reader(request.pack_sha256, request.slice, request.window)
        prediction = reader.predict(request.slice, request.boxes)
        return Preview(MaskRegion.of(prediction.logits > 0), prediction.predicted_iou)

    def _begin(self, pack_sha256: str, _slice: int, window: Window) -> SliceReader:
        """One reader for each slice: it keeps the embedding of the slice it read last."""
        return SliceReader(self._pack(pack_sha256), self._loaded(), window, self._cache)

    def _loaded(self) -> Segmenter:
        """The model. What kept it from being loaded is remembered for a while: finding it out may read gigabytes."""
        if self._segmenter is None:
            if self._refusal is not None and time.monotonic() - self._refusal[0] < _ASK_MODEL_AGAIN_S:
                raise self._refusal[1]
            try:
                self._segmenter = load_segmenter(self._model, runtime=self._runtime)
            except CrowdmaskError as error:
                self._refusal = time.monotonic(), error
                raise
        return self._segmenter

    def _open(self, pack_sha256: str) -> SlicePack:
        return SlicePack.open(self._storage.path(pack_sha256))


class Overloaded(Exception):
    """This request is not computed: too many wait, it waited too long, or its asker has sent a newer one."""


class Desk:
    """Lets requests in, one asker's newest in the place of an older one, and has them computed in their order."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predictor")
        self._waiting: dict[str, Future[Preview]] = {}

    async def ask(self, request: PreviewRequest) -> Preview:
        """Raises `Overloaded`, or what ``Predictor.preview`` raises."""
        older = self._waiting.pop(request.asker, None)
        if older is not None:
            older.cancel()  # does nothing to one that is being computed
        if len(self._waiting) >= LONGEST_QUEUE:
            raise Overloaded
        until = time.monotonic() + PATIENCE_S
        future = self._thread.submit(self._compute, request, until)
        self._waiting[request.asker] = future
        answer = asyncio.wrap_future(future)
        try:
            await asyncio.wait([answer])
        finally:
            if self._waiting.get(request.asker) is future:
                del self._waiting[request.asker]
        if answer.cancelled():
            raise Overloaded
        return answer.result()

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _compute(self, request: PreviewRequest, until: float) -> Preview:
        if time.monotonic() > until:
            raise Overloaded
        return self._predictor.preview(request)


def create_app(settings: Settings) -> Starlette:
    """``POST /preview`` with ``PreviewRequest`` as JSON: 200 with ``Preview``, 503 when it cannot be done now, 422 when it
    never can, 401 without the secret. ``GET /health``: 200."""
    secret = derived_secret(settings.secret_path, SECRET_PURPOSE)
    desk = Desk(Predictor(settings))

    async def preview(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, ""), secret):
            return Response(status_code=401)
        try:
            wanted = PreviewRequest.from_json(json.loads(await request.body()))
            return JSONResponse((await desk.ask(wanted)).to_json())
        except (InvalidInput, ValueError):
            return Response(status_code=422)
        except Overloaded:
            return _later()
        except CrowdmaskError as error:
            log.warning("preview_failed", code=error.code.value)
            return _later()

    async def health(_: Request) -> Response:
        return Response("ok")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            desk.close()

    return Starlette(
        routes=[Route("/preview", preview, methods=["POST"]), Route("/health", health)],
        lifespan=lifespan,
        max_body_size=_LARGEST_BODY,
    )


def _later() -> Response:
    return Response(status_code=503, headers={"Retry-After": str(_RETRY_AFTER_S)})


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m crowdmask_worker.preview", description="Shows masks while boxes are drawn."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        set_up_logs(log_format=settings.log_format, level=settings.log_level)
        end_with_supervisor(grace_s=_END_S + 3.0)
        settings.make_folders()
        app = create_app(settings)
    except CrowdmaskError as error:
        sys.stderr.write(f"crowdmask_worker.preview: {error}\n")
        sys.exit(_REFUSED)
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_END_S,
    )


if __name__ == "__main__":
    main()
