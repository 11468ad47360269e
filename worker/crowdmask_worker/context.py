"""What a handler gets, and what it gives back."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.orm import Session

from crowdmask.core.errors import CrowdmaskError
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.jobs import ClaimedJob

Effect = Callable[[Session], None]
"""What a job changes in the database; run in the transaction that completes the job, after everything slow."""


class JobContext:
    """One attempt at one job. A handler may run twice, also at the same time: only one effect is kept."""

    def __init__(
        self, *, job: ClaimedJob, database: Database, storage: LocalStorage, settings: Settings
    ) -> None:
        self.job = job
        self.database = database
        self.storage = storage
        self.settings = settings
        self._progress = 0.0
        self._reason: CrowdmaskError | None = None

    @property
    def progress(self) -> float:
        """The share last reported, 0 to 1."""
        return self._progress

    def report(self, share: float) -> None:
        """Keep the progress (the heartbeat writes it) and stop here when the job is no longer wanted.

        Call it often, at least once a slice: it costs nothing.

        Raises:
            Conflict: ``job_cancelled`` or ``lease_lost``. Let it pass through.
        """
        self._progress = min(max(share, 0.0), 1.0)
        if self._reason is not None:
            raise self._reason

    def stop(self, reason: CrowdmaskError) -> None:
        """Make the next ``report`` raise ``reason``. Called from the heartbeat's thread; the first reason stays."""
        if self._reason is None:
            self._reason = reason

    @contextmanager
    def work_file(self, suffix: str) -> Iterator[Path]:
        """A path for a file to be made, beside the blobs; gone when the block ends."""
        with tempfile.TemporaryDirectory(dir=self.settings.work_dir, prefix=f"{self.job.id}-") as folder:
            yield Path(folder) / f"made{suffix}"
