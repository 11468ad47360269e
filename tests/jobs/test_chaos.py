"""Sixty jobs, two workers that are killed and frozen at random, a broker that is wiped: sixty results.

The workers are real processes with real Celery, and die as with ``kill -9``: parent and child at once, in the middle
of whatever they do.
"""

import shutil
import time
from collections.abc import Callable
from signal import SIGCONT, SIGSTOP

import numpy as np
import pytest
import redis

from crowdmask.core.lifecycle import JobState
from crowdmask.infra.broker import make_app, ring
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.models import JobKind, Queue
from tests.jobs.workers import (
    Worker,
    add,
    changed,
    look_at,
    make_result_table,
    reconciler,
    results_of,
)
from tests.waiting import eventually

N_JOBS = 60
N_BLOWS = 10


def hasty(settings: Settings, **changes: str) -> Settings:
    """Short leases, so that a death is noticed soon; enough attempts for any number of deaths."""
    return changed(
        settings,
        lease_s=2.0,
        heartbeat_s=0.4,
        ring_again_s=1.0,
        backoff_base_s=0.1,
        max_attempts=50,
        **changes,
    )


def survive(database: Database, settings: Settings, wipe: Callable[[], object]) -> None:
    rng = np.random.default_rng(20)
    make_result_table(database)
    app = make_app(settings)
    workers = [Worker(settings), Worker(settings)]
    try:
        with reconciler(database, settings):
            jobs = []
            for number in range(N_JOBS):
                kind, queue = [(JobKind.INGEST, Queue.CPU), (JobKind.SEGMENT, Queue.GPU)][number % 2]
                jobs.append(
                    add(
                        database,
                        {"seconds": float(rng.uniform(0.1, 0.8))},
                        key=f"job-{number}",
                        kind=kind,
                        queue=queue,
                    )
                )
                for _ in range(2):
                    ring(app, queue)
            eventually(lambda: len(results_of(database)) > 0, "a first result")
            for blow in range(N_BLOWS):
                time.sleep(float(rng.uniform(0.2, 2.0)))
                victim = workers[int(rng.integers(len(workers)))]
                if (
                    blow % 5 == 4
                ):  # asleep for longer than its lease: it wakes up holding a job that is not its own
                    victim.signal_all(SIGSTOP)
                    time.sleep(settings.lease_s + 1.5)
                    victim.signal_all(SIGCONT)
                else:
                    victim.kill()
                    victim.start()
                if blow % 3 == 2:
                    wipe()
            eventually(
                lambda: all(look_at(database, job_id).state is JobState.DONE for job_id in jobs),
                "all jobs are done",
            )
    finally:
        for started in workers:
            started.kill()
    got = [job_id for job_id, _ in results_of(database)]
    assert sorted(got) == sorted(jobs), "none lost, none doubled"
    assert any(look_at(database, job_id).fence > 1 for job_id in jobs), (
        "some died in the middle and ran again"
    )


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sixty_jobs_survive_on_files_and_sqlite(database: Database, settings: Settings) -> None:
    settings = hasty(settings)
    survive(database, settings, lambda: shutil.rmtree(settings.broker_dir))


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_sixty_jobs_survive_on_redis_and_postgresql(
    database: Database, settings: Settings, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        survive(database, hasty(settings, broker_url=redis_url), client.flushdb)
