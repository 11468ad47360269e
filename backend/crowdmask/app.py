"""The one composition root of the server: settings in, application out."""

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI

import crowdmask
from crowdmask import jobs
from crowdmask.accounts.router import router as accounts
from crowdmask.annotations.router import router as annotations
from crowdmask.assignments.router import router as assignments
from crowdmask.collection import collect_forever
from crowdmask.evaluations.router import router as evaluations
from crowdmask.exports.router import router as exports
from crowdmask.infra.db import POOL_SIZE, Database
from crowdmask.infra.passwords import Passwords
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.infra.throttle import Throttle
from crowdmask.progress.changes import event_hub
from crowdmask.progress.router import router as progress
from crowdmask.projects.router import router as projects
from crowdmask.segmentations.router import router as segmentations
from crowdmask.trainings.router import router as trainings
from crowdmask.volumes.router import router as volumes
from crowdmask.web import errors, site
from crowdmask.web.admission import Admission
from crowdmask.web.headers import GuardedApp
from crowdmask.web.health import router as health
from crowdmask.web.previews import Previews
from crowdmask.web.state import ServerState

LARGEST_JSON = 4 * 1024**2
"""Bytes of a request's body, except where a file is uploaded."""


def create_app(
    settings: Settings, *, database: Database | None = None, site_folder: Path | None = None
) -> FastAPI:
    """The application on a migrated database.

    Args:
        database: that of the settings, for who has opened it already; closed when the application ends.
        site_folder: the built frontend; None: where the build puts it.
    """
    database = database or Database(settings.database_url)
    state = ServerState(
        settings=settings,
        database=database,
        storage=LocalStorage(settings.blobs_dir),
        passwords=Passwords(),
        throttle=Throttle(settings.throttle_url),
        events=event_hub(database),
        admission=Admission(one_writer=database.is_sqlite),
        previews=Previews(settings),
    )
    app = GuardedApp(
        public_url=settings.public_url,
        title="Crowdmask",
        version=crowdmask.__version__,
        description="Boxes in, masks out. Research use only.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        max_body_size=LARGEST_JSON,
        generate_unique_id_function=lambda route: route.name,
        lifespan=_lifespan,
    )
    app.state.server = state
    app.include_router(_api())
    errors.install(app)
    site.install(app, site_folder or site.built_site())
    return app


@cache
def _api() -> APIRouter:
    """Every route of the API. Put together once: it costs a tenth of a second."""
    api = APIRouter(
        prefix="/api/v1", responses={"default": {"model": errors.Problem, "description": "Refused."}}
    )
    for router in (
        health,
        accounts,
        projects,
        volumes,
        assignments,
        annotations,
        segmentations,
        exports,
        trainings,
        evaluations,
        progress,
    ):
        api.include_router(router)
    return api


def openapi_json() -> str:
    """The description of the API as it is committed in ``frontend/openapi.json``: ``python -m crowdmask.app``."""
    described = create_app(Settings.for_folder(Path("not-made"))).openapi()
    return json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """While the server runs: its threads, the poller of changes, the reconciler that rings the workers' bell, and the collection of
    files that nothing needs any more."""
    from crowdmask.infra import broker

    state: ServerState = app.state.server
    current_default_thread_limiter().total_tokens = POOL_SIZE
    bells = broker.make_app(state.settings)
    stop = threading.Event()
    reconciler = threading.Thread(
        target=jobs.reconcile_forever,
        args=(state.database, lambda queue: broker.ring(bells, queue), state.settings, stop),
        name="reconciler",
        daemon=True,
    )
    collector = threading.Thread(
        target=collect_forever,
        args=(state.database, state.storage, state.settings, stop),
        name="collector",
        daemon=True,
    )
    reconciler.start()
    collector.start()
    poller = asyncio.create_task(state.events.run())
    try:
        yield
    finally:
        poller.cancel()
        await state.previews.close()
        stop.set()
        await asyncio.to_thread(reconciler.join)
        await asyncio.to_thread(collector.join)
        state.database.close()


if __name__ == "__main__":
    sys.stdout.write(openapi_json())
